"""Reconciliation: hold the ledger against Stripe, where the truth is. Redis is only its projection.

A *pass* joins what is new at Stripe since the last one: it heals what webhooks missed. A *rebuild* fills a shadow
generation with everything Stripe knows, compares and lets it take over: it builds an empty ledger, mends a broken one
and checks, once a day, a good one. Both may run twice at once, or die midway, and harm nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from donation_card.application.donations import Donations
from donation_card.application.ports.payments import Account, StripeRecord
from donation_card.application.ports.totals import ApplyResult, Rebuild, RebuildReport, SyncHistory, SyncRun
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.totals import ObjectState
from donation_card.errors import IgnoredEvent, PaymentsUnavailable, TotalsUnavailable
from donation_card.observability import metrics

log = structlog.get_logger()

SYNC_INTERVAL: Final = 600
"""Seconds between two passes."""

MAX_SYNC_INTERVAL: Final = 3_600
"""Seconds; an account where nothing happens is looked at less and less often, for Stripe budgets reads."""

OVERLAP: Final = SESSION_LIFETIME + 600
"""Seconds that a pass looks back beyond the cursor: a session made before it may be paid as long as it lives."""

LISTING_DELAY: Final = 60
"""Seconds after which a charge is in what Stripe lists."""

REBUILD_INTERVAL: Final = 86_400
"""Seconds between two rebuilds that nothing asked for."""


def no_progress(done: int) -> None:
    """Tells nobody how far a rebuild has come."""


@dataclass(slots=True)
class Reconciliation:
    donations: Donations
    history: SyncHistory | None = None
    """As the ledger last told."""
    _owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.donations.clock().timestamp()

    async def run_if_due(self) -> None:
        """Do what is due, unless another worker is at it. Raises Unavailable."""
        store, account = self.donations.totals_store, await self.donations.account()
        self.history = await store.sync_history(account)
        if not self._is_due(self.history) or not await store.lease(account, self._owner):
            return
        try:
            await self.run(account)
        finally:
            await store.release(account, self._owner)

    def _is_due(self, history: SyncHistory) -> bool:
        now, last = self.donations.clock().timestamp(), history.last_sync_at
        if last is None or last < self._started_at or self.donations.stale_campaigns():
            return True
        wait = MAX_SYNC_INTERVAL
        if self.donations.last_activity_at >= last - SESSION_LIFETIME:
            wait = SYNC_INTERVAL
        return now >= last + min(wait, SYNC_INTERVAL << min(history.empty_syncs, 9))

    async def run(self, account: Account) -> None:
        """One pass, or a rebuild where only that helps or a day has gone by. Raises Unavailable."""
        store, began = self.donations.totals_store, self._now()
        history = await store.sync_history(account)
        syncs = await self._begin_syncs(account)
        unknown = [name for name, run in syncs.items() if run.since is None]
        if unknown or history.last_rebuild_at is None or began >= history.last_rebuild_at + REBUILD_INTERVAL:
            log.info("rebuild_started", unknown=unknown)
            await self.rebuild(account, recent=syncs)
            self.history = SyncHistory(began, began)
        else:
            since = min((run.since for run in syncs.values() if run.since is not None), default=began)
            news = await self._apply_news(account, since)
            for name, run in syncs.items():
                if not await store.advance_cursor(account, name, run, began):
                    log.warning("sync_invalidated", campaign=name)  # Redis was wiped meanwhile; the next pass will know
            log.info("sync_finished", since=since, news=news)
            self.history = SyncHistory(began, history.last_rebuild_at, 0 if news else history.empty_syncs + 1)
        await store.save_sync_history(account, self.history)

    async def rebuild(
        self,
        account: Account,
        *,
        dry_run: bool = False,
        recent: dict[str, SyncRun] | None = None,
        on_progress: Callable[[int], None] = no_progress,
    ) -> list[RebuildReport]:
        """Fill a shadow for every campaign with all that Stripe knows, compare, and let it take over.

        `recent`: the passes begun before; what is new since them is joined first, as every pass would, so that a gift
        whose webhook is still on its way is no difference. Raises Unavailable, also when another rebuild overtakes.
        """
        store, began = self.donations.totals_store, self._now()
        names = {campaign.id for campaign in self.donations.campaigns.all()} | await store.campaigns(account)
        rebuilds = {name: await store.begin_rebuild(account, name) for name in sorted(names)}
        await self._fill_rebuilds(account, rebuilds, on_progress)
        if recent and all(run.since is not None for run in recent.values()):
            await self._apply_news(account, min(run.since or 0 for run in recent.values()))
        end = (
            store.discard_rebuild
            if dry_run
            else lambda account, rebuild: store.promote_rebuild(account, rebuild, began)
        )
        compared = [await end(account, rebuild) for rebuild in rebuilds.values()]
        found = [comparison for comparison in compared if comparison]
        for comparison in found:
            if comparison.mismatch:
                metrics.mismatches.labels(comparison.campaign).inc()
                log.error(
                    "totals_mismatch",
                    campaign=comparison.campaign,
                    had=comparison.before and comparison.before.raised,
                    found=comparison.after.raised,
                )
        if len(found) < len(compared):
            raise _overtaken()
        log.info("rebuild_finished", campaigns=len(found), dry_run=dry_run)
        return found

    async def _begin_syncs(self, account: Account) -> dict[str, SyncRun]:
        store = self.donations.totals_store
        syncs = {each.id: await store.begin_sync(account, each.id) for each in self.donations.campaigns.all()}
        for name in await store.campaigns(account) - syncs.keys():
            syncs[name] = await store.begin_sync(account, name)
        return syncs

    async def _fill_rebuilds(
        self, account: Account, rebuilds: dict[str, Rebuild], on_progress: Callable[[int], None]
    ) -> None:
        done = 0
        async for state in self._states(self.donations.payments.list_created_since(0)):
            done += 1
            if done % 1_000 == 0:
                on_progress(done)
                await self.donations.totals_store.lease(account, self._owner)
            rebuild = rebuilds.get(state.campaign)
            if rebuild is None:  # first heard of now; opening a shadow on the way could lose what came before it
                await self.donations.totals_store.apply(account, state)
            elif not await self.donations.totals_store.apply_to_rebuild(account, rebuild, state):
                raise _overtaken()
        on_progress(done)

    async def _apply_news(self, account: Account, since: int) -> int:
        """Join what is new since then; gives how many states were news."""
        payments, start, news = self.donations.payments, max(0, since - OVERLAP), 0
        for stream in (payments.list_created_since(start), self._late_changes(start)):
            async for state in self._states(self._with_bank_check(stream, since)):
                news += await self.donations.apply(account, state, "sync") is ApplyResult.APPLIED
        return news

    async def _with_bank_check(self, stream: AsyncIterator[StripeRecord], since: int) -> AsyncIterator[StripeRecord]:
        """A pass watches the time from where the last one began; a little later, for a charge shows up by then."""
        until = self._now()
        async for stripe_record in stream:
            self.donations.check_bank_country(stripe_record, since - LISTING_DELAY, until - LISTING_DELAY)
            yield stripe_record

    async def _states(self, stream: AsyncIterator[StripeRecord]) -> AsyncIterator[ObjectState]:
        async for stripe_record in stream:
            try:
                state = await self.donations.to_object_state(stripe_record)
            except IgnoredEvent as reason:
                log.info("object_not_ours", object=stripe_record.id, reason=reason.code)
                continue
            if state is not None:
                yield state

    async def _late_changes(self, since: int) -> AsyncIterator[StripeRecord]:
        """Late changes of old objects: a refund that failed, a dispute that was won. The daily rebuild finds them too,
        so a key without the right to read events delays them and stops nothing."""
        try:
            async for stripe_record in self.donations.payments.list_changed_since(since):
                yield stripe_record
        except PaymentsUnavailable as error:
            log.error("event_list_failed", reason=str(error))

    def _now(self) -> int:
        return int(self.donations.clock().timestamp())


def _overtaken() -> TotalsUnavailable:
    """Another rebuild began, or Redis lost what this one had filled: it proves nothing, and is done again."""
    return TotalsUnavailable(reason="rebuild_overtaken")
