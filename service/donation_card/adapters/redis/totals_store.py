"""The ledger in Redis: states are joined, never added, each by one script that happens whole or not at all.

All keys of a campaign share one hash slot. `meta` names its generations; for each of them `ranks` holds how far
every Stripe object has come (under a salted hash: no id, no amount) and `totals` the sums. `published` outlives them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from redis.exceptions import RedisError

from donation_card.adapters.redis.connection import Script, Value, connect
from donation_card.application.ports import Account, Comparison, Joined, Pass, Rounds, Shadow
from donation_card.domain.publication import Published, Rule, epochs_around
from donation_card.domain.totals import State, Totals
from donation_card.errors import LedgerUnavailable

SCHEMA: Final = "1"
TRIES: Final = 3
"""Attempts at one operation while generations change underneath it."""


STALE_AFTER: Final = 7_200
"""Seconds after the last complete pass from which on nothing is decided: twice the longest wait between two passes."""

LEASE: Final = 300
"""Seconds that a worker which reconciles is left alone without a sign of life."""


class RedisLedger:
    """Implements `application.ports.Ledger`. `url` as in `REDIS_URL`; `deadline` in seconds, for each call.

    The deadline covers the wait for a free connection, redis-py's own retries and every attempt of ours: a server
    that hangs costs a caller that long, and nobody holds a connection longer.
    """

    def __init__(self, url: str, *, deadline: float = 1.0, connections: int = 16, replicas: int = 0) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(connections)
        self._redis = connect(url, connections=connections, deadline=deadline, replicas=replicas)
        self._known: dict[_Place, _Generations] = {}
        self._seen: dict[_Place, tuple[int, int]] = {}

    async def join(self, account: Account, state: State) -> Joined:
        place = _Place(account, state.campaign)

        def arguments(at: _Generations) -> _Arguments:
            keys = (place.meta, *place.generation(at.live), *place.generation(at.shadow))
            hashes = (at.live, _hash(state, at.salt), at.shadow, _hash(state, at.shadow_salt))
            return keys, (state.kind.value, state.site, state.rank, *hashes, *state.contributions)

        return Joined((await self._ask("join", place, arguments, create=True, durable=True))[0])

    async def roll(
        self, account: Account, campaign: str, rule: Rule, *, now: datetime, offline: int, ended: bool
    ) -> Published | None:
        place = _Place(account, campaign)
        epochs: tuple[int, ...] = () if rule.live else epochs_around(rule, now)
        seen = self._seen.get(place, (0, 0))
        terms: Sequence[int] = (rule.step, rule.min_gifts, offline, int(ended), *seen, STALE_AFTER, *epochs)

        def arguments(at: _Generations) -> _Arguments:
            return (place.meta, *place.generation(at.live), place.published), (at.live, *terms)

        fresh, cursor, joins, *figure = await self._ask("roll", place, arguments)
        if fresh == "1":
            self._seen[place] = (_whole(cursor), _whole(joins))
        if not figure:
            return None
        epoch, online, outside, payments_at_move = map(_whole, figure)
        return Published(epoch, online, outside, payments_at_move, stale=fresh != "1")

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        held = await self._read(account, campaign)
        return held.totals if held else None

    # ── passes and rebuilds ───────────────────────────────────────────────────────────────────────────────────

    async def lease(self, account: Account, owner: str) -> bool:
        return await self._lease(account, owner, LEASE)

    async def release(self, account: Account, owner: str) -> None:
        await self._lease(account, owner, 0)

    async def _lease(self, account: Account, owner: str, seconds: int) -> bool:
        async with self._answered():
            return (await self._redis.run(_script("lease"), (_account_key(account, "lease"),), (owner, seconds)))[
                0
            ] == "yes"

    async def rounds(self, account: Account) -> Rounds:
        async with self._answered():
            held = await self._redis.command("HMGET", _account_key(account), "reconciled", "rebuilt", "idle")
        reconciled, rebuilt, idle = (None if text is None else _whole(text) for text in held)
        return Rounds(reconciled, rebuilt, idle or 0)

    async def end_round(self, account: Account, rounds: Rounds) -> None:
        held = {"reconciled": rounds.reconciled, "rebuilt": rounds.rebuilt, "idle": rounds.idle}
        pairs = [word for name, value in held.items() if value is not None for word in (name, value)]
        async with self._answered():
            await self._redis.command("HSET", _account_key(account), *pairs)

    async def campaigns(self, account: Account) -> set[str]:
        async with self._answered():
            fields: list[str] = await self._redis.command("HKEYS", _account_key(account))
        return {field.removeprefix("campaign:") for field in fields if field.startswith("campaign:")}

    async def begin_pass(self, account: Account, campaign: str) -> Pass:
        held = await self._read(account, campaign, create=True)
        assert held is not None
        return Pass(held.generation, held.cursor)

    async def advance(self, account: Account, campaign: str, begun: Pass, cursor: int) -> bool:
        place = _Place(account, campaign)
        keys = (place.meta, *place.generation(begun.generation))
        async with self._answered():
            answer = await self._redis.run(_script("advance"), keys, (begun.generation, cursor))
        return answer[0] == "advanced"

    async def open_shadow(self, account: Account, campaign: str) -> Shadow:
        place, shadow = _Place(account, campaign), Shadow(campaign, *_names())

        def arguments(at: _Generations) -> _Arguments:
            keys = (place.meta, *place.generation(shadow.generation), *place.generation(at.shadow))
            return keys, (at.live, at.shadow, shadow.generation, shadow.salt)

        await self._ask("shadow", place, arguments, create=True)
        return shadow

    async def fill(self, account: Account, shadow: Shadow, state: State) -> bool:
        place = _Place(account, shadow.campaign)
        keys = (place.meta, *place.generation(shadow.generation))
        about: Sequence[Value] = (state.kind.value, state.site, state.rank)
        values = (*about, shadow.generation, _hash(state, shadow.salt), *state.contributions)
        async with self._answered():
            answer = await self._redis.run(_script("fill"), keys, values)
        return answer[0] == "filled"

    async def flip(self, account: Account, shadow: Shadow, cursor: int) -> Comparison | None:
        return await self._close_shadow(account, shadow, str(cursor))

    async def drop(self, account: Account, shadow: Shadow) -> Comparison | None:
        return await self._close_shadow(account, shadow, "")

    async def _close_shadow(self, account: Account, shadow: Shadow, cursor: str) -> Comparison | None:
        place = _Place(account, shadow.campaign)

        def arguments(at: _Generations) -> _Arguments:
            keys = (place.meta, *place.generation(at.live), *place.generation(shadow.generation))
            return keys, (at.live, shadow.generation, cursor)

        answer, *told = await self._ask("close", place, arguments)
        if answer == "gone":
            return None
        verdict, *sums = told
        found, *had = (
            Totals(_whole(raised), _whole(payments)) for raised, payments in zip(sums[::2], sums[1::2], strict=True)
        )
        return Comparison(shadow.campaign, had[0] if had else None, found, verdict == "different")

    # ── the server ────────────────────────────────────────────────────────────────────────────────────────────

    async def remember(self, fingerprint: str, account: Account) -> None:
        async with self._answered():
            await self._redis.command("SET", _key_of(fingerprint), f"{account.mode}/{account.id}")

    async def remembered(self, fingerprint: str) -> Account | None:
        async with self._answered():
            held = await self._redis.command("GET", _key_of(fingerprint))
        found = re.fullmatch("(live|test)/(acct_[A-Za-z0-9_]+)", str(held))
        return Account(found[2], livemode=found[1] == "live") if found else None

    async def ping(self) -> None:
        async with self._answered():
            servers = await self._redis.infos()
        for told in servers:
            if told.get("role") != "master":
                raise LedgerUnavailable(reason="not_a_primary", role=str(told.get("role")))
            # Our keys never expire, so only a policy for all keys can take them, and only where memory has a limit.
            # INFO tells both everywhere; CONFIG, where one would look first, is refused by managed servers.
            policy = str(told.get("maxmemory_policy", "unknown"))
            if told.get("maxmemory") != 0 and policy != "noeviction" and not policy.startswith("volatile-"):
                raise LedgerUnavailable(reason="keys_may_be_evicted", maxmemory_policy=policy)

    async def close(self) -> None:
        with suppress(TimeoutError):  # a hung server takes no goodbye
            async with asyncio.timeout(self._deadline):
                await self._redis.close()

    async def _read(self, account: Account, campaign: str, *, create: bool = False) -> _Held | None:
        """None: the campaign has no whole generation; `create` opens one, to be built."""
        place = _Place(account, campaign)

        def arguments(at: _Generations) -> _Arguments:
            return (place.meta, *place.generation(at.live)), (at.live,)

        answer, *held = await self._ask("read", place, arguments, create=create)
        return _Held.told(*held) if answer == "held" else None

    async def _ask(
        self,
        script: str,
        place: _Place,
        arguments: Callable[[_Generations], _Arguments],
        *,
        create: bool = False,
        durable: bool = False,
    ) -> list[str]:
        """Run a script on the generations this worker believes in, and again when these have moved."""
        again = ("moved", "lost") if create else ("moved",)
        believed = None
        async with self._answered():
            for _ in range(TRIES):
                believed = await self._generations(place, believed, create=create)
                answer = await self._redis.run(_script(script), *arguments(believed), durable=durable)
                if answer[0] not in again:
                    return answer
        raise LedgerUnavailable(reason="moved")

    async def _generations(self, place: _Place, doubted: _Generations | None, *, create: bool) -> _Generations:
        """What this worker remembers; asked for anew where it remembers nothing, or only what is doubted."""
        known = self._known.get(place)
        if known is not None and known is not doubted:
            return known
        # Random, not counted: a wiped Redis would count from one again, and a worker that remembers the old salt would
        # go on joining under hashes that nobody else computes. The same gift would then be counted twice.
        proposed, salt, cursor = (*_names(), await self._meet(place)) if create else ("", "", "")
        suspect = doubted.live if doubted else ""
        keys = (place.meta, *place.generation(proposed), *place.generation(suspect))
        found = _Generations.told(
            *await self._redis.run(_script("open"), keys, (SCHEMA, proposed, salt, suspect, cursor))
        )
        self._known.pop(place, None)
        if found.live:
            self._known[place] = found
        return found

    async def _meet(self, place: _Place) -> str:
        """From where on a campaign is known that was never heard of: the account's own cursor, or '': not at all."""
        keys = (_account_key(place.account),)
        new, rebuilt, reconciled = await self._redis.run(_script("meet"), keys, (place.campaign,))
        return reconciled if new == "1" and rebuilt else ""

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, UnicodeDecodeError) as error:  # asyncio's TimeoutError is an OSError
            raise LedgerUnavailable(reason=type(error).__name__) from error


