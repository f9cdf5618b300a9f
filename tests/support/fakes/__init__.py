"""In-memory fakes of the ports, held to the same contract tests as the adapters (tests/integration/contracts)."""

from tests.support.fakes.campaigns import FakeCampaigns
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.limits import FakeChallenges, FakeFormSessionStore, FakeRateLimiter
from tests.support.fakes.payments import ACCOUNT, FakePayments, stripe_unavailable
from tests.support.fakes.tokens import FakeTokens
from tests.support.fakes.totals import FakeTotalsStore

__all__ = [
    "ACCOUNT",
    "FakeCampaigns",
    "FakeChallenges",
    "FakeClock",
    "FakeFormSessionStore",
    "FakePayments",
    "FakeRateLimiter",
    "FakeTokens",
    "FakeTotalsStore",
    "stripe_unavailable",
]
