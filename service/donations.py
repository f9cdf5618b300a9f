"""The verbs: show a campaign's figure, start a gift, follow it, record what Stripe tells, reconcile with Stripe.

Everything that moves money through this service is in this file and can be read in one sitting.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from service.domain.campaign import Campaign, Status
from service.domain.ledger import State
from service.domain.money import Money
from service.domain.progress import Progress, progress
from service.domain.publication import Published, next_boundary
from service.errors import (
    Conflict,
    FailureKept,
    Invalid,
    LedgerUnavailable,
    NotFound,
    NotOurEvent,
    PaymentsUnavailable,
    RateLimited,
    Unavailable,
)
from service.ports import (
    Campaigns,
    CheckoutSession,
    FormToken,
    Handle,
    Joined,
    Ledger,
    Order,
    Payments,
    SessionStatus,
    Shape,
    Tokens,
)

log = structlog.get_logger()

SESSION_LIFETIME: Final = 91 * 60
"""Seconds from the token's making to the session's end: 60 of the token, and the 30 minutes that Stripe asks for."""

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
class Donations:
    campaigns: Campaigns
    ledger: Ledger
    payments: Payments
    tokens: Tokens
    clock: Callable[[], datetime]
    figures: dict[str, Progress] = field(default_factory=dict)
    _intentions: OrderedDict[str, Intention] = field(default_factory=OrderedDict)
    _read: OrderedDict[str, tuple[float, asyncio.Task[CheckoutSession]]] = field(default_factory=OrderedDict)

    def campaign(self, campaign_id: str) -> Campaign:
        """Raises NotFound (`campaign_unknown`), also for a hidden one: nothing of it is told."""
        campaign = self.campaigns.get(campaign_id)
        if campaign.status is Status.HIDDEN:
            raise NotFound("campaign_unknown")
        return campaign

    def visible(self) -> list[Campaign]:
        return [campaign for campaign in self.campaigns.all() if campaign.status is not Status.HIDDEN]

    # ── show ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def refresh(self, campaign: Campaign) -> None:
        """Let the figure be decided if it is time, and keep it; if the ledger does not answer, the last one, stale.

        A campaign without an entry in `figures` is unknown, which is not zero.
        """
        now = self.clock()
        try:
            published = await self.ledger.roll(
                await self.payments.account(),
                campaign.id,
                campaign.publication,
                now=now,
                offline=campaign.offline.amount if campaign.offline else 0,
                ended=campaign.ended(now),
            )
        except Unavailable as error:
            published = None
            if (shown := self.figures.get(campaign.id)) is None or not shown.stale:  # once, not every second
                log.warning("figure_not_refreshed", campaign=campaign.id, reason=str(error))
        if published is not None:
            figure = _progress(campaign, published)
            self.figures[campaign.id] = _stale(figure) if published.stale else figure
        elif campaign.id in self.figures:
            self.figures[campaign.id] = _stale(self.figures[campaign.id])

    def shown(self, campaign: Campaign) -> Progress | None:
        """The published figure, None while it is unknown."""
        return self.figures.get(campaign.id)

    def unsettled(self) -> list[str]:
        """Campaigns whose figure is unknown or stale, each with which it is."""
        shown = [(campaign.id, self.shown(campaign)) for campaign in self.visible()]
        return [f"{name}: {'stale' if figure else 'unknown'}" for name, figure in shown if not figure or figure.stale]

    def accepts(self, campaign: Campaign) -> bool:
        figure = self.shown(campaign)
        return campaign.accepts(self.clock(), figure.raised.amount if figure else None)

    # ── start ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(
        self, token: FormToken, amount: Money, terms: Terms, *, replaces: Handle | None = None
    ) -> CheckoutSession:
        """Open the checkout session of this intention to give; the same press twice is the same session.

        Raises Conflict (`campaign_closed`, `already_paid`), Invalid (`amount_*`, `token_forged`), RateLimited
        (`too_many_changes`) and PaymentsUnavailable.
        """
        campaign = self.campaigns.get(token.campaign)
        if not self.accepts(campaign):
            raise Conflict("campaign_closed")
        _within_terms(campaign, amount)
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
        for earlier in {replaces and replaces.session_id, intention.superseded_by(order)} - {None}:
            await self._give_up(str(earlier))
        session = await self._open(order, intention, first)
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
            if session.status is SessionStatus.OPEN:
                return session
            if session.status is not SessionStatus.EXPIRED:
                await self._join_if_paid(session)
                raise Conflict("already_paid")
        raise RateLimited("too_many_changes")

    async def _give_up(self, session_id: str) -> None:
        """Expire the session that another one is instead of, so that one intention is never paid twice."""
        session = await self.payments.expire(session_id)
        if session.status is not SessionStatus.EXPIRED:
            await self._join_if_paid(session)
            raise Conflict("already_paid")

    # ── follow ────────────────────────────────────────────────────────────────────────────────────────────────

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
        await self._join_if_paid(session)
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

    async def _join_if_paid(self, session: CheckoutSession) -> None:
        state = session.state
        if state is None:
            return
        try:
            await self.record(state, session.amount)
        except (LedgerUnavailable, NotOurEvent) as error:  # the payment is true all the same; the webhook comes again
            log.warning("paid_session_not_joined", session=session.id, reason=str(error))

    # ── record ────────────────────────────────────────────────────────────────────────────────────────────────

    async def record(self, state: State, amount: Money | None) -> Joined:
        """Join one state into the ledger. Money of another currency than the campaign's is never summed."""
        try:
            campaign = self.campaigns.get(state.campaign)
        except NotFound:
            log.error("campaign_unknown", campaign=state.campaign)  # joined under its name, not shown, alarmed
        else:
            if amount is not None and amount.currency != campaign.currency:
                log.error("currency_differs", campaign=campaign.id, given=amount.currency)
                raise NotOurEvent("wrong_currency")
        return await self.ledger.join(await self.payments.account(), state)

    async def receive(self, body: bytes, signature: bytes) -> Joined:
        """Apply a webhook: verify, translate, join. Raises Invalid, NotOurEvent, and Unavailable to be sent again."""
        account = await self.payments.account()
        session = self.payments.event(body, signature, self.clock())
        if session.campaign is None:
            raise NotOurEvent("other_product")
        state = session.state
        log.debug("event", session=session.id, status=session.status.value, account=account.id)
        return Joined.UNCHANGED if state is None else await self.record(state, session.amount)

    # ── reconcile ─────────────────────────────────────────────────────────────────────────────────────────────

    async def reconcile(self) -> int:
        """Join every paid session that Stripe knows since the oldest cursor; return how many were news.

        Stripe is the ledger, Redis its projection: this builds an empty one, and heals whatever webhooks missed.
        A projection counts as built only after a complete pass, and the cursor is where that pass began.
        """
        account = await self.payments.account()
        began = int(self.clock().timestamp())
        passes = {campaign.id: await self.ledger.begin_pass(account, campaign.id) for campaign in self.campaigns.all()}
        since = min((begun.since or 0 for begun in passes.values()), default=began)
        news = 0
        async for session in self.payments.sessions_since(max(0, since - SESSION_LIFETIME - 600)):
            state = session.state
            if state is None:
                continue
            try:
                news += await self.record(state, session.amount) is Joined.APPLIED
            except NotOurEvent as reason:
                log.warning("session_not_ours", session=session.id, reason=reason.code)
        for campaign_id, begun in passes.items():
            if not await self.ledger.mark_built(account, campaign_id, begun, began):
                log.warning("pass_lost", campaign=campaign_id)  # Redis was wiped meanwhile; the next pass builds it
        log.info("reconciled", since=since, news=news)
        return news


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


def _progress(campaign: Campaign, published: Published) -> Progress:
    as_of = datetime.fromtimestamp(published.epoch, campaign.publication.timezone)
    return progress(campaign, published.raised, as_of=as_of, next_change=next_boundary(campaign.publication, as_of))


def _stale(figure: Progress) -> Progress:
    return figure if figure.stale else replace(figure, stale=True)
