"""Payments through the official Stripe client: the only module that knows Stripe's types and errors.

Sessions are described in `docs/architecture.md`; Stripe's own page is https://docs.stripe.com/api/checkout/sessions.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import stripe
import structlog

from service.adapters import webhook_signature
from service.domain.money import Money
from service.errors import FailureKept, Invalid, NotFound, NotOurEvent, PaymentsUnavailable
from service.ports import Account, CheckoutSession, Order, SessionStatus, Shape

log = structlog.get_logger()

_T = TypeVar("_T")

_DEADLINE: Final = 20.0
"""Seconds that one call may take with all its retries; a donor waits for it."""

_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")

_SESSION_EVENTS: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    }
)


class _RefusedByStripe(PaymentsUnavailable):
    """Stripe would not do it. The parameters are ours, so the donor can only be told to try later."""


class StripePayments:
    """Implements `ports.Payments`."""

    def __init__(self, secret_key: str, webhook_secrets: Sequence[str], *, api_base: str | None = None) -> None:
        stripe.enable_telemetry = False  # it would write a file under the home folder
        self._livemode = "_live_" in secret_key
        self._webhook_secrets = tuple(webhook_secrets)
        self._http = stripe.HTTPXClient(timeout=8)
        self._client = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            max_network_retries=2,  # a client of its own makes none by default
            base_addresses={"api": api_base} if api_base else None,
        )
        self._account: Account | None = None

    async def account(self) -> Account:
        if self._account is None:
            found = await _asked(self._client.v1.accounts.retrieve_current_async())
            self._account = Account(found.id, self._livemode)
        return self._account

    async def create(self, order: Order, idempotency_key: str) -> CheckoutSession:
        made = await _asked(
            self._client.v1.checkout.sessions.create_async(_params(order), options={"idempotency_key": idempotency_key})
        )
        replayed = made.last_response is not None and made.last_response.headers.get("idempotent-replayed") == "true"
        return _session(made.to_dict(), replayed=replayed)

    async def read(self, session_id: str) -> CheckoutSession:
        return _session((await _asked(self._client.v1.checkout.sessions.retrieve_async(session_id))).to_dict())

    async def expire(self, session_id: str) -> CheckoutSession:
        try:
            return _session((await _asked(self._client.v1.checkout.sessions.expire_async(session_id))).to_dict())
        except _RefusedByStripe:  # it is no longer open
            return await self.read(session_id)

    async def sessions_since(self, created: int) -> AsyncIterator[CheckoutSession]:
        page = await _asked(self._client.v1.checkout.sessions.list_async({"created": {"gte": created}, "limit": 100}))
        while True:
            for session in page.data:
                try:
                    yield _session(session.to_dict())
                except Invalid:  # one that cannot be read must not keep all the others from being counted
                    log.error("session_unreadable", session=session.id)
            if not page.has_more:
                return
            page = await _asked(page.next_page_async())

    def event(self, body: bytes, signature: bytes, now: datetime) -> CheckoutSession:
        webhook_signature.verify(body, signature, self._webhook_secrets, now)
        try:
            event = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Invalid("event_malformed") from error
        if not isinstance(event, dict):
            raise Invalid("event_malformed")
        if event.get("type") not in _SESSION_EVENTS:
            raise NotOurEvent("unhandled_type")
        if event.get("livemode") is not self._livemode:
            raise NotOurEvent("other_mode")
        if event.get("account") and (self._account is None or event["account"] != self._account.id):
            raise NotOurEvent("other_account")
        data = event.get("data")
        return _session(data.get("object") if isinstance(data, dict) else None)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library left it untyped


def _params(order: Order) -> Any:
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
        "metadata": {**about, "nonce": order.nonce},
        "payment_intent_data": {"metadata": about},  # Stripe copies none of it by itself
        "customer_creation": "if_required",
        "adaptive_pricing": {"enabled": False},  # else donors in other currencies pay 2 to 4 % more
        "locale": order.locale,
        "expires_at": order.expires_at,
    }
    if order.shape is Shape.EMBEDDED:
        return params | {"ui_mode": "embedded_page", "redirect_on_completion": "never"}
    return params | {"ui_mode": "hosted_page", "success_url": order.success_url, "cancel_url": order.cancel_url}


def _session(data: Any, *, replayed: bool = False) -> CheckoutSession:
    """Stripe's session in our words. Raises Invalid (`event_malformed`) for anything that is not one."""
    try:
        metadata = data.get("metadata") or {}
        campaign, total = _word(metadata.get("campaign")), data.get("amount_total")
        ours = campaign is not None  # another product's amount may be anything, and is none of our business
        return CheckoutSession(
            id=data["id"],
            status=_status(data["status"], data["payment_status"]),
            amount=Money(total, data["currency"].upper()) if ours and total is not None else None,
            campaign=campaign,
            site=_word(metadata.get("site")) or "other",
            nonce=_word(metadata.get("nonce")),
            payment_intent=_id(data.get("payment_intent")),
            created=data["created"],
            expires_at=data["expires_at"],
            client_secret=data.get("client_secret"),
            url=data.get("url"),
            replayed=replayed,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid("event_malformed") from error


def _status(status: str, payment_status: str) -> SessionStatus:
    if status == "complete":
        return SessionStatus.PROCESSING if payment_status == "unpaid" else SessionStatus.PAID
    return SessionStatus(status)


def _word(value: Any) -> str | None:
    """Metadata can be edited by hand in Stripe's dashboard: what we could not have written is not ours."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _id(reference: Any) -> str | None:
    """A reference to another object is its id, or the object itself where it was expanded."""
    return reference.get("id") if isinstance(reference, dict) else reference


async def _asked(answer: Awaitable[_T]) -> _T:
    """Await Stripe's answer; its errors leave as ours, with what Stripe said as the cause and never to the donor."""
    try:
        async with asyncio.timeout(_DEADLINE):
            return await answer
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("session_unknown") from error
        raise _RefusedByStripe(reason=str(error.code), field=str(error.param)) from error
    except stripe.APIError as error:
        kept = (error.headers or {}).get("idempotent-replayed") == "true"
        raise (FailureKept if kept else PaymentsUnavailable)(reason=str(error.http_status)) from error
    except (stripe.StripeError, TimeoutError) as error:
        raise PaymentsUnavailable(reason=type(error).__name__) from error
