"""In-memory fake of the port to the payment provider."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutOrder,
    CheckoutSession,
    PaymentDeclined,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
    UiMode,
)
from donation_card.errors import IgnoredEvent, Invalid, NotFound, PaymentsUnavailable, PaymentUnknown

ACCOUNT = Account("acct_ada", livemode=False)


class FakePayments:
    """Behave as a small Stripe in memory. Every request raises `error` if it is set."""

    key_fingerprint = "fingerprint"

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.error: Exception | None = None
        self.event_list_error: Exception | None = None
        self.create_errors: list[Exception] = []
        """Raised by the next calls of `create_session`, one each."""
        self.sessions: dict[str, CheckoutSession] = {}
        self.reversals: dict[str, RefundOrDispute] = {}
        self.changed: list[StripeRecord] = []
        self.other_payments: set[str] = set()
        """Payments of other products. Any other payment without a session is unknown."""
        self.requests: list[str] = []
        self.before: list[int | None] = []
        """The limit of each list of what was created."""
        self._created: dict[str, int] = {}
        self._by_key: dict[str, str] = {}
        self._events: dict[bytes, StripeRecord | PaymentDeclined] = {}

    async def account(self) -> Account:
        self._request("account")
        return ACCOUNT

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession:
        self._request("create_session")
        if self.create_errors:
            raise self.create_errors.pop(0)
        if idempotency_key in self._by_key:
            return replace(self.sessions[self._by_key[idempotency_key]], replayed=True)
        number = len(self.sessions) + 1
        embedded = order.page.ui_mode is UiMode.EMBEDDED
        session = CheckoutSession(
            id=f"cs_test_{number}",
            status=SessionStatus.OPEN,
            amount=order.total,
            campaign=order.campaign,
            site=order.site,
            attempt_id=order.attempt_id,
            payment_intent=None,
            created=self._now(),
            expires_at=order.expires_at,
            client_secret=f"cs_test_{number}_secret" if embedded else None,
            url=None if embedded else f"https://checkout.example/{number}",
        )
        self.sessions[session.id], self._by_key[idempotency_key] = session, session.id
        return session

    async def get_session(self, session_id: str) -> CheckoutSession:
        self._request("get_session")
        if session_id not in self.sessions:
            raise NotFound("session_unknown")
        return self.sessions[session_id]

    async def expire_session(self, session_id: str) -> CheckoutSession:
        self._request("expire_session")
        if session_id not in self.sessions:
            raise NotFound("session_unknown")
        if self.sessions[session_id].status is SessionStatus.OPEN:
            self._set_status(session_id, SessionStatus.EXPIRED)
        return self.sessions[session_id]

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self._request("attribution")
        for session in self.sessions.values():
            if session.payment_intent == payment_intent:
                return Attribution(session.campaign, session.site) if session.campaign else None
        if payment_intent not in self.other_payments:
            raise PaymentUnknown(reason="not_found")
        return None

    async def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        self._request("list_created_since")
        self.before.append(before)
        listed: set[str | None] = set()
        for session in sorted(self.sessions.values(), key=lambda each: -each.created):
            in_time = created <= session.created and (before is None or session.created < before)
            if in_time and session.status in {SessionStatus.PAID, SessionStatus.PROCESSING}:
                listed.add(session.payment_intent)
                yield session
        for reversal in list(self.reversals.values()):
            if self._created[reversal.id] >= created and (before is None or reversal.payment_intent in listed):
                yield reversal

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        self._request("list_changed_since")
        if self.event_list_error:
            raise self.event_list_error
        for record in list(self.changed):
            yield record

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        if signature != b"valid":
            raise Invalid("signature_invalid")
        if body not in self._events:
            raise IgnoredEvent("unhandled_type")
        return self._events[body]

    async def close(self) -> None: ...

    # what a donor, a bank or Stripe does

    def pay(self, session_id: str, *, processing: bool = False) -> CheckoutSession:
        session = self.sessions[session_id]
        self.sessions[session_id] = replace(session, payment_intent=f"pi_{session_id}")
        self._set_status(session_id, SessionStatus.PROCESSING if processing else SessionStatus.PAID)
        return self.sessions[session_id]

    def reverse(self, record: RefundOrDispute) -> RefundOrDispute:
        self.reversals[record.id] = record
        self._created.setdefault(record.id, self._now())
        return record

    def event(self, record: StripeRecord | PaymentDeclined) -> bytes:
        """Return the body of a webhook about this record."""
        body = json.dumps({"event": len(self._events)}).encode()
        self._events[body] = record
        return body

    def _set_status(self, session_id: str, status: SessionStatus) -> None:
        self.sessions[session_id] = replace(self.sessions[session_id], status=status, client_secret=None, url=None)

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _request(self, name: str) -> None:
        self.requests.append(name)
        if self.error:
            raise self.error


def stripe_unavailable() -> PaymentsUnavailable:
    return PaymentsUnavailable(reason="timeout")
