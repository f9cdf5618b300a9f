"""The use cases of one worker, with fakes instead of Stripe and Redis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.application.activity import ActivityLog
from donation_card.application.checkout import Checkout
from donation_card.application.form_sessions import FormSessions
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import Budgets, SessionLimits
from donation_card.application.session_reader import SessionReader
from donation_card.application.stripe_account import StripeAccount
from donation_card.application.webhook_handler import WebhookHandler
from donation_card.domain.campaign import Campaign
from donation_card.domain.publication import PublicationPolicy

import tests.support
from tests.support.fakes import (
    NOW,
    FakeCampaigns,
    FakeChallenges,
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


@dataclass
class Worker:
    """`now` is the clock in UTC seconds."""

    campaign: Campaign = ROOF
    now: float = NOW
    store: FakeTotalsStore = field(default_factory=FakeTotalsStore)
    payments: FakePayments = field(default_factory=FakePayments)
    form_store: FakeFormSessionStore = field(default_factory=FakeFormSessionStore)
    tokens: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        def clock() -> datetime:
            return datetime.fromtimestamp(self.now, UTC)

        def now_ms() -> int:
            return int(self.now * 1_000)

        self.campaigns = FakeCampaigns(self.campaign)
        self.limiter, self.fallback_limiter = FakeRateLimiter(now_ms), FakeRateLimiter(now_ms)
        self.activity = ActivityLog(clock)
        self.account = StripeAccount(self.payments, self.store)
        self.progress = PublicProgress(self.account, self.campaigns, self.store, clock)
        self.limits = SessionLimits(
            self.account,
            self.limiter,
            self.fallback_limiter,
            FakeChallenges(),
            Budgets.from_stripe_limit(25),
            now_ms=now_ms,
        )
        self.recorder = PaymentRecorder(self.account, self.campaigns, self.store, self.payments)
        self.webhooks = WebhookHandler(self.account, self.payments, self.recorder, self.limits, self.activity, clock)
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
            self.activity,
        )
        self.reconciliation = Reconciliation(
            self.account,
            self.campaigns,
            self.store,
            self.payments,
            self.recorder,
            self.progress,
            self.activity,
            clock,
        )


@pytest.fixture
def worker() -> Worker:
    return Worker()
