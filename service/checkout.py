"""Checkout: one intention to give becomes one session that can be paid, never two; and what became of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from service import metrics
from service.domain.campaign import Campaign
from service.domain.money import Money
from service.donations import SESSION_LIFETIME, Donations
from service.errors import Conflict, FailureKept, Invalid, KeyRefused, NotFound, PaymentsUnavailable, RateLimited
from service.ports import CheckoutSession, FormToken, Handle, Order, Payments, SessionStatus, Shape, Tokens

CHANGES_PER_TOKEN: Final = 5
"""Different orders one token may start."""

READ_INTERVAL: Final = 2.0
"""Seconds between two reads of the same session from Stripe, whose reads are budgeted."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a giving page fixes beside the amount: where the donor pays, in which words, and the way back."""

    shape: Shape
    description: str
    locale: str
    success_url: str | None = None
    cancel_url: str | None = None


@dataclass(slots=True)
class Intention:
    """What this worker remembers of one form token: the attempt each order is at, and the session opened last."""

    attempts: dict[Order, int] = field(default_factory=dict)
    latest: tuple[Order, str] | None = None

    def first_attempt(self, order: Order) -> int:
        """The attempt to begin this order with. Raises RateLimited: a token is good for a few orders only."""
        if order not in self.attempts and len(self.attempts) >= CHANGES_PER_TOKEN:
            raise RateLimited("too_many_changes")
        return self.attempts.setdefault(order, 0)

    def superseded_by(self, order: Order) -> str | None:
        """The session that this order is instead of, also where the donor's page cannot name it: a new tab's."""
        return self.latest[1] if self.latest and self.latest[0] != order else None


@dataclass(slots=True)
class Checkout:
    donations: Donations
    payments: Payments
    tokens: Tokens
    refused: str | None = None
    """Why no session can be opened with the key that we have; None while none was refused."""
    _intentions: OrderedDict[str, Intention] = field(default_factory=OrderedDict)
    _read: OrderedDict[str, tuple[float, asyncio.Task[CheckoutSession]]] = field(default_factory=OrderedDict)

    async def start(
        self, token: FormToken, amount: Money, terms: Terms, *, replaces: Handle | None = None
    ) -> CheckoutSession:
        """Open the checkout session of this intention to give; the same press twice is the same session.

        Raises Conflict (`campaign_closed`, `already_paid`), Invalid (`amount_*`, `token_forged`), RateLimited
        (`too_many_changes`) and PaymentsUnavailable (evidence: `campaign`, and its `fallback_url` if it has one).
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
        )
        intention = self._intention(token.nonce)
        first = intention.first_attempt(order)  # before an earlier session is given up for an order that is refused
        if replaces is not None and (replaces.campaign, replaces.nonce) != (token.campaign, token.nonce):
            raise Invalid("token_forged")
        try:
            for earlier in {replaces and replaces.session_id, intention.superseded_by(order)} - {None}:
                await self._give_up(str(earlier))
            session = await self._open(order, intention, first)
        except PaymentsUnavailable as error:
            metrics.sessions.labels("failed").inc()
            self.refused = str(error) if isinstance(error, KeyRefused) else self.refused
            error.evidence |= _way_on(campaign)
            raise
        self.refused = None
        intention.latest = order, session.id
        return session

    def _intention(self, nonce: str) -> Intention:
        intention = self._intentions.setdefault(nonce, Intention())
        self._intentions.move_to_end(nonce)
        while len(self._intentions) > 10_000:
            self._intentions.popitem(last=False)
        return intention

    async def _open(self, order: Order, intention: Intention, first: int) -> CheckoutSession:
        """The order's session, or a new one where the earlier one was given up (25, then 30, then 25 again)."""
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
            session = await self._read_seldom(session_id)
        except PaymentsUnavailable as error:
            raise PaymentsUnavailable("payment_unread") from error
        if (session.campaign, session.nonce) != (campaign, nonce):
            raise NotFound("session_unknown")
        await self.donations.record_if_paid(session)
        return session

    async def _read_seldom(self, session_id: str) -> CheckoutSession:
        """One read per session and interval, shared by everybody who asks meanwhile."""
        now = asyncio.get_running_loop().time()
        asked, reading = self._read.get(session_id, (float("-inf"), None))
        if reading is None or now - asked >= READ_INTERVAL or (reading.done() and reading.exception()):
            reading = asyncio.create_task(self.payments.read(session_id))
            self._read[session_id] = (now, reading)
            self._read.move_to_end(session_id)
            while len(self._read) > 1_000:
                self._read.popitem(last=False)
        return await asyncio.shield(reading)


def _way_on(campaign: Campaign) -> dict[str, str | int]:
    """Where a donor goes whom Stripe did not answer: to the form again, or to another way to give."""
    return {"campaign": campaign.id, **({"fallback_url": campaign.fallback_url} if campaign.fallback_url else {})}


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
