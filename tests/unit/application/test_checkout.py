"""One attempt to donate has at most one session that can be paid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from donation_card.adapters.stripe.client import CALL_TIMEOUT
from donation_card.application.checkout import StartCheckout
from donation_card.application.form_sessions import MAX_ORDERS_PER_TOKEN
from donation_card.application.ports.payments import CheckoutSession, PaymentPage, SessionStatus, UiMode
from donation_card.application.ports.tokens import FormToken, SessionHandle
from donation_card.application.session_limits import Client
from donation_card.cli.doctor import MAX_CLOCK_SKEW
from donation_card.domain.campaign import Status
from donation_card.domain.card_fee import CardFee
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, SESSION_LIFETIME
from donation_card.domain.money import Money
from donation_card.errors import (
    Conflict,
    Invalid,
    NotFound,
    PaymentsUnavailable,
    RateLimited,
    ReplayedFailure,
    StripeKeyRejected,
)

from tests.unit.application.conftest import NOW, ROOF, Worker

pytestmark = pytest.mark.anyio

TOKEN = FormToken("roof", "other", "attempt", NOW)


def command(amount: int = 25_00, **changes: object) -> StartCheckout:
    page = PaymentPage(UiMode.EMBEDDED, "Donation", "en")
    client = Client("203.0.113.7", has_javascript=True)
    return replace(StartCheckout(TOKEN, Money(amount, "EUR"), page, client), **changes)  # type: ignore[arg-type]


def handle(session: CheckoutSession, attempt_id: str = "attempt") -> SessionHandle:
    return SessionHandle(session.id, "roof", attempt_id)


def open_sessions(worker: Worker) -> list[str]:
    return [each.id for each in worker.payments.sessions.values() if each.status is SessionStatus.OPEN]


async def test_session_is_created(worker: Worker) -> None:
    session = await worker.checkout.start(command())
    assert (session.amount, session.campaign, session.attempt_id) == (Money(25_00, "EUR"), "roof", "attempt")
    assert session.expires_at == NOW + SESSION_LIFETIME
    assert worker.checkout.key_error is None


async def test_session_of_a_form_in_its_last_second_ends_after_30_minutes_by_stripes_clock(worker: Worker) -> None:
    session = await worker.checkout.start(command())
    reaches_stripe = NOW + FORM_TOKEN_LIFETIME + CALL_TIMEOUT + MAX_CLOCK_SKEW
    assert session.expires_at - NOW == 93 * 60
    assert session.expires_at >= reaches_stripe + 30 * 60


async def test_same_command_returns_the_same_session(worker: Worker) -> None:
    first, second = await worker.checkout.start(command()), await worker.checkout.start(command())
    assert first.id == second.id
    assert open_sessions(worker) == [first.id]


async def test_other_amount_replaces_the_session(worker: Worker) -> None:
    first = await worker.checkout.start(command())
    second = await worker.checkout.start(command(30_00))
    assert open_sessions(worker) == [second.id] != [first.id]


async def test_first_amount_again_gets_a_new_session(worker: Worker) -> None:
    for amount in (25_00, 30_00):
        await worker.checkout.start(command(amount))
    third = await worker.checkout.start(command(25_00))
    assert open_sessions(worker) == [third.id]
    assert len(worker.payments.sessions) == 3


async def test_session_of_another_worker_is_replaced(worker: Worker) -> None:
    other = Worker(store=worker.store, payments=worker.payments, form_store=worker.form_store, tokens=worker.tokens)
    await other.checkout.start(command())
    second = await worker.checkout.start(command(30_00))
    assert open_sessions(worker) == [second.id]


async def test_session_named_by_the_browser_is_replaced_without_redis(worker: Worker) -> None:
    other = Worker(payments=worker.payments)
    worker.form_store.available = False
    first = await other.checkout.start(command())
    second = await worker.checkout.start(command(30_00, replaces=handle(first)))
    assert open_sessions(worker) == [second.id]


async def test_own_memory_replaces_the_session_without_redis(worker: Worker) -> None:
    worker.form_store.available = False
    await worker.checkout.start(command())
    second = await worker.checkout.start(command(30_00))
    assert open_sessions(worker) == [second.id]


async def test_handle_of_another_attempt_is_refused(worker: Worker) -> None:
    first = await worker.checkout.start(command())
    with pytest.raises(Invalid, match="token_invalid"):
        await worker.checkout.start(command(30_00, replaces=handle(first, "other attempt")))
    assert open_sessions(worker) == [first.id]


async def test_paid_session_is_recorded_instead_of_replaced(worker: Worker) -> None:
    first = await worker.checkout.start(command())
    worker.payments.pay(first.id)
    for amount in (25_00, 30_00):
        with pytest.raises(Conflict, match="already_paid"):
            await worker.checkout.start(command(amount))
    assert worker.applied().raised == 25_00


async def test_session_paid_in_another_tab_meanwhile(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await worker.checkout.start(command())
    latest, create = dict(worker.form_store._sessions), worker.payments.create_session
    worker.form_store._sessions.clear()
    worker.form_sessions.get("attempt").latest = None

    async def pay_meanwhile(*args: object) -> CheckoutSession:
        worker.form_store._sessions.update(latest)
        worker.payments.pay(first.id)
        return await create(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.payments, "create_session", pay_meanwhile)
    with pytest.raises(Conflict, match="already_paid"):
        await worker.checkout.start(command(30_00))
    assert open_sessions(worker) == []


async def test_form_has_a_limited_number_of_orders(worker: Worker) -> None:
    for number in range(MAX_ORDERS_PER_TOKEN):
        await worker.checkout.start(command(25_00 + number))
    for available in (True, False):
        worker.form_store.available = available
        with pytest.raises(RateLimited, match="too_many_changes"):
            await worker.checkout.start(command(90_00))
    worker.form_store.available = True
    with pytest.raises(RateLimited, match="too_many_changes"):
        await Worker(payments=worker.payments, form_store=worker.form_store).checkout.start(command(90_00))


async def test_refused_orders_are_not_stored(worker: Worker) -> None:
    admitted = 0
    for number in range(1_000):
        token = FormToken("roof", "other", f"attempt {number}", NOW)
        try:
            await worker.checkout.start(replace(command(), token=token))
            admitted += 1
        except RateLimited:
            pass
    assert 0 < admitted < 100
    assert len(worker.form_store._sessions) == len(worker.form_sessions._sessions) == admitted


async def test_stored_failure_is_retried_with_a_new_key(worker: Worker) -> None:
    worker.payments.create_errors = [ReplayedFailure()]
    assert await worker.checkout.start(command())
    worker.payments.create_errors = [ReplayedFailure(), ReplayedFailure()]
    with pytest.raises(PaymentsUnavailable):
        await worker.checkout.start(command(30_00))
    assert await worker.checkout.start(command(30_00))


async def test_every_stored_session_expired(worker: Worker) -> None:
    for _ in range(MAX_ORDERS_PER_TOKEN):
        session = await worker.checkout.start(command())
        await worker.payments.expire_session(session.id)
    with pytest.raises(RateLimited, match="too_many_changes"):
        await worker.checkout.start(command())


async def test_failure_names_another_way_to_give() -> None:
    worker = Worker(campaign=replace(ROOF, fallback_url="https://give.example", warned_bank_countries=("BY", "RU")))
    worker.payments.create_errors = [StripeKeyRejected(reason="expired"), PaymentsUnavailable(reason="timeout")]
    for reason in ("expired", "timeout"):
        with pytest.raises(PaymentsUnavailable) as caught:
            await worker.checkout.start(command())
        assert caught.value.params == {
            "reason": reason,
            "campaign": "roof",
            "fallback_url": "https://give.example",
        }
        assert worker.checkout.key_error == "payments_unavailable reason='expired'"
    await worker.checkout.start(command())
    assert worker.checkout.key_error is None


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (Money(1_99, "EUR"), "amount_below_minimum"),
        (Money(300_01, "EUR"), "amount_above_maximum"),
        (Money(25_00, "PLN"), "amount_not_a_number"),
    ],
)
async def test_impossible_amount_is_refused(worker: Worker, amount: Money, code: str) -> None:
    with pytest.raises(Invalid, match=code):
        await worker.checkout.start(replace(command(), amount=amount))
    assert worker.payments.requests == []


async def test_amount_must_be_chargeable() -> None:
    krona = replace(ROOF, goal=Money(100, "ISK"), giving=_giving("ISK"))
    with pytest.raises(Invalid, match="amount_not_chargeable"):
        await Worker(campaign=krona).checkout.start(replace(command(), amount=Money(25_50, "ISK")))


def _giving(currency: str) -> object:
    return replace(ROOF.giving, minimum=Money(2_00, currency), maximum=Money(300_00, currency))


@pytest.mark.parametrize(
    ("status", "error"), [(Status.CLOSED, Conflict("campaign_closed")), (Status.HIDDEN, NotFound("campaign_hidden"))]
)
async def test_closed_campaign_takes_nothing(status: Status, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        await Worker(campaign=replace(ROOF, status=status)).checkout.start(command())


async def test_limited_request_creates_no_session(worker: Worker) -> None:
    await worker.limiter.set_override(await worker.account.get(), "on")
    await worker.limits.sync_attack_status()
    with pytest.raises(RateLimited, match="challenge_required"):
        await worker.checkout.start(command())
    assert worker.payments.sessions == {}


FEE = replace(ROOF, giving=replace(ROOF.giving, offered_fee=CardFee(150, Money(25, "EUR"))))
REDIRECTS = replace(FEE, redirect_methods=("paypal", "ideal"))
HOSTED = PaymentPage(UiMode.HOSTED, "Donation", "en", "https://x.example", "https://x.example")


def test_covered_fee_is_a_part_of_the_order() -> None:
    order = command(cover_fee=True).order(FEE)
    assert (order.amount, order.fee, order.total) == (Money(25_00, "EUR"), Money(1_00, "EUR"), Money(26_00, "EUR"))


def test_maximum_applies_to_the_gift_alone() -> None:
    most = FEE.giving.maximum
    assert FEE.giving.maximum < command(most.amount, cover_fee=True).order(FEE).total


@pytest.mark.parametrize("page", [HOSTED, command().page], ids=["hosted", "embedded"])
def test_covered_fee_is_for_cards_only(page: PaymentPage) -> None:
    assert command(cover_fee=True, page=page).order(REDIRECTS).allowed_methods == ("card",)


def test_hosted_page_allows_the_listed_methods_and_cards() -> None:
    assert command(page=HOSTED).order(REDIRECTS).allowed_methods == ("card", "paypal", "ideal")
    assert command(page=HOSTED).order(FEE).allowed_methods == ()
    assert command().order(REDIRECTS).allowed_methods == ()


def test_fee_that_is_not_offered_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        command(cover_fee=True).order(ROOF)
    assert (refused.value.code, refused.value.params["field"]) == ("request_malformed", "cover_fee")


async def test_changed_tick_is_another_order(worker: Worker) -> None:
    worker.campaigns.put(FEE)
    first = await worker.checkout.start(command())
    second = await worker.checkout.start(command(cover_fee=True))
    assert second.amount == Money(26_00, "EUR")
    assert open_sessions(worker) == [second.id]
    third = await worker.checkout.start(command())
    assert open_sessions(worker) == [third.id]
    assert first.id != third.id
