"""The use cases of one worker, with fakes instead of Stripe and Redis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.application.checkout import Checkout
from donation_card.application.form_sessions import FormSessions
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import CheckoutSession, SessionStatus
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import Budgets, SessionLimits
from donation_card.application.session_reader import SessionReader
from donation_card.application.stripe_account import StripeAccount
from donation_card.application.webhook_handler import WebhookHandler
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy
from donation_card.domain.totals import Totals

import tests.support
from tests.support.fakes import (
    ACCOUNT,
    FakeCampaigns,
    FakeChallenges,
    FakeClock,
    FakeFormSessionStore,
    FakePayments,
    FakeRateLimiter,
    FakeTokens,
    FakeTotalsStore,
)

ROOF = replace(
    read_campaign(Path(tests.support.__file__).parent / "roof.toml"),
    publication=PublicationPolicy(0, 1, 0, ZoneInfo("Europe/Vilnius")),
)


NOW = int(FakeClock.at)


def paid_session(number: int, amount: int = 25_00, **changes: object) -> CheckoutSession:
    """Return a paid session of EUR 25.00 for the roof."""
    session = CheckoutSession(
        id=f"cs_test_{number}",
        status=SessionStatus.PAID,
        amount=Money(amount, "EUR"),
        campaign="roof",
        site="other",
        attempt_id="attempt",
        payment_intent=f"pi_{number}",
        created=NOW,
        expires_at=NOW + 1_800,
    )
    return replace(session, **changes)  # type: ignore[arg-type]


@dataclass
class Worker:
    """The objects of one worker. Two workers can share Stripe and Redis."""

    campaign: Campaign = ROOF
    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeTotalsStore = None  # type: ignore[assignment]  # its default needs the clock
    payments: FakePayments = None  # type: ignore[assignment]
    form_store: FakeFormSessionStore = field(default_factory=FakeFormSessionStore)
    tokens: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        clock, now_ms = self.clock, self.clock.milliseconds
        self.store = self.store or FakeTotalsStore(clock)
        self.payments = self.payments or FakePayments(clock)
        self.campaigns = FakeCampaigns(self.campaign)
        self.limiter, self.fallback_limiter = FakeRateLimiter(now_ms), FakeRateLimiter(now_ms)
        self.account = StripeAccount(self.payments, self.store)
        self.progress = PublicProgress(self.account, self.campaigns, self.store, clock, uptime=lambda: self.clock.at)
        self.limits = SessionLimits(
            self.account,
            self.limiter,
            self.fallback_limiter,
            FakeChallenges(),
            Budgets.from_stripe_limit(25),
            now_ms=now_ms,
        )
        self.recorder = PaymentRecorder(self.account, self.campaigns, self.store, self.payments)
        self.webhooks = WebhookHandler(self.account, self.payments, self.recorder, self.limits, clock)
        self.reader = SessionReader(self.payments, self.recorder, self.limits.budgets.reads)
        self.form_sessions = FormSessions(self.account, self.form_store, self.tokens)
        self.checkout = Checkout(
            self.campaigns,
            self.progress,
            self.payments,
            self.tokens,
            self.limits,
            self.form_sessions,
            self.recorder,
        )
        self.reconciliation = Reconciliation(
            self.account,
            self.campaigns,
            self.store,
            self.payments,
            self.recorder,
            self.progress,
            clock,
        )

    def at_stripe(self, *sessions: CheckoutSession) -> None:
        """Let Stripe list these sessions."""
        self.payments.sessions |= {session.id: session for session in sessions}

    def applied(self, campaign: str = "roof/EUR") -> Totals:
        """Return what was applied to a campaign, also while its totals are not complete."""
        stored = self.store._totals[ACCOUNT, campaign]
        return stored.generations[stored.current].totals()

    def set_cursor(self, cursor: int | None) -> None:
        """Make the totals of the roof complete up to this time, or unknown."""
        stored = self.store._totals[ACCOUNT, "roof/EUR"]
        stored.generations[stored.current].cursor = cursor


@pytest.fixture
def worker() -> Worker:
    return Worker()
