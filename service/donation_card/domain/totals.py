"""The ledger's one idea: every Stripe object has a rank that only grows, and a rank says what it contributes.

Joining a state means: if its rank is higher than the one known, add the difference of the two contributions.
Repetition and order then change nothing, because the end depends on the highest rank of each object alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from donation_card.domain.money import MAX_MINOR_UNITS


class ObjectKind(Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One state of one Stripe object, ready to be joined.

    `contributions[r]` is what the object adds to *raised* at rank r, in minor units of the campaign's currency;
    index 0 is an object never seen, which contributes nothing. `rank` is the last index.
    """

    campaign: str
    kind: ObjectKind
    object_id: str
    cumulative_amounts: tuple[int, ...]
    site: str = "other"

    def __post_init__(self) -> None:
        if self.cumulative_amounts[:1] != (0,):
            raise ValueError("an object never seen contributes nothing")
        if any(type(amount) is not int or abs(amount) > MAX_MINOR_UNITS for amount in self.cumulative_amounts):
            raise ValueError(
                f"contributions are whole minor units up to {MAX_MINOR_UNITS}, not {self.cumulative_amounts}"
            )

    @property
    def version(self) -> int:
        return len(self.cumulative_amounts) - 1


def payment(campaign: str, intent_id: str, amount: int, *, paid: bool, site: str = "other") -> ObjectState:
    """Keyed by the PaymentIntent: two sessions never share one, and every event about a payment names it."""
    return ObjectState(campaign, ObjectKind.PAYMENT, intent_id, (0, amount) if paid else (0,), site)


_REFUND_TAKES = {"pending": True, "requires_action": True, "succeeded": True, "failed": False, "canceled": False}


def refund(campaign: str, refund_id: str, amount: int, status: str, *, site: str = "other") -> ObjectState:
    """Money is held back as soon as a refund exists, and comes back if it fails. KeyError: an unknown status."""
    return ObjectState(
        campaign, ObjectKind.REFUND, refund_id, (0, -amount) if _REFUND_TAKES[status] else (0, -amount, 0), site
    )


def dispute(campaign: str, dispute_id: str, balance_changes: Sequence[int], *, site: str = "other") -> ObjectState:
    """`movements`: the amounts of the dispute's balance transactions, which Stripe only ever appends."""
    return ObjectState(campaign, ObjectKind.DISPUTE, dispute_id, (0, *accumulate(balance_changes)), site)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the ledger knows of a campaign. `raised` in minor units, before fees; `payments` only ever grows."""

    raised: int
    payments: int


def expected_totals(states: Iterable[ObjectState]) -> Totals:
    """The law itself, for any order and any repetition of `states`: the oracle that the real ledger is held to."""
    highest: dict[tuple[ObjectKind, str], ObjectState] = {}
    for state in states:
        known = highest.get((state.kind, state.object_id))
        if known is None or state.version > known.version:
            highest[state.kind, state.object_id] = state
    return Totals(
        raised=sum(state.cumulative_amounts[-1] for state in highest.values()),
        payments=sum(state.kind is ObjectKind.PAYMENT and state.version > 0 for state in highest.values()),
    )
