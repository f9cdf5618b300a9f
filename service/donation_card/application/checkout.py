"""Start a checkout session, so that one attempt to donate never has two sessions that can be paid."""

from dataclasses import dataclass, field

from donation_card.application.form_sessions import MAX_ORDERS_PER_TOKEN, FormSessions
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import (
    CheckoutOrder,
    CheckoutSession,
    PaymentPage,
    Payments,
    SessionStatus,
    UiMode,
)
from donation_card.application.ports.tokens import FormToken, SessionHandle, Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.application.session_limits import Client, SessionLimits
from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.money import Money
from donation_card.errors import (
    Conflict,
    Invalid,
    PaymentsUnavailable,
    RateLimited,
    ReplayedFailure,
    StripeKeyRejected,
)
from donation_card.observability import metrics

CARD = "card"
"""The payment method of cards and of the wallets that hold them."""


@dataclass(frozen=True, slots=True)
class StartCheckout:
    """The command that one submitted form gives."""

    token: FormToken
    amount: Money
    page: PaymentPage
    client: Client
    replaces: SessionHandle | None = None
    """The session of an earlier amount, as the donor's browser knows it."""
    cover_fee: bool = False
    """The donor adds the fee of a card payment to the gift."""

    def order(self, campaign: Campaign) -> CheckoutOrder:
        """Return the order that this command makes in its campaign. Raise Invalid (`amount_*`, `request_malformed`)."""
        campaign.check_amount(self.amount)
        return CheckoutOrder(
            *(self.token.campaign, self.token.site, self.token.attempt_id),
            amount=self.amount,
            expires_at=self.token.issued_at + SESSION_LIFETIME,
            page=self.page,
            fee=campaign.fee_to_add(self.amount) if self.cover_fee else None,
            allowed_methods=self._allowed_methods(campaign),
        )

    def _allowed_methods(self, campaign: Campaign) -> tuple[str, ...]:
        """Return the payment methods to choose from. The fee is that of a card; an embedded page cannot redirect."""
        if self.cover_fee:
            return (CARD,)
        hosted = self.page.ui_mode is UiMode.HOSTED
        return (CARD, *campaign.redirect_methods) if hosted and campaign.redirect_methods else ()


@dataclass(slots=True)
class Checkout:
    campaigns: Campaigns
    progress: PublicProgress
    payments: Payments
    tokens: Tokens
    session_limits: SessionLimits
    form_sessions: FormSessions
    recorder: PaymentRecorder
    key_error: str | None = field(default=None, init=False)
    """The reason why Stripe rejected our key at the last attempt, or None."""

    async def start(self, command: StartCheckout) -> CheckoutSession:
        """Return the open checkout session of a form. The same command twice returns the same session.

        Raise NotFound, Conflict (`campaign_closed`, `already_paid`), Invalid (`amount_*`, `token_invalid`), RateLimited
        (`too_many_changes`, and as `SessionLimits.admit`), and PaymentsUnavailable with another way to give.
        """
        campaign = self.campaigns.get_visible(command.token.campaign)
        if self.progress.status(campaign) is not Status.OPEN:
            raise Conflict("campaign_closed")
        order, attempt_id = command.order(campaign), command.token.attempt_id
        order_key = self.tokens.idempotency_key(attempt_id, order)[:16]
        try:
            await self._admit(campaign, command.client, command.token, command.replaces)
            obsolete = await self.form_sessions.begin(attempt_id, order_key)  # it stores, so after admission
            obsolete |= {command.replaces.session_id} if command.replaces else set()
            for session_id in obsolete:
                await self._expire(session_id)
            session = await self._open(order, order_key)
            await self._record_session(attempt_id, order_key, session.id, obsolete)
        except PaymentsUnavailable as error:
            metrics.sessions.labels("failed").inc()
            if isinstance(error, StripeKeyRejected):
                self.key_error = str(error)
            raise PaymentsUnavailable(error.code, **error.params, **campaign.fallback_params) from error
        self.key_error = None
        return session

    async def _admit(
        self, campaign: Campaign, client: Client, token: FormToken, replaces: SessionHandle | None
    ) -> None:
        """Apply the limits. A session that is given up counts as a proof of work."""
        replaced = ""
        if replaces is not None:
            if (replaces.campaign, replaces.attempt_id) != (token.campaign, token.attempt_id):
                raise Invalid("token_invalid")
            replaced = self.tokens.idempotency_key(token.attempt_id, "replaced")
        await self.session_limits.admit(campaign, client, replaces=replaced)

    async def _open(self, order: CheckoutOrder, order_key: str) -> CheckoutSession:
        """Create the session. Use a new idempotency key if the stored session expired or the stored request failed."""
        form_session = self.form_sessions.get(order.attempt_id)
        first = form_session.first_try(order_key)
        for attempt in range(first, first + MAX_ORDERS_PER_TOKEN):
            key = self.tokens.idempotency_key(order.attempt_id, order, attempt)
            try:
                session = await self.payments.create_session(order, key)
            except ReplayedFailure:
                form_session.attempts[order_key] = attempt + 1
                if attempt > first:  # an outage would use up every key; the next command continues from here
                    raise
                continue
            if session.replayed:  # the stored response is as old as the first command
                session = await self.payments.get_session(session.id)
            else:
                metrics.sessions.labels("created").inc()
            if session.status is SessionStatus.OPEN:
                return session
            await self._require_expired(session)
        raise RateLimited("too_many_changes")

    async def _record_session(self, attempt_id: str, order_key: str, session_id: str, obsolete: set[str]) -> None:
        """Store the session, and expire one that another tab opened meanwhile. Expire ours if that one is paid."""
        for other in await self.form_sessions.record_session(attempt_id, order_key, session_id) - obsolete:
            try:
                await self._expire(other)
            except Conflict:
                await self.payments.expire_session(session_id)
                raise

    async def _expire(self, session_id: str) -> None:
        """Expire a session that another one replaces. Raise Conflict (`already_paid`) if it is paid."""
        await self._require_expired(await self.payments.expire_session(session_id))

    async def _require_expired(self, session: CheckoutSession) -> None:
        if session.status is not SessionStatus.EXPIRED:
            await self.recorder.record_if_paid(session)
            raise Conflict("already_paid")
