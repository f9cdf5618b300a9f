"""Reconciliation: compare the stored totals with Stripe, which holds the truth.

An *incremental sync* applies what is new at Stripe since the last one, so that a lost webhook does no harm. A *full
rebuild* fills a new generation with everything that Stripe has, compares it with the current one and replaces it. It
builds empty totals, repairs wrong ones, and verifies correct ones once a day. Both may run twice at once, or end early.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from donation_card.application.activity import ActivityLog
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import Account, Payments, StripeRecord
from donation_card.application.ports.totals import (
    ApplyResult,
    Rebuild,
    RebuildReport,
    SyncHistory,
    SyncRun,
    TotalsStore,
)
from donation_card.application.public_progress import PublicProgress
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.totals import ObjectState
from donation_card.errors import IgnoredEvent, ListIncomplete, PaymentsUnavailable, PaymentUnknown, TotalsUnavailable
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent

log = structlog.get_logger()

SYNC_INTERVAL: Final = 600
"""Seconds between two syncs."""

MAX_SYNC_INTERVAL: Final = 3_600
"""Seconds between two syncs of an account without activity. The interval grows, because Stripe limits reads."""

OVERLAP: Final = SESSION_LIFETIME + 600
"""Seconds before the cursor that a sync reads again: a session that was created then can have been paid since."""

LISTING_DELAY: Final = 60
"""Seconds until a charge appears in Stripe's lists."""

REBUILD_INTERVAL: Final = 86_400
"""Seconds between two rebuilds."""


def no_progress(done: int) -> None:
    """Ignore the progress of a rebuild."""


