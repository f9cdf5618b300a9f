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

from donation_card.adapters.redis.connection import Script, Value, create_connection
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import ApplyResult, Rebuild, RebuildReport, SyncHistory, SyncRun
from donation_card.domain.lifetimes import STALE_AFTER
from donation_card.domain.publication import PublicationPolicy, PublishedTotal, periods_around
from donation_card.domain.totals import ObjectState, Totals
from donation_card.errors import TotalsUnavailable

SCHEMA_VERSION: Final = "1"
MAX_ATTEMPTS: Final = 3
"""Attempts at one operation while generations change underneath it."""


LEASE_SECONDS: Final = 300
"""Seconds that a worker which reconciles is left alone without a sign of life."""


class RedisTotalsStore:
    """Implements `application.ports.Ledger`. `url` as in `REDIS_URL`; `deadline` in seconds, for each call.

    The deadline covers the wait for a free connection, redis-py's own retries and every attempt of ours: a server
    that hangs costs a caller that long, and nobody holds a connection longer.
    """

    def __init__(self, url: str, *, deadline: float = 1.0, connections: int = 16, replicas: int = 0) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(connections)
        self._redis = create_connection(url, connections=connections, deadline=deadline, replicas=replicas)
        self._generations_by_campaign: dict[_Keys, _Generations] = {}
        self._last_seen: dict[_Keys, tuple[int, int]] = {}

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        campaign_keys = _Keys(account, state.campaign)

        def arguments(at: _Generations) -> _Arguments:
            keys = (campaign_keys.meta, *campaign_keys.generation(at.current), *campaign_keys.generation(at.rebuild))
            hashes = (at.current, _hash(state, at.salt), at.rebuild, _hash(state, at.rebuild_salt))
            return keys, (state.kind.value, state.site, state.version, *hashes, *state.cumulative_amounts)

        return ApplyResult(
            (await self._run_on_generation("join", campaign_keys, arguments, create=True, durable=True))[0]
        )

    async def publish_if_due(
        self, account: Account, campaign: str, policy: PublicationPolicy, *, now: datetime, offline: int, ended: bool
    ) -> PublishedTotal | None:
        campaign_keys = _Keys(account, campaign)
        epochs: tuple[int, ...] = () if policy.immediate else periods_around(policy, now)
        seen = self._last_seen.get(campaign_keys, (0, 0))
        terms: Sequence[int] = (policy.step, policy.min_donations, offline, int(ended), *seen, STALE_AFTER, *epochs)

        def arguments(at: _Generations) -> _Arguments:
            return (campaign_keys.meta, *campaign_keys.generation(at.current), campaign_keys.published), (
                at.current,
                *terms,
            )

        fresh, cursor, joins, *figure = await self._run_on_generation("roll", campaign_keys, arguments)
        if fresh == "1":
            self._last_seen[campaign_keys] = (_parse_int(cursor), _parse_int(joins))
        if not figure:
            return None
        epoch, online, outside, payments_at_move = map(_parse_int, figure)
        return PublishedTotal(epoch, online, outside, payments_at_move, stale=fresh != "1")

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        found = await self._read_snapshot(account, campaign)
        return found.totals if found else None

    # ── passes and rebuilds ───────────────────────────────────────────────────────────────────────────────────

    async def lease(self, account: Account, owner: str) -> bool:
        return await self._lease(account, owner, LEASE_SECONDS)

    async def release(self, account: Account, owner: str) -> None:
        await self._lease(account, owner, 0)

    async def _lease(self, account: Account, owner: str, seconds: int) -> bool:
        async with self._mapped_errors():
            return (await self._redis.eval(_script("lease"), (_account_key(account, "lease"),), (owner, seconds)))[
                0
            ] == "yes"

    async def sync_history(self, account: Account) -> SyncHistory:
        async with self._mapped_errors():
            found = await self._redis.execute("HMGET", _account_key(account), "reconciled", "rebuilt", "idle")
        reconciled, rebuilt, idle = (None if text is None else _parse_int(text) for text in found)
        return SyncHistory(reconciled, rebuilt, idle or 0)

    async def save_sync_history(self, account: Account, history: SyncHistory) -> None:
        found = {"reconciled": history.last_sync_at, "rebuilt": history.last_rebuild_at, "idle": history.empty_syncs}
        pairs = [word for name, value in found.items() if value is not None for word in (name, value)]
        async with self._mapped_errors():
            await self._redis.execute("HSET", _account_key(account), *pairs)

    async def campaigns(self, account: Account) -> set[str]:
        async with self._mapped_errors():
            fields: list[str] = await self._redis.execute("HKEYS", _account_key(account))
        return {field.removeprefix("campaign:") for field in fields if field.startswith("campaign:")}

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        found = await self._read_snapshot(account, campaign, create=True)
        assert found is not None
        return SyncRun(found.generation, found.cursor)

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> bool:
        campaign_keys = _Keys(account, campaign)
        keys = (campaign_keys.meta, *campaign_keys.generation(run.generation))
        async with self._mapped_errors():
            answer = await self._redis.eval(_script("advance"), keys, (run.generation, cursor))
        return answer[0] == "advanced"

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        campaign_keys, rebuild = _Keys(account, campaign), Rebuild(campaign, *_new_generation())

        def arguments(at: _Generations) -> _Arguments:
            keys = (
                campaign_keys.meta,
                *campaign_keys.generation(rebuild.generation),
                *campaign_keys.generation(at.rebuild),
            )
            return keys, (at.current, at.rebuild, rebuild.generation, rebuild.salt)

        await self._run_on_generation("shadow", campaign_keys, arguments, create=True)
        return rebuild

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        campaign_keys = _Keys(account, rebuild.campaign)
        keys = (campaign_keys.meta, *campaign_keys.generation(rebuild.generation))
        about: Sequence[Value] = (state.kind.value, state.site, state.version)
        values = (*about, rebuild.generation, _hash(state, rebuild.salt), *state.cumulative_amounts)
        async with self._mapped_errors():
            answer = await self._redis.eval(_script("fill"), keys, values)
        return answer[0] == "filled"

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        return await self._finish_rebuild(account, rebuild, str(cursor))

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        return await self._finish_rebuild(account, rebuild, "")

    async def _finish_rebuild(self, account: Account, rebuild: Rebuild, cursor: str) -> RebuildReport | None:
        campaign_keys = _Keys(account, rebuild.campaign)

        def arguments(at: _Generations) -> _Arguments:
            keys = (
                campaign_keys.meta,
                *campaign_keys.generation(at.current),
                *campaign_keys.generation(rebuild.generation),
            )
            return keys, (at.current, rebuild.generation, cursor)

        answer, *info = await self._run_on_generation("close", campaign_keys, arguments)
        if answer == "gone":
            return None
        verdict, *sums = info
        found, *had = (
            Totals(_parse_int(raised), _parse_int(payments))
            for raised, payments in zip(sums[::2], sums[1::2], strict=True)
        )
        return RebuildReport(rebuild.campaign, had[0] if had else None, found, verdict == "different")

    # ── the server ────────────────────────────────────────────────────────────────────────────────────────────

    async def save_account(self, fingerprint: str, account: Account) -> None:
        async with self._mapped_errors():
            await self._redis.execute("SET", _fingerprint_key(fingerprint), f"{account.environment}/{account.id}")

    async def load_account(self, fingerprint: str) -> Account | None:
        async with self._mapped_errors():
            found = await self._redis.execute("GET", _fingerprint_key(fingerprint))
        found = re.fullmatch("(live|test)/(acct_[A-Za-z0-9_]+)", str(found))
        return Account(found[2], livemode=found[1] == "live") if found else None

    async def ping(self) -> None:
        async with self._mapped_errors():
            servers = await self._redis.info_of_primaries()
        for info in servers:
            if info.get("role") != "master":
                raise TotalsUnavailable(reason="not_a_primary", role=str(info.get("role")))
            # Our keys never expire, so only a policy for all keys can take them, and only where memory has a limit.
            # INFO tells both everywhere; CONFIG, where one would look first, is refused by managed servers.
            policy = str(info.get("maxmemory_policy", "unknown"))
            if info.get("maxmemory") != 0 and policy != "noeviction" and not policy.startswith("volatile-"):
                raise TotalsUnavailable(reason="keys_may_be_evicted", maxmemory_policy=policy)

    async def close(self) -> None:
        with suppress(TimeoutError):  # a hung server takes no goodbye
            async with asyncio.timeout(self._deadline):
                await self._redis.close()

    async def _read_snapshot(self, account: Account, campaign: str, *, create: bool = False) -> _Snapshot | None:
        """None: the campaign has no whole generation; `create` opens one, to be built."""
        campaign_keys = _Keys(account, campaign)

        def arguments(at: _Generations) -> _Arguments:
            return (campaign_keys.meta, *campaign_keys.generation(at.current)), (at.current,)

        answer, *found = await self._run_on_generation("read", campaign_keys, arguments, create=create)
        return _Snapshot.from_reply(*found) if answer == "held" else None

    async def _run_on_generation(
        self,
        script: str,
        keys_of: _Keys,
        arguments: Callable[[_Generations], _Arguments],
        *,
        create: bool = False,
        durable: bool = False,
    ) -> list[str]:
        """Run a script on the generations this worker believes in, and again when these have moved."""
        again = ("moved", "lost") if create else ("moved",)
        believed = None
        async with self._mapped_errors():
            for _ in range(MAX_ATTEMPTS):
                believed = await self._generations(keys_of, believed, create=create)
                answer = await self._redis.eval(_script(script), *arguments(believed), wait_for_replicas=durable)
                if answer[0] not in again:
                    return answer
        raise TotalsUnavailable(reason="moved")

    async def _generations(self, campaign_keys: _Keys, doubted: _Generations | None, *, create: bool) -> _Generations:
        """What this worker remembers; asked for anew where it remembers nothing, or only what is doubted."""
        known = self._generations_by_campaign.get(campaign_keys)
        if known is not None and known is not doubted:
            return known
        # Random, not counted: a wiped Redis would count from one again, and a worker that remembers the old salt would
        # go on joining under hashes that nobody else computes. The same gift would then be counted twice.
        proposed, salt, cursor = (
            (*_new_generation(), await self._register_campaign(campaign_keys)) if create else ("", "", "")
        )
        suspect = doubted.current if doubted else ""
        keys = (campaign_keys.meta, *campaign_keys.generation(proposed), *campaign_keys.generation(suspect))
        found = _Generations.from_reply(
            *await self._redis.eval(_script("open"), keys, (SCHEMA_VERSION, proposed, salt, suspect, cursor))
        )
        self._generations_by_campaign.pop(campaign_keys, None)
        if found.current:
            self._generations_by_campaign[campaign_keys] = found
        return found

    async def _register_campaign(self, campaign_keys: _Keys) -> str:
        """From where on a campaign is known that was never heard of: the account's own cursor, or '': not at all."""
        keys = (_account_key(campaign_keys.account),)
        new, rebuilt, reconciled = await self._redis.eval(_script("meet"), keys, (campaign_keys.campaign,))
        return reconciled if new == "1" and rebuilt else ""

    @asynccontextmanager
    async def _mapped_errors(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, UnicodeDecodeError) as error:  # asyncio's TimeoutError is an OSError
            raise TotalsUnavailable(reason=type(error).__name__) from error


