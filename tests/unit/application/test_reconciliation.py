"""Syncs and rebuilds make the totals equal to what Stripe holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from donation_card.application import rebuild_progress, reconciliation
from donation_card.application.ports.payments import ChargeCountry, RefundOrDispute, StripeRecord
from donation_card.application.ports.totals import Rebuild, SyncHistory, SyncRun
from donation_card.application.reconciliation import OVERLAP, REBUILD_INTERVAL, SYNC_INTERVAL
from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.publication import PublicationPolicy
from donation_card.domain.totals import ObjectKind, ObjectState, Totals, campaign_of
from donation_card.errors import ListIncomplete, PaymentsUnavailable, TotalsUnavailable
from donation_card.observability import metrics
from hypothesis import given, strategies as st

from tests.support.fakes import ACCOUNT, FakeClock
from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio


async def sync(worker: Worker) -> Totals | None:
    await worker.reconciliation.run()
    return await worker.store.totals(ACCOUNT, "roof/EUR")


async def history(worker: Worker) -> SyncHistory:
    return await worker.store.sync_history(ACCOUNT)


async def test_first_sync_is_a_rebuild(worker: Worker) -> None:
    worker.at_stripe(paid_session(1), paid_session(2, campaign=None))
    assert await sync(worker) == Totals(25_00, 1)
    assert await history(worker) == SyncHistory(NOW, NOW)


async def test_sync_applies_what_webhooks_missed(worker: Worker) -> None:
    await sync(worker)
    worker.clock.advance(SYNC_INTERVAL)
    worker.at_stripe(paid_session(1), paid_session(2))
    assert await sync(worker) == Totals(50_00, 2)
    assert await history(worker) == SyncHistory(int(worker.clock.at), NOW)


async def test_sync_reads_the_overlap_again(worker: Worker) -> None:
    await sync(worker)
    worker.clock.advance(SYNC_INTERVAL)
    old, older = paid_session(1, created=NOW - OVERLAP), paid_session(2, created=NOW - OVERLAP - 1)
    worker.at_stripe(old, older)
    assert await sync(worker) == Totals(25_00, 1)


async def test_sync_applies_late_changes(worker: Worker) -> None:
    worker.at_stripe(paid_session(1, site="news.example"))
    await sync(worker)
    worker.payments.changed = [RefundOrDispute(ObjectKind.REFUND, "re_1", None, "EUR", 1, -5_00)]
    worker.payments.changed += [paid_session(2, created=1)]
    assert await sync(worker) == Totals(50_00, 2)


@pytest.mark.parametrize("first", [True, False])
async def test_incomplete_list_stops_no_other_list(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    async def list_created_since(created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        yield paid_session(1)
        raise ListIncomplete(reason="empty_page")

    await sync(worker)
    before = await history(worker)
    worker.clock.advance(REBUILD_INTERVAL if first else SYNC_INTERVAL)
    worker.payments.changed = [paid_session(2)]
    monkeypatch.setattr(worker.payments, "list_created_since", list_created_since)
    with pytest.raises(ListIncomplete):
        await sync(worker)
    assert worker.applied() == Totals(50_00, 2)
    assert await history(worker) == before


@given(data=st.data())
async def test_killed_rebuild_is_continued_and_complete(data: st.DataObject) -> None:
    """Kill a rebuild anywhere. Money moves meanwhile and no webhook comes. The next one still finds every cent."""
    worker, hours = Worker(), st.integers(0, 6)
    ages = data.draw(st.lists(st.integers(0, 6 * 3_600), min_size=1, max_size=12))
    sessions = [paid_session(number, created=NOW - age) for number, age in enumerate(ages)]
    worker.at_stripe(*sessions)
    refunded = data.draw(st.sets(st.integers(0, len(ages) - 1)))
    for number in refunded:
        worker.payments.reverse(refund_of(number))
    killed_after, listed = data.draw(st.integers(0, len(ages) + len(refunded))), worker.payments.list_created_since

    async def ends(created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        seen = 0
        async for record in listed(created, before=before):
            if seen == killed_after:
                raise asyncio.CancelledError
            seen += 1
            yield record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild_progress, "STORED_EVERY", 1)
        patch.setattr(worker.payments, "list_created_since", ends)
        with suppress(asyncio.CancelledError):
            await worker.reconciliation.rebuild()
    position = await worker.store.rebuild_position(ACCOUNT)
    worker.clock.advance(data.draw(hours) * 3_600)
    late = data.draw(st.sets(st.integers(0, len(ages) - 1)))
    for number in late - refunded:
        worker.payments.reverse(refund_of(number))
    worker.at_stripe(paid_session(99, created=int(worker.clock.at)))
    await worker.reconciliation.rebuild()
    expected = 25_00 * (len(ages) + 1) - 5_00 * len(refunded | late)
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == Totals(expected, len(ages) + 1)
    assert await worker.store.rebuild_position(ACCOUNT) is None
    if position:
        assert position.read_back_to % 3_600 == 0
        assert worker.payments.before == [None, position.read_back_to, None]


def refund_of(number: int) -> RefundOrDispute:
    return RefundOrDispute(ObjectKind.REFUND, f"re_{number}", f"pi_{number}", "EUR", 1, -5_00)


async def test_sync_works_without_the_right_to_read_events(worker: Worker) -> None:
    await sync(worker)
    worker.payments.event_list_error = PaymentsUnavailable(reason="permission")
    worker.at_stripe(paid_session(1))
    assert await sync(worker) == Totals(25_00, 1)


async def test_sync_that_lost_its_generation_proves_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def begin_sync(account: object, campaign: str) -> SyncRun:
        return SyncRun("gone", NOW)

    await sync(worker)
    with monkeypatch.context() as patch:
        patch.setattr(worker.store, "begin_sync", begin_sync)
        worker.clock.advance(SYNC_INTERVAL)
        await sync(worker)
    assert (await worker.store.begin_sync(ACCOUNT, "roof/EUR")).since == NOW


async def test_unknown_totals_are_rebuilt(worker: Worker) -> None:
    worker.at_stripe(paid_session(1, created=1))
    await sync(worker)
    worker.store.wipe()
    assert await sync(worker) == Totals(25_00, 1)


async def test_daily_rebuild_finds_a_mismatch(worker: Worker) -> None:
    await sync(worker)
    counter = metrics.mismatches.labels("roof")
    before = counter._value.get()
    worker.at_stripe(paid_session(1, created=1))
    worker.clock.advance(REBUILD_INTERVAL)
    assert await sync(worker) == Totals(25_00, 1)
    assert counter._value.get() == before + 1


async def test_donation_without_webhook_is_no_mismatch(worker: Worker) -> None:
    await sync(worker)
    worker.clock.advance(REBUILD_INTERVAL)
    worker.at_stripe(paid_session(1, created=int(worker.clock.at)))
    counter = metrics.mismatches.labels("roof")
    before = counter._value.get()
    assert await sync(worker) == Totals(25_00, 1)
    assert counter._value.get() == before


async def test_dry_run_changes_nothing(worker: Worker) -> None:
    await sync(worker)
    worker.at_stripe(paid_session(1))
    (report,) = await worker.reconciliation.rebuild(dry_run=True)
    assert (report.before, report.after, report.mismatch) == (Totals(0, 0), Totals(25_00, 1), True)
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == Totals(0, 0)


async def test_rebuild_reports_progress(worker: Worker) -> None:
    worker.at_stripe(*(paid_session(number) for number in range(2_001)))
    seen: list[int] = []
    await worker.reconciliation.rebuild(on_progress=seen.append)
    assert seen == [1_000, 2_000, 2_001]
    assert not await worker.store.lease(ACCOUNT, "other")


async def test_rebuild_keeps_a_donation_that_stripe_does_not_list_yet(worker: Worker) -> None:
    """Its webhook was answered before the rebuild. Its event exists already."""
    await worker.recorder.record(paid_session(1), "webhook")
    worker.payments.changed = [paid_session(1)]
    assert await sync(worker) == Totals(25_00, 1)


async def test_campaign_that_appears_during_a_rebuild_is_kept(worker: Worker) -> None:
    worker.at_stripe(paid_session(1, campaign="well"))
    await worker.reconciliation.rebuild()
    assert worker.applied("well/EUR") == Totals(25_00, 1)


@pytest.mark.parametrize("step", ["apply_to_rebuild", "promote_rebuild"])
async def test_rebuild_is_overtaken(worker: Worker, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    original = getattr(worker.store, step)

    async def overtaken(account: object, rebuild: Rebuild, last: ObjectState | int) -> object:
        await worker.store.begin_rebuild(ACCOUNT, "roof/EUR")
        return await original(account, rebuild, last)

    monkeypatch.setattr(worker.store, step, overtaken)
    worker.at_stripe(paid_session(1))
    with pytest.raises(TotalsUnavailable, match="rebuild_overtaken"):
        await worker.reconciliation.rebuild()


async def test_bank_country_is_checked_once() -> None:
    worker = Worker(campaign=replace(ROOF, warned_bank_countries=("BY",)))
    counter = metrics.warned_bank_donations.labels("roof")
    before = counter._value.get()
    worker.at_stripe(paid_session(1, charge_country=ChargeCountry("BY", NOW + 60)))
    for _ in range(4):
        await sync(worker)
        worker.clock.advance(SYNC_INTERVAL)
    assert counter._value.get() == before + 1


async def due(worker: Worker) -> bool:
    """Return True if a sync is due, and run it."""
    before = (await history(worker)).last_sync_at
    await worker.reconciliation.run_if_due()
    return (await history(worker)).last_sync_at != before


async def test_new_worker_synchronises(worker: Worker) -> None:
    assert await due(worker)
    await worker.progress.refresh(ROOF)
    worker.clock.advance(1)
    assert not await due(worker)
    other = Worker(store=worker.store, clock=FakeClock(NOW + 10))
    assert await due(other)
    assert worker.reconciliation.history == SyncHistory(NOW, NOW)


@pytest.mark.parametrize("gifts", [0, 20])
async def test_gifts_change_no_time_of_a_sync(worker: Worker, gifts: int) -> None:
    await due(worker)
    await worker.progress.refresh(ROOF)
    began = []
    for number in range(4):
        if gifts:
            body = worker.payments.event(paid_session(number))
            await worker.webhooks.handle(body, b"valid")
        while not await due(worker):
            worker.clock.advance(60)
            worker.set_cursor(int(worker.clock.at))
            await worker.progress.refresh(ROOF)
        began.append(worker.clock.at - NOW)
    assert began == [SYNC_INTERVAL, 2 * SYNC_INTERVAL, 3 * SYNC_INTERVAL, 4 * SYNC_INTERVAL]


async def test_stale_progress_is_synchronised_at_once(worker: Worker) -> None:
    await due(worker)
    await worker.progress.refresh(ROOF)
    worker.progress.mark_stale(ROOF)
    worker.clock.advance(1)
    assert await due(worker)


async def test_other_worker_holds_the_lease(worker: Worker) -> None:
    await worker.store.lease(ACCOUNT, "other")
    assert not await due(worker)
    await worker.store.release(ACCOUNT, "other")
    assert await due(worker)
    assert await worker.store.lease(ACCOUNT, "other")


async def test_lease_is_released_after_a_failure(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise PaymentsUnavailable

    monkeypatch.setattr(reconciliation.Reconciliation, "run", fail)
    with pytest.raises(PaymentsUnavailable):
        await worker.reconciliation.run_if_due()
    assert await worker.store.lease(ACCOUNT, "other")


def break_campaign(worker: Worker, patch: pytest.MonkeyPatch, name: str, method: str, error: Exception) -> None:
    """Let one method of the store fail for one campaign."""
    original = getattr(worker.store, method)

    async def failing(account: object, subject: object, *rest: object) -> object:
        if name in {subject, getattr(subject, "campaign", None)}:
            raise error
        return await original(account, subject, *rest)

    patch.setattr(worker.store, method, failing)


@pytest.mark.parametrize("failing", ["ark/EUR", "well/EUR"])
@pytest.mark.parametrize("error", [TotalsUnavailable(reason="damaged"), ValueError("total"), OverflowError()])
@pytest.mark.parametrize(
    "method", ["begin_sync", "apply", "advance_cursor", "begin_rebuild", "apply_to_rebuild", "promote_rebuild"]
)
async def test_sync_leaves_out_only_the_campaign_that_fails(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, failing: str, error: Exception, method: str
) -> None:
    names = {"ark/EUR", "roof/EUR", "well/EUR"}
    for name in names:
        worker.campaigns.put(replace(ROOF, id=campaign_of(name)))
    await sync(worker)
    worker.clock.advance(REBUILD_INTERVAL if "rebuild" in method else SYNC_INTERVAL)
    worker.at_stripe(*(paid_session(number, campaign=campaign_of(name)) for number, name in enumerate(sorted(names))))
    with monkeypatch.context() as patch:
        break_campaign(worker, patch, failing, method, error)
        await worker.reconciliation.run()
        assert worker.reconciliation.failures.keys() == {failing}
        for name in names - {failing}:
            assert await worker.store.totals(ACCOUNT, name) == Totals(25_00, 1)
            assert (await worker.store.begin_sync(ACCOUNT, name)).since == int(worker.clock.at)
    worker.clock.advance(SYNC_INTERVAL)
    await worker.reconciliation.run()
    assert worker.reconciliation.failures == {}
    assert await worker.store.totals(ACCOUNT, failing) == Totals(25_00, 1)


async def test_failing_campaign_is_tried_again_with_growing_pauses(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await due(worker)
    await worker.progress.refresh(ROOF)
    break_campaign(worker, monkeypatch, "roof/EUR", "advance_cursor", ValueError())
    worker.clock.advance(SYNC_INTERVAL)
    assert await due(worker)
    waits = []
    for _ in range(4):
        started = worker.clock.at
        while not await due(worker):
            worker.clock.advance(20)
        waits.append(worker.clock.at - started)
    assert waits == [60, 120, 240, 480]


async def test_unusable_store_ends_the_sync(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.store.available = False
    with pytest.raises(TotalsUnavailable):
        await worker.reconciliation.run()
    assert worker.reconciliation.failures == {}


@pytest.mark.parametrize("daily", [True, False])
@pytest.mark.parametrize("after", ["begin_sync", "list_created_since", "promote_rebuild", "advance_cursor"])
async def test_flush_during_a_sync_is_never_followed_by_a_known_zero(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, after: str, *, daily: bool
) -> None:
    worker.at_stripe(paid_session(1), paid_session(2, created=1))
    await sync(worker)
    worker.clock.advance(REBUILD_INTERVAL if daily else SYNC_INTERVAL)
    owner = worker.payments if after.startswith("list") else worker.store
    original = getattr(owner, after)

    async def then_wipe(*arguments: object) -> object:
        result = await original(*arguments)
        worker.store.wipe()
        return result

    async def wiped_list(created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        worker.store.wipe()
        async for record in original(created):
            yield record

    with monkeypatch.context() as patch, suppress(TotalsUnavailable):
        patch.setattr(owner, after, wiped_list if owner is worker.payments else then_wipe)
        await worker.reconciliation.run()
    worker.at_stripe(new := paid_session(3, created=int(worker.clock.at)))
    await worker.recorder.record(new, "webhook")
    assert await worker.store.totals(ACCOUNT, "roof/EUR") in (None, Totals(75_00, 3))
    await due(worker)
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == Totals(75_00, 3)


async def test_campaign_that_could_not_be_stored_is_never_a_known_zero(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.campaigns.put(replace(ROOF, id="well"))
    worker.at_stripe(paid_session(1))
    with monkeypatch.context() as patch:
        break_campaign(worker, patch, "roof/EUR", "begin_sync", TotalsUnavailable(reason="ConnectionError"))
        await worker.reconciliation.run()
    await worker.recorder.record(paid_session(2), "webhook")
    assert await worker.store.totals(ACCOUNT, "roof/EUR") is None


async def test_campaign_that_appears_during_a_sync_is_synchronised_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await due(worker)
    original = worker.payments.list_created_since

    async def list_created_since(created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        worker.campaigns.put(replace(ROOF, id="well"))
        await worker.recorder.record(paid_session(1, campaign="well"), "webhook")
        async for record in original(created):
            yield record

    worker.clock.advance(SYNC_INTERVAL)
    before = await history(worker)
    with monkeypatch.context() as patch:
        patch.setattr(worker.payments, "list_created_since", list_created_since)
        await worker.reconciliation.run()
    assert await history(worker) == before
    worker.at_stripe(paid_session(1, campaign="well"))
    assert await due(worker)
    assert await worker.store.totals(ACCOUNT, "well/EUR") == Totals(25_00, 1)


DAY = 86_400


@pytest.mark.parametrize("ahead", [MAX_AHEAD + 1, 3 * 3_600, 40 * DAY])
@pytest.mark.parametrize("instant", ["last_sync_at", "last_rebuild_at", "cursor"])
async def test_stored_instant_ahead_of_now_is_unknown(worker: Worker, ahead: int, instant: str) -> None:
    await due(worker)
    await worker.progress.refresh(ROOF)
    worker.at_stripe(paid_session(1, created=1))  # only a rebuild finds it
    if instant == "cursor":
        worker.set_cursor(NOW + ahead)
        await worker.progress.refresh(ROOF)
    else:
        worker.clock.advance(0 if instant == "last_sync_at" else SYNC_INTERVAL)
        stored = replace(await history(worker), **{instant: int(worker.clock.at) + ahead})
        await worker.store.save_sync_history(ACCOUNT, stored)
    before = metrics.future_instants.metric._value.get()
    await worker.reconciliation.run_if_due()
    assert metrics.future_instants.metric._value.get() > before
    expected = Totals(25_00, 1) if instant != "last_sync_at" else Totals(0, 0)
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == expected
    assert (await history(worker)).last_sync_at == int(worker.clock.at)


@pytest.mark.parametrize("ahead", [3 * 3_600, 40 * DAY])
@pytest.mark.parametrize("every", [0, 1_800, DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_clock_40_days_ahead_for_8_seconds_is_right_again(ahead: int, every: int, restarted: bool) -> None:
    """A gift by webhook and one whose webhook is lost are public after one synchronisation and one period."""
    campaign = replace(ROOF, publication=PublicationPolicy(every, 1, 0, ROOF.publication.timezone))
    worker = Worker(campaign=campaign)

    async def tick() -> None:
        await worker.progress.refresh(campaign)
        await worker.reconciliation.run_if_due()

    for _ in range(3):
        await tick()
        worker.clock.advance(1)
    worker.clock.advance(ahead)
    if restarted:
        worker = Worker(campaign=campaign, store=worker.store, payments=worker.payments, clock=worker.clock)
    for _ in range(8):
        await tick()
        worker.clock.advance(1)
    worker.clock.advance(-ahead)
    before = metrics.future_instants.metric._value.get()
    webhook, lost = paid_session(1, 25_00), paid_session(2, 30_00, created=int(worker.clock.at))
    worker.at_stripe(webhook, lost)
    await worker.recorder.record(webhook, "webhook")
    for _ in range(3):
        await tick()
        worker.clock.advance(2)
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == Totals(55_00, 2)
    assert metrics.future_instants.metric._value.get() > before, "the alert fires"
    seen = await history(worker)
    assert seen.last_sync_at is not None
    assert seen.last_sync_at <= worker.clock.at
    worker.clock.advance(every)
    await tick()
    await tick()
    progress = worker.progress.get(campaign)
    assert progress is not None
    assert (progress.raised.amount, progress.stale) == (55_00, False)
    assert progress.as_of.timestamp() <= worker.clock.at
    last = (await history(worker)).last_sync_at
    worker.clock.advance(2)
    await tick()
    assert (await history(worker)).last_sync_at == last, "the syncs are as rare as before"
