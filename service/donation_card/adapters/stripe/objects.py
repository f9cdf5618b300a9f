"""Translate Stripe's JSON objects to the types of the ports, and an order to Stripe's parameters.

The parsers raise Invalid (`event_malformed`) for JSON that Stripe would not send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog

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
from donation_card.domain.money import MAX_MINOR_UNITS, Money
from donation_card.domain.totals import ObjectState, dispute, refund
from donation_card.errors import IgnoredEvent, Invalid
from donation_card.observability.log_events import LogEvent

log = structlog.get_logger()

_COUNTRY_PATHS: Final = (
    ("country",),  # card, sepa_debit, link, paypal and others
    ("card", "country"),  # mobilepay
    ("funding", "card", "country"),  # revolut_pay, amazon_pay
    ("payer_details", "address", "country"),  # klarna
)
"""The places of the country of a card, an account or a payer in the details of a payment method. The addresses of a
card's wallet are not among them."""

_METADATA_VALUE: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")

HANDLED_EVENTS: Final = {
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

DECLINE_EVENT: Final = "payment_intent.payment_failed"
"""A signal of card testing. It changes no totals."""


def create_params(order: CheckoutOrder) -> Any:
    """Return the parameters of a new checkout session. docs/architecture.md says why each is there."""
    attribution = {"campaign": order.campaign, "site": order.site}
    params: dict[str, Any] = {
        "mode": "payment",
        "submit_type": "donate",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.amount.currency.lower(),
                    "unit_amount": order.amount.amount,
                    "product_data": {"name": order.description},
                },
            }
        ],
        "metadata": {**attribution, "nonce": order.attempt_id},
        "payment_intent_data": {"metadata": attribution},  # Stripe does not copy the metadata of a session
        "customer_creation": "if_required",
        "adaptive_pricing": {"enabled": False},  # donors with another currency would pay 2 to 4 % more
        "wallet_options": {"link": {"display": "never"}},  # it asks for a telephone number; decision 0020
        "locale": order.locale,
        "expires_at": order.expires_at,
    }
    if order.submit_message:
        params["custom_text"] = {"submit": {"message": order.submit_message}}
    if order.ui_mode is UiMode.EMBEDDED:
        return params | {"ui_mode": "embedded_page", "redirect_on_completion": "never"}
    return params | {"ui_mode": "hosted_page", "success_url": order.success_url, "cancel_url": order.cancel_url}


def parse_object(kind: str, data: Any) -> StripeRecord:
    """Parse an object of a kind that `HANDLED_EVENTS` names."""
    return _PARSERS[kind](data)


def parse_or_skip(kind: str, data: Any) -> StripeRecord | None:
    """Parse an object of a list. Log an unreadable one and return None, so that all others are still counted."""
    try:
        return parse_object(kind, data)
    except (Invalid, IgnoredEvent) as error:
        log.error(LogEvent.OBJECT_UNREADABLE, object=str(data.get("id"))[:80], reason=error.code)
        return None


def parse_session(data: Any, *, replayed: bool = False) -> CheckoutSession:
    """Parse https://docs.stripe.com/api/checkout/sessions/object."""
    with _malformed_object():
        metadata = data.get("metadata") or {}
        campaign, total = _metadata_value(metadata.get("campaign")), data.get("amount_total")
        ours = campaign is not None  # sessions of other products may have any amount
        return CheckoutSession(
            id=data["id"],
            status=_session_status(data["status"], data["payment_status"]),
            amount=_parse_money(total, data["currency"]) if ours and total is not None else None,
            campaign=campaign,
            site=_metadata_value(metadata.get("site")) or "other",
            attempt_id=_metadata_value(metadata.get("nonce")),
            payment_intent=_parse_id(data.get("payment_intent")),
            created=data["created"],
            expires_at=data["expires_at"],
            client_secret=data.get("client_secret"),
            url=data.get("url"),
            replayed=replayed,
            charge_country=parse_charge_country(data.get("payment_intent")),
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


def parse_refund(data: Any) -> RefundOrDispute:
    """Parse https://docs.stripe.com/api/refunds/object. Log an unknown status and raise IgnoredEvent."""
    with _malformed_object():
        refund_id, amount, status = data["id"], _parse_amount(data["amount"]), data["status"]
        try:
            state = refund("-", refund_id, amount, status)
        except KeyError as error:
            log.error(LogEvent.REFUND_STATUS_UNKNOWN, refund=refund_id, status=str(status)[:40])
            raise IgnoredEvent("status_unknown") from error
        return _refund_or_dispute(data, state)


def parse_dispute(data: Any) -> RefundOrDispute:
    """Parse https://docs.stripe.com/api/disputes/object. Its balance transactions count, whatever its status is.

    The transactions are in the settlement currency. If that is another currency, each moved the disputed amount.
    They are sorted, because Stripe promises no order. Within one second, the withdrawal comes first.
    """
    with _malformed_object():
        transactions = sorted(
            (_parse_int(each["created"]), _parse_int(each["amount"]), each["currency"])
            for each in _parse_list(data["balance_transactions"])
        )
        disputed = _parse_amount(data["amount"])
        balance_changes = [
            amount if currency == data["currency"] else disputed * ((amount > 0) - (amount < 0))
            for _, amount, currency in transactions
        ]
        return _refund_or_dispute(data, dispute("-", data["id"], balance_changes))


def parse_declined(data: Any) -> PaymentDeclined:
    """Raise IgnoredEvent if the declined payment is not a donation of this service."""
    with _malformed_object():
        if parse_attribution(data) is None:
            raise IgnoredEvent("other_product")
        return PaymentDeclined()


def parse_attribution(data: Any) -> Attribution | None:
    """Return the campaign and the site in the metadata of an object, or None if it is not a donation."""
    metadata = data.get("metadata") or {}
    campaign = _metadata_value(metadata.get("campaign"))
    return Attribution(campaign, _metadata_value(metadata.get("site")) or "other") if campaign else None


_PARSERS: Final[dict[str, Callable[[Any], StripeRecord]]] = {
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


def _refund_or_dispute(data: Any, state: ObjectState) -> RefundOrDispute:
    return RefundOrDispute(
        state.kind,
        state.object_id,
        _parse_id(data.get("payment_intent")),
        data["currency"].upper(),
        state.cumulative_amounts,
        parse_attribution(data["payment_intent"]) if isinstance(data.get("payment_intent"), dict) else None,
    )


def _session_status(status: str, payment_status: str) -> SessionStatus:
    if status == "complete":
        return SessionStatus.PROCESSING if payment_status == "unpaid" else SessionStatus.PAID
    return SessionStatus(status)


def _metadata_value(value: Any) -> str | None:
    """Return None for a value that this service does not write: people can edit metadata in Stripe's dashboard."""
    return value if isinstance(value, str) and _METADATA_VALUE.fullmatch(value) else None


def _parse_id(reference: Any) -> str | None:
    """Return the id of a referenced object. The reference is the id, or the object itself if it was expanded."""
    found = reference.get("id") if isinstance(reference, dict) else reference
    if not (found is None or isinstance(found, str)):
        raise ValueError("an id is a text")
    return found


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
