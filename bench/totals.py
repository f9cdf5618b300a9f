"""Measure the cost of applying a state, the memory of a donation in Redis, and a full rebuild."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop
from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import payment
from redis import Redis

from bench.running import SECRET, cpu_seconds, process
from tests.support.installation import free_port

ACCOUNT = Account("acct_bench", livemode=False)
GIFTS = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Applied:
    """The cost of one gift more in a campaign that has so many. `ratio` compares it with an empty campaign."""

    gifts: int
    ratio: float
    bytes_each: float


def applied() -> Iterator[Applied]:
    """Compare totals with many gifts and totals with few, in the same rounds."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(folder) as valkey, Redis.from_url(valkey.url) as redis:
        yield from uvloop.run(_apply(valkey.url, redis))


async def _apply(url: str, redis: Redis) -> list[Applied]:
    store = RedisTotalsStore(create_connection(url, deadline=60))
    small = Account("acct_small", livemode=False)
    for account in (ACCOUNT, small):
        rebuild = await store.begin_rebuild(account, "roof")
        await store.promote_rebuild(account, rebuild, int(time.time()))
    empty, stored = redis.info("memory")["used_memory"], 0
    found = []
    for gifts in GIFTS:
        fill(redis, gifts - stored)
        stored = gifts
        bytes_each = (redis.info("memory")["used_memory"] - empty) / gifts
        ratios = []
        for _ in range(5):
            ratios.append(await rate(store, small) / await rate(store, ACCOUNT))
            stored += 500
        found.append(Applied(gifts, statistics.median(ratios), bytes_each))
    await store.close()
    return found


async def rate(store: RedisTotalsStore, account: Account, count: int = 500) -> float:
    """Return the states applied per second."""
    started = time.perf_counter()
    for _ in range(count):
        await store.apply(account, payment("roof", f"pi_{uuid.uuid4().hex}", 2500))
    return count / (time.perf_counter() - started)


def fill(redis: Redis, count: int) -> None:
    """Add donations as the scripts store them: a field of sixteen bytes with two hidden numbers."""
    campaign = f"donation-card:{{{ACCOUNT.id}/test/roof}}"
    current = redis.hget(f"{campaign}:meta", "current").decode()
    added = 0
    while added < count:
        batch = min(10_000, count - added)
        redis.hset(
            f"{campaign}:versions:{current}",
            mapping={os.urandom(16): f"{2**47 + each} {2**46 + each}" for each in range(batch)},
        )
        added += batch
    totals = f"{campaign}:totals:{current}"
    for field, each in (
        ("raised", 2500),
        ("payments", 1),
        ("objects", 1),
        ("site:other:raised", 2500),
        ("site:other:payments", 1),
    ):
        redis.hincrby(totals, field, each * count)


def rebuilt(count: int) -> tuple[float, float]:
    """Rebuild the totals of so many payments. Return the CPU seconds of the command, and its most memory in MB."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    sandbox = [sys.executable, "-m", "stripe_sandbox", "--port", str(port), "--data"]
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedValkey(Path(folder) / "valkey") as valkey,
        process([*sandbox, f"{folder}/sandbox"], None, port),
    ):
        payments = {"payments": count, "campaign": "vitaly"}
        httpx.post(f"{base}/sandbox/seed", json=payments, timeout=900).raise_for_status()
        environment = os.environ | {
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": base,
            "REDIS_URL": valkey.url,
            "PUBLIC_URL": "http://localhost:1",
            "SECRET_KEYS": "0123456789abcdef" * 2,
        }
        cpu = megabytes = 0.0
        arguments = [sys.executable, "-m", "donation_card", "rebuild"]
        command = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
        while command.poll() is None:  # the kernel's own maximum includes the process that starts the command
            status = Path(f"/proc/{command.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                megabytes, cpu = int(found[1]) * 1024 / 1e6, cpu_seconds(command.pid)
            time.sleep(0.05)
        assert command.returncode == 0
        return cpu, megabytes
