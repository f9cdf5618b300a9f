"""A Stripe in memory, quick enough for millions of orders.

It holds one account: objects as JSON, the list of events, and the webhooks on their way. `client()` takes the place of
the official client in `StripePayments`. Only what the totals depend on is modelled; the sandbox is the complete one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import stripe

from tests.support.oracle import Json, Sums, expected_totals

PAGE = 2
"""Objects on a page, so that a few objects already need several pages."""

SECRET = "whsec_0123456789abcdef0123"

OPEN, PAID, UNPAID = ("open", "unpaid"), ("complete", "paid"), ("complete", "unpaid")
UNKNOWN_STATUSES = (("complete", "processing"), ("complete", None), ("settling", "unpaid"), (None, "paid"))
"""Values that this release of the service does not know, or null."""


class ModelStripe:
    def __init__(self, account: str, dice: Random, now: Callable[[], float]) -> None:
        self.account, self.dice, self.now = account, dice, now
        self.sessions: dict[str, Json] = {}
        self.payments: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.disputes: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.outbox: list[Json] = []
        """Webhooks on their way."""
        self.listed_from: dict[str, float] = {}
        """Object → the time from which Stripe finds it. Its lists and look-ups are late."""
        self.available = True
        self.empty_pages = 0
        """The next so many pages are empty and claim to have a successor."""

    def expected(self, currencies: dict[str, str]) -> dict[str, Sums]:
        return expected_totals(
            currencies,
            sessions=self.sessions.values(),
            payments=self.payments,
            refunds=self.refunds.values(),
            disputes=self.disputes.values(),
        )

    # ── what donors, banks and people at the dashboard do ─────────────────────────────────────────────────────

    def open_session(self, campaign: object, amount: int, currency: str, *, site: str = "other") -> str:
        metadata = None if campaign is None else {"campaign": campaign, "site": site, "nonce": "n"}
        session = self._new("cs", currency=currency, metadata=metadata, amount_total=amount, payment_intent=None)
        self.sessions[session["id"]] = session | dict(zip(("status", "payment_status"), OPEN, strict=True))
        return str(session["id"])

    def complete(self, session: str, statuses: tuple[str | None, str | None], *, delay: int, link: bool) -> None:
        """End a session. `link`: a payment link of the dashboard writes no metadata to the payment."""
        found = self.sessions[session]
        metadata = None if link else found["metadata"]
        received = found["amount_total"] if statuses == PAID else 0
        payment = self._new("pi", currency=found["currency"], metadata=metadata, amount_received=received)
        self.payments[payment["id"]] = payment
        self.listed_from[session] = self.listed_from[payment["id"]] = self.now() + delay
        self._change_session(session, "completed", statuses, payment_intent=payment["id"])

    def settle(self, session: str, *, succeeded: bool) -> None:
        """End a delayed payment."""
        if succeeded:
            payment = self.payments[self.sessions[session]["payment_intent"]]
            received = {"amount_received": self.sessions[session]["amount_total"]}
            self.payments[payment["id"]] = payment | received
        outcome = "async_payment_succeeded" if succeeded else "async_payment_failed"
        self._change_session(session, outcome, PAID if succeeded else UNPAID)

    def refund(self, payment: str, amount: int, status: str | None, *, delay: int) -> str:
        refund = self._new("re", **self._of_payment(payment), amount=amount, status=status)
        return self._add_reversal(self.refunds, refund, "refund.created", delay)

    def move_refund(self, refund: str, status: str | None) -> None:
        self.refunds[refund] = self.refunds[refund] | {"status": status}
        self._send("refund.failed" if status == "failed" else "refund.updated", self.refunds[refund])

    def dispute(self, payment: str, amount: int, *, delay: int) -> str:
        dispute = self._new("dp", **self._of_payment(payment), amount=amount, status="needs_response")
        return self._add_reversal(
            self.disputes, dispute | {"balance_transactions": []}, "charge.dispute.created", delay
        )

    def move_money(self, dispute: str, amount: int, currency: str, category: str, *, created: int) -> None:
        """Add a balance transaction. Stripe does not say in which order it lists them."""
        moved = {"amount": amount, "currency": currency, "created": created, "reporting_category": category}
        moves = [*self.disputes[dispute]["balance_transactions"], moved]
        self.dice.shuffle(moves)
        self.change_dispute(dispute, balance_transactions=moves)

    def change_dispute(self, dispute: str, **fields: object) -> None:
        self.disputes[dispute] = self.disputes[dispute] | fields
        self._send("charge.dispute.updated", self.disputes[dispute])

    def edit_metadata(self, payment: str, metadata: Json | None) -> None:
        """Edit a payment in the dashboard. No event that the service handles says so."""
        self.payments[payment] = self.payments[payment] | {"metadata": metadata}

    def capture(self, payment: str, received: int) -> None:
        self.payments[payment] = self.payments[payment] | {"amount_received": received}

    def send_foreign(self, **fields: object) -> None:
        """Send an event of another account or mode, or of a type that the service does not handle."""
        if self.events:
            event = self.dice.choice(list(self.events.values()))
            subject = event["data"]["object"] | {"id": "foreign"}
            if subject.get("payment_status"):
                subject["payment_intent"] = "foreign"
            self.outbox.append(event | {"id": f"evt_{len(self.outbox)}_foreign", "data": {"object": subject}} | fields)

    # ── what the service calls ────────────────────────────────────────────────────────────────────────────────

    def client(self, pause: Callable[[], Awaitable[object]]) -> Any:
        """Return a client that awaits `pause` before each request."""

        async def request() -> None:
            await pause()
            if not self.available:
                raise stripe.APIConnectionError("unavailable")

        async def retrieve_payment(payment: str, options: object = None) -> Listed:
            await request()
            if payment not in self.payments or not self.is_listed(payment):
                raise stripe.InvalidRequestError("No such payment_intent", "intent", code="resource_missing")
            return Listed(self.payments[payment])

        async def raw_request(method: str, url: str, *, starting_after: str | None = None, **params: Any) -> Any:
            await request()
            return SimpleNamespace(data=self._page(url.rpartition("/")[2], params, starting_after))

        async def list_sessions(params: Json, options: object = None) -> Any:
            await request()
            found = self._page("sessions", params, None)["data"]
            return SimpleNamespace(data=[Listed(each) for each in found])

        return SimpleNamespace(
            raw_request_async=raw_request,
            v1=SimpleNamespace(
                checkout=SimpleNamespace(sessions=SimpleNamespace(list_async=list_sessions)),
                payment_intents=SimpleNamespace(retrieve_async=retrieve_payment),
            ),
        )

    def is_listed(self, name: str) -> bool:
        return self.listed_from.get(name, 0) <= self.now()

    # ── how ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _page(self, name: str, params: Json, after: str | None) -> Json:
        """Return a page of one of Stripe's lists, newest first."""
        if self.empty_pages:
            self.empty_pages -= 1
            return {"data": [], "has_more": True}
        found = self._matching(name, params, after)
        return {"data": [self._expanded(each, params) for each in found[:PAGE]], "has_more": len(found) > PAGE}

    def _matching(self, name: str, params: Json, after: str | None) -> list[Json]:
        objects: dict[str, Json] = getattr(self, name)
        newest_first = list(reversed(objects.values()))
        if after is not None:
            newest_first = newest_first[[each["id"] for each in newest_first].index(after) + 1 :]
        created = params.get("created", {})
        since, before = created.get("gte", 0), created.get("lt", float("inf"))
        payment, status = params.get("payment_intent"), params.get("status")
        return [
            each
            for each in newest_first
            if since <= each["created"] < before
            and (payment is None or each["payment_intent"] == payment)
            and (status is None or each["status"] == status)
            and self.is_listed(each["id"])
        ]

    def _expanded(self, found: Json, params: Json) -> Json:
        payment = self.payments.get(str(found.get("payment_intent"))) if "expand" in params else None
        return found if payment is None else found | {"payment_intent": payment}

    def _new(self, prefix: str, **fields: object) -> Json:
        number = len(self.sessions) + len(self.payments) + len(self.refunds) + len(self.disputes)
        return {"id": f"{prefix}_{number}", "created": int(self.now())} | fields

    def _of_payment(self, payment: str) -> Json:
        return {"payment_intent": payment, "currency": self.payments[payment]["currency"]}

    def _change_session(self, session: str, event: str, statuses: Sequence[str | None], **fields: object) -> None:
        status, payment_status = statuses
        fields |= {"status": status, "payment_status": payment_status}
        self.sessions[session] = self.sessions[session] | fields
        self._send(f"checkout.session.{event}", self.sessions[session])

    def _add_reversal(self, to: dict[str, Json], reversal: Json, event: str, delay: int) -> str:
        name = str(reversal["id"])
        to[name] = reversal
        self.listed_from[name] = self.now() + delay
        self._send(event, reversal)
        return name

    def _send(self, kind: str, subject: Json) -> None:
        name = f"evt_{len(self.events)}"
        event = {"id": name, "type": kind, "created": int(self.now()), "livemode": False, "data": {"object": subject}}
        self.events[name] = event
        self.outbox.append(event)


def signed(event: Json, at: float) -> tuple[bytes, bytes]:
    """Return the body of a webhook and its signature."""
    body, stamp = json.dumps(event).encode(), b"%d" % at
    digest = hmac.new(SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    return body, b"t=" + stamp + b",v1=" + digest


class Listed(stripe.StripeObject):
    """An object as the official client returns it. Its own constructor would take most of the time."""

    def __init__(self, fields: Json) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        return self._fields[name]

    def to_dict(self, recursive: bool = True, for_json: bool = False) -> Json:
        return self._fields
