"""Test the parsing of webhook bodies, valid and malformed."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from donation_card.adapters.stripe.objects import HANDLED_EVENTS, create_params
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.adapters.stripe.provisioning import WALLETS
from donation_card.application.ports.payments import Account, CheckoutOrder, CheckoutSession, StripeRecord, UiMode
from donation_card.domain.money import MAX_MINOR_UNITS, Money
from donation_card.errors import IgnoredEvent, Invalid
from donation_card.settings import STRIPE_ORIGINS
from hypothesis import given
from hypothesis import strategies as st
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
MOVED = {"amount": -500, "created": 1_764_000_000, "currency": "eur"}
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
        amounts = found.object_state.cumulative_amounts if found.object_state else (0,)
    else:
        amounts = found.cumulative_amounts
    assert all(type(amount) is int and abs(amount) <= MAX_MINOR_UNITS for amount in amounts)
    if amounts[-1] and not isinstance(found, CheckoutSession):
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
        CheckoutOrder("roof", "other", "n", Money(2500, "EUR"), ui_mode, "Donation", "en", 0, submit_message=warning)
    )
    assert params["wallet_options"] == {"link": {"display": "never"}}


def test_link_is_in_no_policy_and_no_list_of_wallets() -> None:
    assert "link" not in WALLETS
    assert not [source for sources in STRIPE_ORIGINS.values() for source in sources if "link.com" in source]