_Arguments = tuple[Sequence[str], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class _Place:
    """One campaign of one account and mode. The braces are Redis' hash tag: all its keys live in one slot."""

    account: Account
    campaign: str

    @property
    def meta(self) -> str:
        return self._key("meta")

    @property
    def published(self) -> str:
        return self._key("published")

    def generation(self, generation: str) -> tuple[str, str]:
        return self._key(f"ranks:{generation}"), self._key(f"totals:{generation}")

    def _key(self, name: str) -> str:
        return f"donation-card:{{{self.account.id}/{self.account.mode}/{self.campaign}}}:{name}"


def _account_key(account: Account, name: str = "account") -> str:
    """What concerns all campaigns of an account: their names and when the last passes began, or the lease."""
    return f"donation-card:{{{account.id}/{account.mode}}}:{name}"


def _key_of(fingerprint: str) -> str:
    return f"donation-card:account:{fingerprint}"


def _names() -> tuple[str, str]:
    """Of a generation to be: its id and its salt."""
    return secrets.token_hex(8), secrets.token_hex(16)


_GENERATION = re.compile("[0-9a-f]{16}[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Generations:
    """The live generation and the shadow being filled beside it; empty where there is none."""

    live: str
    salt: str
    shadow: str
    shadow_salt: str

    @classmethod
    def told(cls, schema: str, *names: str | None) -> _Generations:
        if schema != SCHEMA:
            raise LedgerUnavailable(reason="layout_unknown", found=schema[:40], written=SCHEMA)
        live, salt, shadow, shadow_salt = (name or "" for name in names)
        if any(name and not _GENERATION.fullmatch(name + key) for name, key in ((live, salt), (shadow, shadow_salt))):
            raise LedgerUnavailable(reason="damaged", found=f"{live} {shadow}"[:40])
        return cls(live, salt, shadow, shadow_salt)


@dataclass(frozen=True, slots=True)
class _Held:
    """A live generation. Without cursor and totals: it is not built, or contradicts itself."""

    generation: str
    cursor: int | None = None
    totals: Totals | None = None

    @classmethod
    def told(cls, generation: str, cursor: str = "", *sums: str) -> _Held:
        return cls(generation, _whole(cursor), Totals(*map(_whole, sums))) if cursor else cls(generation)


def _whole(text: str) -> int:
    """A number as our scripts write it; anything else that got there is not guessed at."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,14}", text):
        raise LedgerUnavailable(reason="damaged", found=text[:40])
    return int(text)


def _hash(state: State, salt: str) -> bytes:
    """16 bytes that name an object within one generation, and say nothing of it outside. No salt: no generation."""
    if not salt:
        return b""
    name = f"{state.kind.value}:{state.object_id}".encode()
    return hashlib.blake2b(name, key=bytes.fromhex(salt), digest_size=16).digest()


@cache
def _script(name: str) -> Script:
    folder = files(__package__).joinpath("scripts")
    return Script.of("".join(folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in ("state", name)))
