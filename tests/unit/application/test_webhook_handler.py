"""A webhook is verified, counted as a signal and recorded."""

from __future__ import annotations

import pytest
from donation_card.application.ports.payments import PaymentDeclined, SessionStatus
from donation_card.application.ports.totals import ApplyResult
from donation_card.domain.attack_detection import Signals
from donation_card.errors import IgnoredEvent, Invalid, TotalsUnavailable
from donation_card.observability import metrics

from tests.support.fakes import ACCOUNT
from tests.unit.application.conftest import Worker, paid_session

pytestmark = pytest.mark.anyio


async def test_paid_session_is_recorded(worker: Worker) -> None:
    body = worker.payments.event(paid_session(1))
    assert await worker.webhooks.handle(body, b"valid") is ApplyResult.APPLIED
    assert await worker.webhooks.handle(body, b"valid") is ApplyResult.UNCHANGED


async def test_forged_webhook_is_rejected(worker: Worker) -> None:
    with pytest.raises(Invalid, match="signature_invalid"):
        await worker.webhooks.handle(b"{}", b"forged")


async def test_signed_webhook_that_cannot_be_read_is_reported(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_event(*_: object) -> None:
        raise Invalid("event_malformed")

    counter = metrics.not_counted.labels("event_malformed")
    before = counter._value.get()
    monkeypatch.setattr(worker.payments, "parse_event", parse_event)
    with pytest.raises(Invalid, match="event_malformed"):
        await worker.webhooks.handle(b"{}", b"valid")
    assert counter._value.get() == before + 1


@pytest.mark.parametrize("reason", ["other_account", "other_mode", "unhandled_type", "wrong_currency"])
async def test_event_that_is_not_ours_is_ignored_and_counted(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def parse_event(*_: object) -> None:
        raise IgnoredEvent(reason)

    counter = metrics.not_counted.labels(reason)
    before = counter._value.get()
    monkeypatch.setattr(worker.payments, "parse_event", parse_event)
    with pytest.raises(IgnoredEvent, match=reason):
        await worker.webhooks.handle(b"{}", b"valid")
    assert counter._value.get() == before + 1
    assert reason in metrics.NOT_COUNTED_REASONS


async def test_webhook_is_not_acknowledged_while_redis_is_unavailable(worker: Worker) -> None:
    body, worker.store.available = worker.payments.event(paid_session(1)), False
    with pytest.raises(TotalsUnavailable):
        await worker.webhooks.handle(body, b"valid")


async def test_every_event_is_a_signal(worker: Worker) -> None:
    records = [
        PaymentDeclined(),
        paid_session(1),
        paid_session(2, status=SessionStatus.EXPIRED),
        paid_session(3, campaign=None),
    ]
    for record in records:
        try:
            await worker.webhooks.handle(worker.payments.event(record), b"valid")
        except IgnoredEvent as error:
            assert error.code in {"payment_declined", "other_product"}  # noqa: PT017
    await worker.limits.sync_attack_status()
    assert worker.limiter._of(ACCOUNT).attack_state.signals == Signals(declined=1, expired=1)