@dataclass(slots=True)
class Reconciliation:
    account: StripeAccount
    campaigns: Campaigns
    totals_store: TotalsStore
    payments: Payments
    recorder: PaymentRecorder
    progress: PublicProgress
    activity: ActivityLog
    clock: Callable[[], datetime]
    history: SyncHistory | None = field(default=None, init=False)
    """The history as it was read last, or None."""
    _owner: str = field(default_factory=lambda: secrets.token_hex(8), init=False)
    _started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.clock().timestamp()

    async def run_if_due(self) -> None:
        """Synchronise if it is due and no other worker does. Raise Unavailable."""
        store, account = self.totals_store, await self.account.get()
        self.history = await store.sync_history(account)
        if not self._is_due(self.history) or not await store.lease(account, self._owner):
            return
        try:
            await self.run()
        finally:
            await store.release(account, self._owner)

    def _is_due(self, history: SyncHistory) -> bool:
        last = history.last_sync_at
        if last is None or last < self._started_at or self.progress.stale_campaigns():
            return True
        active = self.activity.last_activity_at >= last - SESSION_LIFETIME
        interval = min(SYNC_INTERVAL << min(history.empty_syncs, 9), SYNC_INTERVAL if active else MAX_SYNC_INTERVAL)
        return self._now() >= last + interval

    async def run(self) -> None:
        """Run an incremental sync, or a full rebuild if totals are unknown or a day is over. Raise Unavailable."""
        store, account, began = self.totals_store, await self.account.get(), self._now()
        history = await store.sync_history(account)
        syncs = await self._begin_syncs(account)
        unknown = [name for name, run in syncs.items() if run.since is None]
        if unknown or history.last_rebuild_at is None or began >= history.last_rebuild_at + REBUILD_INTERVAL:
            log.info(LogEvent.REBUILD_STARTED, unknown=unknown)
            await self.rebuild(recent=syncs)
            self.history = SyncHistory(began, began)
        else:
            since = min((run.since for run in syncs.values() if run.since is not None), default=began)
            news = await self._apply_news(since)
            for name, run in syncs.items():
                if not await store.advance_cursor(account, name, run, began):
                    log.warning(LogEvent.SYNC_INVALIDATED, campaign=name)  # the next sync repairs it
            log.info(LogEvent.SYNC_FINISHED, since=since, news=news)
            self.history = SyncHistory(began, history.last_rebuild_at, 0 if news else history.empty_syncs + 1)
        await store.save_sync_history(account, self.history)

    async def rebuild(
        self,
        *,
        dry_run: bool = False,
        recent: dict[str, SyncRun] | None = None,
        on_progress: Callable[[int], None] = no_progress,
    ) -> list[RebuildReport]:
        """Fill a new generation of every campaign from Stripe, compare, and make it current unless `dry_run`.

        `recent` are the syncs that began before. Their news is applied first, so that a donation whose webhook is still
        on its way is no mismatch. Raise Unavailable, also if another rebuild takes over.
        """
        store, account, began = self.totals_store, await self.account.get(), self._now()
        names = {campaign.id for campaign in self.campaigns.all()} | await store.campaigns(account)
        rebuilds = {name: await store.begin_rebuild(account, name) for name in sorted(names)}
        incomplete: ListIncomplete | None = None
        try:
            await self._fill_rebuilds(account, rebuilds, on_progress)
        except ListIncomplete as error:
            incomplete = error
        if recent and all(run.since is not None for run in recent.values()):
            await self._apply_news(min(run.since or 0 for run in recent.values()))
        if incomplete:
            raise incomplete
        finished = [
            await (
                store.discard_rebuild(account, rebuild) if dry_run else store.promote_rebuild(account, rebuild, began)
            )
            for rebuild in rebuilds.values()
        ]
        reports = [report for report in finished if report]
        for report in reports:
            _log_mismatch(report)
        if len(reports) < len(finished):
            raise _overtaken()
        log.info(LogEvent.REBUILD_FINISHED, campaigns=len(reports), dry_run=dry_run)
        return reports

    async def _begin_syncs(self, account: Account) -> dict[str, SyncRun]:
        store = self.totals_store
        syncs = {each.id: await store.begin_sync(account, each.id) for each in self.campaigns.all()}
        for name in await store.campaigns(account) - syncs.keys():
            syncs[name] = await store.begin_sync(account, name)
        return syncs

    async def _fill_rebuilds(
        self, account: Account, rebuilds: dict[str, Rebuild], on_progress: Callable[[int], None]
    ) -> None:
        done = 0
        async for state in self._states(self.payments.list_created_since(0)):
            done += 1
            if done % 1_000 == 0:
                on_progress(done)
                await self.totals_store.lease(account, self._owner)
            rebuild = rebuilds.get(state.campaign)
            if rebuild is None:  # a new campaign; a rebuild that began now would miss its earlier objects
                await self.totals_store.apply(account, state)
            elif not await self.totals_store.apply_to_rebuild(account, rebuild, state):
                raise _overtaken()
        on_progress(done)

    async def _apply_news(self, since: int) -> int:
        """Apply what is new since then, and return the number of changes.

        Raise ListIncomplete after everything else was applied.
        """
        start, news = max(0, since - OVERLAP), 0
        incomplete: ListIncomplete | None = None
        for records in (self.payments.list_created_since(start), self._late_changes(start)):
            try:
                async for state in self._states(self._with_bank_check(records, since)):
                    news += await self.recorder.apply(state, "sync") is ApplyResult.APPLIED
            except ListIncomplete as error:
                incomplete = error
        if incomplete:
            raise incomplete
        return news

    async def _with_bank_check(self, records: AsyncIterator[StripeRecord], since: int) -> AsyncIterator[StripeRecord]:
        """Check charges since the last sync began. The period ends early, because a charge is listed with a delay."""
        until = self._now()
        async for record in records:
            self.recorder.check_bank_country(record, since - LISTING_DELAY, until - LISTING_DELAY)
            yield record

    async def _states(self, records: AsyncIterator[StripeRecord]) -> AsyncIterator[ObjectState]:
        async for record in records:
            try:
                state = await self.recorder.to_object_state(record)
            except IgnoredEvent as reason:
                log.info(LogEvent.OBJECT_NOT_OURS, object=record.id, reason=reason.code)
                continue
            except PaymentUnknown as error:  # the next sync asks again
                recent = error.params.get("reason") == "not_listed"
                metrics.not_counted.labels("other_product" if recent else "payment_unknown").inc()
                log.warning(LogEvent.PAYMENT_UNKNOWN, object=record.id, reason=str(error))
                continue
            if state is not None:
                yield state

    async def _late_changes(self, since: int) -> AsyncIterator[StripeRecord]:
        """List late changes of old objects, such as a failed refund or a won dispute.

        The daily rebuild finds them too, so a key without the right to read events only delays them.
        """
        try:
            async for record in self.payments.list_changed_since(since):
                yield record
        except PaymentsUnavailable as error:
            log.error(LogEvent.EVENT_LIST_FAILED, reason=str(error))

    def _now(self) -> int:
        return int(self.clock().timestamp())


def _log_mismatch(report: RebuildReport) -> None:
    if report.mismatch:
        metrics.mismatches.labels(report.campaign).inc()
        before, after = report.before and report.before.raised, report.after.raised
        log.error(LogEvent.TOTALS_MISMATCH, campaign=report.campaign, had=before, found=after)


def _overtaken() -> TotalsUnavailable:
    """Report that another rebuild began, or that Redis lost the new generation. The rebuild is repeated."""
    return TotalsUnavailable(reason="rebuild_overtaken")
