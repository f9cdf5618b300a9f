"""The rule of the totals: every Stripe object has a version that only grows, and contributes an amount.

To apply a state means: if its version is higher than the known one, add the difference of the amounts. A refund or a
dispute counts while its payment counts. Order and repetition change nothing, because the result depends only on the
highest version of each object.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

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

    `payment` is the PaymentIntent that the object is or reverses. `amount` is what the object contributes, in minor
    units. An object that was never seen has version 0 and contributes nothing.
    """

    campaign: str
    kind: ObjectKind
    object_id: str
    payment: str
    version: int
    amount: int
    site: str = "other"

    def __post_init__(self) -> None:
        if not 0 <= self.version < MAX_VERSION:
            raise ValueError(f"versions are up to {MAX_VERSION}, not {self.version}")
        if type(self.amount) is not int or abs(self.amount) > MAX_MINOR_UNITS:
            raise ValueError(f"amounts are whole minor units up to {MAX_MINOR_UNITS}, not {self.amount}")


_INSTANTS = 10**10
"""More than any time in UTC seconds until the year 2286."""

MAX_VERSION = 10**14
"""Exact as a number in Lua, which is a double."""


def version(progress: int, as_of: int) -> int:
    """Return a version. An object never goes back in its `progress`.

    Within one progress its amount can change. Then the report that Stripe made last is right (`as_of`, UTC seconds).
    Of two reports of one second, the lower amount counts.
    """
    return min(progress, 9_999) * _INSTANTS + as_of % _INSTANTS


def payment(
    campaign: str, intent_id: str, amount: int, *, received: int | None = None, as_of: int = 0, site: str = "other"
) -> ObjectState:
    """Return the state of a paid payment. Its id is the PaymentIntent, which every event about the payment names.

    `received` is what was captured of the `amount`. Not every report contains it.
    """
    progress, counted = (1, amount) if received is None else (2, received)
    return ObjectState(campaign, ObjectKind.PAYMENT, intent_id, intent_id, version(progress, as_of), counted, site)


REFUND_STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled", None)
"""The known statuses of a refund. Stripe can add one at any time, and a refund can have none."""

_REFUND_WITHOUT_EFFECT = ("failed", "canceled")


def refund(
    campaign: str, refund_id: str, payment: str, amount: int, status: object, *, as_of: int = 0, site: str = "other"
) -> ObjectState:
    """Return the state of a refund. It reduces the total until it is known to have failed or been canceled."""
    progress, counted = (2, 0) if status in _REFUND_WITHOUT_EFFECT else (1, -amount)
    return ObjectState(campaign, ObjectKind.REFUND, refund_id, payment, version(progress, as_of), counted, site)


def dispute(
    campaign: str, dispute_id: str, payment: str, taken: int, transactions: int, *, as_of: int = 0, site: str = "other"
) -> ObjectState:
    """Return the state of a dispute. Stripe only appends to its balance transactions, so their number is progress."""
    return ObjectState(campaign, ObjectKind.DISPUTE, dispute_id, payment, version(transactions, as_of), -taken, site)


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement of money for a dispute, in minor units of the currency in which Stripe settles."""

    amount: int
    currency: str
    created: int
    """UTC seconds."""
    is_reversal: bool
    """True if it gives back what the dispute took. A correction of an exchange rate can be positive and is none."""


def dispute_taken(disputed: int, currency: str, transactions: Iterable[BalanceTransaction]) -> int:
    """Return what a dispute took so far, in minor units of the disputed `currency`: from 0 to the disputed amount.

    In another currency, only the part that was given back can be known. A withdrawal after everything was given back
    begins anew, as after a lost appeal. The order of transactions in one second is not known, so the result does not
    depend on the order of `transactions`.
    """
    ordered = _in_order(transactions)
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
    """Sort by time. Within one second, as much as possible is given back as soon as it was taken, but not before."""
    waiting = sorted(transactions, key=lambda each: (each.created, each.amount, each.currency, each.is_reversal))
    ordered: list[BalanceTransaction] = []
    outstanding: Counter[str] = Counter()
    while waiting:
        now = [each for each in waiting if each.created == waiting[0].created]
        given_back = [each for each in now if 0 < each.amount <= outstanding[each.currency]]
        found = given_back[-1] if given_back else now[0]
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
    in_order = sorted(states, key=lambda state: (state.version, -state.amount))
    highest = {(state.kind, state.object_id): state for state in in_order if state.version}
    payments = {state.payment for state in highest.values() if state.kind is ObjectKind.PAYMENT}
    return Totals(
        raised=sum(state.amount for state in highest.values() if state.payment in payments), payments=len(payments)
    )
