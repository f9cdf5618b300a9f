"""The rule of the totals: every Stripe object has a version that only grows, and each version has an amount.

To apply a state means: if its version is higher than the known one, add the difference of their amounts. Order and
repetition change nothing, because the result depends only on the highest version of each object.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import accumulate, pairwise

from donation_card.domain.money import MAX_MINOR_UNITS


class ObjectKind(Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"


def totals_name(campaign: str, currency: str) -> str:
    """Return the name of the totals of a campaign in one currency, such as `roof/EUR`.

    Money of two currencies has two names, so it is never summed. The campaign file says which totals are shown.
    """
    return f"{campaign}/{currency}"


def campaign_of(name: str) -> str:
    return name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One version of one Stripe object. `campaign` is the name of the totals to which it contributes.

    `cumulative_amounts[v]` is the contribution at version v, in minor units. Version 0 is an object that was never seen
    and contributes nothing. The version of the state is the last index.
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


def payment(
    campaign: str, intent_id: str, amount: int, *, paid: bool, received: int | None = None, site: str = "other"
) -> ObjectState:
    """Return the state of a payment. Its id is the PaymentIntent, which every event about the payment names.

    `received` is what was captured of the `amount`. Not every report contains it, so it has a version of its own.
    """
    amounts: tuple[int, ...] = (0, amount) if paid else (0,)
    if paid and received not in (None, amount):
        amounts = (0, amount, received or 0)
    return ObjectState(campaign, ObjectKind.PAYMENT, intent_id, amounts, site)


REFUND_STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled", None)
"""The known statuses of a refund. Stripe can add one at any time, and a refund can have none."""

_REFUND_WITHOUT_EFFECT = ("failed", "canceled")


def refund(campaign: str, refund_id: str, amount: int, status: object, *, site: str = "other") -> ObjectState:
    """Return the state of a refund. It reduces the total until it is known to have failed or been canceled."""
    amounts = (0, -amount, 0) if status in _REFUND_WITHOUT_EFFECT else (0, -amount)
    return ObjectState(campaign, ObjectKind.REFUND, refund_id, amounts, site)


def dispute(campaign: str, dispute_id: str, balance_changes: Sequence[int], *, site: str = "other") -> ObjectState:
    """Return the state of a dispute from what its balance transactions change. Stripe only appends to them."""
    return ObjectState(campaign, ObjectKind.DISPUTE, dispute_id, (0, *accumulate(balance_changes)), site)


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement of money for a dispute, in minor units of the currency in which Stripe settles."""

    amount: int
    currency: str
    created: int
    """UTC seconds."""
    is_reversal: bool
    """True if it gives back what the dispute took. A correction of an exchange rate can be positive and is none."""


def dispute_changes(disputed: int, currency: str, transactions: Iterable[BalanceTransaction]) -> list[int]:
    """Return what each transaction of a dispute changes, in minor units of the disputed `currency`.

    The order of transactions in one second is not known, so the result does not depend on the order of `transactions`.
    """
    ordered = _in_order(transactions)
    taken = [_taken(disputed, currency, ordered[:seen]) for seen in range(len(ordered) + 1)]
    return [before - after for before, after in pairwise(taken)]


def _taken(disputed: int, currency: str, ordered: Sequence[BalanceTransaction]) -> int:
    """Return what a dispute took so far: between 0 and the disputed amount.

    In another currency, only the part that was given back can be known. A withdrawal after everything was given back
    begins anew, as after a lost appeal.
    """
    own = [each for each in ordered if each.currency == currency]
    withdrawn = sum(-each.amount for each in own if each.amount < 0 and not each.is_reversal)
    taken = Fraction(withdrawn - sum(each.amount for each in own if each.is_reversal))
    for foreign in {each.currency for each in ordered} - {currency}:
        others = reversed_ = 0
        for each in ordered:
            if each.currency != foreign:
                continue
            if each.is_reversal:
                reversed_ += each.amount
            elif each.amount < 0 and reversed_ >= others > 0:
                others, reversed_ = -each.amount, 0
            else:
                others -= each.amount
        if others > 0:
            taken += disputed * max(Fraction(0), 1 - Fraction(reversed_, others))
    return max(0, min(disputed, round(taken)))


def _in_order(transactions: Iterable[BalanceTransaction]) -> list[BalanceTransaction]:
    """Sort by time. Within one second, money is given back as soon as so much was taken, but not before."""
    waiting = sorted(transactions, key=lambda each: (each.created, each.amount, each.currency, each.is_reversal))
    ordered: list[BalanceTransaction] = []
    outstanding: Counter[str] = Counter()
    while waiting:
        now = [each for each in waiting if each.created == waiting[0].created]
        given_back = [each for each in now if 0 < each.amount <= outstanding[each.currency]]
        found = (given_back or now)[0]
        waiting.remove(found)
        ordered.append(found)
        outstanding[found.currency] -= found.amount
    return ordered


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
