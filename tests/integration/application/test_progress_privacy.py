"""Test that a worker shows only what was published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from donation_card.app import create_app
from donation_card.application.ports.payments import Account
from donation_card.domain.progress import Progress
from donation_card.domain.totals import payment
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable

from tests.support.application import starlette_app
from tests.support.harness import HarnessWorker, TotalsHarness
from tests.support.installation import running
from tests.support.sandbox import sandbox_with


@pytest.fixture
def harness(redis_url: str, sample_campaign: Path) -> Iterator[TotalsHarness]:
    with sandbox_with(clock=time.time, seed=None) as sandbox:
        yield TotalsHarness(sandbox, redis_url, sample_campaign)


async def looked(worker: HarnessWorker, *, gifts: int = 0) -> Progress | None:
    """Return the progress of this worker after more donations and a refresh."""
    for number in range(gifts):
        state = payment("roof/EUR", f"pi_{time.monotonic_ns()}_{number}", 90_00)
        await worker.totals_store.apply(await worker.account.get(), state)
    campaign = worker.campaigns.get("roof")
    await worker.progress.refresh(campaign)
    return worker.progress.get(campaign)


def test_donations_do_not_move_total_before_its_time(harness: TotalsHarness) -> None:
    async def story() -> list[int]:
        worker = harness.worker(every=None)
        await worker.reconciliation.run()
        return [(await looked(worker, gifts=gifts)).raised.amount for gifts in (0, 1, 5)]

    assert harness.run(story()) == [0, 0, 0]


def test_immediate_total_follows_every_donation(harness: TotalsHarness) -> None:
    async def story() -> list[int]:
        worker = harness.worker()
        await worker.reconciliation.run()
        return [(await looked(worker, gifts=gifts)).raised.amount for gifts in (0, 1, 2)]

    assert harness.run(story()) == [0, 90_00, 270_00]


def test_last_total_is_shown_stale_while_redis_is_down(harness: TotalsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[Progress | None, Progress | None, Progress | None]:
        worker = harness.worker()
        await worker.reconciliation.run()
        before = await looked(worker, gifts=1)

        async def away(*_: object, **__: object) -> None:
            raise TotalsUnavailable

        with monkeypatch.context() as broken:
            broken.setattr(worker.totals_store, "publish_if_due", away)
            during = await looked(worker)
        return before, during, await looked(worker)

    before, during, after = harness.run(story())
    assert (before.raised.amount, before.stale) == (90_00, False)
    assert (during.raised.amount, during.stale) == (90_00, True)
    assert (after.raised.amount, after.stale) == (90_00, False)


def test_worker_without_a_known_total_shows_none(harness: TotalsHarness) -> None:
    assert harness.run(looked(harness.worker())) is None


def test_newer_of_two_stale_totals_is_kept(harness: TotalsHarness) -> None:
    async def story() -> tuple[int, bool]:
        worker = harness.worker()
        account: Account = await worker.account.get()
        await worker.reconciliation.run()
        await looked(worker, gifts=1)
        raw = worker.totals_store
        key = f"donation-card:{{{account.id}/test/roof/EUR}}:published"
        await raw._redis.execute("HSET", key, "period_start", 1, "raised", 0)
        await raw._redis.execute("DEL", key.replace("published", "meta"))
        shown = await looked(worker)
        return shown.raised.amount, shown.stale

    assert harness.run(story()) == (90_00, True)


def test_donor_sees_no_error_when_stripe_lookup_fails(
    harness: TotalsHarness,
) -> None:
    payment = harness.give()
    listed = harness.sandbox.call("GET", "/v1/checkout/sessions?limit=1").json()["data"][0]

    async def story() -> str | None:
        worker = harness.worker()
        session = await worker.payments.get_session(listed["id"])

        async def away() -> None:
            raise PaymentsUnavailable

        worker.payments.account = away
        await worker.recorder.record_if_paid(session)
        return session.payment_intent

    assert harness.run(story()) == payment


def test_worker_loads_totals_before_first_request(redis_url: str, tmp_path: Path) -> None:
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        app = create_app(installation.settings)

        async def first_answer() -> int:
            transport = httpx.ASGITransport(app)
            inner = starlette_app(app)
            async with inner.router.lifespan_context(inner), httpx.AsyncClient(transport=transport) as client:
                return (await client.get("http://card.example/v1/campaigns/vitaly/progress")).status_code

        assert asyncio.run(first_answer()) == 200
