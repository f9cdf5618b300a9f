"""A worker shows what was published, and marks it stale while nobody can confirm it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from donation_card.domain.campaign import Status
from donation_card.domain.publication import PublicationPolicy
from donation_card.errors import NotFound, PaymentsUnavailable

from tests.support.fakes import ACCOUNT
from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio


async def publish(worker: Worker, *amounts: int) -> None:
    """Synchronise, record payments of these amounts and refresh the progress."""
    await worker.reconciliation.run()
    for number, amount in enumerate(amounts):
        await worker.recorder.record(paid_session(number, amount), "webhook")
    await worker.progress.refresh(worker.campaign)


def raised(worker: Worker) -> tuple[int, bool] | None:
    progress = worker.progress.get(worker.campaign)
    return progress and (progress.raised.amount, progress.stale)


async def test_progress_is_unknown_before_the_first_refresh(worker: Worker) -> None:
    assert worker.progress.get(worker.campaign) is None
    assert worker.progress.stale_campaigns() == ["roof: unknown"]
    assert worker.progress.visible() == {}


async def test_progress_is_unknown_while_the_totals_are(worker: Worker) -> None:
    await worker.progress.refresh(worker.campaign)
    assert worker.progress.get(worker.campaign) is None


async def test_progress_follows_the_published_total(worker: Worker) -> None:
    await publish(worker, 25_00, 30_00)
    assert raised(worker) == (55_00, False)
    assert worker.progress.stale_campaigns() == []
    assert list(worker.progress.visible()) == ["roof"]


async def test_progress_is_stale_while_redis_is_unavailable(worker: Worker) -> None:
    await publish(worker, 25_00)
    worker.store.available = False
    await worker.progress.refresh(worker.campaign)
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) == (25_00, True)
    assert worker.progress.stale_campaigns() == ["roof: stale"]
    worker.store.available = True
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) == (25_00, False)


async def test_progress_needs_the_account(worker: Worker) -> None:
    worker.payments.error = PaymentsUnavailable()
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) is None


async def test_newer_of_two_stale_totals_is_kept(worker: Worker) -> None:
    await publish(worker, 25_00)
    stored = worker.store._totals[ACCOUNT, "roof"]
    assert stored.published
    stored.published = replace(stored.published, period_start=1, via_stripe=0)
    worker.set_cursor(None)
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) == (25_00, True)


async def test_stale_total_is_shown_if_no_other_is_known(worker: Worker) -> None:
    await publish(worker, 25_00)
    other = Worker(store=worker.store)
    worker.set_cursor(None)
    await other.progress.refresh(other.campaign)
    assert raised(other) == (25_00, True)


async def test_mark_stale_keeps_unknown_unknown(worker: Worker) -> None:
    worker.progress.mark_stale(worker.campaign)
    assert raised(worker) is None


async def test_hidden_campaign_shows_nothing(worker: Worker) -> None:
    await publish(worker, 25_00)
    hidden = replace(ROOF, status=Status.HIDDEN)
    worker.campaigns.put(hidden)
    assert worker.progress.get(hidden) is None
    assert worker.progress.visible() == {}
    assert worker.progress.stale_campaigns() == []
    assert worker.campaigns.all_visible() == []
    with pytest.raises(NotFound, match="campaign_hidden"):
        worker.campaigns.get_visible("roof")


@pytest.mark.parametrize(("amount", "accepts"), [(899_99, True), (900_00, False)])
async def test_reached_goal_ends_donations(worker: Worker, amount: int, accepts: bool) -> None:
    assert worker.progress.accepts_donations(ROOF)
    await publish(worker, amount)
    assert worker.progress.accepts_donations(ROOF) is accepts


async def test_periods_decide_when_the_total_moves() -> None:
    policy = PublicationPolicy(6 * 3600, 100_00, 2, ROOF.publication.timezone)
    worker = Worker(campaign=replace(ROOF, publication=policy))
    await publish(worker)
    for number in range(4):
        await worker.recorder.record(paid_session(number, 90_00), "webhook")
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) == (0, False)
    worker.clock.advance(6 * 3600)
    worker.set_cursor(int(worker.clock.at))
    await worker.progress.refresh(worker.campaign)
    assert raised(worker) == (300_00, False)
    progress = worker.progress.get(worker.campaign)
    assert progress is not None
    assert progress.next_update_at is not None
    assert progress.next_update_at.timestamp() > worker.clock.at > NOW
