"""Checkout: one intention to give becomes one session that can be paid, never two; and what became of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from donation_card.application.donations import SESSION_LIFETIME, Donations, way_on
from donation_card.application.form_sessions import CHANGES_PER_TOKEN, Intention, Intentions
from donation_card.application.ports import (
    CheckoutSession,
    FormToken,
    Handle,
    Order,
    Payments,
    SessionStatus,
    Shape,
    Tokens,
)
from donation_card.application.session_limits import Admission, Visitor
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.rate_limits import Bucket, Counts, Rate
from donation_card.errors import Conflict, FailureKept, Invalid, KeyRefused, NotFound, PaymentsUnavailable, RateLimited
from donation_card.observability import metrics

READ_INTERVAL: Final = 2.0
"""Seconds between two reads of the same session from Stripe, whose reads are budgeted; doubled after every ten."""

READS_OF_ONE: Final = Rate(every=2_000, burst=5)
"""For one intention to give, whichever sessions it names: the address of thanks can be made to name any."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a giving page fixes beside the amount: where the donor pays, in which words, and the way back."""

    shape: Shape
    description: str
    locale: str
    success_url: str | None = None
    cancel_url: str | None = None
    notice: str | None = None


@dataclass(slots=True)
class Reading:
    """A session as it was last read from Stripe, or is being read."""

    asked: float
    found: asyncio.Task[CheckoutSession]
    reads: int

    def good(self, now: float) -> bool:
        if not self.found.done():
            return True
        if self.found.exception():
            return False
        settled = self.found.result().status in {SessionStatus.PAID, SessionStatus.EXPIRED}
        return settled or now - self.asked < READ_INTERVAL * 2 ** min(self.reads // 10, 5)


@dataclass(slots=True)
class Checkout:
    donations: Donations
    payments: Payments
    tokens: Tokens
    admission: Admission
    intentions: Intentions
    refused: str | None = None
    """Why no session can be opened with the key that we have; None while none was refused."""
    _read: OrderedDict[str, Reading] = field(default_factory=OrderedDict)
    _reads: Counts = field(default_factory=lambda: Counts(10_000))

    async def start(
        self, token: FormToken, amount: Money, terms: Terms, visitor: Visitor, *, replaces: Handle | None = None
    ) -> CheckoutSession:
        """Open the checkout session of this intention to give; the same press twice is the same session.

        Raises Conflict (`campaign_closed`, `already_paid`), Invalid (`amount_*`, `token_forged`), RateLimited
        (`too_many_changes`, and as `Admission.admit`) and PaymentsUnavailable (evidence: `campaign`, and its
        `fallback_url` if it has one).
        """
        campaign = self.donations.campaign(token.campaign)
        if not self.donations.accepts(campaign):
            raise Conflict("campaign_closed")
        _within_terms(campaign, amount)
        self.donations.active = self.donations.clock().timestamp()
        order = Order(
            campaign=campaign.id,
            site=token.site,
            nonce=token.nonce,
            amount=amount,
            shape=terms.shape,
            description=terms.description,
            locale=terms.locale,
            expires_at=token.issued + SESSION_LIFETIME,
            success_url=terms.success_url,
            cancel_url=terms.cancel_url,
            notice=terms.notice,
        )
        instead_of = await self.intentions.press(order)  # before anything is given up for an order that is refused
        if replaces is not None and (replaces.campaign, replaces.nonce) != (token.campaign, token.nonce):
            raise Invalid("token_forged")
        try:
            replaced = self.tokens.idempotency_key(token.nonce, "replaced") if replaces else ""
            await self.admission.admit(campaign, visitor, replaces=replaced)
            instead_of |= {replaces.session_id} if replaces else set()
            for earlier in instead_of:
                await self._give_up(earlier)
            session = await self._open(order, self.intentions.of(order.nonce))
            for meanwhile in await self.intentions.opened(order, session.id) - instead_of:
                try:
                    await self._give_up(meanwhile)
                except Conflict:
                    await self.payments.expire(session.id)
                    raise
        except PaymentsUnavailable as error:
            metrics.sessions.labels("failed").inc()
            self.refused = str(error) if isinstance(error, KeyRefused) else self.refused
            error.evidence |= way_on(campaign)
            raise
        self.refused = None
        return session

    async def _open(self, order: Order, intention: Intention) -> CheckoutSession:
        """The order's session, or a new one where the earlier one was given up (25, then 30, then 25 again)."""
        first = intention.first_attempt(order)
        for attempt in range(first, first + CHANGES_PER_TOKEN):
            try:
                session = await self.payments.create(order, self.tokens.idempotency_key(order.nonce, order, attempt))
            except FailureKept:
                intention.attempts[order] = attempt + 1
                if attempt > first:  # in an outage every key would be spent; the next press goes on from here
                    raise
                continue
            if session.replayed:  # the stored answer is as old as the first press
                session = await self.payments.read(session.id)
            else:
                metrics.sessions.labels("created").inc()
            if session.status is SessionStatus.OPEN:
                return session
            if session.status is not SessionStatus.EXPIRED:
                await self.donations.record_if_paid(session)
                raise Conflict("already_paid")
        raise RateLimited("too_many_changes")

    async def _give_up(self, session_id: str) -> None:
        """Expire the session that another one is instead of, so that one intention is never paid twice."""
        session = await self.payments.expire(session_id)
        if session.status is not SessionStatus.EXPIRED:
            await self.donations.record_if_paid(session)
            raise Conflict("already_paid")

    async def follow(self, session_id: str, campaign: str, nonce: str) -> CheckoutSession:
        """What became of a session; a paid one is joined right here, so a late webhook costs nothing.

        Raises NotFound where the session is not the one that this campaign and nonce started, and
        PaymentsUnavailable (`payment_unread`): it may well be paid, so nobody is told that nothing was taken.
        """
        try:
            session = await self._read_seldom(session_id, nonce)
        except PaymentsUnavailable as error:
            raise PaymentsUnavailable("payment_unread") from error
        if (session.campaign, session.nonce) != (campaign, nonce):
            raise NotFound("session_unknown")
        await self.donations.record_if_paid(session)
        return session

    async def _read_seldom(self, session_id: str, nonce: str) -> CheckoutSession:
        """One read per session and interval, shared by everybody who asks meanwhile; none once it is settled.

        Where the budget is spent the last answer is as good as any; without one, PaymentsUnavailable.
        """
        now = asyncio.get_running_loop().time()
        reading = self._read.get(session_id)
        if reading is None or not reading.good(now):
            workers = self.admission.workers
            budgets = (
                Bucket("reads", self.admission.budgets.reads.shared(workers)),
                Bucket(nonce, READS_OF_ONE.shared(workers)),
            )
            if not self._reads.take(budgets, int(now * 1_000)):
                reads = reading.reads + 1 if reading else 1
                reading = Reading(now, asyncio.create_task(self.payments.read(session_id)), reads)
                self._read[session_id] = reading
                self._read.move_to_end(session_id)
                while len(self._read) > 1_000:
                    self._read.popitem(last=False)
            elif reading is None or reading.found.exception():
                raise PaymentsUnavailable(reason="reads_spent")
        return await asyncio.shield(reading.found)


def _within_terms(campaign: Campaign, amount: Money) -> None:
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
    if not amount.chargeable:
        raise Invalid("amount_not_chargeable", **given)
