"""Measure webhooks that are applied, compared with endpoints that only verify the signature."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import uvloop
from stripe import WebhookSignature

from bench.running import SECRET, Row, Server, app_running, compare, second_instance, service_running

ROUNDS, EVENTS, SENDERS = 4, 3_000, 24


def rows() -> Iterator[Row]:
    """Send new payments to each target, in interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        targets = {
            "applied": stack.enter_context(service_running(Path(folder))),
            "endpoint": stack.enter_context(app_running("verifying:endpoint", {"SECRET": SECRET})),
            "bare": stack.enter_context(app_running("verifying:app", {"SECRET": SECRET})),
        }
        for server in targets.values():
            send_events(server.url)  # the first round pays for caches
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, server in targets.items():
                before = server.cpu_seconds()
                send_events(server.url)
                rates[name].append(EVENTS / (server.cpu_seconds() - before))
    applied = rates["applied"]
    lowest = f"({min(applied):,.0f}/s to {max(applied):,.0f}/s)"
    yield Row("webhook applied", f"{statistics.median(applied):,.0f}/s", "", lowest, "2,000/s")
    yield compare("webhook applied, vs an endpoint that verifies the signature", rates, "applied", "endpoint")
    yield compare("webhook applied, vs a bare app that verifies the signature", rates, "applied", "bare")


def two_instances() -> Iterator[Row]:
    """Send new payments to one instance, and to two that share a Valkey, in interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        one = stack.enter_context(service_running(Path(folder) / "one"))
        first = stack.enter_context(service_running(Path(folder) / "two"))
        targets: dict[str, list[Server]] = {"one": [one], "two": [first, stack.enter_context(second_instance(first))]}
        cpu: dict[str, list[float]] = {name: [] for name in targets}
        seconds: dict[str, list[float]] = {name: [] for name in targets}
        for number in range(ROUNDS + 1):  # the first round pays for caches
            for name, servers in targets.items():
                before = sum(server.cpu_seconds() for server in servers)
                took = send_events(*(server.url for server in servers))
                if number:
                    cpu[name].append((sum(server.cpu_seconds() for server in servers) - before) / EVENTS)
                    seconds[name].append(took)
    ratios = [two / one for two, one in zip(cpu["two"], cpu["one"], strict=True)]
    each = {name: f"{statistics.median(used) * 1_000:.2f} ms" for name, used in cpu.items()}
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    yield Row("CPU for each webhook, two instances vs one", each["two"], each["one"], ratio, "1.1")
    rates = {name: [EVENTS / took for took in all_took] for name, all_took in seconds.items()}
    yield compare("webhooks each second (wall-clock), two instances vs one", rates, "two", "one")


def send_events(*urls: str) -> float:
    """Send new events from another process, over connections that stay open. Return the seconds that it took."""
    hosts = [url.removeprefix("http://") for url in urls]
    requests = [webhook_request(hosts[0]) for _ in range(EVENTS)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(send_all, (hosts, requests))


def webhook_request(host: str) -> bytes:
    session = {
        "id": f"cs_test_{uuid.uuid4().hex}",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 2500,
        "currency": "eur",
        "metadata": {"campaign": "vitaly", "site": "other", "nonce": "n"},
        "payment_intent": f"pi_{uuid.uuid4().hex}",
        "created": int(time.time()),
        "expires_at": int(time.time()) + 3600,
        "custom_text": dict.fromkeys(["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"]),
        "success_url": "https://card.example/c/vitaly/thanks?" + "x" * 1_000,  # Stripe's sessions are about 3 KB
    }
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "checkout.session.completed",
        "livemode": False,
        "data": {"object": session},
    }
    body = json.dumps(event, indent=2)
    signature = WebhookSignature.generate_signature_header(body, SECRET, int(time.time()))
    header = f"POST /v1/stripe/webhook HTTP/1.1\r\nhost: {host}\r\nstripe-signature: {signature}\r\n"
    return f"{header}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def send_all(hosts: list[str], requests: list[bytes]) -> float:
    async def main() -> None:
        waiting = iter(requests)

        async def sender(host: str) -> None:
            reader, writer = await asyncio.open_connection(*host.split(":"))
            for request in waiting:
                writer.write(request)
                header = await reader.readuntil(b"\r\n\r\n")
                assert header.startswith(b"HTTP/1.1 200"), header
                length = int(header.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(length)
            writer.close()

        await asyncio.gather(*(sender(hosts[number % len(hosts)]) for number in range(SENDERS)))

    began = time.perf_counter()
    uvloop.run(main())
    return time.perf_counter() - began
