"""Payments through the official Stripe client: Stripe's objects become ours here, and nowhere else.

Sessions are described in `docs/architecture.md`; Stripe's own page is https://docs.stripe.com/api/checkout/sessions.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import structlog

from donation_card.adapters.stripe import webhook_signature
from donation_card.adapters.stripe.client import (
    StripeRejectedRequest,
    call,
    create_client,
    iterate_pages,
    mapped_parse_errors,
)
from donation_card.application.ports.payments import (
    Account,
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
from donation_card.domain.money import Money
from donation_card.domain.totals import ObjectState, dispute, refund
from donation_card.errors import IgnoredEvent, Invalid, NotFound, PaymentsUnavailable
from donation_card.observability.log_events import LogEvent

log = structlog.get_logger()

_SAFE_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")

_LOOKUP_DEADLINE: Final = 3.0
"""Seconds to find the payment behind a refund or a dispute; Stripe sends the event again if that was too short."""

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
"""The events a webhook endpoint has to send, and which object each carries. `charge.refunded` is not among them: a
charge tells the sum of its refunds, and a refund that fails later would never be seen."""

DECLINE_EVENT: Final = "payment_intent.payment_failed"
"""Sent too, and never applied: it is a signal of card testing."""


class StripePayments:
    """Implements `ports.Payments`."""

    def __init__(self, secret_key: str, webhook_secrets: Sequence[str], *, api_base: str | None = None) -> None:
        self._livemode = "_live_" in secret_key
        self.key_fingerprint = hashlib.sha256(b"donation-card:" + secret_key.encode()).hexdigest()[:32]
        self._webhook_secrets = tuple(webhook_secrets)
        self._client, self._http = create_client(secret_key, api_base)

    async def account(self) -> Account:
        found = await call(self._client.v1.accounts.retrieve_current_async())
        with mapped_parse_errors():
            return Account(found.id, self._livemode)

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession:
        made = await call(
            self._client.v1.checkout.sessions.create_async(
                _create_params(order), options={"idempotency_key": idempotency_key}
            )
        )
        with mapped_parse_errors():
            replayed = (
                made.last_response is not None and made.last_response.headers.get("idempotent-replayed") == "true"
            )
            return _parse_session(made.to_dict(), replayed=replayed)

    async def get_session(self, session_id: str) -> CheckoutSession:
        found = await call(self._client.v1.checkout.sessions.retrieve_async(session_id))
        with mapped_parse_errors():
            return _parse_session(found.to_dict())

    async def expire_session(self, session_id: str) -> CheckoutSession:
        try:
            found = await call(self._client.v1.checkout.sessions.expire_async(session_id))
        except StripeRejectedRequest:  # it is no longer open
            return await self.get_session(session_id)
        with mapped_parse_errors():
            return _parse_session(found.to_dict())

    async def attribution(self, payment_intent: str) -> Attribution | None:
        once: Any = {"max_network_retries": 0}
        v1 = self._client.v1
        try:
            async with asyncio.timeout(_LOOKUP_DEADLINE):
                found = await call(v1.payment_intents.retrieve_async(payment_intent, options=once))
                if origin := _parse_attribution(found.to_dict()):
                    return origin
                # a Payment Link made in the dashboard may leave its payment without metadata
                page = await call(
                    v1.checkout.sessions.list_async({"payment_intent": payment_intent, "limit": 1}, options=once)
                )
        except NotFound:
            return None
        except TimeoutError as error:
            raise PaymentsUnavailable(reason="TimeoutError") from error
        with mapped_parse_errors():
            return next((_parse_attribution(session.to_dict()) for session in page.data), None)

    async def list_created_since(self, created: int) -> AsyncIterator[StripeRecord]:
        v1, since = self._client.v1, {"created": {"gte": created}, "limit": 100}
        # a pass looks where banks are; a rebuild, which lists all there ever was, does not
        with_charge = since | {"expand": ["data.payment_intent.latest_charge"]} if created else since
        with_payment = since | {"expand": ["data.payment_intent"]}  # its metadata, without a question for each
        lists: list[tuple[str, Callable[[Any], Awaitable[Any]], Any]] = [
            ("session", v1.checkout.sessions.list_async, with_charge),
            ("refund", v1.refunds.list_async, with_payment),
            ("dispute", v1.disputes.list_async, with_payment),
        ]
        for kind, ask, params in lists:
            async for found in iterate_pages(ask(params)):
                if (told := _readable(kind, found.to_dict())) is not None:
                    yield told

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        params: Any = {"created": {"gte": changed}, "types": list(HANDLED_EVENTS), "limit": 100}
        async for event in iterate_pages(self._client.v1.events.list_async(params)):
            if (told := _readable(HANDLED_EVENTS[event.type], event.data.object.to_dict())) is not None:
                yield told

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        webhook_signature.verify(body, signature, self._webhook_secrets, now)
        try:
            event = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Invalid("event_malformed") from error
        if not isinstance(event, dict):
            raise Invalid("event_malformed")
        kind = HANDLED_EVENTS.get(event["type"]) if isinstance(event.get("type"), str) else None
        if kind is None and event.get("type") != DECLINE_EVENT:
            raise IgnoredEvent("unhandled_type")
        if event.get("livemode") is not self._livemode:
            raise IgnoredEvent("other_mode")
        if event.get("account") and event["account"] != account.id:
            raise IgnoredEvent("other_account")
        data = event.get("data")
        subject = data.get("object") if isinstance(data, dict) else None
        return _READERS[kind](subject) if kind else _parse_declined(subject)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library left it untyped


def _create_params(order: CheckoutOrder) -> Any:
    """The parameters of one checkout session; why each is there: `docs/architecture.md`."""
    about = {"campaign": order.campaign, "site": order.site}
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
        "metadata": {**about, "nonce": order.attempt_id},
        "payment_intent_data": {"metadata": about},  # Stripe copies none of it by itself
        "customer_creation": "if_required",
        "adaptive_pricing": {"enabled": False},  # else donors in other currencies pay 2 to 4 % more
        "locale": order.locale,
        "expires_at": order.expires_at,
    }
    if order.submit_message:
        params["custom_text"] = {"submit": {"message": order.submit_message}}
    if order.ui_mode is UiMode.EMBEDDED:
        return params | {"ui_mode": "embedded_page", "redirect_on_completion": "never"}
    return params | {"ui_mode": "hosted_page", "success_url": order.success_url, "cancel_url": order.cancel_url}


def _parse_session(data: Any, *, replayed: bool = False) -> CheckoutSession:
    """Stripe's session in our words. Raises Invalid (`event_malformed`) for anything that is not one."""
    with _stripe_message():
        metadata = data.get("metadata") or {}
        campaign, total = _word(metadata.get("campaign")), data.get("amount_total")
        ours = campaign is not None  # another product's amount may be anything, and is none of our business
        return CheckoutSession(
            id=data["id"],
            status=_status(data["status"], data["payment_status"]),
            amount=Money(total, data["currency"].upper()) if ours and total is not None else None,
            campaign=campaign,
            site=_word(metadata.get("site")) or "other",
            attempt_id=_word(metadata.get("nonce")),
            payment_intent=_id(data.get("payment_intent")),
            created=data["created"],
            expires_at=data["expires_at"],
            client_secret=data.get("client_secret"),
            url=data.get("url"),
            replayed=replayed,
            charge_country=_parse_charge_country(data.get("payment_intent")),
        )


