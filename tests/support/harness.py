"""A ledger and the sandbox, which sends it nothing: a test decides what arrives, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.donations import Donations
from donation_card.application.ports.payments import Attribution, StripeRecord
from donation_card.application.reconciliation import Reconciliation
from donation_card.domain.totals import Totals

from tests.support.sandbox import KEY, Sandbox

WEBHOOK_SECRET = "whsec_0123456789abcdef0123"


class Watched(StripePayments):
    """The real client, which counts what it is asked, and can be stopped in the midst of a listing."""

    def __init__(self, url: str) -> None:
        super().__init__(KEY, [WEBHOOK_SECRET], api_base=url)
        self.listings, self.lookups, self.stop_after = 0, 0, 10**9

    async def list_created_since(self, created: int) -> AsyncIterator[StripeRecord]:
        self.listings += 1
        seen = 0
        async for told in super().list_created_since(created):
            if seen == self.stop_after:
                raise asyncio.CancelledError
            seen += 1
            yield told

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self.lookups += 1
        return await super().attribution(payment_intent)


class TotalsHarness:
    """A ledger, and a Stripe that sends no webhooks; both go by one clock that can be pushed."""

    def __init__(self, sandbox: Sandbox, redis_url: str, campaigns: Path) -> None:
        self.sandbox, self.redis_url, self.campaigns, self.ahead = sandbox, redis_url, campaigns, 0.0
        self.run = asyncio.run

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
        self.sandbox.advance(seconds)

    def give(self, **params: object) -> str:
        """One gift of EUR 25.00 for the roof; gives its PaymentIntent."""
        session = self.sandbox.create(**params)
        self.sandbox.pay(session)
        return self.sandbox.session(session.id)["payment_intent"]

    def worker(self, every: str | None = "0") -> Reconciliation:
        def clock() -> datetime:
            return datetime.now(UTC) + timedelta(seconds=self.ahead)

        files = CampaignFiles(self.campaigns, publication_every=every)
        return Reconciliation(Donations(files, RedisTotalsStore(self.redis_url), Watched(self.sandbox.url), clock))

    async def sync(self, worker: Reconciliation | None = None) -> Totals | None:
        worker = worker or self.worker()
        donations = worker.donations
        account = await donations.account()
        await worker.run(account)
        found = await donations.totals_store.totals(account, "roof")
        await donations.totals_store.close()
        await donations.payments.close()
        return found

    def pass_(self) -> Totals | None:
        return self.run(self.sync())
