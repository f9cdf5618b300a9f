"""Test a Redis that is slow, full, restarted, read-only or missing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import ApplyResult
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import ObjectState, Totals
from donation_card.errors import TotalsUnavailable
from redis import Redis

from tests.integration.adapters.redis.test_publication import gift, roll
from tests.integration.adapters.redis.test_totals_store import ADA, BORIS, build, snapshot
from tests.support.redis_stores import totals_store

pytestmark = pytest.mark.anyio

DEADLINE = 1.0


@contextmanager
def stopped(raw: Redis) -> Iterator[None]:
    process = raw.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_hung_server_costs_one_deadline_and_pool_survives(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, BORIS)
    with stopped(raw_server):
        for _ in range(2):
            began = time.monotonic()
            failures = await asyncio.gather(
                *(fragile.apply(account, ADA) for _ in range(400)), roll(fragile, account), return_exceptions=True
            )
            assert time.monotonic() - began < 10 * DEADLINE, "one after another on 16 connections is 25"
            assert {type(failure) for failure in failures} == {TotalsUnavailable}
    answers = await asyncio.gather(*(fragile.apply(account, gift(number)) for number in range(16)))
    assert set(answers) == {ApplyResult.APPLIED}
    await fragile.apply(account, ADA)
    assert await fragile.totals(account, "roof") == Totals(110_00 + 25_00 + 16 * 50_00, 18), "Ada counts once"


async def test_cancelled_call_leaves_no_reply_for_the_next(
    server: EmbeddedValkey, raw_server: Redis, account: Account
) -> None:
    store = totals_store(server.url, connections=1)
    await build(store, account, BORIS)
    with stopped(raw_server):
        caller = asyncio.create_task(store.apply(account, ADA))
        await asyncio.sleep(0.05)
        caller.cancel()
        await asyncio.wait([caller])
    assert await store.totals(account, "roof") is not None
    assert await store.apply(account, ADA) in ApplyResult
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    await store.close()


async def test_unreachable_server_raises_with_reason_and_cause(tmp_path: Path, account: Account) -> None:
    store = totals_store(f"unix://{tmp_path}/nobody", deadline=30)  # it is no question of time
    calls = [
        store.apply(account, ADA),
        roll(store, account),
        store.totals(account, "roof"),
        store.begin_sync(account, "roof"),
        store.ping(),
    ]
    for call in calls:
        with pytest.raises(TotalsUnavailable) as caught:
            await call
        assert caught.value.params["reason"] == "ConnectionError"
        assert caught.value.__cause__ is not None
    await store.close()


async def test_restarted_server_keeps_totals(tmp_path: Path, account: Account) -> None:
    with EmbeddedValkey(tmp_path) as server:
        store = totals_store(server.url)
        await build(store, account, ADA)
        figure = await roll(store, account)
    with EmbeddedValkey(tmp_path):
        assert await store.apply(account, ADA) is ApplyResult.UNCHANGED
        assert await store.totals(account, "roof") == Totals(25_00, 1)
        assert await roll(store, account) == figure
    await store.close()


async def test_missing_scripts_are_loaded_again(fragile: RedisTotalsStore, raw_server: Redis, account: Account) -> None:
    await build(fragile, account, ADA)
    raw_server.script_flush()
    assert await fragile.apply(account, BORIS) is ApplyResult.APPLIED
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)


async def test_full_server_refuses_the_whole_update(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA)
    before = snapshot(raw_server, account)
    raw_server.config_set("maxmemory", 1)
    with pytest.raises(TotalsUnavailable):
        await fragile.apply(account, BORIS)
    assert await fragile.totals(account, "roof") == Totals(25_00, 1), "reading goes on"
    raw_server.config_set("maxmemory", 0)
    assert snapshot(raw_server, account) == before
    assert await fragile.apply(account, BORIS) is ApplyResult.APPLIED


async def test_full_server_opens_no_generation(fragile: RedisTotalsStore, raw_server: Redis, account: Account) -> None:
    raw_server.config_set("maxmemory", 1)
    with pytest.raises(TotalsUnavailable):
        await fragile.apply(account, BORIS)
    assert snapshot(raw_server, account) == {}


async def test_replica_refuses_updates_and_serves_reads(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA)
    figure = await roll(fragile, account)
    before = snapshot(raw_server, account)
    raw_server.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(TotalsUnavailable, match="ReadOnlyError"):
        await fragile.apply(account, BORIS)
    assert await roll(fragile, account) == figure
    with pytest.raises(TotalsUnavailable, match="not_a_primary"):
        await fragile.ping()
    raw_server.execute_command("REPLICAOF", "NO", "ONE")
    assert snapshot(raw_server, account) == before
    assert await fragile.apply(account, BORIS) is ApplyResult.APPLIED


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_eviction_policy_is_refused_by_name(fragile: RedisTotalsStore, raw_server: Redis, policy: str) -> None:
    raw_server.config_set("maxmemory-policy", policy)
    await fragile.ping()  # no limit, so nothing is ever evicted
    raw_server.config_set("maxmemory", 100_000_000)
    with pytest.raises(TotalsUnavailable, match=policy):
        await fragile.ping()


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
async def test_volatile_eviction_policy_is_accepted(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account, policy: str
) -> None:
    raw_server.config_set("maxmemory-policy", policy)
    raw_server.config_set("maxmemory", 100_000_000)
    await fragile.ping()
    await build(fragile, account, ADA)
    await roll(fragile, account)
    assert {raw_server.ttl(name) for name in snapshot(raw_server, account)} == {-1}, "none of our keys expires"


async def test_lost_redis_reply_counts_nothing_twice(server: EmbeddedValkey, tmp_path: Path, account: Account) -> None:
    async with losing_answers(server.directory / "s", tmp_path / "lossy", every=4) as url:
        store = totals_store(url, connections=3)
        gifts = [gift(number) for number in range(40)]
        await build(store, account, *gifts)

        async def apply_as_stripe_does(state: ObjectState) -> None:
            for _ in range(10):  # a call that loses every attempt is answered with 503, and sent again
                with suppress(TotalsUnavailable):
                    await store.apply(account, state)
                    return

        await asyncio.gather(*map(apply_as_stripe_does, gifts))
        assert await store.totals(account, "roof") == Totals(40 * 50_00, 40)
        await store.close()


@asynccontextmanager
async def losing_answers(upstream: Path, path: Path, *, every: int) -> AsyncIterator[str]:
    """Run a proxy that closes the connection instead of each `every`th reply of a script."""
    answers = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        up_reader, up_writer = await asyncio.open_unix_connection(str(upstream))
        with suppress(OSError):  # the client can go away at any time
            while command := await reader.read(65_536):
                up_writer.write(command)
                answer = await up_reader.read(65_536)
                answers += b"EVAL" in command
                if b"EVAL" in command and answers % every == 0:
                    break
                writer.write(answer)
        writer.close()
        up_writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    yield f"unix://{path}"
    assert answers >= every
    server.close()


@pytest.mark.parametrize(
    "error",
    [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "MISCONF Redis is configured to save RDB snapshots",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOAUTH Authentication required.",
        "ERR unknown command",
    ],
)
async def test_unexpected_redis_reply_is_unavailable_never_a_total(
    tmp_path: Path, account: Account, error: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the client can go away at any time
            while await reader.read(65_536):
                writer.write(f"-{error}\r\n".encode())
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "s"))
    store = totals_store(f"unix://{tmp_path}/s", deadline=0.2)  # redis-py retries until then
    for call in (store.apply(account, ADA), roll(store, account), store.totals(account, "roof"), store.ping()):
        with pytest.raises(TotalsUnavailable):
            await call
    await store.close()
    server.close()
