"""Test replicas, Sentinel and Cluster: acknowledged updates survive."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import ApplyResult
from donation_card.domain.totals import Totals
from donation_card.errors import TotalsUnavailable
from redis import Redis

from tests.integration.adapters.redis.test_publication import gift
from tests.integration.adapters.redis.test_totals_store import ADA, BORIS, build, key
from tests.support.accounts import new_account
from tests.support.installation import eventually
from tests.support.redis_servers import Topology, cluster, moving, owner_of, replicated, role, sentinels
from tests.support.redis_stores import totals_store

pytestmark = pytest.mark.anyio

DEADLINE = 1.0


async def soon(attempt: Callable[[], Awaitable[object]], seconds: float = 30) -> object:
    """Return the result of a call once a server is available again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except TotalsUnavailable:
            assert time.monotonic() < end, "this never came true"
            await asyncio.sleep(0.05)


# ── replicas ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Topology]:
    with replicated(tmp_path) as found:
        yield found


async def test_update_without_replicas_is_not_acknowledged(pair: Topology, account: Account) -> None:
    store = totals_store(pair.url, deadline=DEADLINE, replicas=1)
    await build(store, account)
    assert await store.apply(account, ADA) is ApplyResult.APPLIED
    pair.servers[1].signal(signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(TotalsUnavailable, match="NotReplicated"):
            await store.apply(account, BORIS)
    pair.servers[1].signal(signal.SIGCONT)
    assert await soon(lambda: store.apply(account, BORIS)) is ApplyResult.UNCHANGED
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    assert pair.servers[1].client().hget(key(account, "meta"), "updates") == b"4"
    await store.close()


async def test_repeated_update_waits_for_the_first_write(pair: Topology, account: Account) -> None:
    first, second = (totals_store(pair.url, deadline=DEADLINE, replicas=1) for _ in range(2))
    await build(first, account)
    await second.apply(account, ADA)
    pair.servers[1].signal(signal.SIGSTOP)
    for store in (first, second):
        with pytest.raises(TotalsUnavailable, match="NotReplicated"):
            await store.apply(account, BORIS)
    pair.servers[1].signal(signal.SIGCONT)
    await first.close()
    await second.close()


async def test_read_waits_for_no_replica(pair: Topology, account: Account) -> None:
    store = totals_store(pair.url, deadline=DEADLINE, replicas=1)
    await build(store, account)
    pair.servers[1].signal(signal.SIGSTOP)
    assert await store.totals(account, "roof") == Totals(0, 0)
    pair.servers[1].signal(signal.SIGCONT)
    await store.close()


async def test_write_and_wait_use_one_connection(pair: Topology, account: Account) -> None:
    store = totals_store(pair.url, replicas=1)
    await build(store, account)
    await store.apply(account, ADA)
    seen: list[tuple[str, str]] = []

    def watch() -> None:
        with pair.raw.monitor() as monitor:
            started.set()
            for command in monitor.listen():
                words = command["command"].split()
                if words[0] in {"EVALSHA", "WAIT"}:
                    seen.append((words[0], command["client_port"]))
                if words[0] == "GET":
                    return

    started = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    started.wait()
    await asyncio.gather(*(store.apply(account, gift(number)) for number in range(20)))
    Redis(port=pair.servers[0].port).get("the end")
    watching.join(60)
    waits = [at for at, (word, _) in enumerate(seen) if word == "WAIT"]
    assert len(waits) == 20
    # The server reads both commands of a pipeline at once, so nothing of another connection comes between them.
    assert all(seen[at - 1] == ("EVALSHA", seen[at][1]) for at in waits)
    await store.close()


# ── Sentinel ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_failover_keeps_every_acknowledged_update(tmp_path: Path, account: Account) -> None:
    with sentinels(tmp_path) as watched:
        store = totals_store(watched.url, deadline=DEADLINE, replicas=2)
        await build(store, account)
        acknowledged = 0
        for number in range(50):
            acknowledged += await store.apply(account, gift(number)) is ApplyResult.APPLIED
        new = await asyncio.to_thread(watched.failover)
        held = await soon(lambda: store.totals(account, "roof"))
        assert held == Totals(acknowledged * 50_00, 50)
        assert await soon(lambda: store.apply(account, ADA)) in ApplyResult
        assert await soon(store.ping) is None
        assert new.client().hget(key(account, "meta"), "updates") is not None
        await store.close()


async def test_demoted_primary_is_left_for_the_new_one(tmp_path: Path, account: Account) -> None:
    with sentinels(tmp_path) as watched:
        store = totals_store(watched.url, deadline=DEADLINE)
        await build(store, account)
        old = watched.primary()
        watched.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", "donations")
        await soon(lambda: joined_elsewhere(store, account, watched, old))
        assert await store.totals(account, "roof") == Totals(25_00, 1)
        await store.close()


async def joined_elsewhere(store: RedisTotalsStore, account: Account, watched: Topology, old: object) -> None:
    if watched.primary() is old:
        raise TotalsUnavailable
    await store.apply(account, ADA)


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_of_three_sentinels_may_hang(tmp_path: Path, account: Account, trouble: signal.Signals) -> None:
    with sentinels(tmp_path) as watched:
        watched.sentinels[0].signal(trouble)
        store = totals_store(watched.url, deadline=DEADLINE)
        await build(store, account, ADA)
        assert await store.totals(account, "roof") == Totals(25_00, 1)
        await store.close()


# ── Cluster ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


async def test_moved_cluster_slot_keeps_its_campaign(three: Topology) -> None:
    account, store = new_account(), totals_store(three.url, deadline=30)  # it is no question of time
    await build(store, account, ADA)
    slot = three.raw.keyslot(key(account, "meta"))
    source = owner_of(three, slot)
    with moving(three, slot, next(server for server in three.servers if server is not source)) as move_keys:
        assert move_keys()
    assert await soon(lambda: store.apply(account, BORIS)) is ApplyResult.APPLIED
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    await store.close()


@pytest.mark.parametrize("replicas", [0, 1])
async def test_slot_may_move_while_it_is_written(tmp_path: Path, account: Account, replicas: int) -> None:
    with cluster(tmp_path, replicas=replicas) as found:
        store = totals_store(found.url, deadline=30, replicas=replicas)
        await build(store, account)
        await store.apply(account, ADA)
        slot = found.raw.keyslot(key(account, "meta"))
        source = owner_of(found, slot)
        target = next(each for each in found.servers[:3] if each is not source)
        with moving(found, slot, target) as move_keys:
            await give_at_once(store, account, range(20))  # all keys are here
            assert move_keys() == 3
            await give_at_once(store, account, range(20, 40))  # all keys are there, and the slot is still here
        assert await store.totals(account, "roof") == Totals(25_00 + 40 * 50_00, 41)
        await store.close()


async def test_address_without_host_is_at_the_asked_host(tmp_path: Path, account: Account) -> None:
    with cluster(tmp_path) as found:
        for server in found.servers:
            server.client().config_set("cluster-preferred-endpoint-type", "unknown-endpoint")
        store = totals_store(found.url, deadline=30)
        await build(store, account)
        await store.apply(account, ADA)
        slot = found.raw.keyslot(key(account, "meta"))
        source = owner_of(found, slot)
        with moving(found, slot, next(each for each in found.servers if each is not source)) as move_keys:
            assert move_keys()
            assert await store.apply(account, BORIS) is ApplyResult.APPLIED
        assert await store.totals(account, "roof") == Totals(135_00, 2)
        await store.close()


async def give_at_once(store: RedisTotalsStore, account: Account, numbers: range) -> None:
    answers = await asyncio.gather(*(store.apply(account, gift(number)) for number in numbers))
    assert set(answers) == {ApplyResult.APPLIED}


async def test_half_moved_slot_is_unavailable_and_then_whole(tmp_path: Path, account: Account) -> None:
    with cluster(tmp_path) as found:
        store = totals_store(found.url, deadline=DEADLINE)
        await build(store, account, ADA)
        slot = found.raw.keyslot(key(account, "meta"))
        source = owner_of(found, slot)
        target = next(each for each in found.servers if each is not source)
        with moving(found, slot, target) as move_keys:
            assert move_keys(1) == 1
            for call in (store.apply(account, BORIS), store.totals(account, "roof")):
                with pytest.raises(TotalsUnavailable):
                    await call
            move_keys()
        assert await soon(lambda: store.apply(account, BORIS)) is ApplyResult.APPLIED
        assert await store.totals(account, "roof") == Totals(135_00, 2)
        await store.close()


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
async def test_lost_primary_is_left_for_its_replica(tmp_path: Path, account: Account, trouble: signal.Signals) -> None:
    with cluster(tmp_path, replicas=1) as found:
        store, waiting = totals_store(found.url), totals_store(found.url, replicas=1)
        await build(waiting, account)
        assert await waiting.apply(account, ADA) is ApplyResult.APPLIED
        assert await store.totals(account, "roof") == Totals(25_00, 1)
        old = owner_of(found, found.raw.keyslot(key(account, "meta")))
        old.signal(trouble)
        replicas = found.servers[3:]
        await asyncio.to_thread(eventually, lambda: "master" in map(role, replicas), "a replica is promoted")
        assert await soon(lambda: store.apply(account, BORIS), 60) is ApplyResult.APPLIED
        assert await soon(store.ping, 60) is None
        assert await soon(lambda: store.totals(account, "roof"), 60) == Totals(135_00, 2)
        await asyncio.gather(store.close(), waiting.close())


async def test_eviction_policy_is_checked_on_every_node(three: Topology) -> None:
    store = totals_store(three.url, deadline=DEADLINE)
    await store.ping()
    careless = three.servers[2].client()
    careless.config_set("maxmemory-policy", "allkeys-lru")
    careless.config_set("maxmemory", 100_000_000)
    with pytest.raises(TotalsUnavailable, match="allkeys-lru"):
        await store.ping()
    careless.config_set("maxmemory", 0)
    await store.ping()
    await store.close()


async def test_missing_node_is_an_error_and_never_zero(tmp_path: Path) -> None:
    with cluster(tmp_path) as three:
        store = totals_store(three.url, deadline=DEADLINE)
        accounts = [new_account() for _ in range(60)]
        for account in accounts:
            await build(store, account, ADA)
        three.servers[1].kill()
        began = time.monotonic()
        answers = await asyncio.gather(*(store.totals(account, "roof") for account in accounts), return_exceptions=True)
        assert time.monotonic() - began < 10 * DEADLINE, "one after another is 20"
        assert all(isinstance(each, TotalsUnavailable) or each == Totals(25_00, 1) for each in answers)
        assert any(isinstance(each, TotalsUnavailable) for each in answers)
        await store.close()
