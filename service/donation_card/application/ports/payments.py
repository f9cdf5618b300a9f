"""The port to the payment provider, and the values that it exchanges with the use cases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from donation_card.domain.money import Money
from donation_card.domain.totals import ObjectKind, ObjectState, payment, totals_name


@dataclass(frozen=True, slots=True)
class Account:
    """A Stripe account and its mode. Totals of two accounts, or of test and live money, are never mixed."""

    id: str
    livemode: bool

    @property
    def environment(self) -> str:
        return "live" if self.livemode else "test"


class UiMode(Enum):
    """The place where the donor pays: embedded in our page, or on a page that Stripe hosts."""

    EMBEDDED = "embedded"
    HOSTED = "hosted"


class SessionStatus(Enum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """The place and the language of the payment, and the addresses that lead back from a hosted page."""

    ui_mode: UiMode
    description: str
    """The name of the gift on Stripe's page."""
    locale: str
    success_url: str | None = None
    cancel_url: str | None = None
    submit_message: str | None = None
    """A text that Stripe shows above its button."""
    fee_description: str = ""
    """The name of the fee that the donor adds."""


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """Everything that defines one checkout session. The same order with the same key returns the same session."""

    campaign: str
    site: str
    attempt_id: str
    amount: Money
    """The gift."""
    expires_at: int
    """UTC seconds."""
    page: PaymentPage
    fee: Money | None = None
    """What the donor adds to the gift, so that the whole gift arrives after the fee. It is counted, too."""
    allowed_methods: tuple[str, ...] = ()
    """The only payment methods of the session. Empty: those that the account offers."""

    @property
    def total(self) -> Money:
        """Return what is charged."""
        return self.amount + self.fee if self.fee else self.amount


@dataclass(frozen=True, slots=True)
class ChargeCountry:
    """The country of the bank (ISO 3166) and the time of the charge (UTC seconds)."""

    country: str
    created: int


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A checkout session as Stripe reported it last.

    `replayed` marks the stored response to a repeated idempotency key. `charge_country` is set only in listings, where
    it costs no additional request.
    """

    id: str
    status: SessionStatus
    amount: Money | None
    campaign: str | None
    site: str
    attempt_id: str | None
    payment_intent: str | None
    created: int
    expires_at: int
    client_secret: str | None = None
    url: str | None = None
    replayed: bool = False
    charge_country: ChargeCountry | None = None
    received: int | None = None
    """Minor units that were captured, which can be a part of the amount. None if the report does not contain it."""
    unknown_status: str | None = None
    """Both statuses, if this release does not know them together. It is not known to be money, so nothing counts."""
    as_of: int = 0
    """UTC seconds at which Stripe reported it, if that can matter."""

    @property
    def object_state(self) -> ObjectState | None:
        """The contribution of the payment to the totals, or None if the session is not paid."""
        if self.status is not SessionStatus.PAID or not (self.campaign and self.payment_intent and self.amount):
            return None
        return payment(
            *(totals_name(self.campaign, self.amount.currency), self.payment_intent, self.amount.amount),
            received=self.received,
            as_of=self.as_of,
            site=self.site,
        )

    @property
    def is_incomplete(self) -> bool:
        """Return True if a donation is paid, but nothing says which payment it is or how much it is.

        A session without an amount to pay has no payment.
        """
        if self.status is not SessionStatus.PAID or not self.campaign:
            return False
        return self.amount is None or (not self.payment_intent and self.amount.amount != 0)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The campaign of a payment, and the site that the donor came from."""

    campaign: str
    site: str


@dataclass(frozen=True, slots=True)
class RefundOrDispute:
    """A refund or a dispute as Stripe reported it last.

    `version` and `amount` as in `domain.totals.ObjectState`, in minor units of `currency`. `attribution` is that of the
    payment, or None if the report does not contain it.
    """

    kind: ObjectKind
    id: str
    payment_intent: str | None
    currency: str
    version: int
    amount: int
    attribution: Attribution | None = None
    unknown_status: str | None = None
    """The status of a refund, if this release does not know it. The refund reduces the total all the same."""


StripeRecord = CheckoutSession | RefundOrDispute
"""An object that affects the totals, from a webhook or from a listing."""


@dataclass(frozen=True, slots=True)
class PaymentDeclined:
    """A payment failed in one of our sessions. No money moved. A declined card is a signal of card testing."""

    by_card: bool = True
    """False if the donor turned back at a bank or wallet."""


class Payments(Protocol):
    """Every method that sends a request raises PaymentsUnavailable if Stripe does not answer in time."""

    key_fingerprint: str
    """A hash that identifies the secret key and does not reveal it."""

    async def account(self) -> Account: ...

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession: ...

    async def get_session(self, session_id: str) -> CheckoutSession:
        """Raise NotFound if there is no such session."""

    async def expire_session(self, session_id: str) -> CheckoutSession:
        """Expire an open session. Return a session that is already paid or expired unchanged."""

    async def attribution(self, payment_intent: str) -> Attribution | None:
        """Read the metadata of the payment's session. Return None if it is not our donation.

        The service wrote that metadata, and the payment counts by it. People edit the metadata of the payment itself in
        Stripe's dashboard. Raise PaymentUnknown if Stripe does not know the payment, or may not list its session yet.
        Try once, for at most 3 s.
        """

    def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        """List every complete session, refund and dispute created at or after `created` (UTC seconds).

        Sessions come newest first. A refund or dispute has the attribution of its session if that is in the list.
        With `before`, only sessions created before it are listed, and only reversals of these.
        """

    def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        """List objects that changed since `changed`, as far as Stripe has events about them.

        The list can be incomplete: Stripe keeps events for 30 days and creates none for some changes.
        """

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        """Verify and parse a webhook.

        Raise Invalid if the signature or the body is wrong, and IgnoredEvent if the event is not about our donation.
        """

    async def close(self) -> None: ...
