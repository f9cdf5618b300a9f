"""The verbs: show a campaign's figure, record what Stripe tells, reconcile with Stripe.

`checkout.py` starts a gift and follows it; what it finds paid is recorded here, as a webhook's would be.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from service.domain.campaign import Campaign, Status
from service.domain.ledger import State
from service.domain.progress import Progress, progress
from service.domain.publication import Published, next_boundary
from service.errors import LedgerUnavailable, NotFound, NotOurEvent, PaymentsUnavailable, Unavailable
from service.ports import Account, Campaigns, CheckoutSession, Joined, Ledger, Payments, Reversal, Told

log = structlog.get_logger()

SESSION_LIFETIME: Final = 91 * 60
"""Seconds from the token's making to the session's end: 60 of the token, and the 30 minutes that Stripe asks for."""


@dataclass(slots=True)
class Donations:
    campaigns: Campaigns
    ledger: Ledger
    payments: Payments
    clock: Callable[[], datetime]
    figures: dict[str, Progress] = field(default_factory=dict)
    _account: Account | None = field(default=None, init=False)

    async def account(self) -> Account:
        """Whose money it is: as Stripe says, and while it is away at the start, as the ledger remembers.

        Raises PaymentsUnavailable where neither knows.
        """
        if self._account is None:
            fingerprint = self.payments.fingerprint
            try:
                found = await self.payments.account()
            except PaymentsUnavailable:
                with suppress(LedgerUnavailable):
                    self._account = await self.ledger.remembered(fingerprint)
                if self._account is None:
                    raise
            else:
                self._account = found
                with suppress(LedgerUnavailable):
                    await self.ledger.remember(fingerprint, found)
        return self._account

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
                await self.account(),
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

    # ── record ────────────────────────────────────────────────────────────────────────────────────────────────

    async def record(self, told: Told) -> Joined:
        """Join what Stripe tells of a payment, a refund or a dispute. Another currency than the campaign's is never
        summed. Raises NotOurEvent."""
        if isinstance(told, Reversal):
            return await self._join(await self._reversed(told), told.currency)
        if told.state is None or told.amount is None:
            return Joined.UNCHANGED
        return await self._join(told.state, told.amount.currency)

    async def _reversed(self, told: Reversal) -> State:
        """A refund or a dispute knows its payment only, and the payment knows its campaign."""
        origin = told.origin
        if origin is None and told.payment_intent:
            origin = await self.payments.origin(told.payment_intent)
        if origin is None:
            raise NotOurEvent("other_product")
        return State(origin.campaign, told.kind, told.id, told.contributions, origin.site)

    async def _join(self, state: State, currency: str) -> Joined:
        try:
            campaign = self.campaigns.get(state.campaign)
        except NotFound:
            log.error("campaign_unknown", campaign=state.campaign)  # joined under its name, not shown, alarmed
        else:
            if currency != campaign.currency:
                log.error("currency_differs", campaign=campaign.id, given=currency)
                raise NotOurEvent("wrong_currency")
        return await self.ledger.join(await self.account(), state)

    async def record_if_paid(self, session: CheckoutSession) -> None:
        """For a session that the donor asks about: what cannot be joined now, the webhook or the next pass will."""
        try:
            await self.record(session)
        except (LedgerUnavailable, NotOurEvent) as error:  # the payment is true all the same
            log.warning("paid_session_not_joined", session=session.id, reason=str(error))

    async def receive(self, body: bytes, signature: bytes) -> Joined:
        """Apply a webhook: verify, translate, join. Raises Invalid, NotOurEvent, and Unavailable to be sent again."""
        told = self.payments.event(body, signature, self.clock(), await self.account())
        if isinstance(told, CheckoutSession) and told.campaign is None:
            raise NotOurEvent("other_product")
        return await self.record(told)

    # ── reconcile ─────────────────────────────────────────────────────────────────────────────────────────────

    async def reconcile(self) -> int:
        """Join every payment, refund and dispute that Stripe knows since the oldest cursor; return how many were news.

        Stripe is the ledger, Redis its projection: this builds an empty one, and heals whatever webhooks missed.
        A projection counts as built only after a complete pass, and the cursor is where that pass began.
        """
        account = await self.account()
        began = int(self.clock().timestamp())
        passes = {campaign.id: await self.ledger.begin_pass(account, campaign.id) for campaign in self.campaigns.all()}
        since = min((begun.since or 0 for begun in passes.values()), default=began)
        news = 0
        async for told in self.payments.created_since(max(0, since - SESSION_LIFETIME - 600)):
            try:
                news += await self.record(told) is Joined.APPLIED
            except NotOurEvent as reason:
                log.info("object_not_ours", object=told.id, reason=reason.code)
        for campaign_id, begun in passes.items():
            if not await self.ledger.mark_built(account, campaign_id, begun, began):
                log.warning("pass_lost", campaign=campaign_id)  # Redis was wiped meanwhile; the next pass builds it
        log.info("reconciled", since=since, news=news)
        return news


def _progress(campaign: Campaign, published: Published) -> Progress:
    as_of = datetime.fromtimestamp(published.epoch, campaign.publication.timezone)
    return progress(campaign, published.raised, as_of=as_of, next_change=next_boundary(campaign.publication, as_of))


def _stale(figure: Progress) -> Progress:
    return figure if figure.stale else replace(figure, stale=True)
