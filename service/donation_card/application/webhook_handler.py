"""Handle the webhooks of Stripe: verify, parse, record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import (
    CheckoutSession,
    PaymentDeclined,
    Payments,
    SessionStatus,
)
from donation_card.application.ports.totals import ApplyResult
from donation_card.application.session_limits import SessionLimits
from donation_card.application.stripe_account import StripeAccount
from donation_card.errors import IgnoredEvent, Invalid
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log


@dataclass(slots=True)
class WebhookHandler:
    account: StripeAccount
    payments: Payments
    recorder: PaymentRecorder
    session_limits: SessionLimits
    clock: Callable[[], datetime]

    async def handle(self, body: bytes, signature: bytes) -> ApplyResult:
        """Apply a webhook to the totals.

        Raise Invalid if it is not from Stripe, IgnoredEvent if it is not about a donation of ours, and Unavailable if
        Stripe must send it again.
        """
        account = await self.account.get()
        try:
            record = self.payments.parse_event(body, signature, self.clock(), account)
        except Invalid as error:
            if error.code == "event_malformed":  # the signature is valid, so Stripe sent it
                log.error(LogEvent.EVENT_MALFORMED)
                metrics.not_counted.labels("event_malformed").inc()
            raise
        except IgnoredEvent as reason:
            if reason.code == "wrong_currency":  # not even a currency that this release knows
                log.error(LogEvent.CURRENCY_DIFFERS)
            metrics.not_counted.labels(reason.code).inc()
            raise
        self.session_limits.record_signal(record)
        if isinstance(record, PaymentDeclined):
            raise IgnoredEvent("payment_declined")
        if isinstance(record, CheckoutSession) and record.campaign and record.status is SessionStatus.EXPIRED:
            metrics.sessions.labels("expired").inc()
        return await self.recorder.record(record, "webhook")
