"""Money that goes back: refunds and disputes, with the objects and events that Stripe makes of them.

Each verb is one transaction: objects and events change together or not at all.
"""

from __future__ import annotations

from typing import Any, Final

from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError, no_such
from stripe_sandbox.events import Events
from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import DISPUTE, PAYMENT, REFUND, Json
from stripe_sandbox.store import Store, Stored

REFUND_MOVES: Final = {
    "pending": ("requires_action", "succeeded", "failed", "canceled"),
    "requires_action": ("succeeded", "failed", "canceled"),
    "succeeded": ("failed",),  # the donor's bank sends it back
}
"""What may become of a refund: https://docs.stripe.com/refunds#failed-refunds."""

DISPUTE_MOVES: Final = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "needs_response": ("under_review", "won", "lost"),
    "under_review": ("won", "lost"),
    "lost": ("appeal_under_review",),
    "appeal_under_review": ("won", "lost"),
}
"""What may become of a dispute: https://docs.stripe.com/disputes/how-disputes-work, and appeals after a loss."""

CLOSED: Final = ("won", "lost", "warning_closed")


class Reversals:
    def __init__(self, store: Store, clock: Clock, events: Events) -> None:
        self._store, self._clock, self._events = store, clock, events

    def refund(self, payment_id: str, amount: int | None, status: str = "succeeded", reason: str | None = None) -> Json:
        """Of a paid payment, at most what is left of it. Raises ApiError (400, 404)."""
        payment = self._paid(payment_id)
        left = payment.body["amount_received"] - self._taken(payment_id)
        amount = left if amount is None else amount
        if not 1 <= amount <= left:
            raise ApiError(f"Refund amount ({amount}) is greater than unrefunded amount ({left}).", param="amount")
        nothing = ("description", "failure_reason", "receipt_number", "source_transfer_reversal", "transfer_reversal")
        refund: Json = dict.fromkeys(nothing) | {
            "id": new_id("re_"),
            "object": REFUND,
            "amount": amount,
            "balance_transaction": new_id("txn_"),
            "charge": payment.body["latest_charge"],
            "created": int(self._clock.now()),
            "currency": payment.body["currency"],
            "metadata": {},
            "payment_intent": payment_id,
            "reason": reason,
            "status": status,
        }
        with self._store.transaction():
            self._store.add(refund)
            self._events.record("refund.created", refund)
        return refund

    def move_refund(self, id: str, status: str) -> Json:
        refund = self._one(REFUND, id, "refund")
        _allow(refund, status, REFUND_MOVES)
        refund.body["status"] = status
        if status == "failed":
            refund.body["failure_reason"] = "unknown"
        with self._store.transaction():
            self._store.save(refund)
            self._events.record("refund.failed" if status == "failed" else "refund.updated", refund.body)
        return refund.body

    def dispute(self, payment_id: str, amount: int | None, status: str = "needs_response", settled: str = "") -> Json:
        """`settled`: the currency of its balance transactions, where that is not the payment's."""
        payment = self._paid(payment_id)
        dispute: Json = {
            "id": new_id("du_"),
            "object": DISPUTE,
            "amount": payment.body["amount_received"] if amount is None else amount,
            "balance_transactions": [],
            "charge": payment.body["latest_charge"],
            "created": int(self._clock.now()),
            "currency": payment.body["currency"],
            "is_charge_refundable": status.startswith("warning"),
            "livemode": False,
            "metadata": {},
            "payment_intent": payment_id,
            "reason": "general",
            "status": status,
        }
        with self._store.transaction():
            self._store.add(dispute, {"settled": settled or payment.body["currency"]})
            self._events.record("charge.dispute.created", dispute)
            if status == "needs_response":
                self._move_money(self._one(DISPUTE, dispute["id"], "dispute"), -1)
        return self._one(DISPUTE, dispute["id"], "dispute").body

    def move_dispute(self, id: str, status: str) -> Json:
        dispute = self._one(DISPUTE, id, "dispute")
        _allow(dispute, status, DISPUTE_MOVES)
        dispute.body["status"] = status
        with self._store.transaction():
            self._store.save(dispute)
            self._events.record("charge.dispute.closed" if status in CLOSED else "charge.dispute.updated", dispute.body)
            if status == "needs_response":
                self._move_money(dispute, -1)
            elif status == "won":
                self._move_money(dispute, 1)
        return dispute.body

    def _move_money(self, dispute: Stored, sign: int) -> None:
        """Each movement is one more balance transaction; a fee is apart and never in its amount."""
        currency = dispute.hidden["settled"]
        rate = 1 if currency == dispute.body["currency"] else 3
        transaction = {
            "id": new_id("txn_"),
            "object": "balance_transaction",
            "amount": sign * rate * dispute.body["amount"],
            "created": int(self._clock.now()),
            "currency": currency,
            "fee": 1500 if sign < 0 else 0,
            "reporting_category": "dispute" if sign < 0 else "dispute_reversal",
            "type": "adjustment",
        }
        dispute.body["balance_transactions"].append(transaction)
        self._store.save(dispute)
        moved = "charge.dispute.funds_withdrawn" if sign < 0 else "charge.dispute.funds_reinstated"
        self._events.record(moved, dispute.body)

    def _taken(self, payment_id: str) -> int:
        """What refunds have already taken of a payment."""
        refunds = self._store.find("kind = ? AND json_extract(body, '$.payment_intent') = ?", [REFUND, payment_id])
        return sum(each.body["amount"] for each in refunds if each.body["status"] not in ("failed", "canceled"))

    def _paid(self, id: str) -> Stored:
        payment = self._one(PAYMENT, id, "payment_intent")
        if payment.body["status"] != "succeeded":
            raise ApiError(f"This PaymentIntent ({id}) does not have a successful charge.", param="payment_intent")
        return payment

    def _one(self, kind: str, id: str, param: str) -> Stored:
        found = self._store.get(kind, id)
        if not found:
            raise no_such(kind, id, param)
        return found


def _allow(stored: Stored, status: str, moves: dict[str, Any]) -> None:
    allowed = moves.get(stored.body["status"], ())
    if status not in allowed:
        given = f"{stored.body['object']} is {stored.body['status']}"
        raise ApiError(f"This {given}; it can become: {', '.join(allowed) or 'nothing else'}.", param="status")
