"""Check random interleavings on the real server.

In the first test the machine decides the order of concurrent updates, rebuilds and losses. The second test repeats
scenarios of `tests.support.interleavings`, with jumping clocks and lost data, and compares every reply of the server.
`SEED=… STORIES=…` repeats or extends a run. `make stress` runs 50,000 of each, the second in
`tests.soak.interleavings`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from donation_card.adapters.redis.connection import Argument, Script
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import ObjectState, dispute, expected_totals, payment, refund
from donation_card.errors import TotalsUnavailable
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from tests.support.interleavings import Scenario, run_scenarios
from tests.support.lua_redis import MemoryServer
from tests.support.redis_stores import totals_store
from tests.support.scale import short_or_long

STORIES = int(os.environ.get("STORIES", short_or_long(4_000, 50_000)))
SEED = int(os.environ.get("SEED", "20261124"))
AT_ONCE = 40


def truth(dice: Random) -> list[list[ObjectState]]:
    """A few objects at Stripe, each with the states it went through."""
    objects = [[payment("roof", "pi_1", dice.randint(1, 99_00), site=dice.choice(["a.example", "other"]))]]
    if dice.random() < 0.6:
        statuses = dice.choice([["pending"], ["pending", "failed"], ["succeeded"], ["succeeded", "failed"]])
        objects.append([refund("roof", "re_1", "pi_1", 7, status) for status in statuses])
    if dice.random() < 0.6:
        taken = [50, 0, 50][: dice.randint(1, 3)]
        states = [dispute("roof", "dp_1", "pi_1", each, seen) for seen, each in enumerate(taken, 1)]
        objects.append(states)
    return objects


async def story(stores: list[RedisTotalsStore], raw: Redis, account: Account, seed: int) -> None:
    dice = Random(seed)
    objects = truth(dice)
    final = [states[-1] for states in objects]

    async def webhooks(store: RedisTotalsStore) -> None:
        heard = [state for states in objects for state in states if dice.random() < 0.7]
        dice.shuffle(heard)
        for state in heard:
            await store.apply(account, state)

    async def run_rebuild(store: RedisTotalsStore) -> None:
        rebuild = await store.begin_rebuild(account, "roof")
        for state in dice.sample(final, len(final)):
            if not await store.apply_to_rebuild(account, rebuild, state):
                return
        if dice.random() < 0.8:  # else it is killed
            await store.promote_rebuild(account, rebuild, int(time.time()))

    async def loss() -> None:
        for _ in range(dice.randint(0, 8)):
            await asyncio.sleep(0)
        campaign = f"donation-card:{{{account.id}/test/roof}}"
        generations = [name.decode() for name in await raw.hmget(f"{campaign}:meta", "current", "rebuild") if name]
        keys = [f"{campaign}:{kind}:{name}" for kind in ("versions", "totals") for name in generations]
        keys.append(f"{campaign}:meta")
        await raw.delete(*(keys if dice.random() < 0.5 else [dice.choice(keys)]))

    actors = [webhooks(stores[0]), webhooks(stores[1]), run_rebuild(stores[0])]
    if dice.random() < 0.2:
        actors.append(run_rebuild(stores[1]))
    if dice.random() < 0.2:
        actors.append(loss())
    dice.shuffle(actors)
    for failure in await asyncio.gather(*actors, return_exceptions=True):
        assert failure is None or (isinstance(failure, TotalsUnavailable) and "stale_generation" in str(failure)), (
            failure
        )
    held = [await store.totals(account, "roof") for store in stores]
    assert held[0] == held[1], "two workers see one store"
    if held[0] is not None:
        assert held[0] == expected_totals(final), "what claims to be built is what Stripe says"
        return
    rebuild = await stores[1].begin_rebuild(account, "roof")
    for state in final:
        assert await stores[1].apply_to_rebuild(account, rebuild, state)
    await stores[1].promote_rebuild(account, rebuild, int(time.time()))
    assert await stores[0].totals(account, "roof") == expected_totals(final)


async def told(first: int, count: int, url: str) -> None:
    stores = [totals_store(url, deadline=30) for _ in range(2)]
    raw = Redis.from_url(url)
    waiting = iter(range(first, first + count))

    async def teller() -> None:
        for seed in waiting:
            account = Account(f"acct_{seed}", livemode=False)
            try:
                await story(stores, raw, account, seed)
            except AssertionError as error:
                raise AssertionError(f"SEED={seed} STORIES=1: {error}") from error

    await asyncio.gather(*(teller() for _ in range(AT_ONCE)))
    for store in stores:
        await store.close()
    await raw.aclose()


def stories(first: int, count: int) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedValkey(Path(folder)) as valkey,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(told(first, count, valkey.url))
    return count


def test_random_interleavings_on_redis_match_stripe() -> None:
    parts = short_or_long(2, 20)
    share = -(-STORIES // parts)
    with ProcessPoolExecutor(2) as pool:
        done = pool.map(stories, [SEED + part * share for part in range(parts)], [share] * parts)
        assert sum(done) >= STORIES


CLOCK = "tests:clock"


class RecordingServer(MemoryServer):
    """Record every command with its reply, so that a real server can repeat them."""

    record: list[tuple[tuple[Argument, ...], Any]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.record = []

    def call(self, name: str, *args: Argument) -> Any:
        reply = super().call(name, *args)
        self.record.append(((name, *args), reply))
        return reply

    def eval(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        self.record.append((("SET", CLOCK, int(self._clock())), "OK"))
        if "lease" in keys[0]:  # it expires by the clock of the real server
            lifetime = self.lifetime(keys[0])
            command = ("DEL", keys[0]) if lifetime is not None and lifetime <= 0 else None
            command = command or ("PEXPIRE", keys[0], int(lifetime * 1_000)) if lifetime else command
            if command:
                self.record.append((command, None))
        reply = super().eval(script, keys, args)
        self.record.append((("EVALSHA", script.sha1, len(keys), *keys, *args), reply))
        SOURCES[script.sha1] = script.source.replace("redis.call('TIME')", f"({{redis.call('GET', '{CLOCK}'), '0'}})")
        return reply

    def restore(self, backup: Any) -> None:
        super().restore(backup)
        self.record.append((("FLUSHALL",), None))
        for key, value in self.dump().items():
            if key.endswith(":touched"):  # a sorted set, which the memory server keeps as a hash
                self.record.append((("ZADD", key, *(each for pair in value.items() for each in pair[::-1])), None))
                continue
            fields = [part for pair in value.items() for part in pair] if isinstance(value, dict) else [value]
            self.record.append((("HSET" if isinstance(value, dict) else "SET", key, *map(_raw, fields)), None))


SOURCES: dict[str, str] = {}
"""SHA-1 of a script → its source, with a clock that the test sets."""


def _raw(text: Argument) -> Argument:
    return text.encode("latin-1") if isinstance(text, str) else text


def repeat(scenario: Scenario, raw: Any, loaded: dict[str, str]) -> None:
    """Repeat the commands of a scenario on a real server, and compare the replies and the data at the end."""
    assert isinstance(scenario.server, RecordingServer)
    for sha1 in SOURCES.keys() - loaded.keys():
        loaded[sha1] = raw.script_load(SOURCES[sha1])
    pipeline = raw.pipeline(transaction=False)
    pipeline.execute_command("FLUSHALL")
    for (name, *args), _ in scenario.server.record:
        known = [loaded[str(args[0])], *args[1:]] if name == "EVALSHA" else args
        pipeline.execute_command(name, *known)
    replies = pipeline.execute(raise_on_error=False)[1:]
    for (command, expected), found in zip(scenario.server.record, replies, strict=True):
        if command[0] in ("EVALSHA", "HMGET"):
            assert _plain(found) == _plain(expected), f"{command}: {found}, not {expected}"
    for key, value in scenario.server.dump().items():
        if isinstance(value, dict):
            pairs = raw.zrange(key, 0, -1, withscores=True) if key.endswith(":touched") else raw.hgetall(key).items()
            held = {_text(field): f"{text:.0f}" if isinstance(text, float) else _text(text) for field, text in pairs}
            assert held == value, f"{key}: {held}, not {value}"


def _plain(reply: Any) -> list[Any]:
    several = reply if isinstance(reply, list | tuple) else [reply]
    return [None if each in (None, False) else _text(each) for each in several]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def repeated_scenarios(first: int, count: int) -> int:
    loaded: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedValkey(Path(folder)) as valkey,
        BlockingRedis.from_url(valkey.url) as raw,
    ):
        return run_scenarios(first, count, RecordingServer, lambda scenario: repeat(scenario, raw, loaded))


def test_scenarios_of_the_model_have_equal_replies_on_redis() -> None:
    count = STORIES // 4
    assert repeated_scenarios(SEED, count) == count
