"""In-memory fake of the port to the stored totals."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

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
from donation_card.domain.lifetimes import MAX_AHEAD, STALE_AFTER
from donation_card.domain.publication import PublicationPolicy, PublishedTotal, next_published_total, periods_around
from donation_card.domain.totals import ObjectKind, ObjectState, Totals, campaign_of
from donation_card.errors import TotalsUnavailable


@dataclass
class _Generation:
    """Hold the objects of one generation, and the time up to which it is complete."""

    objects: dict[tuple[ObjectKind, str], ObjectState] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    """Payment that is reversed but does not count → the number of updates when its first reversal came."""
    cursor: int | None = None

    def apply(self, state: ObjectState, updates: int = 0) -> bool:
        name = state.kind, state.object_id
        known = self.objects.get(name)
        later = (state.version, -state.amount) > ((known.version, -known.amount) if known else (0, 0))
        if state.version == 0 or not later:
            return False
        self.objects[name] = state
        if state.kind is ObjectKind.PAYMENT:
            self.waiting.pop(state.payment, None)
        elif (ObjectKind.PAYMENT, state.payment) not in self.objects:
            self.waiting.setdefault(state.payment, updates)
        return known is None or (known.amount != state.amount and (ObjectKind.PAYMENT, state.payment) in self.objects)

    def counted(self) -> list[ObjectState]:
        return [each for each in self.objects.values() if (ObjectKind.PAYMENT, each.payment) in self.objects]

    def totals(self, site: str | None = None) -> Totals:
        """Return the totals of the campaign, or of one site."""
        counted = [state for state in self.counted() if site in (None, state.site)]
        payments = sum(state.kind is ObjectKind.PAYMENT for state in counted)
        return Totals(sum(state.amount for state in counted), payments)

    def by_site(self) -> dict[str, int]:
        sums: dict[str, int] = defaultdict(int)
        for state in self.counted():
            sums[state.site] += state.amount
        return {site: total for site, total in sums.items() if total}


@dataclass
class _CampaignTotals:
    current: str = ""
    rebuild: str = ""
    generations: dict[str, _Generation] = field(default_factory=dict)
    published: dict[str | None, PublishedTotal] = field(default_factory=dict)
    """The public total of each site, and of the campaign (None)."""
    updates: int = 0


class FakeTotalsStore:
    """Keep totals in memory. `available = False` makes every method raise TotalsUnavailable."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock, self.available = clock, True
        self._ids = itertools.count(1)
        self._totals: dict[tuple[Account, str], _CampaignTotals] = {}
        self._leases: dict[Account, str] = {}
        self._histories: dict[Account, SyncHistory] = {}
        self._positions: dict[Account, RebuildPosition | None] = {}
        self._accounts: dict[str, Account] = {}
        self._registered: dict[Account, dict[str, str]] = {}
        """Account → campaign → a text that is different for each."""
        self._touches: dict[Account, dict[str, int]] = {}

    def wipe(self) -> None:
        """Lose everything, as a Redis that restarts empty."""
        self._totals.clear()
        self._leases.clear()
        self._histories.clear()
        self._positions.clear()
        self._accounts.clear()
        self._registered.clear()
        self._touches.clear()

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        totals = self._opened(account, state.campaign)
        totals.updates += 1
        if totals.rebuild:
            totals.generations[totals.rebuild].apply(state, totals.updates)
        applied = totals.generations[totals.current].apply(state, totals.updates)
        return ApplyResult.APPLIED if applied else ApplyResult.UNCHANGED

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
        self._check_available()
        found = self._totals.get((account, campaign))
        if found is None:
            return None
        server_time = self.clock().timestamp()
        generation = found.generations.get(found.current)
        published = found.published.get(site)
        complete = generation is not None and generation.cursor is not None
        complete = complete and (generation.cursor or 0) <= server_time + MAX_AHEAD
        oldest = max(server_time - STALE_AFTER, synced_since)
        if generation is None or not complete or (generation.cursor or 0) < oldest:
            return published and replace(published, stale=True)
        starts = [int(server_time)] if policy.immediate else periods_around(policy, now)
        begun = [start for start in starts if start <= server_time]
        if begun:
            published = found.published[site] = next_published_total(
                policy,
                published,
                generation.totals(site),
                period_start=begun[-1],
                offline=offline,
                listed=listed,
                ended=ended,
                now=server_time,
            )
        return published

    async def touch(self, account: Account, campaigns: Iterable[str]) -> None:
        self._check_available()
        touches = self._touches.setdefault(account, {})
        number = max(touches.values(), default=0) + 1
        touches.update(dict.fromkeys(campaigns, number))

    async def touched(self, account: Account, seen: TouchMark) -> Touched:
        self._check_available()
        touches, history = self._touches.get(account, {}), self._histories.get(account, SyncHistory())
        mark = TouchMark("", self._registry(account), max(touches.values(), default=0), history.last_sync_at)
        return Touched(
            mark, int(self.clock().timestamp()), [name for name, number in touches.items() if number > seen.number]
        )

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        generation = found and found.generations.get(found.current)
        return generation.totals() if generation and generation.cursor is not None else None

    async def totals_by_site(self, account: Account, campaign: str) -> dict[str, Totals]:
        self._check_available()
        found = self._totals.get((account, campaign))
        generation = found and found.generations.get(found.current)
        if not generation or generation.cursor is None:
            return {}
        return {site: generation.totals(site) for site in {state.site for state in generation.counted()}}

    async def lease(self, account: Account, owner: str) -> bool:
        self._check_available()
        return self._leases.setdefault(account, owner) == owner

    async def release(self, account: Account, owner: str) -> None:
        self._check_available()
        if self._leases.get(account) == owner:
            del self._leases[account]

    async def sync_history(self, account: Account) -> SyncHistory:
        self._check_available()
        return replace(self._histories.get(account, SyncHistory()), registry=self._registry(account))

    async def save_sync_history(self, account: Account, history: SyncHistory) -> bool:
        self._check_available()
        if history.registry != self._registry(account):
            return False
        self._histories[account] = history
        return True

    async def campaigns(self, account: Account) -> set[str]:
        self._check_available()
        return set(self._registered.get(account, ()))

    async def register_campaigns(self, account: Account, campaigns: Iterable[str]) -> None:
        self._check_available()
        for campaign in campaigns:
            self._register(account, campaign)

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        totals = self._opened(account, campaign)
        return SyncRun(totals.current, totals.generations[totals.current].cursor, totals.updates)

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> int | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        if found is None or found.current != run.generation or found.generations[run.generation].cursor is None:
            return None
        generation = found.generations[run.generation]
        stored = generation.cursor or 0
        generation.cursor = cursor if stored > self.clock().timestamp() + MAX_AHEAD else max(stored, cursor)
        return sum(since <= run.updates for since in generation.waiting.values())

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        totals = self._opened(account, campaign)
        totals.generations.pop(totals.rebuild, None)
        totals.rebuild = self._new_generation(totals)
        return Rebuild(campaign, totals.rebuild, "salt")

    async def unfinished_rebuild(self, account: Account, campaign: str) -> Rebuild | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        return Rebuild(campaign, found.rebuild, "salt") if found and found.rebuild else None

    async def rebuild_position(self, account: Account) -> RebuildPosition | None:
        self._check_available()
        return self._positions.get(account)

    async def save_rebuild_position(self, account: Account, position: RebuildPosition | None) -> None:
        self._check_available()
        self._positions[account] = position

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return False
        found.generations[rebuild.generation].apply(state)
        return True

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return None
        report = self._compared(found, rebuild)
        del found.generations[found.current]
        found.current, found.rebuild = rebuild.generation, ""
        found.generations[rebuild.generation].cursor = cursor
        return report

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return None
        report = self._compared(found, rebuild)
        del found.generations[rebuild.generation]
        found.rebuild = ""
        return report

    async def save_account(self, fingerprint: str, account: Account) -> None:
        self._check_available()
        self._accounts[fingerprint] = account

    async def load_account(self, fingerprint: str) -> Account | None:
        self._check_available()
        return self._accounts.get(fingerprint)

    async def ping(self) -> None:
        self._check_available()

    async def close(self) -> None: ...

    def _check_available(self) -> None:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")

    def _opened(self, account: Account, campaign: str) -> _CampaignTotals:
        self._check_available()
        key = account, campaign
        if key not in self._totals:
            history, names = self._histories.get(account, SyncHistory()), self._registered.get(account, {})
            new = campaign_of(campaign) not in map(campaign_of, names)  # then it has no payment at Stripe
            self._register(account, campaign)
            totals = self._totals[key] = _CampaignTotals()
            totals.current = self._new_generation(totals)
            if new and history.last_rebuild_at is not None:
                totals.generations[totals.current].cursor = history.last_sync_at
        return self._totals[key]

    def _register(self, account: Account, name: str) -> None:
        names = self._registered.setdefault(account, {})
        known = {campaign_of(each): number for each, number in names.items()}
        names.setdefault(name, known.get(campaign_of(name)) or str(next(self._ids)))

    def _registry(self, account: Account) -> str:
        return " ".join(sorted({*self._registered.get(account, {}).values()}))

    def _new_generation(self, totals: _CampaignTotals) -> str:
        name = f"{next(self._ids):016x}"
        totals.generations[name] = _Generation()
        return name

    def _of_rebuild(self, account: Account, rebuild: Rebuild) -> _CampaignTotals | None:
        self._check_available()
        found = self._totals.get((account, rebuild.campaign))
        return found if found is not None and found.rebuild == rebuild.generation else None

    def _compared(self, found: _CampaignTotals, rebuild: Rebuild) -> RebuildReport:
        before, after = found.generations[found.current], found.generations[rebuild.generation]
        uncounted = list(after.waiting.values()).count(0)
        if before.cursor is None:
            return RebuildReport(rebuild.campaign, None, after.totals(), mismatch=False, uncounted=uncounted)
        mismatch = (before.totals(), before.by_site()) != (after.totals(), after.by_site())
        return RebuildReport(rebuild.campaign, before.totals(), after.totals(), mismatch, uncounted)
