"""The verbs: show a campaign's figure, record what Stripe tells.

`checkout.py` starts a gift and follows it; what it finds paid is recorded here, as a webhook's would be.
`reconciliation.py` asks Stripe for what no webhook told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from donation_card.application.ports import (
    Account,
    Campaigns,
    CheckoutSession,
    Declined,
    Joined,
    Ledger,
    Origin,
    Payments,
    Reversal,
    SessionStatus,
    Told,
)
from donation_card.domain.campaign import Campaign
from donation_card.domain.progress import Progress, progress
from donation_card.domain.publication import Published, next_boundary
from donation_card.domain.totals import Kind, State
from donation_card.errors import LedgerUnavailable, NotFound, NotOurEvent, PaymentsUnavailable, Unavailable
from donation_card.observability import metrics

log = structlog.get_logger()

SESSION_LIFETIME: Final = 91 * 60
"""Seconds from the token's making to the session's end: 60 of the token, and the 30 minutes that Stripe asks for."""

STRANGERS: Final = 10_000
"""Payments of other products that are remembered, so that each is asked about once."""


@dataclass(slots=True)
class Donations:
    campaigns: Campaigns
    ledger: Ledger
    payments: Payments
    clock: Callable[[], datetime]
    figures: dict[str, Progress] = field(default_factory=dict)
    heard: Callable[[Told | Declined], None] = lambda told: None
    """Told of everything that a webhook says."""
    active: float = 0.0
    """UTC seconds of this worker's last checkout session or webhook."""
    _account: Account | None = field(default=None, init=False)
    _strangers: OrderedDict[str, None] = field(default_factory=OrderedDict, init=False)

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
        """Raises NotFound (`campaign_unknown`), and `campaign_hidden` where the kill switch is on."""
        campaign = self.campaigns.get(campaign_id)
        if campaign.hidden:
            raise NotFound("campaign_hidden")
        return campaign

    def visible(self) -> list[Campaign]:
        return [campaign for campaign in self.campaigns.all() if not campaign.hidden]

    # ── show ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def refresh(self, campaign: Campaign) -> None:
        """Let the figure be decided if it is time, and keep it; if the ledger does not answer, the last one, stale.

        A campaign without an entry in `figures` is unknown, which is not zero.
        """
        now, shown = self.clock(), self.figures.get(campaign.id)
        try:
            published = await self.ledger.roll(
                await self.account(),
                campaign.id,
                campaign.publication,
                now=now,
                offline=campaign.given_offline.amount,
                ended=campaign.ended(now),
            )
        except Unavailable as error:
            published = None
            if shown is None or not shown.stale:  # once, not every second
                log.warning("figure_not_refreshed", campaign=campaign.id, reason=str(error))
        figure = published and _progress(campaign, published)
        if figure and (not figure.stale or shown is None or figure.as_of > shown.as_of):
            self.figures[campaign.id] = figure  # else ours is as new, whatever a restored backup says
        else:
            self.doubt(campaign)

    def doubt(self, campaign: Campaign) -> None:
        """Nobody knows just now whether the figure still holds: it stays, and says so."""
        if (shown := self.figures.get(campaign.id)) is not None:
            self.figures[campaign.id] = replace(shown, stale=True)

    def shown(self, campaign: Campaign) -> Progress | None:
        """The published figure, None while it is unknown, and of a hidden campaign."""
        return None if campaign.hidden else self.figures.get(campaign.id)

    def unsettled(self) -> list[str]:
        """Campaigns whose figure is unknown or stale, each with which it is."""
        shown = [(campaign.id, self.shown(campaign)) for campaign in self.visible()]
        return [f"{name}: {'stale' if figure else 'unknown'}" for name, figure in shown if not figure or figure.stale]

    def accepts(self, campaign: Campaign) -> bool:
        figure = self.shown(campaign)
        return campaign.accepts(self.clock(), figure.raised.amount if figure else None)

    # ── record ────────────────────────────────────────────────────────────────────────────────────────────────

    async def state(self, told: Told) -> State | None:
        """What Stripe tells of a payment, a refund or a dispute, for the ledger; None while there is nothing to say.

        Another currency than the campaign's is never summed. Raises NotOurEvent.
        """
        if isinstance(told, Reversal):
            origin, currency = await self._origin(told), told.currency
            state = State(origin.campaign, told.kind, told.id, told.contributions, origin.site)
        elif told.campaign is None:
            raise NotOurEvent("other_product")
        elif (paid := told.state) is None or told.amount is None:
            return None
        else:
            state, currency = paid, told.amount.currency
        try:
            campaign = self.campaigns.get(state.campaign)
        except NotFound:
            log.error("campaign_unknown", campaign=state.campaign)  # joined under its name, not shown, alarmed
        else:
            if currency != campaign.currency:
                log.error("currency_differs", campaign=campaign.id, given=currency)
                raise NotOurEvent("wrong_currency")
        return state

    def look_at_bank(self, told: Told, since: int, until: int) -> None:
        """An alarm where a gift came from a bank that its campaign warns of. It names the campaign and nothing else.

        `since` and `until`, in UTC seconds of the charge: passes overlap, and each gift is told once.
        """
        if not isinstance(told, CheckoutSession) or told.campaign is None or told.charge is None:
            return
        if since <= told.charge.created < until:
            with suppress(NotFound):
                campaign = self.campaigns.get(told.campaign)
                if told.charge.country in campaign.warn_banks_of:
                    log.error("card_country_warned", campaign=campaign.id)
                    metrics.warned_banks.labels(campaign.id).inc()

    async def _origin(self, told: Reversal) -> Origin:
        """A refund or a dispute knows its payment only, and the payment knows its campaign."""
        payment = told.payment_intent
        origin = told.origin
        if origin is None and payment and payment not in self._strangers:
            origin = await self.payments.origin(payment)
            if origin is None:
                self._strangers[payment] = None
                if len(self._strangers) > STRANGERS:
                    self._strangers.popitem(last=False)
        if origin is None:
            raise NotOurEvent("other_product")
        return origin

    async def record(self, told: Told, source: str) -> Joined:
        """Join what Stripe tells. `source`: how we heard of it. Raises NotOurEvent."""
        state = await self.state(told)
        return Joined.UNCHANGED if state is None else await self.join(await self.account(), state, source)

    async def join(self, account: Account, state: State, source: str) -> Joined:
        joined = await self.ledger.join(account, state)
        if joined is Joined.APPLIED:
            metrics.joins.labels(source, state.kind.value).inc()
            if state.kind is Kind.PAYMENT:
                metrics.sessions.labels("paid").inc()
        return joined

    async def record_if_paid(self, session: CheckoutSession) -> None:
        """For a session that the donor asks about: what cannot be joined now, the webhook or the next pass will."""
        try:
            await self.record(session, "donor")
        except (Unavailable, NotOurEvent) as error:  # the payment is true all the same
            log.warning("paid_session_not_joined", campaign=session.campaign, reason=str(error))

    async def receive(self, body: bytes, signature: bytes) -> Joined:
        """Apply a webhook: verify, translate, join. Raises Invalid, NotOurEvent, and Unavailable to be sent again."""
        now = self.clock()
        told = self.payments.event(body, signature, now, await self.account())
        self.heard(told)
        if isinstance(told, Declined):
            raise NotOurEvent("payment_declined")
        self.active = now.timestamp()
        metrics.last_webhook.set(self.active)
        if isinstance(told, CheckoutSession) and told.campaign and told.status is SessionStatus.EXPIRED:
            metrics.sessions.labels("expired").inc()
        return await self.record(told, "webhook")


def way_on(campaign: Campaign) -> dict[str, str | int]:
    """Where a donor goes who cannot pay now: to the form again, or to another way to give."""
    if not campaign.fallback_url:
        return {"campaign": campaign.id}
    warned = ",".join(campaign.warn_banks_of)
    return {"campaign": campaign.id, "fallback_url": campaign.fallback_url, "warn_banks_of": warned}


def _progress(campaign: Campaign, published: Published) -> Progress:
    as_of = datetime.fromtimestamp(published.epoch, campaign.publication.timezone)
    following = next_boundary(campaign.publication, as_of)
    return progress(
        campaign,
        published.raised,
        offline=published.offline,
        as_of=as_of,
        next_change=following,
        stale=published.stale,
    )
