"""Reconciliation: compare the stored totals with Stripe, which holds the truth.

An *incremental sync* applies what is new at Stripe since the last one, so that a lost webhook does no harm. A *full
rebuild* fills a new generation with everything that Stripe has, compares it with the current one and replaces it. It
builds empty totals, repairs wrong ones, and verifies correct ones once a day. Both may run twice at once, or end early.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import Account, Payments, StripeRecord
from donation_card.application.ports.totals import (
    Rebuild,
    RebuildPosition,
    RebuildReport,
    SyncHistory,
    SyncRun,
    TotalsStore,
)
from donation_card.application.public_progress import PublicProgress
from donation_card.application.rebuild_progress import RebuildProgress, hash_of
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.lifetimes import MAX_AHEAD, SESSION_LIFETIME
from donation_card.domain.totals import ObjectState, campaign_of
from donation_card.errors import IgnoredEvent, ListIncomplete, PaymentsUnavailable, PaymentUnknown, TotalsUnavailable
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log

SYNC_INTERVAL = 1_800
"""Seconds between two syncs. It is the same with and without donations, so no time of a sync shows a donation.

It uses 5,800 of the 10,000 reads a month that Stripe allows an account without donations.
"""

OVERLAP = SESSION_LIFETIME + 600
"""Seconds before the cursor that a sync reads again: a session that was created then can have been paid since."""

LISTING_DELAY = 60
"""Seconds until a charge appears in Stripe's lists."""

REBUILD_INTERVAL = 86_400
"""Seconds between two rebuilds."""

FIRST_RETRY = 30
"""Half of the seconds until a campaign that a sync left out is tried again. The wait doubles each time."""


