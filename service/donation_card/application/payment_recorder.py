"""Record what Stripe reports about payments, refunds and disputes in the totals."""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import (
    Attribution,
    CheckoutSession,
    Payments,
    RefundOrDispute,
    StripeRecord,
)
from donation_card.application.ports.totals import ApplyResult, TotalsStore
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.money import MINOR_UNIT_EXPONENT
from donation_card.domain.totals import ObjectKind, ObjectState, campaign_of, totals_name
from donation_card.errors import IgnoredEvent, NotFound, Unavailable
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log

ATTRIBUTIONS_CACHE = 10_000
"""Refunded or disputed payments that are remembered, so that Stripe is not asked at each webhook and sync."""

UNRELATED_PAYMENT_LIFETIME = 300.0
"""Seconds for which the answer is used that a payment is of another product. Stripe's lists are late."""


@dataclass(slots=True)
class PaymentRecorder:
    account: StripeAccount
    campaigns: Campaigns
    totals_store: TotalsStore
    payments: Payments
    monotonic: Callable[[], float] = time.monotonic
    _attributions: OrderedDict[str, tuple[Attribution | None, float]] = field(default_factory=OrderedDict, init=False)
    """Payment → its attribution, and the end of the lifetime of a negative answer."""

    async def record(self, record: StripeRecord, source: str) -> ApplyResult:
        """Apply a record to the totals. `source` is a label of the metric: webhook, donor or sync.

        Raise IgnoredEvent if the record is not about a donation of ours, and Unavailable.
        """
        state = await self.to_object_state(record, trust_recent_answers=source != "sync")
        if state is None:
            return ApplyResult.UNCHANGED
        result = await self.apply(state, source)
        if self._hidden_because(state) == "wrong_currency":
            raise IgnoredEvent("wrong_currency")
        return result

    async def record_if_paid(self, session: CheckoutSession) -> None:
        """Apply a session that a donor asks about. The webhook or the next sync repeats what fails here."""
        try:
            await self.record(session, "donor")
        except (Unavailable, IgnoredEvent) as error:
            log.warning(LogEvent.PAID_SESSION_NOT_RECORDED, campaign=session.campaign, reason=str(error))

    async def apply(self, state: ObjectState, source: str) -> ApplyResult:
        """Count a state. Return after it is stored, and after every worker can see that a public total changed."""
        account = await self.account.get()
        result = await self.totals_store.apply(account, state)
        if self._is_public_at_once(state):
            await self.totals_store.touch(account, [state.campaign])
        if result is ApplyResult.APPLIED:
            metrics.updates.labels(source, state.kind.value).inc()
            if state.kind is ObjectKind.PAYMENT:
                metrics.sessions.labels("paid").inc()
        return result

    async def to_object_state(self, record: StripeRecord, *, trust_recent_answers: bool = False) -> ObjectState | None:
        """Return the contribution of a record to the totals, or None if it has none yet.

        Raise IgnoredEvent if the record does not count, and count the reason. Raise PaymentUnknown if Stripe does not
        know yet whose payment it reverses. Syncs and rebuilds correct mistakes, so they trust no answer of minutes ago.
        """
        try:
            return await self._to_object_state(record, trust_recent_answers)
        except IgnoredEvent as reason:
            metrics.not_counted.labels(reason.code).inc()
            raise

    async def _to_object_state(self, record: StripeRecord, trust_recent_answers: bool) -> ObjectState | None:
        if isinstance(record, RefundOrDispute):
            attribution = await self._attribution(record, trust_recent_answers)
            if record.currency not in MINOR_UNIT_EXPONENT:
                raise IgnoredEvent("wrong_currency")
            if record.unknown_status is not None:
                log.error(LogEvent.REFUND_STATUS_UNKNOWN, refund=record.id, status=record.unknown_status)
                metrics.not_counted.labels("status_unknown").inc()
            name, payment = totals_name(attribution.campaign, record.currency), str(record.payment_intent)
            state = ObjectState(name, record.kind, record.id, payment, record.version, record.amount, attribution.site)
        elif record.campaign is None:
            raise IgnoredEvent("other_product")
        elif record.unknown_status is not None:
            log.error(LogEvent.SESSION_STATUS_UNKNOWN, session=record.id, status=record.unknown_status)
            raise IgnoredEvent("status_unknown")
        elif record.is_incomplete:
            log.error(LogEvent.PAYMENT_INCOMPLETE, session=record.id)
            raise IgnoredEvent("payment_incomplete")
        elif (paid := record.object_state) is None or record.amount is None:
            return None
        else:
            state = paid
        if reason := self._hidden_because(state):  # it is counted under a name of its own
            campaign, _, currency = state.campaign.partition("/")
            differs = reason == "wrong_currency"
            event = LogEvent.CURRENCY_DIFFERS if differs else LogEvent.CAMPAIGN_UNKNOWN
            log.error(event, campaign=campaign, given=currency)
            metrics.not_counted.labels(reason).inc()
        return state

    def check_bank_country(self, record: StripeRecord, since: int, until: int) -> None:
        """Log an error if a donation came from a bank in a country that its campaign warns about.

        Consider charges from `since` to before `until` (UTC seconds) only. Syncs overlap, and each donation is to be
        logged once. The log names the campaign and nothing else.
        """
        if not isinstance(record, CheckoutSession) or record.campaign is None or record.charge_country is None:
            return
        if since <= record.charge_country.created < until:
            with suppress(NotFound):
                campaign = self.campaigns.get(record.campaign)
                if record.charge_country.country in campaign.warned_bank_countries:
                    log.error(LogEvent.WARNED_BANK_COUNTRY, campaign=campaign.id)
                    metrics.warned_bank_donations.labels(campaign.id).inc()

    def _is_public_at_once(self, state: ObjectState) -> bool:
        with suppress(NotFound):
            return self.campaigns.get(campaign_of(state.campaign)).publication.immediate
        return False

    def _hidden_because(self, state: ObjectState) -> str | None:
        """Return why no campaign file shows the totals of this state, or None if one does."""
        try:
            shown = self.campaigns.get(campaign_of(state.campaign)).totals_name
        except NotFound:
            return "campaign_unknown"
        return None if state.campaign == shown else "wrong_currency"

    async def _attribution(self, record: RefundOrDispute, trust_recent_answers: bool) -> Attribution:
        """Find the campaign in which the payment of a refund or dispute counts: that of its checkout session."""
        payment, attribution = record.payment_intent, record.attribution
        if attribution is None and payment:
            attribution, until = self._attributions.get(payment, (None, 0.0))
            if attribution is None and not (trust_recent_answers and until > self.monotonic()):
                attribution = await self.payments.attribution(payment)
                self._attributions[payment] = attribution, self.monotonic() + UNRELATED_PAYMENT_LIFETIME
                self._attributions.move_to_end(payment)
                if len(self._attributions) > ATTRIBUTIONS_CACHE:
                    self._attributions.popitem(last=False)
        if attribution is None:
            raise IgnoredEvent("other_product")
        return attribution
