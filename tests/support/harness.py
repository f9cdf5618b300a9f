"""Run the reconciliation against a sandbox that sends no webhooks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.adapters.redis.connection import Script
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import Attribution, StripeRecord
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import Budgets, SessionLimits
from donation_card.application.stripe_account import StripeAccount
from donation_card.application.webhook_handler import WebhookHandler
from donation_card.domain.totals import Totals

from tests.support.fakes import FakeChallenges
from tests.support.redis_stores import totals_store
from tests.support.sandbox import KEY, Sandbox

WEBHOOK_SECRET = "whsec_0123456789abcdef0123"


class Watched(StripePayments):
    """Count the calls of the real client, and stop a listing after `stop_after` records."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        super().__init__(KEY, [WEBHOOK_SECRET], api_base=url, now=lambda: clock().timestamp())
        self.listings, self.lookups, self.stop_after = 0, 0, 10**9

    async def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        self.listings += 1
        seen = 0
        async for told in super().list_created_since(created, before=before):
            if seen == self.stop_after:
                raise asyncio.CancelledError
            seen += 1
            yield told

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self.lookups += 1
        return await super().attribution(payment_intent)


@dataclass
class HarnessWorker:
    """The use cases of one worker, which has connections of its own."""

    campaigns: CampaignFiles
    totals_store: RedisTotalsStore
    payments: Watched
    clock: Callable[[], datetime]
    uptime: Callable[[], float]
    """It is monotonic, as the time since a process began: no jump of `clock` moves it."""

    def __post_init__(self) -> None:
        self.account = StripeAccount(self.payments, self.totals_store)
        self.progress = PublicProgress(
            self.account,
            self.campaigns,
            self.totals_store,
            self.clock,
            uptime=self.uptime,
        )
        self.recorder = PaymentRecorder(self.account, self.campaigns, self.totals_store, self.payments)
        self.reconciliation = Reconciliation(
            self.account,
            self.campaigns,
            self.totals_store,
            self.payments,
            self.recorder,
            self.progress,
            self.clock,
        )
        limiter, budgets = MemoryRateLimiter(), Budgets.from_stripe_limit(25)
        limits = SessionLimits(self.account, limiter, limiter, FakeChallenges(), budgets)
        self.webhooks = WebhookHandler(self.account, self.payments, self.recorder, limits, self.clock)

    async def close(self) -> None:
        await self.totals_store.close()
        await self.payments.close()


class TotalsHarness:
    """Connect a totals store and a sandbox that sends no webhooks. They and the workers use one clock that advances.

    `workers_ahead` and `redis_ahead` make the clocks of the workers and of Redis wrong, in seconds.
    """

    def __init__(self, sandbox: Sandbox, redis_url: str, campaigns: Path) -> None:
        self.sandbox, self.redis_url, self.campaigns, self.ahead = sandbox, redis_url, campaigns, 0.0
        self.workers_ahead = self.redis_ahead = 0.0
        self.run = asyncio.run

    def now(self) -> float:
        """Return the right time."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
        self.sandbox.advance(seconds)

    def give(self, **params: object) -> str:
        """Give EUR 25.00 for the roof and return the PaymentIntent."""
        session = self.sandbox.create(**params)
        self.sandbox.pay(session)
        return self.sandbox.session(session.id)["payment_intent"]

    def worker(self, every: str | None = "0") -> HarnessWorker:
        def clock() -> datetime:
            return datetime.fromtimestamp(self.now() + self.workers_ahead, UTC)

        files = CampaignFiles(self.campaigns, publication_interval=every)
        return HarnessWorker(files, self.store(), Watched(self.sandbox.url, clock), clock, self.now)

    def store(self) -> RedisTotalsStore:
        """Return a store whose scripts read the clock of the harness instead of the clock of Redis."""
        store = totals_store(self.redis_url)
        original = store._redis.eval

        async def eval_later(script: Script, *rest: Any, **options: Any) -> list[str]:
            now = f"({{tostring(redis.call('TIME')[1] + {int(self.ahead + self.redis_ahead)}), '0'}})"
            later = Script(script.source.replace("redis.call('TIME')", now))
            return await original(later, *rest, **options)

        store._redis.eval = eval_later  # type: ignore[method-assign]
        return store

    async def sync(self, worker: HarnessWorker | None = None) -> Totals | None:
        worker = worker or self.worker()
        await worker.reconciliation.run()
        found = await worker.totals_store.totals(await worker.account.get(), "roof/EUR")
        await worker.close()
        return found

    def pass_(self) -> Totals | None:
        return self.run(self.sync())