_Result = TypeVar("_Result")


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
    clock: Callable[[], datetime]
    history: SyncHistory | None = field(default=None, init=False)
    """The history as it was read last, or None."""
    failures: dict[str, str] = field(default_factory=dict, init=False)
    """Name of totals → the reason why the last sync left them out."""
    _owner: str = field(default_factory=lambda: secrets.token_hex(8), init=False)
    _failed_runs: int = field(default=0, init=False)

    async def run_if_due(self) -> None:
        """Synchronise if it is due and no other worker does. Raise Unavailable."""
        store, account = self.totals_store, await self.account.get()
        self.history = await self._read_history(account)
        if not self._is_due(self.history) or not await store.lease(account, self._owner):
            return
        try:
            await self.run()
        finally:
            await store.release(account, self._owner)

    def _is_due(self, history: SyncHistory) -> bool:
        last = history.last_sync_at
        if (
            last is None
            or last < self.progress.sync_required_since()
            or self.progress.stale_totals() - self.failures.keys()
        ):
            return True
        retry = FIRST_RETRY << min(self._failed_runs, 9) if self.failures else SYNC_INTERVAL
        return self._now() >= last + min(retry, SYNC_INTERVAL)

    async def run(self) -> None:
        """Run an incremental sync, or a full rebuild if totals are unknown or a day is over. Raise Unavailable."""
        store, account, began = self.totals_store, await self.account.get(), self._now()
        self.failures.clear()
        syncs = await self._begin_syncs(account)
        await store.register_campaigns(account, syncs.keys() | self.failures.keys())  # unless Redis has all names
        history = await self._read_history(account)
        unknown = [name for name, run in syncs.items() if run.since is None]
        if unknown or history.last_rebuild_at is None or began >= history.last_rebuild_at + REBUILD_INTERVAL:
            log.info(LogEvent.REBUILD_STARTED, unknown=unknown)
            await self.rebuild(recent=syncs)
            self.history = SyncHistory(began, began, registry=history.registry)
        else:
            since = min((run.since for run in syncs.values() if run.since is not None), default=began)
            await self._apply_news(since)
            advanced = await self._for_each(syncs, lambda name: store.advance_cursor(account, name, syncs[name], began))
            for name, uncounted in advanced.items():
                if uncounted is None:
                    log.warning(LogEvent.SYNC_INVALIDATED, campaign=name)  # the next sync repairs it
                else:
                    _report_uncounted(name, uncounted)
            log.info(LogEvent.SYNC_FINISHED, since=since)
            self.history = replace(history, last_sync_at=began)
        if not await store.save_sync_history(account, self.history):
            log.warning(LogEvent.SYNC_INVALIDATED)
            return
        self.progress.confirm_sync(began)
        self._failed_runs = self._failed_runs + 1 if self.failures else 0

    async def rebuild(
        self,
        *,
        dry_run: bool = False,
        recent: dict[str, SyncRun] | None = None,
        on_progress: Callable[[int], None] = no_progress,
    ) -> list[RebuildReport]:
        """Fill a new generation of every campaign from Stripe, compare, and make it current unless `dry_run`.

        `recent` are the syncs that began before. Their news is applied first, so that a donation whose webhook is still
        on its way is no mismatch. An interrupted rebuild is continued, but not by a `dry_run`.

        Raise Unavailable, also if another rebuild takes over.
        """
        store, account, began = self.totals_store, await self.account.get(), self._now()
        names = {campaign.totals_name for campaign in self.campaigns.all()} | await store.campaigns(account)
        rebuilds, reached = await self._begin_rebuilds(account, sorted(names), continued=not dry_run)
        since, before = (reached.began, reached.read_back_to) if reached else (began, None)
        progress = RebuildProgress(store, account, self._owner, rebuilds, since, before, on_progress)
        starts = [run.since for run in (recent or {}).values()]
        known = [since for since in starts if since is not None]
        all_known = bool(known) and len(known) == len(starts)
        lists = [progress.noted(self.payments.list_created_since(0, before=before))]
        if reached:  # what came since it began
            lists.append(self.payments.list_created_since(since - OVERLAP))
        if reached or not all_known:
            # Only events report a session that Stripe does not list yet. Its webhook can have been answered before.
            lists.append(self._late_changes(since - OVERLAP))
        incomplete: ListIncomplete | None = None
        try:
            await self._fill_rebuilds(lists, progress)
        except ListIncomplete as error:
            incomplete = error
        if all_known:
            await self._apply_news(min(known))
        if incomplete:
            raise incomplete

        def finish(name: str) -> Awaitable[RebuildReport | None]:
            rebuild = rebuilds[name]
            return (
                store.discard_rebuild(account, rebuild) if dry_run else store.promote_rebuild(account, rebuild, began)
            )

        finished = await self._for_each(rebuilds, finish)
        reports = [report for report in finished.values() if report]
        if not dry_run:
            await store.touch(account, [report.campaign for report in reports])
        for report in reports:
            _log_mismatch(report)
            _report_uncounted(report.campaign, 0 if dry_run else report.uncounted)
        await store.save_rebuild_position(account, None)
        if len(reports) < len(finished):
            raise _overtaken()
        log.info(LogEvent.REBUILD_FINISHED, campaigns=len(reports), dry_run=dry_run)
        return reports

    async def _begin_syncs(self, account: Account) -> dict[str, SyncRun]:
        store = self.totals_store
        names = dict.fromkeys(each.totals_name for each in self.campaigns.all())
        names |= dict.fromkeys(await store.campaigns(account))
        syncs = await self._for_each(names, lambda name: store.begin_sync(account, name))
        return {name: replace(run, since=self._known(run.since, f"cursor of {name}")) for name, run in syncs.items()}

    async def _read_history(self, account: Account) -> SyncHistory:
        found = await self.totals_store.sync_history(account)
        return replace(
            found,
            last_sync_at=self._known(found.last_sync_at, "last_sync_at"),
            last_rebuild_at=self._known(found.last_rebuild_at, "last_rebuild_at"),
        )

    def _known(self, at: int | None, name: str) -> int | None:
        """Return a stored instant, or None if it is unknown because a clock was ahead when it was stored."""
        if at is None or at <= self._now() + MAX_AHEAD:
            return at
        metrics.future_instants.metric.inc()
        log.error(LogEvent.CLOCK_WAS_AHEAD, instant=name, ahead_seconds=at - self._now())
        return None

    async def _for_each(self, names: Iterable[str], work: Callable[[str], Awaitable[_Result]]) -> dict[str, _Result]:
        """Do the work for each campaign that did not fail yet. A failure of one campaign delays no other.

        Raise TotalsUnavailable if the store as a whole is not usable.
        """
        results: dict[str, _Result] = {}
        for name in names:
            if name not in self.failures:
                try:
                    results[name] = await work(name)
                except Exception as error:
                    await self._leave_out(name, error)
        return results

    async def _leave_out(self, name: str, error: Exception) -> None:
        """Leave a campaign out of this sync. Raise Unavailable if Stripe or the store as a whole is not usable."""
        if isinstance(error, PaymentsUnavailable):
            raise error
        await self.totals_store.ping()
        log.error(LogEvent.CAMPAIGN_SYNC_FAILED, campaign=name, reason=str(error), exc_info=error)
        self.failures[name] = str(error) if isinstance(error, TotalsUnavailable) else type(error).__name__

    async def _begin_rebuilds(
        self, account: Account, names: Sequence[str], *, continued: bool
    ) -> tuple[dict[str, Rebuild], RebuildPosition | None]:
        """Return the generations to fill. They are those of an unfinished rebuild if its position is returned too."""
        store, now = self.totals_store, self._now()
        reached = await store.rebuild_position(account) if continued else None
        if reached and now - REBUILD_INTERVAL < reached.began <= now:
            found = await self._for_each(names, lambda name: store.unfinished_rebuild(account, name))
            unfinished = {name: rebuild for name, rebuild in found.items() if rebuild}
            if hash_of(unfinished) == reached.generations:
                log.info(LogEvent.REBUILD_CONTINUED)
                return unfinished, reached
        await store.save_rebuild_position(account, None)
        return await self._for_each(names, lambda name: store.begin_rebuild(account, name)), None

    async def _fill_rebuilds(self, lists: Iterable[AsyncIterator[StripeRecord]], progress: RebuildProgress) -> None:
        account, rebuilds = progress.account, progress.rebuilds
        try:
            for records in lists:
                async for state in self._states(records):
                    await progress.count(complete=not self.failures)
                    if state.campaign not in self.failures and not await self._fill(account, state, rebuilds):
                        await self.totals_store.save_rebuild_position(account, None)
                        raise _overtaken()
        finally:
            progress.end()

    async def _fill(self, account: Account, state: ObjectState, rebuilds: Mapping[str, Rebuild]) -> bool:
        """Apply a state to the rebuild of its campaign. Return False if another rebuild took over."""
        rebuild = rebuilds.get(state.campaign)
        try:
            if rebuild is not None:
                return await self.totals_store.apply_to_rebuild(account, rebuild, state)
            # a new campaign; a rebuild that began now would miss its earlier objects
            await self.totals_store.apply(account, state)
        except Exception as error:
            await self._leave_out(state.campaign, error)
        return True

    async def _apply_news(self, since: int) -> None:
        """Apply what is new since then.

        Raise ListIncomplete after everything else was applied.
        """
        start = max(0, since - OVERLAP)
        incomplete: ListIncomplete | None = None
        for records in (self.payments.list_created_since(start), self._late_changes(start)):
            try:
                async for state in self._states(self._with_bank_check(records, since)):
                    await self._apply(state)
            except ListIncomplete as error:
                incomplete = error
        if incomplete:
            raise incomplete

    async def _apply(self, state: ObjectState) -> None:
        """Apply a state unless its campaign failed."""
        if state.campaign in self.failures:
            return
        try:
            await self.recorder.apply(state, "sync")
        except Exception as error:
            await self._leave_out(state.campaign, error)

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
        metrics.mismatches.labels(campaign_of(report.campaign)).inc()
        log.error(LogEvent.TOTALS_MISMATCH, campaign=report.campaign)  # a difference is the amount of a donation


def _report_uncounted(campaign: str, payments: int) -> None:
    """Report payments that are refunded or disputed, but do not count after a complete sync."""
    if payments:
        metrics.not_counted.labels("reversal_without_payment").inc(payments)
        log.error(LogEvent.REVERSAL_WITHOUT_PAYMENT, campaign=campaign, payments=payments)


def _overtaken() -> TotalsUnavailable:
    """Report that another rebuild began, or that Redis lost the new generation. The rebuild is repeated."""
    return TotalsUnavailable(reason="rebuild_overtaken")
