"""Reports of Stripe are applied to the totals of their campaign."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from donation_card.application.payment_recorder import UNRELATED_PAYMENT_LIFETIME
from donation_card.application.ports.payments import (
    Attribution,
    ChargeCountry,
    CheckoutSession,
    RefundOrDispute,
    SessionStatus,
)
from donation_card.application.ports.totals import ApplyResult
from donation_card.domain.money import Money
from donation_card.domain.totals import ObjectKind, Totals
from donation_card.errors import IgnoredEvent, PaymentsUnavailable, PaymentUnknown
from donation_card.observability import metrics
from structlog.testing import capture_logs

from tests.support.fakes import ACCOUNT
from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio


def refund(payment: str | None = "pi_1", attribution: Attribution | None = None) -> RefundOrDispute:
    return RefundOrDispute(ObjectKind.REFUND, "re_1", payment, "EUR", 1, -10_00, attribution)


async def test_paid_session_counts_once(worker: Worker) -> None:
    assert await worker.recorder.record(paid_session(1), "webhook") is ApplyResult.APPLIED
    assert await worker.recorder.record(paid_session(1), "sync") is ApplyResult.UNCHANGED
    assert worker.applied() == Totals(25_00, 1)


@pytest.mark.parametrize("status", [SessionStatus.OPEN, SessionStatus.PROCESSING, SessionStatus.EXPIRED])
async def test_unpaid_session_changes_nothing(worker: Worker, status: SessionStatus) -> None:
    assert await worker.recorder.record(paid_session(1, status=status), "webhook") is ApplyResult.UNCHANGED
    assert await worker.store.campaigns(ACCOUNT) == set()


async def test_session_of_another_product_is_ignored(worker: Worker) -> None:
    with pytest.raises(IgnoredEvent, match="other_product"):
        await worker.recorder.record(paid_session(1, campaign=None), "webhook")


async def test_session_with_an_unknown_status_is_reported_and_not_counted(worker: Worker) -> None:
    unknown = paid_session(1, status=SessionStatus.PROCESSING, unknown_status="complete processing")
    with capture_logs() as logs, pytest.raises(IgnoredEvent, match="status_unknown"):
        await worker.recorder.record(unknown, "webhook")
    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "session_status_unknown")]
    assert await worker.store.campaigns(ACCOUNT) == set()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (paid_session(1, campaign="well"), "campaign_unknown"),
        (paid_session(1, campaign=None), "other_product"),
        (paid_session(1, payment_intent=None), "payment_incomplete"),
        (paid_session(1, unknown_status="complete later"), "status_unknown"),
        (replace(paid_session(1), amount=Money(25_00, "PLN")), "wrong_currency"),
        (replace(refund(attribution=Attribution("roof", "other")), unknown_status="reversed"), "status_unknown"),
        (replace(refund(None), unknown_status="reversed"), "other_product"),
    ],
)
async def test_each_reason_for_not_counting_has_a_metric(worker: Worker, record: CheckoutSession, reason: str) -> None:
    counter = metrics.not_counted.labels(reason)
    before = counter._value.get()
    with suppress(IgnoredEvent):
        await worker.recorder.to_object_state(record)
    assert counter._value.get() == before + 1
    assert reason in metrics.NOT_COUNTED_REASONS


async def test_paid_session_without_a_payment_is_reported(worker: Worker) -> None:
    with capture_logs() as logs, pytest.raises(IgnoredEvent, match="payment_incomplete"):
        await worker.recorder.record(paid_session(1, payment_intent=None), "webhook")
    assert [(line["log_level"], line["event"]) for line in logs] == [("error", "payment_incomplete")]


async def test_session_in_another_currency_is_ignored(worker: Worker) -> None:
    with pytest.raises(IgnoredEvent, match="wrong_currency"):
        await worker.recorder.record(replace(paid_session(1), amount=Money(25_00, "PLN")), "webhook")


async def test_campaign_without_file_is_counted(worker: Worker) -> None:
    await worker.recorder.record(paid_session(1, campaign="well"), "webhook")
    assert worker.applied("well/EUR") == Totals(25_00, 1)


async def test_refund_is_attributed_by_its_payment(worker: Worker) -> None:
    worker.at_stripe(session := paid_session(1, site="news.example"))
    await worker.recorder.record(session, "webhook")
    for source in ("webhook", "sync"):
        await worker.recorder.record(refund(), source)
    assert worker.applied() == Totals(15_00, 1)
    assert worker.payments.requests.count("attribution") == 1


async def test_refund_with_attribution_needs_no_request(worker: Worker) -> None:
    await worker.recorder.record(refund(attribution=Attribution("roof", "other")), "sync")
    assert worker.applied() == Totals(0, 0)
    assert "attribution" not in worker.payments.requests


@pytest.mark.parametrize("payment", ["pi_other", None])
async def test_refund_of_another_product_is_looked_up_once(worker: Worker, payment: str | None) -> None:
    worker.payments.other_payments = {"pi_other"}
    for _ in range(2):
        with pytest.raises(IgnoredEvent, match="other_product"):
            await worker.recorder.record(refund(payment), "webhook")
    assert worker.payments.requests.count("attribution") == (1 if payment else 0)


async def test_unrelated_payments_are_forgotten_in_order(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("donation_card.application.payment_recorder.ATTRIBUTIONS_CACHE", 1)
    worker.payments.other_payments = {"pi_a", "pi_b"}
    for payment in ("pi_a", "pi_b", "pi_b", "pi_a"):
        with pytest.raises(IgnoredEvent):
            await worker.recorder.record(refund(payment), "webhook")
    assert worker.payments.requests.count("attribution") == 3


async def test_payment_that_stripe_does_not_know_yet_is_asked_for_again(worker: Worker) -> None:
    with pytest.raises(PaymentUnknown):
        await worker.recorder.record(refund(), "webhook")
    worker.at_stripe(session := paid_session(1))
    await worker.recorder.record(session, "webhook")
    await worker.recorder.record(refund(), "webhook")
    assert worker.applied() == Totals(15_00, 1)


async def test_negative_answer_is_kept_for_minutes(worker: Worker) -> None:
    worker.recorder.monotonic = lambda: worker.clock.at
    worker.payments.other_payments = {"pi_1"}
    for _ in range(2):
        with pytest.raises(IgnoredEvent, match="other_product"):
            await worker.recorder.record(refund(), "webhook")
        worker.clock.advance(UNRELATED_PAYMENT_LIFETIME - 1)
    assert worker.payments.requests.count("attribution") == 1
    worker.at_stripe(paid_session(1))
    assert await worker.recorder.record(refund(), "webhook") is ApplyResult.APPLIED


@pytest.mark.parametrize("rebuilt", [True, False])
async def test_negative_answer_is_never_used_by_a_sync_or_rebuild(worker: Worker, *, rebuilt: bool) -> None:
    await worker.reconciliation.run()
    worker.payments.other_payments = {"pi_1"}
    worker.payments.reverse(refund())
    with pytest.raises(IgnoredEvent, match="other_product"):
        await worker.recorder.record(refund(), "webhook")
    worker.at_stripe(paid_session(1))
    await (worker.reconciliation.rebuild() if rebuilt else worker.reconciliation.run())
    assert worker.applied() == Totals(15_00, 1)


async def test_sync_with_a_payment_that_stripe_does_not_know_goes_on(worker: Worker) -> None:
    counter = metrics.not_counted.labels("payment_unknown")
    before = counter._value.get()
    worker.payments.reverse(refund("pi_gone"))
    worker.at_stripe(paid_session(1))
    await worker.reconciliation.run()
    assert worker.applied() == Totals(25_00, 1)
    assert counter._value.get() > before


async def test_paid_session_that_cannot_be_recorded_is_no_error(worker: Worker) -> None:
    worker.payments.error = PaymentsUnavailable()
    await worker.recorder.record_if_paid(paid_session(1))
    worker.payments.error, worker.store.available = None, False
    await worker.recorder.record_if_paid(paid_session(1))
    worker.store.available = True
    assert await worker.store.campaigns(ACCOUNT) == set()


@pytest.mark.parametrize(
    ("record", "counted"),
    [
        (paid_session(1, charge_country=ChargeCountry("BY", NOW)), 1),
        (paid_session(1, charge_country=ChargeCountry("BY", NOW + 60)), 0),
        (paid_session(1, charge_country=ChargeCountry("LT", NOW)), 0),
        (paid_session(1, campaign="well", charge_country=ChargeCountry("BY", NOW)), 0),
        (paid_session(1), 0),
        (refund(), 0),
    ],
)
def test_bank_country_is_counted(record: object, counted: int) -> None:
    worker = Worker(campaign=replace(ROOF, warned_bank_countries=("BY",)))
    counter = metrics.warned_bank_donations.labels("roof")
    before = counter._value.get()
    worker.recorder.check_bank_country(record, NOW, NOW + 60)  # type: ignore[arg-type]
    assert counter._value.get() - before == counted


async def test_totals_are_known_after_a_sync(worker: Worker) -> None:
    worker.at_stripe(paid_session(1))
    await worker.reconciliation.run()
    assert await worker.store.totals(ACCOUNT, "roof/EUR") == Totals(25_00, 1)
