"""Translate Stripe's JSON objects to the types of the ports, and an order to Stripe's parameters.

The parsers raise Invalid (`event_malformed`) for JSON that Stripe would not send.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from donation_card.application.ports.payments import (
    Attribution,
    ChargeCountry,
    CheckoutOrder,
    CheckoutSession,
    PaymentDeclined,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
    UiMode,
)
from donation_card.domain.money import MAX_MINOR_UNITS, MINOR_UNIT_EXPONENT, Money
from donation_card.domain.redirect_methods import REDIRECT_METHODS
from donation_card.domain.totals import (
    REFUND_STATUSES,
    BalanceTransaction,
    ObjectKind,
    ObjectState,
    dispute,
    dispute_taken,
    refund,
)
from donation_card.errors import IgnoredEvent, Invalid
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log

_COUNTRY_PATHS = (
    ("country",),  # card, sepa_debit, link, paypal and others
    ("card", "country"),  # mobilepay
    ("funding", "card", "country"),  # revolut_pay, amazon_pay
    ("payer_details", "address", "country"),  # klarna
)
"""The places of the country of a card, an account or a payer in the details of a payment method. The addresses of a
card's wallet are not among them."""

_METADATA_VALUE = re.compile(r"[A-Za-z0-9._:-]{1,253}")

HANDLED_EVENTS = {
    "checkout.session.completed": "session",
    "checkout.session.async_payment_succeeded": "session",
    "checkout.session.async_payment_failed": "session",
    "checkout.session.expired": "session",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.refund.updated": "refund",
    "charge.dispute.created": "dispute",
    "charge.dispute.updated": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "dispute",
    "charge.dispute.closed": "dispute",
}
"""Event type → kind of its object.

`charge.refunded` is missing. A charge contains only the sum of its refunds, so it does not show a refund that fails.
"""

LISTED_EVENTS = [
    type for type in HANDLED_EVENTS if type not in ("checkout.session.expired", "checkout.session.async_payment_failed")
]
"""The events that a sync lists. The others change no total, and a day of card testing makes a million of them."""

DECLINE_EVENT = "payment_intent.payment_failed"
"""A signal of card testing. It changes no totals."""


def create_params(order: CheckoutOrder) -> Any:
    """Return the parameters of a new checkout session. docs/architecture.md says why each is there."""
    attribution = {"campaign": order.campaign, "site": order.site}
    params: dict[str, Any] = {
        "mode": "payment",
        "submit_type": "donate",
        "line_items": [_line_item(order.amount, order.page.description)],
        "metadata": {**attribution, "nonce": order.attempt_id},
        "payment_intent_data": {"metadata": attribution},  # Stripe does not copy the metadata of a session
        "customer_creation": "if_required",
        "adaptive_pricing": {"enabled": False},  # donors with another currency would pay 2 to 4 % more
        "wallet_options": {"link": {"display": "never"}},  # it asks for a telephone number; decision 0020
        "locale": order.page.locale,
        "expires_at": order.expires_at,
    }
    if order.fee:
        params["line_items"].append(_line_item(order.fee, order.page.fee_description))
    if order.allowed_methods:
        params["allowed_payment_method_types"] = list(order.allowed_methods)
    if order.page.submit_message:
        params["custom_text"] = {"submit": {"message": order.page.submit_message}}
    if order.page.ui_mode is UiMode.EMBEDDED:
        return params | {"ui_mode": "embedded_page", "redirect_on_completion": "never"}
    return params | {
        "ui_mode": "hosted_page",
        "success_url": order.page.success_url,
        "cancel_url": order.page.cancel_url,
    }


def _line_item(amount: Money, name: str) -> dict[str, Any]:
    price = {"currency": amount.currency.lower(), "unit_amount": amount.amount, "product_data": {"name": name}}
    return {"quantity": 1, "price_data": price}


def parse_object(kind: str, data: Any, as_of: object = 0) -> StripeRecord:
    """Parse an object of a kind that `HANDLED_EVENTS` names, as Stripe reported it at `as_of` (UTC seconds)."""
    return _PARSERS[kind](data, as_of if type(as_of) is int else 0)


