"""The fee of a card payment, and what a donor can add so that the whole gift arrives."""

from dataclasses import dataclass

from donation_card.domain.money import Money

MAX_BASIS_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class CardFee:
    """A part of each payment, in hundredths of a percent, and a fixed amount."""

    basis_points: int
    fixed: Money

    def of(self, payment: Money) -> Money:
        """Return the fee of a payment. A half of a minor unit is rounded up. `give.js` has the same rule."""
        return Money((payment.amount * self.basis_points + 5_000) // 10_000, payment.currency) + self.fixed

    def to_add(self, gift: Money) -> Money:
        """Return the fewest whole units that cover the fee of gift and addition together.

        The fee never falls while the addition grows. So no addition below the fee of a smaller one is enough, and the
        first that fits is the least.
        """
        added = Money(0, gift.currency)
        while added < (fee := self.of(gift + added)):
            added = Money(-(-fee.amount // gift.minor_per_major) * gift.minor_per_major, gift.currency)
        return added


EUROPEAN_CARD_FEE = CardFee(150, Money(25, "EUR"))
"""Stripe's fee for European cards in euro: https://stripe.com/pricing."""
