"""Test the parsing of webhook bodies, valid and malformed."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from donation_card.adapters.stripe.objects import HANDLED_EVENTS, create_params, parse_declined
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.adapters.stripe.provisioning import WALLETS
from donation_card.application.ports.payments import (
    Account,
    CheckoutOrder,
    CheckoutSession,
    PaymentDeclined,
    PaymentPage,
    RefundOrDispute,
    StripeRecord,
    UiMode,
)
from donation_card.domain.money import MAX_MINOR_UNITS, Money
from donation_card.domain.totals import version
from donation_card.errors import IgnoredEvent, Invalid
from donation_card.settings import STRIPE_ORIGINS
from hypothesis import given, strategies as st
from stripe import WebhookSignature

SECRET, ACCOUNT = "whsec_0123456789abcdef", Account("acct_1", livemode=False)
PAYMENTS = StripePayments("sk_test_x", [SECRET])

SESSION = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "status": "complete",
    "payment_status": "paid",
    "amount_total": 2500,
    "currency": "eur",
    "metadata": {"campaign": "roof", "site": "a.example", "nonce": "n"},
    "payment_intent": "pi_1",
    "created": 1_764_000_000,
    "expires_at": 1_764_003_600,
}
REFUND = {"id": "re_1", "amount": 500, "currency": "eur", "payment_intent": "pi_1", "status": "succeeded"}
MOVED: dict[str, Any] = {"amount": -500, "created": 1_764_000_000, "currency": "eur", "reporting_category": "dispute"}
DISPUTE = {
    "id": "du_1",
    "amount": 500,
    "currency": "eur",
    "payment_intent": "pi_1",
    "status": "lost",
    "balance_transactions": [MOVED],
}
OBJECTS = {"session": SESSION, "refund": REFUND, "dispute": DISPUTE}


def told(body: bytes) -> StripeRecord | None:
    now = datetime.now(UTC)
    signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(now.timestamp()))
    try:
        return PAYMENTS.parse_event(body, signature.encode(), now, ACCOUNT)
    except (Invalid, IgnoredEvent):
        return None


def event(kind: str, thing: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "livemode": False, "data": {"object": thing}}).encode()


@pytest.mark.parametrize("kind", HANDLED_EVENTS)
def test_every_subscribed_event_is_parsed(kind: str) -> None:
    assert told(event(kind, OBJECTS[HANDLED_EVENTS[kind]])) is not None


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({}, True),
        ({"account": None, "context": None}, True),
        ({"account": "acct_1"}, True),
        ({"context": "acct_1"}, True),
        ({"context": "org_1/acct_1"}, True),
        ({"account": "acct_2"}, False),
        ({"context": "acct_2"}, False),
        ({"context": "acct_1/acct_2"}, False),
        ({"account": "acct_1", "context": "acct_2"}, False),
        ({"context": {"id": "acct_1"}}, False),
    ],
)
def test_event_of_another_account_of_the_organisation_is_ignored(change: dict[str, Any], *, ours: bool) -> None:
    body = json.dumps(json.loads(event("refund.created", REFUND)) | change).encode()
    now = datetime.now(UTC)
    signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(now.timestamp())).encode()
    with nullcontext() if ours else pytest.raises(IgnoredEvent, match="other_account"):
        PAYMENTS.parse_event(body, signature, now, ACCOUNT)


@pytest.mark.parametrize(
    ("category", "taken"), [("dispute_reversal", 250), ("dispute", 500), ("other_adjustment", 500), (None, 500)]
)
def test_only_a_dispute_reversal_gives_back(category: str | None, taken: int) -> None:
    withdrawn = MOVED | {"amount": -550, "currency": "usd"}
    later = MOVED | {"amount": 275, "currency": "usd", "created": MOVED["created"] + 9, "reporting_category": category}
    for transactions in ([withdrawn, later], [later, withdrawn]):
        found = told(event("charge.dispute.updated", DISPUTE | {"balance_transactions": transactions}))
        assert isinstance(found, RefundOrDispute)
        assert (found.amount, found.version) == (-taken, version(2, 0))


@pytest.mark.parametrize(
    ("created", "as_of"), [(1_800_000_000, 1_800_000_000), (None, 0), ("1", 0), (True, 0), (1.5, 0)]
)
def test_version_grows_with_the_time_of_the_event(created: Any, as_of: int) -> None:
    for kind, thing in (("refund.updated", REFUND), ("charge.dispute.updated", DISPUTE)):
        body = json.dumps(json.loads(event(kind, thing)) | {"created": created}).encode()
        found = told(body)
        assert isinstance(found, RefundOrDispute)
        assert found.version == version(1, as_of)


STRANGE: list[dict[str, Any]] = [
    {"status": None},
    {"payment_status": "later"},
    {"currency": "xdr", "amount_total": 10**14},
    {"currency": None, "amount_total": None},
    {"amount_total": -500},
    {"created": None, "payment_intent": 5},
]


@pytest.mark.parametrize("kind", [kind for kind in HANDLED_EVENTS if HANDLED_EVENTS[kind] == "session"])
@pytest.mark.parametrize("change", STRANGE)
@pytest.mark.parametrize("metadata", [None, {}, {"order": "42"}, {"campaign": ""}])
def test_session_of_another_product_has_any_shape(kind: str, change: dict[str, Any], metadata: Any) -> None:
    session = SESSION | change | {"metadata": metadata}
    del session["expires_at"]
    found = told(event(kind, session))
    assert isinstance(found, CheckoutSession)
    assert (found.campaign, found.object_state) == (None, None)


@given(fields=st.dictionaries(st.sampled_from(sorted(SESSION.keys() - {"metadata"})), st.none() | st.integers()))
def test_any_field_of_a_session_of_another_product_may_be_missing(fields: dict[str, Any]) -> None:
    assert told(event("checkout.session.expired", fields | {"id": "cs_test_1"})) is not None


@pytest.mark.parametrize("amount", [-500, -1])
@pytest.mark.parametrize("payment_status", ["paid", "unpaid", "no_payment_required"])
def test_negative_amount_of_a_session_is_refused(amount: int, payment_status: str) -> None:
    body = event("checkout.session.completed", SESSION | {"amount_total": amount, "payment_status": payment_status})
    assert told(body) is None


@pytest.mark.parametrize(
    ("payment_intent", "counted"),
    [
        ({"amount_received": 1500, "currency": "eur"}, 1500),
        ({"amount_received": 2500, "currency": "eur"}, 2500),
        ({"amount_received": 0, "currency": "eur"}, None),
        ({"amount_received": 1500, "currency": "usd"}, 2500),
        ({"amount_received": None, "currency": "eur"}, 2500),
        ({"currency": "eur"}, 2500),
        ({}, 2500),
    ],
)
def test_partial_capture_counts_what_was_received(payment_intent: Any, counted: int | None) -> None:
    expanded = {"id": "pi_1", "object": "payment_intent"} | payment_intent
    found = told(event("checkout.session.completed", SESSION | {"payment_intent": expanded}))
    assert isinstance(found, CheckoutSession)
    assert (found.object_state and found.object_state.amount) == counted


@pytest.mark.parametrize(
    ("change", "incomplete"),
    [
        ({}, False),
        ({"payment_intent": None}, True),
        ({"amount_total": None}, True),
        ({"payment_intent": None, "payment_status": "no_payment_required"}, True),
        ({"payment_intent": None, "payment_status": "no_payment_required", "amount_total": 0}, False),
        ({"payment_intent": None, "payment_status": "unpaid"}, False),
        ({"payment_intent": None, "status": "open", "payment_status": "unpaid"}, False),
    ],
)
def test_session_without_a_payment_or_amount_is_incomplete(change: dict[str, Any], *, incomplete: bool) -> None:
    found = told(event("checkout.session.completed", SESSION | change))
    assert isinstance(found, CheckoutSession)
    assert found.is_incomplete == incomplete


@pytest.mark.parametrize("kind", ["refund.created", "charge.dispute.created"])
def test_reversal_without_a_payment_intent_has_any_shape(kind: str) -> None:
    found = told(event(kind, {"id": "x_1", "object": "x", "payment_intent": None, "amount": None, "currency": "xdr"}))
    assert isinstance(found, RefundOrDispute)
    assert (found.payment_intent, found.version, found.amount) == (None, 0, 0)


@pytest.mark.parametrize("status", ["complete", "open", "expired", None, "archived", 5])
@pytest.mark.parametrize("payment_status", ["paid", "no_payment_required", "unpaid", None, "processing", "PAID", 5, []])
def test_only_a_status_known_to_be_money_counts(status: Any, payment_status: Any) -> None:
    found = told(event("checkout.session.completed", SESSION | {"status": status, "payment_status": payment_status}))
    assert isinstance(found, CheckoutSession)
    money = status == "complete" and payment_status in ("paid", "no_payment_required")
    assert (found.object_state is not None) == money
    no_money = (status == "complete" and payment_status == "unpaid") or (
        status in ("open", "expired") and payment_status in ("unpaid", "no_payment_required")
    )
    assert (found.unknown_status is None) == (money or no_money)


@pytest.mark.parametrize(("status", "unknown"), [(None, None), ("pending", None), ("reversed", "reversed"), ([], "[]")])
def test_refund_with_an_unknown_status_is_subtracted(status: Any, unknown: str | None) -> None:
    found = told(event("refund.updated", REFUND | {"status": status}))
    assert isinstance(found, RefundOrDispute)
    assert (found.version, found.amount, found.unknown_status) == (version(1, 0), -500, unknown)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(["eur", "jpy", "paid", "complete", "succeeded", "pi_1", "roof"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(kind=st.sampled_from(sorted(HANDLED_EVENTS)), thing=anything)
def test_object_of_any_shape_breaks_nothing(kind: str, thing: Any) -> None:
    told(event(kind, thing))


@given(kind=st.sampled_from(sorted(HANDLED_EVENTS)), data=st.data())
def test_field_of_any_type_never_yields_a_wrong_amount(kind: str, data: st.DataObject) -> None:
    thing = copy.deepcopy(OBJECTS[HANDLED_EVENTS[kind]])
    for field in data.draw(st.lists(st.sampled_from(sorted(thing)), max_size=3)):
        thing[field] = data.draw(anything)
    found = told(event(kind, thing))
    if found is None:
        return
    if isinstance(found, CheckoutSession):
        amount = found.object_state.amount if found.object_state else 0
    else:
        amount = found.amount
    assert type(amount) is int
    assert abs(amount) <= MAX_MINOR_UNITS
    if amount and not isinstance(found, CheckoutSession):
        assert isinstance(thing["amount"], int)


@given(body=st.binary(max_size=300))
def test_bytes_of_any_kind_break_nothing(body: bytes) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Invalid):
        PAYMENTS.parse_event(body, b"t=1,v1=00", now, ACCOUNT)


@pytest.mark.parametrize("depth", [10, 10_000])
def test_deep_nesting_breaks_nothing(depth: int) -> None:
    assert told(b'{"type": ' + b"[" * depth + b"]" * depth + b"}") is None


@pytest.mark.parametrize("ui_mode", UiMode)
@pytest.mark.parametrize("warning", [None, "Do not pay with a bank in Belarus."])
def test_link_is_off_in_each_session(ui_mode: UiMode, warning: str | None) -> None:
    params = create_params(
        CheckoutOrder(
            "roof", "other", "n", Money(2500, "EUR"), 0, PaymentPage(ui_mode, "Donation", "en", submit_message=warning)
        )
    )
    assert params["wallet_options"] == {"link": {"display": "never"}}


def test_covered_fee_is_a_second_line_item() -> None:
    page = PaymentPage(UiMode.EMBEDDED, "Donation", "en", fee_description="For the card fee")
    order = CheckoutOrder("roof", "other", "n", Money(2500, "EUR"), 0, page, Money(100, "EUR"), ("card",))
    params = create_params(order)
    items = [each["price_data"] for each in params["line_items"]]
    assert [(each["unit_amount"], each["product_data"]["name"]) for each in items] == [
        (2500, "Donation"),
        (100, "For the card fee"),
    ]
    assert params["allowed_payment_method_types"] == ["card"]


@pytest.mark.parametrize(("method", "by_card"), [("card", True), ("ideal", False), ("paypal", False), (None, True)])
def test_refusal_at_a_bank_is_no_signal_of_card_testing(method: str | None, by_card: bool) -> None:
    error = {"last_payment_error": {"payment_method": {"type": method}} if method else {}}
    assert parse_declined({"metadata": {"campaign": "roof"}, **error}) == PaymentDeclined(by_card=by_card)


def test_link_is_in_no_policy_and_no_list_of_wallets() -> None:
    assert "link" not in WALLETS
    assert not [source for sources in STRIPE_ORIGINS.values() for source in sources if "link.com" in source]
