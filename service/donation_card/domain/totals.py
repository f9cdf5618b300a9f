"""The rule of the totals: every Stripe object has a version that only grows, and each version has an amount.

To apply a state means: if its version is higher than the known one, add the difference of their amounts. Order and
repetition change nothing, because the result depends only on the highest version of each object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

from donation_card.domain.money import MAX_MINOR_UNITS


class ObjectKind(Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One version of one Stripe object.

    `cumulative_amounts[v]` is the contribution at version v, in minor units of the campaign's currency. Version 0 is an
    object that was never seen and contributes nothing. The version of the state is the last index.
    """

    campaign: str
    kind: ObjectKind
    object_id: str
    cumulative_amounts: tuple[int, ...]
    site: str = "other"

    def __post_init__(self) -> None:
        if self.cumulative_amounts[:1] != (0,):
            raise ValueError("version 0 contributes nothing")
        if any(type(amount) is not int or abs(amount) > MAX_MINOR_UNITS for amount in self.cumulative_amounts):
            raise ValueError(f"amounts are whole minor units up to {MAX_MINOR_UNITS}, not {self.cumulative_amounts}")

    @property
    def version(self) -> int:
        return len(self.cumulative_amounts) - 1


def payment(campaign: str, intent_id: str, amount: int, *, paid: bool, site: str = "other") -> ObjectState:
    """Return the state of a payment. Its id is the PaymentIntent, which every event about the payment names."""
    return ObjectState(campaign, ObjectKind.PAYMENT, intent_id, (0, amount) if paid else (0,), site)


REFUND_STATUSES: Final = ("pending", "requires_action", "succeeded", "failed", "canceled", None)
"""The known statuses of a refund. Stripe can add one at any time, and a refund can have none."""

_REFUND_WITHOUT_EFFECT: Final = ("failed", "canceled")


def refund(campaign: str, refund_id: str, amount: int, status: object, *, site: str = "other") -> ObjectState:
    """Return the state of a refund. It reduces the total until it is known to have failed or been canceled."""
    amounts = (0, -amount, 0) if status in _REFUND_WITHOUT_EFFECT else (0, -amount)
    return ObjectState(campaign, ObjectKind.REFUND, refund_id, amounts, site)


def dispute(campaign: str, dispute_id: str, balance_changes: Sequence[int], *, site: str = "other") -> ObjectState:
    """Return the state of a dispute from its balance transactions, to which Stripe only appends."""
    return ObjectState(campaign, ObjectKind.DISPUTE, dispute_id, (0, *accumulate(balance_changes)), site)


@dataclass(frozen=True, slots=True)
class Totals:
    """The exact sum in minor units before fees, and the number of payments, which only grows."""

    raised: int
    payments: int


def expected_totals(states: Iterable[ObjectState]) -> Totals:
    """Return the totals for any order and repetition of `states`. Tests compare the real store with it."""
    highest: dict[tuple[ObjectKind, str], ObjectState] = {}
    for state in states:
        known = highest.get((state.kind, state.object_id))
        if known is None or state.version > known.version:
            highest[state.kind, state.object_id] = state
    return Totals(
        raised=sum(state.cumulative_amounts[-1] for state in highest.values()),
        payments=sum(state.kind is ObjectKind.PAYMENT and state.version > 0 for state in highest.values()),
    )
