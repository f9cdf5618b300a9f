"""What a worker shows is what was published, and nothing that it could work out by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from donation_card.app import create_app
from donation_card.application.ports.payments import Account
from donation_card.application.reconciliation import Reconciliation
from donation_card.domain.progress import Progress
from donation_card.domain.totals import payment
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable

from tests.sandbox.conftest import sandbox_with
from tests.stack import running
from tests.world import World


@pytest.fixture
def world(redis_url: str, roof: Path) -> Iterator[World]:
    with sandbox_with(clock=time.time, seed=None) as sandbox:
        yield World(sandbox, redis_url, roof)


async def looked(worker: Reconciliation, *, gifts: int = 0) -> Progress | None:
    """What this worker shows after so many gifts more, and a look at the ledger."""
    donations = worker.donations
    for number in range(gifts):
        state = payment("roof", f"pi_{time.monotonic_ns()}_{number}", 90_00, paid=True)
        await donations.totals_store.apply(await donations.account(), state)
    campaign = donations.campaign("roof")
    await donations.refresh(campaign)
    return donations.public_progress(campaign)


def test_gifts_do_not_move_the_figure_before_its_time(world: World) -> None:
    async def story() -> list[int]:
        worker = world.worker(every=None)
        await worker.run(await worker.donations.account())
        return [(await looked(worker, gifts=gifts)).raised.amount for gifts in (0, 1, 5)]

    assert world.run(story()) == [0, 0, 0]


def test_a_live_figure_follows_every_gift(world: World) -> None:
    async def story() -> list[int]:
        worker = world.worker()
        await worker.run(await worker.donations.account())
        return [(await looked(worker, gifts=gifts)).raised.amount for gifts in (0, 1, 2)]

    assert world.run(story()) == [0, 90_00, 270_00]


def test_while_the_ledger_is_away_the_last_figure_is_shown_and_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> tuple[Progress | None, Progress | None, Progress | None]:
        worker = world.worker()
        await worker.run(await worker.donations.account())
        before = await looked(worker, gifts=1)

        async def away(*_: object, **__: object) -> None:
            raise TotalsUnavailable

        with monkeypatch.context() as broken:
            broken.setattr(worker.donations.totals_store, "publish_if_due", away)
            during = await looked(worker)
        return before, during, await looked(worker)

    before, during, after = world.run(story())
    assert (before.raised.amount, before.stale) == (90_00, False)
    assert (during.raised.amount, during.stale) == (90_00, True)
    assert (after.raised.amount, after.stale) == (90_00, False)


def test_a_worker_that_never_saw_a_figure_shows_none(world: World) -> None:
    assert world.run(looked(world.worker())) is None


def test_of_two_stale_figures_the_newer_is_kept(world: World) -> None:
    async def story() -> tuple[int, bool]:
        worker = world.worker()
        account: Account = await worker.donations.account()
        await worker.run(account)
        await looked(worker, gifts=1)
        raw = worker.donations.totals_store
        key = f"donation-card:{{{account.id}/test/roof}}:published"
        await raw._redis.execute("HSET", key, "epoch", 1, "online", 0)
        await raw._redis.execute("DEL", key.replace("published", "meta"))
        shown = await looked(worker)
        return shown.raised.amount, shown.stale

    assert world.run(story()) == (90_00, True)


def test_a_paid_session_that_cannot_be_joined_for_want_of_stripe_is_no_error_to_its_donor(world: World) -> None:
    payment = world.give()
    listed = world.sandbox.call("GET", "/v1/checkout/sessions?limit=1").json()["data"][0]

    async def story() -> str | None:
        donations = world.worker().donations
        session = await donations.payments.get_session(listed["id"])

        async def away() -> None:
            raise PaymentsUnavailable

        donations.payments.account = away
        await donations.record_if_paid(session)
        return session.payment_intent

    assert world.run(story()) == payment


def test_a_worker_that_starts_knows_its_figures_before_it_is_asked(redis_url: str, tmp_path: Path) -> None:
    with running(redis_url, tmp_path) as stack:
        stack.until_ready()
        app = create_app(stack.settings)

        async def first_answer() -> int:
            transport = httpx.ASGITransport(app)
            async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
                return (await client.get("http://card.example/v1/campaigns/vitaly/progress")).status_code

        assert asyncio.run(first_answer()) == 200
