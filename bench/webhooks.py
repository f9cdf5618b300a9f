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

from bench.running import SECRET, Row, app_running, compare, service_running

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


def send_events(url: str) -> None:
    """Send new events from another process, over connections that stay open."""
    host = url.removeprefix("http://")
    requests = [webhook_request(host) for _ in range(EVENTS)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(send_all, (host, requests))


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


def send_all(host: str, requests: list[bytes]) -> None:
    async def main() -> None:
        waiting = iter(requests)

        async def sender() -> None:
            reader, writer = await asyncio.open_connection(*host.split(":"))
            for request in waiting:
                writer.write(request)
                header = await reader.readuntil(b"\r\n\r\n")
                assert header.startswith(b"HTTP/1.1 200"), header
                length = int(header.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(length)
            writer.close()

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    uvloop.run(main())
