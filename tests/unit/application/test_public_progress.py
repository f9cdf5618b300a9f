"""A worker shows what was published, and marks it stale while nobody can confirm it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from donation_card.domain.campaign import OfflineDonation, Status
from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy
from donation_card.domain.site_total import SiteTotal
from donation_card.errors import NotFound, PaymentsUnavailable
from hypothesis import given, settings, strategies as st

from tests.support.fakes import ACCOUNT, FakeClock
from tests.support.oracle import public_total
from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio

DAILY = PublicationPolicy(86_400, 100_00, 0, ROOF.publication.timezone)


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
    assert worker.progress.stale_campaigns() == ["roof: unknown (EUR)"]
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
    stored = worker.store._totals[ACCOUNT, "roof/EUR"]
    stored.published[None] = replace(stored.published[None], period_start=1, raised=0)
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
    assert worker.progress.status(ROOF) is Status.OPEN
    await publish(worker, amount)
    assert (worker.progress.status(ROOF) is Status.OPEN) is accepts


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


async def test_new_process_publishes_nothing_before_a_sync_that_began_after_its_start() -> None:
    """Redis lost a donation with the power. The first period after the restart has the whole total."""
    daily = replace(ROOF, publication=DAILY)
    worker = Worker(campaign=daily)
    worker.at_stripe(paid_session(1, 399_99))
    await publish(worker)
    assert raised(worker) == (300_00, False)
    worker.clock.advance(86_000)
    worker.at_stripe(paid_session(2, 200_00, created=int(worker.clock.at)))  # Redis lost its webhook
    worker.clock.advance(1_000)
    restarted = Worker(campaign=daily, store=worker.store, payments=worker.payments, clock=worker.clock)
    worker.set_cursor(int(worker.clock.at) - 600)
    before = worker.store._totals[ACCOUNT, "roof/EUR"].published[None]
    for _ in range(3):
        worker.clock.advance(1)
        await restarted.progress.refresh(daily)
        assert raised(restarted) == (300_00, True)
        assert worker.store._totals[ACCOUNT, "roof/EUR"].published == {None: before}
    await restarted.reconciliation.run_if_due()
    await restarted.progress.refresh(daily)
    assert raised(restarted) == (500_00, False)


@settings(max_examples=60, deadline=None)
@given(
    sums=st.lists(st.integers(1, 1_200_00), min_size=1, max_size=8),
    step=st.sampled_from([7, 100_00]),
    key=st.sampled_from(["", "k0123456789abcdef", "another key"]),
)
async def test_public_total_has_the_thresholds_of_key_and_campaign(sums: list[int], step: int, key: str) -> None:
    policy = replace(DAILY, step=step)
    worker = Worker(campaign=replace(ROOF, publication=policy))
    worker.progress.publication_key = key
    await publish(worker)
    exact = 0
    for number, amount in enumerate(sums):
        exact += amount
        await worker.recorder.record(paid_session(number, amount), "webhook")
        worker.clock.advance(86_400)
        worker.set_cursor(int(worker.clock.at))
        await worker.progress.refresh(worker.campaign)
        expected = public_total(exact, step, campaign="roof", goal=900_00, key=key)
        assert raised(worker) == (expected, False)


# ── sites ─────────────────────────────────────────────────────────────────────────────────────────────────────────

NEWS, BLOG = (SiteTotal(host, replace(DAILY, step=250_00)) for host in ("news.example", "blog.example"))


def sites(worker: Worker) -> list[tuple[int, bool] | None]:
    found = [worker.progress.site_total(worker.campaign, each) for each in (NEWS, BLOG)]
    return [total and (total.raised, total.stale) for total in found]


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(
        st.lists(st.tuples(st.sampled_from(["news.example", "blog.example", "other"]), st.integers(1, 900_00))),
        min_size=1,
        max_size=6,
    ),
    key=st.sampled_from(["", "k0123456789abcdef"]),
    offline=st.integers(1, 900_00),
)
async def test_each_site_has_its_own_sum_and_thresholds(
    days: list[list[tuple[str, int]]], key: str, offline: int
) -> None:
    """Offline money and the donations of others move no total of a site."""
    campaign = replace(ROOF, publication=DAILY, publisher_hosts=(NEWS.host, BLOG.host), site_totals=(NEWS, BLOG))
    entry = OfflineDonation(date(2026, 1, 1), Money(offline, "EUR"), {})
    worker = Worker(campaign=replace(campaign, offline_donations=(entry,)))
    worker.progress.publication_key = key
    await publish(worker)
    assert sites(worker) == [(0, False), (0, False)]
    sums, number = {NEWS.host: 0, BLOG.host: 0, "other": 0}, 0
    for gifts in days:
        before = sites(worker)
        for site, amount in gifts:
            sums[site], number = sums[site] + amount, number + 1
            await worker.recorder.record(paid_session(number, amount, site=site), "webhook")
            await worker.progress.refresh(worker.campaign)
        assert sites(worker) == before, "nothing moves within a period"
        worker.clock.advance(86_400)
        worker.set_cursor(int(worker.clock.at))
        await worker.progress.refresh(worker.campaign)
        assert sites(worker) == [
            (public_total(sums[each.host], 250_00, campaign=f"roof/{each.host}", goal=0, key=key), False)
            for each in (NEWS, BLOG)
        ]


async def test_total_of_a_site_is_stale_while_redis_is_unavailable() -> None:
    worker = Worker(campaign=replace(ROOF, publisher_hosts=(NEWS.host,), site_totals=(NEWS,)))
    assert sites(worker) == [None, None]
    await publish(worker)
    worker.store.available = False
    await worker.progress.refresh(worker.campaign)
    assert sites(worker) == [(0, True), None]
    worker.store.available = True
    await worker.progress.refresh(worker.campaign)
    assert sites(worker) == [(0, False), None]
    worker.progress.mark_stale(worker.campaign)
    assert sites(worker) == [(0, True), None]


async def test_hidden_campaign_shows_no_total_of_a_site() -> None:
    worker = Worker(campaign=replace(ROOF, publisher_hosts=(NEWS.host,), site_totals=(NEWS,)))
    await publish(worker)
    worker.campaign = replace(worker.campaign, status=Status.HIDDEN)
    assert sites(worker) == [None, None]


@pytest.mark.parametrize("started", [0.0, 0.2, 0.999])
@pytest.mark.parametrize("after", [-3, -1, -0.25, 0.3, 1, 5])
async def test_sync_of_any_worker_counts_only_if_it_began_after_the_start(started: float, after: float) -> None:
    worker = Worker()
    await publish(worker, 25_00)
    clock = FakeClock(NOW + 60 + started)
    other = Worker(store=worker.store, clock=clock)
    began = int(clock.at + after)
    worker.set_cursor(began)
    clock.advance(30)
    worker.clock.at = clock.at
    await other.progress.refresh(ROOF)
    assert raised(other) == (25_00, began <= NOW + 60), "a whole second that began before the start is no proof"


@pytest.mark.parametrize("fraction", [0.0, 0.4, 0.999])
async def test_own_sync_counts_in_the_second_of_the_start(fraction: float) -> None:
    worker = Worker(clock=FakeClock(NOW + fraction))
    await worker.reconciliation.run_if_due()
    first = worker.reconciliation.history
    await worker.progress.refresh(ROOF)
    assert raised(worker) == (0, False)
    worker.clock.advance(2)
    await worker.reconciliation.run_if_due()
    assert worker.reconciliation.history == first, "one sync is enough"


@pytest.mark.parametrize("correction", [-40 * 86_400, -3_600, 3_600, 40 * 86_400])
async def test_start_is_known_after_the_clock_was_corrected(worker: Worker, correction: int) -> None:
    running = 5.0
    worker.progress.uptime = lambda: worker.progress._uptime_at_start + running
    worker.clock.advance(running + correction)
    assert worker.progress.sync_required_since() == int(worker.clock.at - running) + 1
