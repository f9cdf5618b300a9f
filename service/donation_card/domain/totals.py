"""The ledger's one idea: every Stripe object has a rank that only grows, and a rank says what it contributes.

Joining a state means: if its rank is higher than the one known, add the difference of the two contributions.
Repetition and order then change nothing, because the end depends on the highest rank of each object alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from donation_card.domain.money import LARGEST


class Kind(Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class State:
    """One state of one Stripe object, ready to be joined.

    `contributions[r]` is what the object adds to *raised* at rank r, in minor units of the campaign's currency;
    index 0 is an object never seen, which contributes nothing. `rank` is the last index.
    """

    campaign: str
    kind: Kind
    object_id: str
    contributions: tuple[int, ...]
    site: str = "other"

    def __post_init__(self) -> None:
        if self.contributions[:1] != (0,):
            raise ValueError("an object never seen contributes nothing")
        if any(type(amount) is not int or abs(amount) > LARGEST for amount in self.contributions):
            raise ValueError(f"contributions are whole minor units up to {LARGEST}, not {self.contributions}")

    @property
    def rank(self) -> int:
        return len(self.contributions) - 1


def payment(campaign: str, intent_id: str, amount: int, *, paid: bool, site: str = "other") -> State:
    """Keyed by the PaymentIntent: two sessions never share one, and every event about a payment names it."""
    return State(campaign, Kind.PAYMENT, intent_id, (0, amount) if paid else (0,), site)


_REFUND_TAKES = {"pending": True, "requires_action": True, "succeeded": True, "failed": False, "canceled": False}


def refund(campaign: str, refund_id: str, amount: int, status: str, *, site: str = "other") -> State:
    """Money is held back as soon as a refund exists, and comes back if it fails. KeyError: an unknown status."""
    return State(campaign, Kind.REFUND, refund_id, (0, -amount) if _REFUND_TAKES[status] else (0, -amount, 0), site)


def dispute(campaign: str, dispute_id: str, movements: Sequence[int], *, site: str = "other") -> State:
    """`movements`: the amounts of the dispute's balance transactions, which Stripe only ever appends."""
    return State(campaign, Kind.DISPUTE, dispute_id, (0, *accumulate(movements)), site)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the ledger knows of a campaign. `raised` in minor units, before fees; `payments` only ever grows."""

    raised: int
    payments: int


def total(states: Iterable[State]) -> Totals:
    """The law itself, for any order and any repetition of `states`: the oracle that the real ledger is held to."""
    highest: dict[tuple[Kind, str], State] = {}
    for state in states:
        known = highest.get((state.kind, state.object_id))
        if known is None or state.rank > known.rank:
            highest[state.kind, state.object_id] = state
    return Totals(
        raised=sum(state.contributions[-1] for state in highest.values()),
        payments=sum(state.kind is Kind.PAYMENT and state.rank > 0 for state in highest.values()),
    )
