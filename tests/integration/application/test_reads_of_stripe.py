"""Test that syncs and rebuilds keep Stripe's limits on reads, also when card thieves open sessions for a day."""

from __future__ import annotations

import asyncio

import pytest
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import CheckoutSession, SessionStatus, StripeRecord
from donation_card.application.reconciliation import SYNC_INTERVAL
from donation_card.observability.metrics import stripe_reads

from tests.soak.reads_year import (
    DAY,
    LEAST_READS,
    READS_A_PAYMENT,
    ListedObjects,
    Year,
    simulate,
)
from tests.support.sandbox import KEY, sandbox_with


def test_day_of_card_testing_keeps_stripes_limit_on_reads() -> None:
    """The limits let twelve sessions a second through."""
    year = simulate(35, 0, days=14, attack_day=7)
    reads = year.by_work().total()
    assert reads <= max(LEAST_READS, READS_A_PAYMENT * year.payments_a_day.total())
    assert reads <= LEAST_READS
    attacked = year.payments.reads[7]
    assert attacked["syncs"] == DAY / SYNC_INTERVAL * 4, "a sync in half an hour, and one page of each list"
    assert year.payments.events.objects[-1] < 100, "no session that expired is listed as an event"


def test_account_without_gifts_uses_less_than_its_limit_on_reads() -> None:
    year = simulate(0, days=4)
    assert year.payments.reads[3] == {"syncs": DAY / SYNC_INTERVAL * 4, "rebuilds": 3}
    assert year.payments.reads[3].total() * 30 < 0.6 * LEAST_READS


def test_simulation_sees_reads_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that cannot fail proves nothing."""
    monkeypatch.setattr("tests.soak.reads_year.LISTED_EVENTS", ["checkout.session.expired"])
    year = Year(35, 0, days=2, attack_day=1)
    asyncio.run(year.run())
    assert year.by_work().total() > LEAST_READS


@pytest.mark.parametrize("payments", [1, 100, 101, 250])
def test_simulated_reads_equal_those_of_the_adapter(payments: int) -> None:
    simulated = ListedObjects()
    simulated.add(1, None, payments)
    with sandbox_with() as sandbox:
        sandbox.operate("seed", payments=payments, campaign="roof")
        adapter = StripePayments(KEY, (), api_base=sandbox.url)
        resources = ("checkout/sessions", "refunds", "disputes", "events")
        before = [stripe_reads.labels(name)._value.get() for name in resources]
        found = asyncio.run(_read_all(adapter))
        reads = [stripe_reads.labels(name)._value.get() - then for name, then in zip(resources, before, strict=True)]
    assert len(found) == payments
    assert reads == [simulated.since(1)[0], 1, 1, 1]


def test_sync_lists_no_session_that_expired() -> None:
    with sandbox_with() as sandbox:
        for _ in range(3):
            session = sandbox.create()
            sandbox.call("POST", f"/v1/checkout/sessions/{session.id}/expire")
        sandbox.pay(sandbox.create())
        adapter = StripePayments(KEY, (), api_base=sandbox.url)
        found = asyncio.run(_read_all(adapter))
        assert sandbox.event_types().count("checkout.session.expired") == 3
    statuses = {record.status for record in found if isinstance(record, CheckoutSession)}
    assert statuses == {SessionStatus.PAID}


async def _read_all(adapter: StripePayments) -> list[StripeRecord]:
    created = [record async for record in adapter.list_created_since(1)]
    changed = [record async for record in adapter.list_changed_since(1)]
    await adapter.close()
    return created + changed
