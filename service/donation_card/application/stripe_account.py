"""The Stripe account whose totals, limits and sessions this service handles."""

from contextlib import suppress
from dataclasses import dataclass, field

from donation_card.application.ports.payments import Account, Payments
from donation_card.application.ports.totals import TotalsStore
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable


@dataclass(slots=True)
class StripeAccount:
    """Look the account up once. Redis remembers it for a start while Stripe is unavailable."""

    payments: Payments
    totals_store: TotalsStore
    _account: Account | None = field(default=None, init=False)

    async def get(self) -> Account:
        """Return the account of the secret key. Raise PaymentsUnavailable if neither Stripe nor Redis knows it."""
        if self._account is None:
            self._account = await self._look_up()
        return self._account

    async def _look_up(self) -> Account:
        fingerprint = self.payments.key_fingerprint
        try:
            account = await self.payments.account()
        except PaymentsUnavailable:
            with suppress(TotalsUnavailable):
                if (stored := await self.totals_store.load_account(fingerprint)) is not None:
                    return stored
            raise
        with suppress(TotalsUnavailable):
            await self.totals_store.save_account(fingerprint, account)
        return account
