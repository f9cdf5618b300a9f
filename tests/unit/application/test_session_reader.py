"""A donor learns the status of a session, within Stripe's read limit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from donation_card.application import session_reader
from donation_card.application.ports.payments import CheckoutSession, SessionStatus
from donation_card.application.session_reader import READS_PER_ATTEMPT
from donation_card.errors import NotFound, PaymentsUnavailable

from tests.unit.application.conftest import Worker, paid_session

pytestmark = pytest.mark.anyio


@pytest.fixture
def open_session(worker: Worker) -> CheckoutSession:
    session = worker.payments.sessions["cs_test_1"] = paid_session(1, status=SessionStatus.OPEN, payment_intent=None)
    return session


async def status(worker: Worker, session_id: str = "cs_test_1", attempt: str = "attempt") -> SessionStatus:
    return (await worker.reader.get_status(session_id, "roof", attempt)).status


async def test_paid_session_is_recorded(worker: Worker, open_session: CheckoutSession) -> None:
    worker.payments.pay(open_session.id)
    assert await status(worker) is SessionStatus.PAID
    assert worker.applied().raised == 25_00


@pytest.mark.parametrize(("campaign", "attempt"), [("roof", "other"), ("well", "attempt")])
async def test_session_of_another_attempt_is_not_shown(
    worker: Worker, open_session: CheckoutSession, campaign: str, attempt: str
) -> None:
    with pytest.raises(NotFound, match="session_unknown"):
        await worker.reader.get_status(open_session.id, campaign, attempt)


async def test_unavailable_payments_say_nothing_about_the_session(worker: Worker) -> None:
    worker.payments.error = PaymentsUnavailable()
    with pytest.raises(PaymentsUnavailable, match="payment_status_unknown"):
        await status(worker)


async def test_concurrent_requests_share_one_read(worker: Worker, open_session: CheckoutSession) -> None:
    await asyncio.gather(*(status(worker) for _ in range(20)))
    assert worker.payments.requests.count("get_session") == 1


async def test_open_session_is_read_again_after_the_interval(
    worker: Worker, open_session: CheckoutSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_reader, "READ_INTERVAL", 0)
    assert [await status(worker), await status(worker)] == [SessionStatus.OPEN] * 2
    assert worker.payments.requests.count("get_session") == 2


async def test_paid_session_is_read_once(
    worker: Worker, open_session: CheckoutSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_reader, "READ_INTERVAL", 0)
    worker.payments.pay(open_session.id)
    await status(worker)
    await status(worker)
    assert worker.payments.requests.count("get_session") == 1


async def test_failed_read_is_repeated(worker: Worker, open_session: CheckoutSession) -> None:
    worker.payments.error = PaymentsUnavailable()
    with pytest.raises(PaymentsUnavailable):
        await status(worker)
    worker.payments.error = None
    assert await status(worker) is SessionStatus.OPEN


async def test_attempt_has_a_read_limit(
    worker: Worker, open_session: CheckoutSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_reader, "READ_INTERVAL", 0)
    for _ in range(READS_PER_ATTEMPT.burst + 1):
        assert await status(worker) is SessionStatus.OPEN
    assert worker.payments.requests.count("get_session") == READS_PER_ATTEMPT.burst
    worker.payments.sessions["cs_test_2"] = replace(open_session, id="cs_test_2")
    with pytest.raises(PaymentsUnavailable, match="payment_status_unknown"):
        await status(worker, "cs_test_2")


async def test_memory_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_reader, "_MAX_SESSIONS", 1)
    for number in (1, 2, 1):
        worker.payments.sessions[f"cs_test_{number}"] = paid_session(number)
        await status(worker, f"cs_test_{number}")
    assert worker.payments.requests.count("get_session") == 3
