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

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutSession,
    PaymentDeclined,
    Payments,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
)
from donation_card.application.ports.totals import ApplyResult, TotalsStore
from donation_card.domain.campaign import Campaign
from donation_card.domain.progress import Progress, calculate_progress
from donation_card.domain.publication import PublishedTotal, next_period_start
from donation_card.domain.totals import ObjectKind, ObjectState
from donation_card.errors import IgnoredEvent, NotFound, PaymentsUnavailable, TotalsUnavailable, Unavailable
from donation_card.observability import metrics

log = structlog.get_logger()

UNRELATED_PAYMENTS_CACHE: Final = 10_000
"""Payments of other products that are remembered, so that each is asked about once."""


@dataclass(slots=True)
class Donations:
    campaigns: Campaigns
    totals_store: TotalsStore
    payments: Payments
    clock: Callable[[], datetime]
    progress_by_campaign: dict[str, Progress] = field(default_factory=dict)
    on_event: Callable[[StripeRecord | PaymentDeclined], None] = lambda stripe_record: None
    """Told of everything that a webhook says."""
    last_activity_at: float = 0.0
    """UTC seconds of this worker's last checkout session or webhook."""
    _account: Account | None = field(default=None, init=False)
    _unrelated_payments: OrderedDict[str, None] = field(default_factory=OrderedDict, init=False)

    async def account(self) -> Account:
        """Whose money it is: as Stripe says, and while it is away at the start, as the ledger remembers.

        Raises PaymentsUnavailable where neither knows.
        """
        if self._account is None:
            fingerprint = self.payments.key_fingerprint
            try:
                found = await self.payments.account()
            except PaymentsUnavailable:
                with suppress(TotalsUnavailable):
                    self._account = await self.totals_store.load_account(fingerprint)
                if self._account is None:
                    raise
            else:
                self._account = found
                with suppress(TotalsUnavailable):
                    await self.totals_store.save_account(fingerprint, found)
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
        now, last = self.clock(), self.progress_by_campaign.get(campaign.id)
        try:
            published = await self.totals_store.publish_if_due(
                await self.account(),
                campaign.id,
                campaign.publication,
                now=now,
                offline=campaign.offline_total.amount,
                ended=campaign.has_ended(now),
            )
        except Unavailable as error:
            published = None
            if last is None or not last.stale:  # once, not every second
                log.warning("progress_refresh_failed", campaign=campaign.id, reason=str(error))
        progress = published and _calculate_progress(campaign, published)
        if progress and (not progress.stale or last is None or progress.as_of > last.as_of):
            self.progress_by_campaign[campaign.id] = progress  # else ours is as new, whatever a restored backup says
        else:
            self.mark_stale(campaign)

    def mark_stale(self, campaign: Campaign) -> None:
        """Nobody knows just now whether the figure still holds: it stays, and says so."""
        if (last := self.progress_by_campaign.get(campaign.id)) is not None:
            self.progress_by_campaign[campaign.id] = replace(last, stale=True)

    def public_progress(self, campaign: Campaign) -> Progress | None:
        """The published figure, None while it is unknown, and of a hidden campaign."""
        return None if campaign.hidden else self.progress_by_campaign.get(campaign.id)

    def stale_campaigns(self) -> list[str]:
        """Campaigns whose figure is unknown or stale, each with which it is."""
        last = [(campaign.id, self.public_progress(campaign)) for campaign in self.visible()]
        return [
            f"{name}: {'stale' if progress else 'unknown'}" for name, progress in last if not progress or progress.stale
        ]

    def accepts(self, campaign: Campaign) -> bool:
        progress = self.public_progress(campaign)
        return campaign.accepts_donations(self.clock(), progress.raised.amount if progress else None)

    # ── record ────────────────────────────────────────────────────────────────────────────────────────────────

    async def to_object_state(self, stripe_record: StripeRecord) -> ObjectState | None:
        """What Stripe tells of a payment, a refund or a dispute, for the ledger; None while there is nothing to say.

        Another currency than the campaign's is never summed. Raises NotOurEvent.
        """
        if isinstance(stripe_record, RefundOrDispute):
            origin, currency = await self._attribution(stripe_record), stripe_record.currency
            state = ObjectState(
                origin.campaign, stripe_record.kind, stripe_record.id, stripe_record.cumulative_amounts, origin.site
            )
        elif stripe_record.campaign is None:
            raise IgnoredEvent("other_product")
        elif (paid := stripe_record.object_state) is None or stripe_record.amount is None:
            return None
        else:
            state, currency = paid, stripe_record.amount.currency
        try:
            campaign = self.campaigns.get(state.campaign)
        except NotFound:
            log.error("campaign_unknown", campaign=state.campaign)  # joined under its name, not shown, alarmed
        else:
            if currency != campaign.currency:
                log.error("currency_differs", campaign=campaign.id, given=currency)
                raise IgnoredEvent("wrong_currency")
        return state

    def check_bank_country(self, stripe_record: StripeRecord, since: int, until: int) -> None:
        """An alarm where a gift came from a bank that its campaign warns of. It names the campaign and nothing else.

        `since` and `until`, in UTC seconds of the charge: passes overlap, and each gift is told once.
        """
        if (
            not isinstance(stripe_record, CheckoutSession)
            or stripe_record.campaign is None
            or stripe_record.charge_country is None
        ):
            return
        if since <= stripe_record.charge_country.created < until:
            with suppress(NotFound):
                campaign = self.campaigns.get(stripe_record.campaign)
                if stripe_record.charge_country.country in campaign.warned_bank_countries:
                    log.error("warned_bank_country", campaign=campaign.id)
                    metrics.warned_bank_donations.labels(campaign.id).inc()

    async def _attribution(self, stripe_record: RefundOrDispute) -> Attribution:
        """A refund or a dispute knows its payment only, and the payment knows its campaign."""
        payment = stripe_record.payment_intent
        origin = stripe_record.attribution
        if origin is None and payment and payment not in self._unrelated_payments:
            origin = await self.payments.attribution(payment)
            if origin is None:
                self._unrelated_payments[payment] = None
                if len(self._unrelated_payments) > UNRELATED_PAYMENTS_CACHE:
                    self._unrelated_payments.popitem(last=False)
        if origin is None:
            raise IgnoredEvent("other_product")
        return origin

    async def record(self, stripe_record: StripeRecord, source: str) -> ApplyResult:
        """Join what Stripe tells. `source`: how we heard of it. Raises NotOurEvent."""
        state = await self.to_object_state(stripe_record)
        return ApplyResult.UNCHANGED if state is None else await self.apply(await self.account(), state, source)

    async def apply(self, account: Account, state: ObjectState, source: str) -> ApplyResult:
        joined = await self.totals_store.apply(account, state)
        if joined is ApplyResult.APPLIED:
            metrics.updates.labels(source, state.kind.value).inc()
            if state.kind is ObjectKind.PAYMENT:
                metrics.sessions.labels("paid").inc()
        return joined

    async def record_if_paid(self, session: CheckoutSession) -> None:
        """For a session that the donor asks about: what cannot be joined now, the webhook or the next pass will."""
        try:
            await self.record(session, "donor")
        except (Unavailable, IgnoredEvent) as error:  # the payment is true all the same
            log.warning("paid_session_not_recorded", campaign=session.campaign, reason=str(error))

    async def handle_webhook(self, body: bytes, signature: bytes) -> ApplyResult:
        """Apply a webhook: verify, translate, join. Raises Invalid, NotOurEvent, and Unavailable to be sent again."""
        now = self.clock()
        stripe_record = self.payments.parse_event(body, signature, now, await self.account())
        self.on_event(stripe_record)
        if isinstance(stripe_record, PaymentDeclined):
            raise IgnoredEvent("payment_declined")
        self.last_activity_at = now.timestamp()
        metrics.last_webhook.set(self.last_activity_at)
        if (
            isinstance(stripe_record, CheckoutSession)
            and stripe_record.campaign
            and stripe_record.status is SessionStatus.EXPIRED
        ):
            metrics.sessions.labels("expired").inc()
        return await self.record(stripe_record, "webhook")


def fallback_params(campaign: Campaign) -> dict[str, str | int]:
    """Where a donor goes who cannot pay now: to the form again, or to another way to give."""
    if not campaign.fallback_url:
        return {"campaign": campaign.id}
    warned = ",".join(campaign.warned_bank_countries)
    return {"campaign": campaign.id, "fallback_url": campaign.fallback_url, "warn_banks_of": warned}


def _calculate_progress(campaign: Campaign, published: PublishedTotal) -> Progress:
    as_of = datetime.fromtimestamp(published.period_start, campaign.publication.timezone)
    following = next_period_start(campaign.publication, as_of)
    return calculate_progress(
        campaign,
        published.raised,
        offline=published.offline,
        as_of=as_of,
        next_update_at=following,
        stale=published.stale,
    )
