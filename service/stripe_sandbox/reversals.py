"""Create refunds and disputes and change their status, with the events that Stripe sends.

Each method is one transaction: objects and events change together or not at all.
"""

from typing import Any

from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.clock import Clock
from stripe_sandbox.events import Events
from stripe_sandbox.objects import DISPUTE, PAYMENT, REFUND, Json
from stripe_sandbox.reversal_objects import new_balance_transaction, new_dispute, new_refund
from stripe_sandbox.store import Store, Stored

REFUND_TRANSITIONS = {
    "pending": ("requires_action", "succeeded", "failed", "canceled"),
    "requires_action": ("succeeded", "failed", "canceled"),
    "succeeded": ("failed",),  # the donor's bank returns it
}
"""Allowed changes of status: https://docs.stripe.com/refunds#failed-refunds."""

DISPUTE_TRANSITIONS = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "needs_response": ("under_review", "won", "lost"),
    "under_review": ("won", "lost"),
    "lost": ("appeal_under_review",),
    "appeal_under_review": ("won", "lost"),
}
"""Allowed changes of status: https://docs.stripe.com/disputes/how-disputes-work, and appeals after a loss."""

CLOSED_STATUSES = ("won", "lost", "warning_closed")


class Reversals:
    def __init__(self, store: Store, clock: Clock, events: Events) -> None:
        self._store, self._clock, self._events = store, clock, events

    def create_refund(
        self, payment_intent: str, amount: int | None, status: str = "succeeded", reason: str | None = None
    ) -> Json:
        """Refund a successful payment, up to the amount not yet refunded. Raise ApiError (400, 404)."""
        payment = self._get_paid(payment_intent)
        left = payment.body["amount_received"] - self.refunded_amount(payment_intent)
        amount = left if amount is None else amount
        if not 1 <= amount <= left:
            raise ApiError(f"Refund amount ({amount}) is greater than unrefunded amount ({left}).", param="amount")
        refund = new_refund(payment.body, amount, status, reason, int(self._clock.now()))
        with self._store.transaction():
            self._store.add(refund)
            self._events.record("refund.created", refund)
        return refund

    def update_refund(self, id: str, status: str) -> Json:
        refund = self._store.require(REFUND, id, "refund")
        _check_transition(refund, status, REFUND_TRANSITIONS)
        refund.body["status"] = status
        if status == "failed":
            refund.body["failure_reason"] = "unknown"
        with self._store.transaction():
            self._store.save(refund)
            self._events.record("refund.failed" if status == "failed" else "refund.updated", refund.body)
        return refund.body

    def create_dispute(
        self, payment_intent: str, amount: int | None, status: str = "needs_response", settlement_currency: str = ""
    ) -> Json:
        """Dispute a successful payment. Raise ApiError (400, 404).

        `settlement_currency` is the currency of the balance transactions, if it is not the payment's.
        """
        payment = self._get_paid(payment_intent)
        amount = payment.body["amount_received"] if amount is None else amount
        dispute = new_dispute(payment.body, amount, status, int(self._clock.now()))
        with self._store.transaction():
            self._store.add(dispute, {"settlement_currency": settlement_currency or payment.body["currency"]})
            self._events.record("charge.dispute.created", dispute)
            if status == "needs_response":
                self._move_money(self._store.require(DISPUTE, dispute["id"], "dispute"), -1)
        return self._store.require(DISPUTE, dispute["id"], "dispute").body

    def update_dispute(self, id: str, status: str) -> Json:
        dispute = self._store.require(DISPUTE, id, "dispute")
        _check_transition(dispute, status, DISPUTE_TRANSITIONS)
        dispute.body["status"] = status
        with self._store.transaction():
            self._store.save(dispute)
            self._events.record(
                "charge.dispute.closed" if status in CLOSED_STATUSES else "charge.dispute.updated", dispute.body
            )
            if status == "needs_response":
                self._move_money(dispute, -1)
            elif status == "won":
                self._move_money(dispute, 1)
        return dispute.body

    def move_money(self, id: str, amount: int, reporting_category: str, currency: str = "") -> Json:
        """Append any balance transaction to a dispute, such as a correction of the exchange rate."""
        with self._store.transaction():
            dispute = self._store.require(DISPUTE, id, "dispute")
            self._append_transaction(dispute, amount, reporting_category, currency)
        return dispute.body

    def _move_money(self, dispute: Stored, direction: int) -> None:
        """Withdraw or give back the disputed amount."""
        rate = 1 if dispute.internal["settlement_currency"] == dispute.body["currency"] else 3
        category = "dispute" if direction < 0 else "dispute_reversal"
        self._append_transaction(dispute, direction * rate * dispute.body["amount"], category)

    def _append_transaction(self, dispute: Stored, amount: int, category: str, currency: str = "") -> None:
        currency = currency or dispute.internal["settlement_currency"]
        now = int(self._clock.now())
        transaction = new_balance_transaction(dispute.id, amount, currency, category, now)
        dispute.body["balance_transactions"].append(transaction)
        self._store.save(dispute)
        type = "charge.dispute.funds_withdrawn" if amount < 0 else "charge.dispute.funds_reinstated"
        self._events.record(type, dispute.body)

    def refunded_amount(self, payment_intent: str) -> int:
        """Return the sum of all refunds of a payment that were not cancelled and did not fail."""
        refunds = self._store.find("kind = ? AND json_extract(body, '$.payment_intent') = ?", [REFUND, payment_intent])
        return sum(each.body["amount"] for each in refunds if each.body["status"] not in ("failed", "canceled"))

    def _get_paid(self, id: str) -> Stored:
        payment = self._store.require(PAYMENT, id, "payment_intent")
        if payment.body["status"] != "succeeded":
            raise ApiError(f"This PaymentIntent ({id}) does not have a successful charge.", param="payment_intent")
        return payment


def _check_transition(stored: Stored, status: str, transitions: dict[str, Any]) -> None:
    allowed = transitions.get(stored.body["status"], ())
    if status not in allowed:
        given = f"{stored.body['object']} is {stored.body['status']}"
        raise ApiError(f"This {given}; allowed: {', '.join(allowed) or 'no change'}.", param="status")