def _parse_charge_country(payment_intent: Any) -> ChargeCountry | None:
    """None where it was not asked for, and where the way of paying tells no country. It never stops the counting."""
    with suppress(AttributeError, KeyError, TypeError):
        charge = payment_intent["latest_charge"]
        details = charge["payment_method_details"]
        country, created = details[details["type"]]["country"], charge["created"]
        if isinstance(country, str) and type(created) is int:
            return ChargeCountry(country, created)
    return None


def _parse_refund(data: Any) -> RefundOrDispute:
    """https://docs.stripe.com/api/refunds. Raises Invalid, and NotOurEvent (`status_unknown`), which is an alarm."""
    with _stripe_message():
        id, amount, status = data["id"], _amount(data["amount"]), data["status"]
        try:
            state = refund("-", id, amount, status)
        except KeyError as error:
            log.error(LogEvent.REFUND_STATUS_UNKNOWN, refund=id, status=str(status)[:40])
            raise IgnoredEvent("status_unknown") from error
        return _parse_refund_or_dispute(data, state)


def _parse_dispute(data: Any) -> RefundOrDispute:
    """https://docs.stripe.com/api/disputes/object: what its balance transactions moved, whatever its status says.

    These are in the currency of the settlement; where that is another one, each moved the disputed amount. Sorted,
    because their order is nowhere promised; of two in one second the withdrawal came first.
    """
    with _stripe_message():
        moved = sorted(
            (_parse_int(each["created"]), _parse_int(each["amount"]), each["currency"])
            for each in _list(data["balance_transactions"])
        )
        disputed = _amount(data["amount"])
        movements = [
            amount if currency == data["currency"] else disputed * ((amount > 0) - (amount < 0))
            for _, amount, currency in moved
        ]
        return _parse_refund_or_dispute(data, dispute("-", data["id"], movements))


