"""Store the totals of the campaigns in Redis.

An object state is applied with a version, and each change is one Lua script, which happens completely or not at all.
All keys of a campaign share one hash slot; docs/architecture.md lists them.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from donation_card.adapters.redis.connection import Argument, RedisConnection, Script, load_script
from donation_card.adapters.redis.keys import CampaignKeys, account_key, fingerprint_key, lease_key, touched_key
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import (
    ApplyResult,
    Rebuild,
    RebuildPosition,
    RebuildReport,
    SyncHistory,
    SyncRun,
    Touched,
    TouchMark,
)
from donation_card.domain.publication import PublicationPolicy, PublishedTotal, periods_around
from donation_card.domain.totals import ObjectKind, ObjectState, Totals
from donation_card.errors import TotalsUnavailable
from donation_card.observability import metrics

TOTALS_TIMEOUT = 1.0
"""Seconds that one operation may take, with the wait for replicas."""

SCHEMA_VERSION = "2"

MAX_ATTEMPTS = 3
"""Attempts at one operation while other workers replace the generations."""

STALE_AFTER = 7_200
"""Seconds since the last complete sync after which no public total is decided: twice the longest sync interval."""

LEASE_SECONDS = 300
"""Seconds after which the lease of a worker expires unless the worker renews it."""


NO_STEP = -1
"""The number of no step. The script answers with the number of the step whose threshold a decision needs."""


class RedisTotalsStore:
    """Implement `ports.TotalsStore`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._redis = connection
        self._generations_by_campaign: dict[CampaignKeys, _Generations] = {}
        self._server = ""
        """The names that the servers chose when they started."""
        self._last_seen: dict[CampaignKeys, tuple[int, int]] = {}

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        keys = CampaignKeys(account, state.campaign)

        def call(at: _Generations) -> _Call:
            entries = (*_entries(state, at.salt), *_entries(state, at.rebuild_salt))
            return (
                (keys.meta, *keys.generation(at.current), *keys.generation(at.rebuild)),
                (*_arguments(state), at.current, at.rebuild, *entries),
            )

        reply = await self._run_on_generation("apply_state", keys, call, create=True, wait_for_replicas=True)
        return ApplyResult(reply[0])

    async def publish_if_due(
        self,
        account: Account,
        campaign: str,
        policy: PublicationPolicy,
        *,
        now: datetime,
        offline: int,
        listed: int = 0,
        ended: bool,
        synced_since: int = 0,
        site: str | None = None,
    ) -> PublishedTotal | None:
        keys = CampaignKeys(account, campaign)
        periods: tuple[int, ...] = () if policy.immediate else periods_around(policy, now)
        seen = self._last_seen.get(keys, (0, 0))
        rule = (policy.step, policy.min_donations, offline, listed, int(ended))
        step, fields = NO_STEP, "" if site is None else f"site:{site}:"

        def call(at: _Generations) -> _Call:
            terms: tuple[Argument, ...] = (
                *rule,
                step,
                policy.threshold(step),
                *seen,
                STALE_AFTER,
                synced_since,
                fields,
                *periods,
            )
            return (keys.meta, *keys.generation(at.current), keys.published(site)), (at.current, *terms)

        reply = await self._run_on_generation("publish_if_due", keys, call)
        while reply[0] == "other_step":  # once at most, unless the sum reaches another step meanwhile
            step = _parse_int(reply[1])
            reply = await self._run_on_generation("publish_if_due", keys, call)
        fresh, cursor, updates, unknown_instants, server_time, *published = reply
        metrics.future_instants.metric.inc(_parse_int(unknown_instants))
        metrics.clock_difference.metric.set(round(abs(now.timestamp() - _parse_int(server_time)), -1))
        if fresh == "1":
            self._last_seen[keys] = (_parse_int(cursor), _parse_int(updates))
        if not published:
            return None
        period_start, raised, listed_then, payments = map(_parse_int, published)
        return PublishedTotal(period_start, raised, listed_then, payments, stale=fresh != "1")

    async def touch(self, account: Account, campaigns: Iterable[str]) -> None:
        if names := tuple(campaigns):
            await self._redis.run(_script("touch"), (touched_key(account),), names)

    async def touched(self, account: Account, seen: TouchMark) -> Touched:
        keys = account_key(account), touched_key(account)
        now, registry, synced, number, *names = await self._redis.run(_script("read_touched"), keys, (seen.number,))
        mark = TouchMark(self._server, registry, _parse_int(number), _parse_int(synced) if synced else None)
        return Touched(mark, _parse_int(now), names)

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        found = await self._read_snapshot(account, campaign)
        return found.totals if found else None

    async def totals_by_site(self, account: Account, campaign: str) -> dict[str, Totals]:
        found = await self._read_snapshot(account, campaign)
        return found.by_site if found else {}

    # ── syncs and rebuilds ────────────────────────────────────────────────────────────────────────────────────

    async def lease(self, account: Account, owner: str) -> bool:
        return await self._lease(account, owner, LEASE_SECONDS)

    async def release(self, account: Account, owner: str) -> None:
        await self._lease(account, owner, 0)

    async def _lease(self, account: Account, owner: str, seconds: int) -> bool:
        reply = await self._redis.run(_script("lease"), (lease_key(account),), (owner, seconds))
        return reply[0] == "acquired"

    async def sync_history(self, account: Account) -> SyncHistory:
        *found, registry = await self._redis.execute("HMGET", account_key(account), *_HISTORY_FIELDS, "registry")
        last_sync_at, last_rebuild_at = (None if text is None else _parse_int(text) for text in found)
        return SyncHistory(last_sync_at, last_rebuild_at, registry or "")

    async def save_sync_history(self, account: Account, history: SyncHistory) -> bool:
        values = (history.last_sync_at, history.last_rebuild_at)
        pairs = [
            part
            for name, value in zip(_HISTORY_FIELDS, values, strict=True)
            if value is not None
            for part in (name, value)
        ]
        reply = await self._redis.run(_script("save_history"), (account_key(account),), (history.registry, *pairs))
        return reply[0] == "ok"

    async def campaigns(self, account: Account) -> set[str]:
        fields: list[str] = await self._redis.execute("HKEYS", account_key(account))
        return {field.removeprefix("totals:") for field in fields if field.startswith("totals:")}

    async def register_campaigns(self, account: Account, campaigns: Iterable[str]) -> None:
        async with self._redis.within_deadline():
            await self._register(account, *campaigns)

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        found = await self._read_snapshot(account, campaign, create=True)
        assert found is not None
        return SyncRun(found.generation, found.cursor, found.updates)

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> int | None:
        keys = CampaignKeys(account, campaign)
        answer, *uncounted = await self._redis.run(
            _script("advance_cursor"),
            (keys.meta, *keys.generation(run.generation)),
            (run.generation, cursor, run.updates),
        )
        return _parse_int(uncounted[0]) if answer == "ok" else None

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        keys, rebuild = CampaignKeys(account, campaign), Rebuild(campaign, *_new_generation())

        def call(at: _Generations) -> _Call:
            return (
                (keys.meta, *keys.generation(rebuild.generation), *keys.generation(at.rebuild)),
                (at.current, at.rebuild, rebuild.generation, rebuild.salt),
            )

        await self._run_on_generation("rebuild_begin", keys, call, create=True)
        return rebuild

    async def unfinished_rebuild(self, account: Account, campaign: str) -> Rebuild | None:
        keys = CampaignKeys(account, campaign)
        async with self._redis.within_deadline():
            found = await self._generations(keys, self._generations_by_campaign.get(keys), create=False)
        return Rebuild(campaign, found.rebuild, found.rebuild_salt) if found.rebuild else None

    async def rebuild_position(self, account: Account) -> RebuildPosition | None:
        found = await self._redis.execute("HGET", account_key(account), "rebuild")
        match = re.fullmatch("([0-9]{1,15}) ([0-9]{1,15}) ([0-9a-f]{64})", found or "")
        return RebuildPosition(int(match[1]), int(match[2]), match[3]) if match else None

    async def save_rebuild_position(self, account: Account, position: RebuildPosition | None) -> None:
        if position is None:
            await self._redis.execute("HDEL", account_key(account), "rebuild")
        else:
            text = f"{position.began} {position.read_back_to} {position.generations}"
            await self._redis.execute("HSET", account_key(account), "rebuild", text)

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        keys = CampaignKeys(account, rebuild.campaign)
        reply = await self._redis.run(
            _script("rebuild_apply"),
            (keys.meta, *keys.generation(rebuild.generation)),
            (*_arguments(state), rebuild.generation, *_entries(state, rebuild.salt)),
        )
        return reply[0] == "ok"

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        return await self._finish_rebuild(account, rebuild, str(cursor))

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        return await self._finish_rebuild(account, rebuild, "")

    async def _finish_rebuild(self, account: Account, rebuild: Rebuild, cursor: str) -> RebuildReport | None:
        keys = CampaignKeys(account, rebuild.campaign)

        def call(at: _Generations) -> _Call:
            return (
                (keys.meta, *keys.generation(at.current), *keys.generation(rebuild.generation)),
                (at.current, rebuild.generation, cursor),
            )

        answer, *report = await self._run_on_generation("rebuild_finish", keys, call)
        if answer == "invalidated":
            return None
        verdict, uncounted, *sums = report
        after, *before = (
            Totals(_parse_int(raised), _parse_int(payments))
            for raised, payments in zip(sums[::2], sums[1::2], strict=True)
        )
        return RebuildReport(
            rebuild.campaign, before[0] if before else None, after, verdict == "mismatch", _parse_int(uncounted)
        )

    # ── the server ────────────────────────────────────────────────────────────────────────────────────────────

    async def save_account(self, fingerprint: str, account: Account) -> None:
        await self._redis.execute("SET", fingerprint_key(fingerprint), f"{account.environment}/{account.id}")

    async def load_account(self, fingerprint: str) -> Account | None:
        found = await self._redis.execute("GET", fingerprint_key(fingerprint))
        match = re.fullmatch("(live|test)/(acct_[A-Za-z0-9_]+)", str(found))
        return Account(match[2], livemode=match[1] == "live") if match else None

    async def ping(self) -> None:
        async with self._redis.within_deadline():
            servers = await self._redis.info_of_primaries()
        self._server = " ".join(sorted(str(info.get("run_id", "")) for info in servers))
        for info in servers:
            if info.get("role") != "master":
                raise TotalsUnavailable(reason="not_a_primary", role=str(info.get("role")))
            # The keys of the totals never expire. So Redis evicts them only with a policy for all keys and a memory
            # limit. INFO reports both; managed servers refuse CONFIG.
            policy = str(info.get("maxmemory_policy", "unknown"))
            if info.get("maxmemory") != 0 and policy != "noeviction" and not policy.startswith("volatile-"):
                raise TotalsUnavailable(reason="keys_may_be_evicted", maxmemory_policy=policy)

    async def close(self) -> None:
        await self._redis.close()

    async def _read_snapshot(self, account: Account, campaign: str, *, create: bool = False) -> "_Snapshot | None":
        """Return None if the campaign has no whole generation. `create`: make an empty one then."""
        keys = CampaignKeys(account, campaign)

        def call(at: _Generations) -> _Call:
            return (keys.meta, *keys.generation(at.current)), (at.current,)

        answer, *found = await self._run_on_generation("read_totals", keys, call, create=create)
        return _Snapshot.from_reply(*found) if answer == "ok" else None

    async def _run_on_generation(
        self,
        script: str,
        keys: CampaignKeys,
        call: Callable[["_Generations"], "_Call"],
        *,
        create: bool = False,
        wait_for_replicas: bool = False,
    ) -> list[str]:
        """Run a script on the generations that this worker knows. Read them again and repeat it if they changed."""
        repeat_after = ("stale_generation", "missing") if create else ("stale_generation",)
        known = None
        async with self._redis.within_deadline():
            for _ in range(MAX_ATTEMPTS):
                known = await self._generations(keys, known, create=create)
                reply = await self._redis.eval(_script(script), *call(known), wait_for_replicas=wait_for_replicas)
                if reply[0] not in repeat_after:
                    return reply
        raise TotalsUnavailable(reason="stale_generation")

    async def _generations(
        self, keys: CampaignKeys, suspected: "_Generations | None", *, create: bool
    ) -> "_Generations":
        """Return the generations that this worker knows. Read them if it knows none, or only the suspected ones."""
        known = self._generations_by_campaign.get(keys)
        if known is not None and known is not suspected:
            return known
        # The id is random: docs/decisions/0001-each-generation-has-a-random-name.md
        proposed, salt, cursor = ("", "", "")
        if create:
            new, last_rebuild_at, last_sync_at = await self._register(keys.account, keys.campaign)
            proposed, salt = _new_generation()
            cursor = last_sync_at if new == "1" and last_rebuild_at else ""
        suspect = suspected.current if suspected else ""
        reply = await self._redis.eval(
            _script("ensure_generation"),
            (keys.meta, *keys.generation(proposed), *keys.generation(suspect)),
            (SCHEMA_VERSION, proposed, salt, suspect, cursor),
        )
        found = _Generations.from_reply(*reply)
        if proposed and suspect and found.current == proposed:  # the totals are unknown from now on
            await self._redis.eval(_script("touch"), (touched_key(keys.account),), (keys.campaign,))
        self._generations_by_campaign.pop(keys, None)
        if found.current:
            self._generations_by_campaign[keys] = found
        return found

    async def _register(self, account: Account, *campaigns: str) -> list[str]:
        arguments = (secrets.token_hex(8), *campaigns)
        return await self._redis.eval(_script("register_campaigns"), (account_key(account),), arguments)