def parse_or_skip(kind: str, data: Any, as_of: object = 0, within: object = None) -> StripeRecord | None:
    """Parse an object of a list. Log an unreadable one and return None, so that all others are still counted.

    `within` is the id of the event that contains the object, for the log.
    """
    try:
        if kind not in _PARSERS:
            raise Invalid("event_malformed")
        return parse_object(kind, data, as_of)
    except (Invalid, IgnoredEvent) as error:
        reason = error.code if isinstance(error, IgnoredEvent) else "object_unreadable"
        name = data.get("id") if isinstance(data, dict) else within
        log.error(LogEvent.OBJECT_UNREADABLE, object=str(name)[:80], reason=error.code)
        metrics.not_counted.labels(reason).inc()
        return None


def parse_session(data: Any, as_of: int = 0, *, replayed: bool = False) -> CheckoutSession:
    """Parse https://docs.stripe.com/api/checkout/sessions/object.

    Read nothing but the metadata of a session of another product: it can have any amount, status and currency. Raise
    IgnoredEvent (`wrong_currency`) if a session of ours has a currency that this release does not know.
    """
    with _malformed_object():
        metadata = data.get("metadata") or {}
        campaign, total = _metadata_value(metadata.get("campaign")), data.get("amount_total")
        if campaign is None:
            return _session_of_another_product(data)
        if total is not None and data["currency"].upper() not in MINOR_UNIT_EXPONENT:
            raise IgnoredEvent("wrong_currency")
        status = _session_status(data.get("status"), data.get("payment_status"))
        received = _amount_received(data)
        if status is SessionStatus.PAID and received == 0 and total:
            status = SessionStatus.PROCESSING  # the bank reserved the money, and nobody captured it yet
        return CheckoutSession(
            id=_require_id(data),
            status=status or SessionStatus.PROCESSING,  # the donor must not pay a second time
            amount=_parse_money(_parse_amount(total), data["currency"]) if total is not None else None,
            campaign=campaign,
            site=_metadata_value(metadata.get("site")) or "other",
            attempt_id=_metadata_value(metadata.get("nonce")),
            payment_intent=_parse_id(data.get("payment_intent")),
            created=data["created"],
            expires_at=data.get("expires_at") or 0,
            client_secret=data.get("client_secret"),
            url=data.get("url"),
            replayed=replayed,
            charge_country=parse_charge_country(data.get("payment_intent")),
            received=received,
            unknown_status=None if status else f"{data.get('status')} {data.get('payment_status')}"[:80],
            as_of=as_of,
        )


def _amount_received(session: Any) -> int | None:
    """Return the captured amount, or None if the payment was not expanded or is in another currency."""
    payment_intent = session.get("payment_intent")
    if not isinstance(payment_intent, dict) or payment_intent.get("currency") != session.get("currency"):
        return None
    received = payment_intent.get("amount_received")
    return None if received is None else _parse_amount(received)


def _session_of_another_product(data: Any) -> CheckoutSession:
    payment = data.get("payment_intent")
    payment = payment.get("id") if isinstance(payment, dict) else payment
    return CheckoutSession(
        id=_require_id(data),
        status=SessionStatus.PROCESSING,
        amount=None,
        campaign=None,
        site="other",
        attempt_id=None,
        payment_intent=payment if isinstance(payment, str) else None,
        created=0,
        expires_at=0,
    )


def parse_charge_country(payment_intent: Any) -> ChargeCountry | None:
    """Return the country of the bank. Return None if the charge was not expanded or the payment method has none."""
    with suppress(AttributeError, KeyError, TypeError):
        charge = payment_intent["latest_charge"]
        details = charge["payment_method_details"]
        method, created = details[details["type"]], charge["created"]
        country = next(filter(None, (_text_at(method, path) for path in _COUNTRY_PATHS)), None)
        if country and type(created) is int:
            return ChargeCountry(country, created)
    return None


def _text_at(value: Any, path: tuple[str, ...]) -> str | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def parse_refund(data: Any, as_of: int = 0) -> RefundOrDispute:
    """Parse https://docs.stripe.com/api/refunds/object."""
    with _malformed_object():
        if (payment := _parse_id(data.get("payment_intent"))) is None:
            return _reversal_of_another_product(ObjectKind.REFUND, data)
        amount, status = _parse_amount(data["amount"]), data.get("status")
        parsed = _refund_or_dispute(data, refund("-", _require_id(data), payment, amount, status, as_of=as_of))
        return parsed if status in REFUND_STATUSES else replace(parsed, unknown_status=str(status)[:40])


