"""Simulate a year of reads at Stripe, which limits them: https://docs.stripe.com/rate-limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from donation_card.application.ports.payments import StripeRecord

from tests.support.fakes import FakeClock, FakePayments
from tests.unit.application.conftest import Worker

PAGE = 100
DAY, MONTH, YEAR = 86_400, 30 * 86_400, 360 * 86_400
STEP = 600
"""Seconds between two looks of the worker. A sync is never due earlier."""

CARD_TESTING = range(100 * DAY, 101 * DAY)
"""The seconds of a day on which card thieves open a session every few seconds."""

REFUNDS, DISPUTES, EVENTS = 0.02, 0.001, 1.1
"""Objects for each payment."""


class CountedPayments(FakePayments):
    """Count the pages of each list. All webhooks arrived, so that no list has news."""

    def __init__(self, clock: FakeClock, per_month: int) -> None:
        super().__init__(clock)
        self.start, self.per_month, self.reads = clock.at, per_month, 0

    def payments_since(self, created: int) -> float:
        now = self.clock().timestamp()
        return (now - max(created, self.start)) * self.per_month / MONTH

    def read(self, objects: float) -> None:
        self.reads += max(1, -int(-objects // PAGE))

    async def list_created_since(self, created: int) -> AsyncIterator[StripeRecord]:
        payments = self.payments_since(created)
        for objects in (payments, payments * REFUNDS, payments * DISPUTES):
            self.read(objects)
        return
        yield

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        self.read(self.payments_since(changed) * EVENTS)
        return
        yield


async def year(per_month: int) -> list[int]:
    """Return the reads of each month of a year with so many payments a month."""
    clock = FakeClock()
    payments, months = CountedPayments(clock, per_month), [0]
    worker = Worker(clock=clock, payments=payments)
    paid = 0
    for second in range(0, YEAR, STEP):
        clock.at = payments.start + second
        if second in CARD_TESTING or int(payments.payments_since(0)) > paid:
            worker.activity.record()
        paid = int(payments.payments_since(0))
        await worker.reconciliation.run_if_due()
        if second == 0:
            await worker.progress.refresh(worker.campaign)
        if (second + STEP) % MONTH == 0:
            months.append(payments.reads)
    return [after - before for before, after in pairwise(months)]


@pytest.mark.parametrize("per_month", [35, 35_000])
def test_reads_of_a_year_stay_within_the_budget_and_are_in_the_docs(per_month: int) -> None:
    months = asyncio.run(year(per_month))
    assert max(months) <= max(10_000, 500 * per_month) / 2, "half of the limit, as the page says"
    page = Path("docs/monitor.md").read_text("utf-8")
    row = re.search(rf"^\| A year with {per_month:,} donations a month[^|]*\| about ([\d,]+) \|$", page, re.M)
    assert row, f"the page lacks a row: {sum(months):,}"
    assert sum(months) == pytest.approx(int(row[1].replace(",", "")), rel=0.05)
