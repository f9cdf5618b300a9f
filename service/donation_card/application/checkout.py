"""Checkout: one intention to give becomes one session that can be paid, never two; and what became of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from donation_card.application.donations import Donations, fallback_params
from donation_card.application.form_sessions import MAX_ORDERS_PER_TOKEN, FormSession, FormSessions
from donation_card.application.ports.payments import CheckoutOrder, CheckoutSession, Payments, SessionStatus, UiMode
from donation_card.application.ports.tokens import FormToken, SessionHandle, Tokens
from donation_card.application.session_limits import Client, SessionLimits
from donation_card.domain.campaign import Campaign
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.money import Money
from donation_card.domain.rate_limits import Bucket, BucketStore, Rate
from donation_card.errors import (
    Conflict,
    Invalid,
    NotFound,
    PaymentsUnavailable,
    RateLimited,
    ReplayedFailure,
    StripeKeyRejected,
)
from donation_card.observability import metrics

READ_INTERVAL: Final = 2.0
"""Seconds between two reads of the same session from Stripe, whose reads are budgeted; doubled after every ten."""

READS_PER_INTENT: Final = Rate(interval_ms=2_000, burst=5)
"""For one intention to give, whichever sessions it names: the address of thanks can be made to name any."""


@dataclass(frozen=True, slots=True)
class PaymentPageOptions:
    """What a giving page fixes beside the amount: where the donor pays, in which words, and the way back."""

    ui_mode: UiMode
    description: str
    locale: str
    success_url: str | None = None
    cancel_url: str | None = None
    submit_message: str | None = None


@dataclass(slots=True)
class CachedRead:
    """A session as it was last read from Stripe, or is being read."""

    requested_at: float
    task: asyncio.Task[CheckoutSession]
    count: int

    def is_fresh(self, now: float) -> bool:
        if not self.task.done():
            return True
        if self.task.exception():
            return False
        settled = self.task.result().status in {SessionStatus.PAID, SessionStatus.EXPIRED}
        return settled or now - self.requested_at < READ_INTERVAL * 2 ** min(self.count // 10, 5)


@dataclass(slots=True)
class Checkout:
    donations: Donations
    payments: Payments
    tokens: Tokens
    session_limits: SessionLimits
    form_sessions: FormSessions
    key_error: str | None = None
    """Why no session can be opened with the key that we have; None while none was refused."""
    _reads_by_session: OrderedDict[str, CachedRead] = field(default_factory=OrderedDict)
    _read_budget: BucketStore = field(default_factory=lambda: BucketStore(10_000))

    async def start(
        self,
        token: FormToken,
        amount: Money,
        options: PaymentPageOptions,
        client: Client,
        *,
        replaces: SessionHandle | None = None,
    ) -> CheckoutSession:
        """Open the checkout session of this intention to give; the same press twice is the same session.

        Raises Conflict (`campaign_closed`, `already_paid`), Invalid (`amount_*`, `token_invalid`), RateLimited
        (`too_many_changes`, and as `Admission.admit`) and PaymentsUnavailable (evidence: `campaign`, and its
        `fallback_url` if it has one).
        """
        campaign = self.donations.campaign(token.campaign)
        if not self.donations.accepts(campaign):
            raise Conflict("campaign_closed")
        _check_amount(campaign, amount)
        self.donations.last_activity_at = self.donations.clock().timestamp()
        order = CheckoutOrder(
            campaign=campaign.id,
            site=token.site,
            attempt_id=token.attempt_id,
            amount=amount,
            ui_mode=options.ui_mode,
            description=options.description,
            locale=options.locale,
            expires_at=token.issued_at + SESSION_LIFETIME,
            success_url=options.success_url,
            cancel_url=options.cancel_url,
            submit_message=options.submit_message,
        )
        instead_of = await self.form_sessions.begin(order)  # before anything is given up for an order that is refused
        if replaces is not None and (replaces.campaign, replaces.attempt_id) != (token.campaign, token.attempt_id):
            raise Invalid("token_invalid")
        try:
            replaced = self.tokens.idempotency_key(token.attempt_id, "replaced") if replaces else ""
            await self.session_limits.admit(campaign, client, replaces=replaced)
            instead_of |= {replaces.session_id} if replaces else set()
            for earlier in instead_of:
                await self._expire_replaced(earlier)
            session = await self._open(order, self.form_sessions.get(order.attempt_id))
            for meanwhile in await self.form_sessions.record_session(order, session.id) - instead_of:
                try:
                    await self._expire_replaced(meanwhile)
                except Conflict:
                    await self.payments.expire_session(session.id)
                    raise
        except PaymentsUnavailable as error:
            metrics.sessions.labels("failed").inc()
            self.key_error = str(error) if isinstance(error, StripeKeyRejected) else self.key_error
            error.params |= fallback_params(campaign)
            raise
        self.key_error = None
        return session

    async def _open(self, order: CheckoutOrder, form_session: FormSession) -> CheckoutSession:
        """The order's session, or a new one where the earlier one was given up (25, then 30, then 25 again)."""
        first = form_session.first_try(order)
        for attempt in range(first, first + MAX_ORDERS_PER_TOKEN):
            try:
                session = await self.payments.create_session(
                    order, self.tokens.idempotency_key(order.attempt_id, order, attempt)
                )
            except ReplayedFailure:
                form_session.attempts[order] = attempt + 1
                if attempt > first:  # in an outage every key would be spent; the next press goes on from here
                    raise
                continue
            if session.replayed:  # the stored answer is as old as the first press
                session = await self.payments.get_session(session.id)
            else:
                metrics.sessions.labels("created").inc()
            if session.status is SessionStatus.OPEN:
                return session
            if session.status is not SessionStatus.EXPIRED:
                await self.donations.record_if_paid(session)
                raise Conflict("already_paid")
        raise RateLimited("too_many_changes")

    async def _expire_replaced(self, session_id: str) -> None:
        """Expire the session that another one is instead of, so that one intention is never paid twice."""
        session = await self.payments.expire_session(session_id)
        if session.status is not SessionStatus.EXPIRED:
            await self.donations.record_if_paid(session)
            raise Conflict("already_paid")

    async def get_status(self, session_id: str, campaign: str, attempt_id: str) -> CheckoutSession:
        """What became of a session; a paid one is joined right here, so a late webhook costs nothing.

        Raises NotFound where the session is not the one that this campaign and nonce started, and
        PaymentsUnavailable (`payment_status_unknown`): it may well be paid, so nobody is told that nothing was taken.
        """
        try:
            session = await self._read_throttled(session_id, attempt_id)
        except PaymentsUnavailable as error:
            raise PaymentsUnavailable("payment_status_unknown") from error
        if (session.campaign, session.attempt_id) != (campaign, attempt_id):
            raise NotFound("session_unknown")
        await self.donations.record_if_paid(session)
        return session

    async def _read_throttled(self, session_id: str, attempt_id: str) -> CheckoutSession:
        """One read per session and interval, shared by everybody who asks meanwhile; none once it is settled.

        Where the budget is spent the last answer is as good as any; without one, PaymentsUnavailable.
        """
        now = asyncio.get_running_loop().time()
        reading = self._reads_by_session.get(session_id)
        if reading is None or not reading.is_fresh(now):
            workers = self.session_limits.workers
            budgets = (
                Bucket("reads", self.session_limits.budgets.reads.split(workers)),
                Bucket(attempt_id, READS_PER_INTENT.split(workers)),
            )
            if not self._read_budget.retry_after(budgets, int(now * 1_000)):
                reads = reading.count + 1 if reading else 1
                reading = CachedRead(now, asyncio.create_task(self.payments.get_session(session_id)), reads)
                self._reads_by_session[session_id] = reading
                self._reads_by_session.move_to_end(session_id)
                while len(self._reads_by_session) > 1_000:
                    self._reads_by_session.popitem(last=False)
            elif reading is None or reading.task.exception():
                raise PaymentsUnavailable(reason="reads_spent")
        return await asyncio.shield(reading.task)


def _check_amount(campaign: Campaign, amount: Money) -> None:
    giving = campaign.giving
    if amount.currency != campaign.currency:
        raise Invalid("amount_not_a_number", given=str(amount))
    given: dict[str, str | int] = {"given": amount.amount, "currency": amount.currency}
    if amount < giving.minimum:
        raise Invalid("amount_below_minimum", minimum=giving.minimum.amount, **given)
    if giving.maximum < amount:
        raise Invalid(
            "amount_above_maximum", maximum=giving.maximum.amount, contact=campaign.recipient.contact, **given
        )
    if not amount.is_chargeable:
        raise Invalid("amount_not_chargeable", **given)
