"""The ledger under load: webhooks joined a second, the cost of a join, of a rebuild, and the memory of a donation.

What is compared is measured side by side in one run; absolute figures are reported, and are this machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvloop
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import payment
from redis import Redis
from stripe import WebhookSignature

from bench.running import SECRET, Row, app_running, compared, free_port, process, service_running

ACCOUNT = Account("acct_bench", livemode=False)
ROUNDS, EVENTS, SENDERS = 4, 3_000, 24


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def webhooks() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        targets = {
            "joined": stack.enter_context(service_running(Path(folder))),
            "endpoint": stack.enter_context(app_running("verifying:endpoint", {"SECRET": SECRET})),
            "bare": stack.enter_context(app_running("verifying:app", {"SECRET": SECRET})),
        }
        for server in targets.values():
            posted(server.url)  # nobody is cold
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, server in targets.items():
                before = server.cpu_seconds()
                posted(server.url)
                rates[name].append(EVENTS / (server.cpu_seconds() - before))
    yield compared("webhook joined, beside an endpoint that verifies the signature", rates, "joined", "endpoint")
    yield compared("webhook joined, beside a bare app that verifies the signature", rates, "joined", "bare")


def posted(url: str) -> float:
    """Events a second, sent by a process of its own over connections that stay open."""
    host = url.removeprefix("http://")
    requests = [request(host) for _ in range(EVENTS)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(send_all, (host, requests))


def request(host: str) -> bytes:
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
        "success_url": "https://card.example/c/vitaly/thanks?" + "x" * 1_000,  # a session of Stripe's is about 3 KB
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
    head = f"POST /v1/stripe/webhook HTTP/1.1\r\nhost: {host}\r\nstripe-signature: {signature}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def send_all(host: str, requests: list[bytes]) -> float:
    async def main() -> float:
        waiting = iter(requests)

        async def sender() -> None:
            reader, writer = await asyncio.open_connection(*host.split(":"))
            for each in waiting:
                writer.write(each)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(length)
            writer.close()

        began = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(SENDERS)))
        return len(requests) / (time.perf_counter() - began)

    return uvloop.run(main())


# ── joins ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def joins() -> None:
    print("\na join, one after the other, with so many donations in the ledger already; a small ledger beside it\n")
    print(f"{'donations':>10}{'joins/s':>10}{'beside':>10}{'ratio':>8}{'bytes a donation':>20}")
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(folder) as valkey, Redis.from_url(valkey.url) as raw:
        uvloop.run(measured_joins(valkey.url, raw))


async def measured_joins(url: str, raw: Redis) -> None:
    ledger = RedisTotalsStore(url, deadline=60)
    small = Account("acct_small", livemode=False)
    for account in (ACCOUNT, small):
        shadow = await ledger.begin_rebuild(account, "roof")
        await ledger.promote_rebuild(account, shadow, int(time.time()))
    empty, have = raw.info("memory")["used_memory"], 0
    for donations in (1_000, 100_000, 1_000_000):
        fill(raw, donations - have)
        have = donations
        bytes_each = (raw.info("memory")["used_memory"] - empty) / donations
        pairs = []
        for _ in range(5):
            pairs.append((await rate(ledger, ACCOUNT), await rate(ledger, small)))
            have += 500
        big, beside = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{donations:>10,}{big:>10,.0f}{beside:>10,.0f}{ratio:>8.2f}{bytes_each:>20.1f}")
    await ledger.close()


async def rate(ledger: RedisTotalsStore, account: Account, count: int = 500) -> float:
    began = time.perf_counter()
    for _ in range(count):
        await ledger.apply(account, payment("roof", f"pi_{uuid.uuid4().hex}", 2500, paid=True))
    return count / (time.perf_counter() - began)


def fill(raw: Redis, count: int) -> None:
    """Fields as the scripts write them: sixteen bytes, and a rank."""
    campaign = f"donation-card:{{{ACCOUNT.id}/test/roof}}"
    live = raw.hget(f"{campaign}:meta", "live").decode()
    done = 0
    while done < count:
        batch = min(10_000, count - done)
        raw.hset(f"{campaign}:ranks:{live}", mapping={os.urandom(16): 1 for _ in range(batch)})
        done += batch
    totals = f"{campaign}:totals:{live}"
    for field, each in (
        ("raised", 2500),
        ("payments", 1),
        ("objects", 1),
        ("site:other:raised", 2500),
        ("site:other:payments", 1),
    ):
        raw.hincrby(totals, field, each * count)


# ── rebuild ───────────────────────────────────────────────────────────────────────────────────────────────────────


def rebuild() -> None:
    print("\na rebuild from nothing, by `python -m service rebuild`: its own CPU and memory\n")
    print(f"{'payments':>10}{'seconds':>10}{'CPU s':>10}{'CPU µs a payment':>20}{'peak MB':>10}")
    for count in (10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey") as valkey:
            sandbox_port = free_port()
            sandbox = [
                sys.executable,
                "-m",
                "stripe_sandbox",
                "--port",
                str(sandbox_port),
                "--data",
                f"{folder}/sandbox",
            ]
            with process(sandbox, None, sandbox_port):
                base = f"http://127.0.0.1:{sandbox_port}"
                wanted = {"payments": count, "campaign": "vitaly"}
                httpx.post(f"{base}/sandbox/seed", json=wanted, timeout=300).raise_for_status()
                environment = os.environ | {
                    "STRIPE_SECRET_KEY": "sk_test_bench",
                    "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
                    "STRIPE_WEBHOOK_SECRET": SECRET,
                    "STRIPE_API_BASE": base,
                    "REDIS_URL": valkey.url,
                    "PUBLIC_URL": "http://localhost:1",
                    "SECRET_KEYS": "0123456789abcdef" * 2,
                }
                began = time.perf_counter()
                child = subprocess.Popen([sys.executable, "-m", "donation_card", "rebuild"], env=environment, stdout=-3)
                _, code, used = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(code)
                assert child.returncode == 0
                seconds, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
                print(
                    f"{count:>10,}{seconds:>10.1f}{cpu:>10.1f}{cpu / count * 1e6:>20.0f}{used.ru_maxrss / 1024:>10.0f}"
                )