_Call = tuple[Sequence[str], Sequence[Argument]]
"""The keys and the arguments of a script."""

_HISTORY_FIELDS = ("last_sync_at", "last_rebuild_at")


def _new_generation() -> tuple[str, str]:
    """Return the id and the salt of a new generation."""
    return secrets.token_hex(8), secrets.token_hex(16)


_GENERATION = re.compile("[0-9a-f]{16}[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Generations:
    """The current generation and the rebuild beside it, or empty strings."""

    current: str
    salt: str
    rebuild: str
    rebuild_salt: str

    @classmethod
    def from_reply(cls, schema: str, *names: str | None) -> "_Generations":
        if schema != SCHEMA_VERSION:
            raise TotalsUnavailable(reason="layout_unknown", found=schema[:40], written=SCHEMA_VERSION)
        current, salt, rebuild, rebuild_salt = (name or "" for name in names)
        pairs = ((current, salt), (rebuild, rebuild_salt))
        if any(name and not _GENERATION.fullmatch(name + key) for name, key in pairs):
            raise TotalsUnavailable(reason="damaged", found=f"{current} {rebuild}"[:40])
        return cls(current, salt, rebuild, rebuild_salt)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A current generation. It has no cursor and no totals if it is not complete or contradicts itself."""

    generation: str
    updates: int
    cursor: int | None = None
    totals: Totals | None = None
    by_site: dict[str, Totals] = field(default_factory=dict)

    @classmethod
    def from_reply(cls, generation: str, updates: str, cursor: str = "", *sums: str) -> "_Snapshot":
        if not cursor:
            return cls(generation, _parse_int(updates))
        raised, payments, *of_sites = sums
        by_site = {
            site: Totals(_parse_int(amount), _parse_int(number))
            for site, amount, number in zip(of_sites[::3], of_sites[1::3], of_sites[2::3], strict=True)
        }
        totals = Totals(_parse_int(raised), _parse_int(payments))
        return cls(generation, _parse_int(updates), _parse_int(cursor), totals, by_site)


def _parse_int(text: str) -> int:
    """Parse an integer that a script wrote. Raise TotalsUnavailable for any other text."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,15}", text):
        raise TotalsUnavailable(reason="damaged", found=text[:40])
    return int(text)


def _arguments(state: ObjectState) -> tuple[Argument, ...]:
    return state.kind.value, state.site, state.version, state.amount


def _entries(state: ObjectState, salt: str) -> tuple[bytes, bytes]:
    """Return the keys of the entries of the object and of its payment. Without a salt there is no generation."""
    return _entry(state.kind, state.object_id, salt), _entry(ObjectKind.PAYMENT, state.payment, salt)


def _entry(kind: ObjectKind, object_id: str, salt: str) -> bytes:
    """Return 28 bytes for one object in one generation: 16 to find its entry, and 12 to hide its content.

    See docs/decisions/0024-amounts-and-versions-in-redis-are-hidden.md.
    """
    if not salt:
        return b""
    return hashlib.blake2b(f"{kind.value}:{object_id}".encode(), key=bytes.fromhex(salt), digest_size=28).digest()


def _script(name: str) -> Script:
    return load_script("_prelude", name)