def _parse_declined(data: Any) -> PaymentDeclined:
    with _stripe_message():
        if _parse_attribution(data) is None:
            raise IgnoredEvent("other_product")
        return PaymentDeclined()


def _parse_refund_or_dispute(data: Any, state: ObjectState) -> RefundOrDispute:
    return RefundOrDispute(
        state.kind,
        state.object_id,
        _id(data.get("payment_intent")),
        data["currency"].upper(),
        state.cumulative_amounts,
        _parse_attribution(data["payment_intent"]) if isinstance(data.get("payment_intent"), dict) else None,
    )


def _parse_attribution(data: Any) -> Attribution | None:
    metadata = data.get("metadata") or {}
    campaign = _word(metadata.get("campaign"))
    return Attribution(campaign, _word(metadata.get("site")) or "other") if campaign else None


@contextmanager
def _stripe_message() -> Iterator[None]:
    """What Stripe would not have sent is refused before anything is made of it."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid("event_malformed") from error


def _parse_int(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("a whole number of minor units")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list")
    return value


def _amount(value: Any) -> int:
    if _parse_int(value) < 0:
        raise ValueError("an amount is not negative")
    return int(value)


_READERS: Final[dict[str, Callable[[Any], StripeRecord]]] = {
    "session": _parse_session,
    "refund": _parse_refund,
    "dispute": _parse_dispute,
}


def _status(status: str, payment_status: str) -> SessionStatus:
    if status == "complete":
        return SessionStatus.PROCESSING if payment_status == "unpaid" else SessionStatus.PAID
    return SessionStatus(status)


def _word(value: Any) -> str | None:
    """Metadata can be edited by hand in Stripe's dashboard: what we could not have written is not ours."""
    return value if isinstance(value, str) and _SAFE_WORD.fullmatch(value) else None


def _id(reference: Any) -> str | None:
    """A reference to another object is its id, or the object itself where it was expanded. Raises ValueError."""
    found = reference.get("id") if isinstance(reference, dict) else reference
    if not (found is None or isinstance(found, str)):
        raise ValueError("an id is a text")
    return found


def _readable(kind: str, data: Any) -> StripeRecord | None:
    """None: it cannot be read, which must not keep all the others from being counted."""
    try:
        return _READERS[kind](data)
    except (Invalid, IgnoredEvent) as error:
        log.error(LogEvent.OBJECT_UNREADABLE, object=str(data.get("id"))[:80], reason=error.code)
        return None