_Arguments = tuple[Sequence[str], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class _Keys:
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
        return f"donation-card:{{{self.account.id}/{self.account.environment}/{self.campaign}}}:{name}"


def _account_key(account: Account, name: str = "account") -> str:
    """What concerns all campaigns of an account: their names and when the last passes began, or the lease."""
    return f"donation-card:{{{account.id}/{account.environment}}}:{name}"


def _fingerprint_key(fingerprint: str) -> str:
    return f"donation-card:account:{fingerprint}"


def _new_generation() -> tuple[str, str]:
    """Of a generation to be: its id and its salt."""
    return secrets.token_hex(8), secrets.token_hex(16)


_GENERATION = re.compile("[0-9a-f]{16}[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Generations:
    """The live generation and the shadow being filled beside it; empty where there is none."""

    current: str
    salt: str
    rebuild: str
    rebuild_salt: str

    @classmethod
    def from_reply(cls, schema: str, *names: str | None) -> _Generations:
        if schema != SCHEMA_VERSION:
            raise TotalsUnavailable(reason="layout_unknown", found=schema[:40], written=SCHEMA_VERSION)
        live, salt, rebuild, shadow_salt = (name or "" for name in names)
        if any(name and not _GENERATION.fullmatch(name + key) for name, key in ((live, salt), (rebuild, shadow_salt))):
            raise TotalsUnavailable(reason="damaged", found=f"{live} {rebuild}"[:40])
        return cls(live, salt, rebuild, shadow_salt)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A live generation. Without cursor and totals: it is not built, or contradicts itself."""

    generation: str
    cursor: int | None = None
    totals: Totals | None = None

    @classmethod
    def from_reply(cls, generation: str, cursor: str = "", *sums: str) -> _Snapshot:
        return cls(generation, _parse_int(cursor), Totals(*map(_parse_int, sums))) if cursor else cls(generation)


def _parse_int(text: str) -> int:
    """A number as our scripts write it; anything else that got there is not guessed at."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,14}", text):
        raise TotalsUnavailable(reason="damaged", found=text[:40])
    return int(text)


def _hash(state: ObjectState, salt: str) -> bytes:
    """16 bytes that name an object within one generation, and say nothing of it outside. No salt: no generation."""
    if not salt:
        return b""
    name = f"{state.kind.value}:{state.object_id}".encode()
    return hashlib.blake2b(name, key=bytes.fromhex(salt), digest_size=16).digest()


@cache
def _script(name: str) -> Script:
    folder = files(__package__).joinpath("scripts")
    return Script.from_source(
        "".join(folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in ("state", name))
    )
