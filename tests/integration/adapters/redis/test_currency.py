"""Test that the totals of a campaign in one currency never contain money of another one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import pytest
from donation_card.application.ports.payments import Account
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.errors import IgnoredEvent
from hypothesis import example, given, settings, strategies as st

from tests.support.accounts import Connect, new_account
from tests.support.fakes import FakeClock, FakePayments
from tests.support.scale import short_or_long
from tests.unit.application.conftest import ROOF, Worker, paid_session


class PaymentsOfAccount(FakePayments):
    """Belong to an account of its own, because all examples share one server."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.key, self.key_fingerprint = new_account(), f"{id(self)}"

    async def account(self) -> Account:
        return self.key


def in_currency(currency: str) -> Campaign:
    return replace(ROOF, goal=Money(900_00, currency), needs=())


currencies = st.sampled_from(["EUR", "JPY", "KWD"])
steps = st.one_of(
    st.tuples(st.just("gift"), currencies, st.integers(1, 9_000)),
    st.tuples(st.just("gift without webhook"), currencies, st.integers(1, 9_000)),
    st.tuples(st.just("file"), currencies, st.just(0)),
    st.tuples(st.just("no file"), st.just(""), st.just(0)),
    st.tuples(st.just("sync"), st.just(""), st.just(0)),
)


@settings(max_examples=short_or_long(30, 1_000))
@given(story=st.lists(steps, max_size=12), last=currencies)
@example(story=[("gift", "EUR", 25_00)], last="JPY")
@example(story=[("file", "EUR", 0), ("sync", "", 0), ("gift", "EUR", 25_00), ("file", "JPY", 0)], last="EUR")
@example(story=[("no file", "", 0), ("gift", "EUR", 25_00), ("gift", "JPY", 2_500), ("sync", "", 0)], last="EUR")
def test_money_of_two_currencies_is_never_summed(
    connect: Connect, story: list[tuple[str, str, int]], last: str
) -> None:
    """Change the currency at any time: the public total is the sum of the gifts in the currency of the file."""

    async def run() -> None:
        clock, gifts = FakeClock(time.time()), Counter[str]()
        worker = Worker(clock=clock, store=connect(), payments=PaymentsOfAccount(clock))
        numbers = iter(range(100))
        for step, currency, amount in [*story, ("file", last, 0), ("sync", "", 0)]:
            if "gift" in step:
                session = replace(paid_session(next(numbers)), amount=Money(amount, currency), created=int(clock.at))
                worker.at_stripe(session)
                gifts[currency] += amount
                if step == "gift":
                    files = worker.campaigns.all()
                    ignored = any(campaign.currency != currency for campaign in files)
                    with pytest.raises(IgnoredEvent, match="wrong_currency") if ignored else nullcontext():
                        await worker.recorder.record(session, "webhook")
            elif step == "file":
                worker.campaigns.put(in_currency(currency))
            elif step == "no file":
                worker.campaigns.by_id.clear()
            else:
                clock.advance(1)
                await worker.reconciliation.run()
            for campaign in worker.campaigns.all():
                await worker.progress.refresh(campaign)
                if shown := worker.progress.get(campaign):
                    assert shown.raised.currency == campaign.currency
                    assert shown.raised.amount <= gifts[campaign.currency]
        shown = worker.progress.get(in_currency(last))
        assert shown is not None
        assert (shown.raised, shown.stale) == (Money(gifts[last], last), False)
        await worker.reconciliation.run()  # what was new in the last sync is complete now
        for currency, amount in gifts.items():
            found = await worker.store.totals(await worker.account.get(), f"roof/{currency}")
            assert found is not None
            assert found.raised == amount
        await worker.store.close()

    asyncio.run(run())
