"""The ledger in Redis: states are joined, never added, each by one script that happens whole or not at all.

All keys of a campaign share one hash slot. `meta` names its generations; for each of them `ranks` holds how far
every Stripe object has come (under a salted hash: no id, no amount) and `totals` the sums. `published` outlives them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError, RedisError

from service.domain.ledger import State, Totals
from service.domain.publication import Published, Rule, epochs_around
from service.errors import LedgerUnavailable
from service.ports import Account, Joined, Pass

SCHEMA: Final = "1"
TRIES: Final = 3
"""Attempts at one operation while generations change underneath it."""


class RedisLedger:
    """Implements `service.ports.Ledger`. `url`: redis://, rediss:// or unix://; `deadline` in seconds, for each call.

    The deadline covers the wait for a free connection, redis-py's own retries and every attempt of ours: a server
    that hangs costs a caller that long, and nobody holds a connection longer.
    """

    def __init__(self, url: str, *, deadline: float = 1.0, connections: int = 16) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(connections)
        self._redis = Redis.from_pool(
            ConnectionPool.from_url(
                url,
                max_connections=connections,
                decode_responses=True,
                protocol=2,
                # One clock, ours: with these set, redis-py sends inside asyncio.wait_for, which before Python 3.12 can
                # swallow the cancellation by which the deadline ends a call (https://github.com/python/cpython/issues/86296).
                socket_timeout=None,
                socket_connect_timeout=None,
                # What was sent is sent again when its answer is lost: only scripts that can be repeated are ever sent.
                retry=Retry(ExponentialBackoff(cap=0.1, base=0.02), 2),
            )
        )
        self._known: dict[_Place, _Generations] = {}

    async def join(self, account: Account, state: State) -> Joined:
        place = _Place(account, state.campaign)

        def arguments(at: _Generations) -> _Arguments:
            keys = (place.meta, *place.generation(at.live), *place.generation(at.shadow))
            hashes = (at.live, _hash(state, at.salt), at.shadow, _hash(state, at.shadow_salt))
            return keys, (state.kind.value, state.site, state.rank, *hashes, *state.contributions)

        return Joined((await self._ask("join", place, arguments, create=True))[0])

    async def roll(
        self, account: Account, campaign: str, rule: Rule, *, now: datetime, offline: int, ended: bool
    ) -> Published | None:
        place = _Place(account, campaign)
        terms = (rule.step, rule.min_gifts, offline, int(ended), *(() if rule.live else epochs_around(rule, now)))

        def arguments(at: _Generations) -> _Arguments:
            return (place.meta, *place.generation(at.live), place.published), (at.live, *terms)

        built, *figure = await self._ask("roll", place, arguments)
        if not figure:
            return None
        epoch, online, outside, payments_at_move = map(_whole, figure)
        return Published(epoch, online, outside, payments_at_move, stale=built != "1")

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        held = await self._read(account, campaign)
        return held.totals if held and held.cursor is not None else None

    async def begin_pass(self, account: Account, campaign: str) -> Pass:
        held = await self._read(account, campaign, create=True)
        assert held is not None
        return Pass(held.generation, held.cursor)

    async def mark_built(self, account: Account, campaign: str, begun: Pass, cursor: int) -> bool:
        place = _Place(account, campaign)
        keys = (place.meta, *place.generation(begun.generation))
        async with self._answered():
            return (await self._run("mark", keys, (begun.generation, cursor)))[0] == "marked"

    async def remember(self, fingerprint: str, account: Account) -> None:
        async with self._answered():
            await self._redis.set(_key_of(fingerprint), f"{account.mode}/{account.id}")

    async def remembered(self, fingerprint: str) -> Account | None:
        async with self._answered():
            held = await self._redis.get(_key_of(fingerprint))
        found = re.fullmatch("(live|test)/(acct_[A-Za-z0-9_]+)", str(held))
        return Account(found[2], livemode=found[1] == "live") if found else None

    async def ping(self) -> None:
        async with self._answered():
            told = await self._redis.info()
        if told.get("role") != "master":
            raise LedgerUnavailable(reason="not_a_primary", role=str(told.get("role")))
        # Our keys never expire, so only a policy for all keys can take them, and only where memory has a limit. INFO
        # tells both everywhere; CONFIG, where one would look first, is refused by managed servers.
        policy = str(told.get("maxmemory_policy", "unknown"))
        if told.get("maxmemory") != 0 and policy != "noeviction" and not policy.startswith("volatile-"):
            raise LedgerUnavailable(reason="keys_may_be_evicted", maxmemory_policy=policy)

    async def close(self) -> None:
        with suppress(TimeoutError):  # a hung server takes no goodbye
            async with asyncio.timeout(self._deadline):
                await self._redis.aclose()

    async def _read(self, account: Account, campaign: str, *, create: bool = False) -> _Held | None:
        """None: the campaign has no whole generation; `create` opens one."""
        place = _Place(account, campaign)

        def arguments(at: _Generations) -> _Arguments:
            return (place.meta, *place.generation(at.live)), (at.live,)

        answer, *held = await self._ask("read", place, arguments, create=create)
        return _Held.told(*held) if answer == "held" else None

    async def _ask(
        self, script: str, place: _Place, arguments: Callable[[_Generations], _Arguments], *, create: bool = False
    ) -> list[str]:
        """Run a script on the generations this worker believes in, and again when these have moved."""
        again = ("moved", "lost") if create else ("moved",)
        believed = None
        async with self._answered():
            for _ in range(TRIES):
                believed = await self._generations(place, believed, create=create)
                answer = await self._run(script, *arguments(believed))
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
        proposed, salt = (secrets.token_hex(8), secrets.token_hex(16)) if create else ("", "")
        suspect = doubted.live if doubted else ""
        keys = (place.meta, *place.generation(proposed), *place.generation(suspect))
        found = _Generations.told(*await self._run("open", keys, (SCHEMA, proposed, salt, suspect)))
        self._known.pop(place, None)
        if found.live:
            self._known[place] = found
        return found

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, UnicodeDecodeError) as error:  # asyncio's TimeoutError is an OSError
            raise LedgerUnavailable(reason=type(error).__name__) from error

    async def _run(self, script: str, keys: Sequence[str], values: Sequence[str | int | bytes]) -> list[str]:
        text, digest = _script(script)
        send: Callable[..., Awaitable[list[str]]] = self._redis.execute_command
        try:
            return await send("EVALSHA", digest, len(keys), *keys, *values)
        except NoScriptError:  # a server forgets its scripts when it restarts, fails over, or is told to
            return await send("EVAL", text, len(keys), *keys, *values)


_Arguments = tuple[Sequence[str], Sequence[str | int | bytes]]


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


def _key_of(fingerprint: str) -> str:
    return f"donation-card:account:{fingerprint}"


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
    generation: str
    cursor: int | None
    totals: Totals

    @classmethod
    def told(cls, generation: str, cursor: str, raised: str, payments: str) -> _Held:
        return cls(generation, _whole(cursor) if cursor else None, Totals(_whole(raised), _whole(payments)))


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
def _script(name: str) -> tuple[str, str]:
    text = files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