def parse_dispute(data: Any, as_of: int = 0) -> RefundOrDispute:
    """Parse https://docs.stripe.com/api/disputes/object. Its balance transactions count, whatever its status is."""
    with _malformed_object():
        if (payment := _parse_id(data.get("payment_intent"))) is None:
            return _reversal_of_another_product(ObjectKind.DISPUTE, data)
        transactions = [
            BalanceTransaction(
                _parse_int(each["amount"]),
                str(each["currency"]),
                _parse_int(each["created"]),
                each.get("reporting_category") == "dispute_reversal",
            )
            for each in _parse_list(data["balance_transactions"])
        ]
        taken = dispute_taken(_parse_amount(data["amount"]), data["currency"], transactions)
        state = dispute("-", _require_id(data), payment, taken, len(transactions), as_of=as_of)
        return _refund_or_dispute(data, state)


def parse_declined(data: Any) -> PaymentDeclined:
    """Raise IgnoredEvent if the declined payment is not a donation of this service."""
    with _malformed_object():
        if parse_attribution(data) is None:
            raise IgnoredEvent("other_product")
        with suppress(AttributeError, KeyError, TypeError):
            return PaymentDeclined(by_card=data["last_payment_error"]["payment_method"]["type"] not in REDIRECT_METHODS)
        return PaymentDeclined()


def attributed(record: RefundOrDispute, session: CheckoutSession) -> RefundOrDispute:
    """Complete a refund or dispute with what the session of its payment says, so that Stripe is not asked."""
    if session.campaign is None:
        return replace(record, payment_intent=None)
    return replace(record, attribution=Attribution(session.campaign, session.site))


def parse_attribution(data: Any) -> Attribution | None:
    """Return the campaign and the site in the metadata of an object, or None if it is not a donation."""
    metadata = data.get("metadata") or {}
    campaign = _metadata_value(metadata.get("campaign"))
    return Attribution(campaign, _metadata_value(metadata.get("site")) or "other") if campaign else None


_COMPLETE = {
    "paid": SessionStatus.PAID,
    "no_payment_required": SessionStatus.PAID,
    "unpaid": SessionStatus.PROCESSING,
}
_INCOMPLETE = {"open": SessionStatus.OPEN, "expired": SessionStatus.EXPIRED}

_PARSERS: dict[str, Callable[[Any, int], StripeRecord]] = {
    "session": parse_session,
    "refund": parse_refund,
    "dispute": parse_dispute,
}


@contextmanager
def _malformed_object() -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid("event_malformed") from error


def _reversal_of_another_product(kind: ObjectKind, data: Any) -> RefundOrDispute:
    """Read nothing of a refund or dispute without a PaymentIntent. Every payment of a checkout session has one."""
    return RefundOrDispute(kind, str(data.get("id")), None, str(data.get("currency")).upper(), version=0, amount=0)


def _refund_or_dispute(data: Any, state: ObjectState) -> RefundOrDispute:
    return RefundOrDispute(
        state.kind, state.object_id, state.payment, data["currency"].upper(), state.version, state.amount
    )


def _session_status(status: object, payment_status: object) -> SessionStatus | None:
    """Return None for statuses that are not known. Both are open enums: Stripe can add a value at any time."""
    if status == "complete":
        return _COMPLETE.get(str(payment_status))
    if payment_status in ("unpaid", "no_payment_required"):
        return _INCOMPLETE.get(str(status))
    return None


def _metadata_value(value: Any) -> str | None:
    """Return None for a value that this service does not write: people can edit metadata in Stripe's dashboard."""
    return value if isinstance(value, str) and _METADATA_VALUE.fullmatch(value) else None


def _parse_id(reference: Any) -> str | None:
    """Return the id of a referenced object. The reference is the id, or the object itself if it was expanded."""
    found = reference.get("id") if isinstance(reference, dict) else reference
    if not (found is None or isinstance(found, str)):
        raise ValueError("an id is a text")
    return found


def _require_id(data: Any) -> str:
    if found := _parse_id(data["id"]):
        return found
    raise ValueError("an object has an id")


def _parse_int(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("a whole number of minor units")
    return value


def _parse_money(amount: Any, currency: str) -> Money:
    if abs(_parse_int(amount)) > MAX_MINOR_UNITS:
        raise ValueError("a single amount")
    return Money(amount, currency.upper())


def _parse_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list")
    return value


def _parse_amount(value: Any) -> int:
    if _parse_int(value) < 0:
        raise ValueError("an amount is not negative")
    return int(value)
