"""Test that refunds and disputes count in the campaign of their payment, from the moment the payment counts.

Service, sandbox and Redis are the real ones. The expected sums are arithmetic over the sandbox's objects.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from donation_card.adapters.stripe.objects import HANDLED_EVENTS
from donation_card.application.ports.totals import RebuildReport
from donation_card.application.reconciliation import REBUILD_INTERVAL
from donation_card.domain.totals import Totals
from donation_card.observability import metrics
from hypothesis import HealthCheck, given, settings, strategies as st
from stripe import WebhookSignature
from structlog.testing import capture_logs

from tests.support.harness import WEBHOOK_SECRET, HarnessWorker, TotalsHarness
from tests.support.sandbox import sandbox_with
from tests.support.scale import short_or_long

CAMPAIGNS = ("roof", "well")


class Shop:
    """Donors, a bank, and a person at the dashboard. Webhooks wait until a test delivers them."""

    def __init__(self, harness: TotalsHarness) -> None:
        self.harness, self.sandbox = harness, harness.sandbox
        self.worker: HarnessWorker = harness.worker()
        self.paid: dict[str, tuple[str, int]] = {}
        """Payment → its campaign, and its amount."""
        self.taken: dict[str, tuple[str, int]] = {}
        """Refund or dispute → its payment, and what it takes now."""
        self.delivered: set[str] = set()

    def give(self, campaign: str = "roof") -> str:
        written = {"metadata": {"campaign": campaign, "site": "gazette"}}
        payment = self.harness.give(**written, payment_intent_data=written)
        self.paid[payment] = campaign, 25_00
        return payment

    def edit(self, payment: str, campaign: str) -> None:
        self.sandbox.operate("metadata", id=payment, metadata={"campaign": campaign})

    def refund(self, payment: str, amount: int) -> str:
        made = self.sandbox.operate("refunds", payment_intent=payment, amount=amount)
        self.taken[made["id"]] = payment, amount
        return str(made["id"])

    def fail(self, refund: str) -> None:
        self.sandbox.operate(f"refunds/{refund}", status="failed")
        self.taken[refund] = self.taken[refund][0], 0

    def dispute(self, payment: str, amount: int) -> str:
        made = self.sandbox.operate("disputes", payment_intent=payment, amount=amount)
        self.taken[made["id"]] = payment, amount
        return str(made["id"])

    def win(self, dispute: str) -> None:
        self.sandbox.operate(f"disputes/{dispute}", status="won")
        self.taken[dispute] = self.taken[dispute][0], 0

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the events that were not delivered, oldest first. `kinds`: beginnings of their types."""
        listed = self.sandbox.call("GET", "/v1/events?limit=100").json()["data"][::-1]
        new = [each for each in listed if each["id"] not in self.delivered and each["type"] in HANDLED_EVENTS]
        return [each for each in new if each["type"].startswith(kinds or "")]

    def deliver(self, *events: dict[str, Any]) -> None:
        async def main() -> None:
            for event in events:
                text, now = json.dumps(event), int(self.worker.clock().timestamp())
                signature = WebhookSignature.generate_signature_header(text, WEBHOOK_SECRET, now)
                await self.worker.webhooks.handle(text.encode(), signature.encode())
                self.delivered.add(event["id"])

        self.harness.run(main())

    def sync(self) -> list[str]:
        """Synchronise, and return the errors in the log."""
        with capture_logs() as logs:
            self.harness.run(self.worker.reconciliation.run())
        return [line["event"] for line in logs if line["log_level"] == "error"]

    def rebuild(self) -> list[RebuildReport]:
        return self.harness.run(self.worker.reconciliation.rebuild())

    def totals(self) -> list[Totals | None]:
        async def main() -> list[Totals | None]:
            account = await self.worker.account.get()
            return [await self.worker.totals_store.totals(account, f"{campaign}/EUR") for campaign in CAMPAIGNS]

        return self.harness.run(main())

    def expected(self) -> list[Totals]:
        found = []
        for campaign in CAMPAIGNS:
            amounts = {payment: amount for payment, (of, amount) in self.paid.items() if of == campaign}
            taken = sum(amount for payment, amount in self.taken.values() if payment in amounts)
            found.append(Totals(sum(amounts.values()) - taken, len(amounts)))
        return found


@pytest.fixture
def shop(redis_url: str, sample_campaign: Path) -> Iterator[Shop]:
    (sample_campaign / "well.toml").write_text((sample_campaign / "roof.toml").read_text("utf-8"), "utf-8")
    with sandbox_with(clock=time.time, seed=None) as sandbox, asyncio.Runner() as runner:
        harness = TotalsHarness(sandbox, redis_url, sample_campaign)
        harness.run = runner.run
        shop = Shop(harness)
        shop.sync()
        yield shop
        runner.run(shop.worker.close())


@pytest.mark.parametrize("edited", ["after the payment", "before the refund"])
@pytest.mark.parametrize("campaign", ["well", "", "no-file"])
def test_refund_counts_where_its_payment_counts(shop: Shop, edited: str, campaign: str) -> None:
    first, second = shop.give(), shop.give()
    if edited == "after the payment":
        shop.edit(first, campaign)
    shop.deliver(*shop.events())
    shop.edit(first, campaign)
    shop.refund(first, 25_00)
    shop.deliver(*shop.events())
    assert shop.totals() == [Totals(25_00, 2), Totals(0, 0)]
    shop.dispute(second, 10_00)
    assert shop.sync() == []
    assert shop.totals() == [Totals(15_00, 2), Totals(0, 0)]
    assert not [report for report in shop.rebuild() if report.mismatch]
    assert shop.totals() == shop.expected() == [Totals(15_00, 2), Totals(0, 0)]


def test_reversal_before_its_payment_waits_for_it(shop: Shop) -> None:
    payment = shop.give("well")
    refund = shop.refund(payment, 5_00)
    shop.dispute(payment, 7_00)
    shop.deliver(*shop.events("refund", "charge.dispute"))
    assert shop.totals() == [Totals(0, 0), Totals(0, 0)]
    shop.deliver(*shop.events("checkout"))
    assert shop.totals() == shop.expected() == [Totals(0, 0), Totals(13_00, 1)]
    shop.fail(refund)
    shop.deliver(*shop.events())
    assert shop.totals() == shop.expected() == [Totals(0, 0), Totals(18_00, 1)]


@pytest.mark.parametrize("later", [0, REBUILD_INTERVAL])
def test_reversal_without_payment_after_a_sync_raises_an_alarm(shop: Shop, later: int) -> None:
    shop.sandbox.operate("faults", webhooks={"never_recorded_rate": 1.0})  # an event would say that it is paid
    payment = shop.give()
    shop.sandbox.operate("faults", webhooks={"never_recorded_rate": 0.0})
    [session] = shop.sandbox.call("GET", "/v1/checkout/sessions").json()["data"]
    shop.sandbox.operate("fields", id=session["id"], fields={"payment_status": "held"})
    shop.refund(payment, 5_00)
    shop.deliver(*shop.events("refund"))
    counter = metrics.not_counted.labels("reversal_without_payment")
    before = counter._value.get()
    shop.harness.advance(later)  # a day later, the sync is a rebuild
    assert "reversal_without_payment" in shop.sync()
    assert counter._value.get() == before + 1
    assert shop.totals() == [Totals(0, 0), Totals(0, 0)]
    shop.sandbox.operate("fields", id=session["id"], fields={"payment_status": "paid"})
    shop.harness.advance(later)
    assert "reversal_without_payment" not in shop.sync()
    assert shop.totals() == [Totals(20_00, 1), Totals(0, 0)]
    assert "reversal_without_payment" not in shop.sync()


ACTIONS = ("give", "give", "edit", "refund", "fail", "dispute", "win", "deliver", "lose", "sync", "rebuild")


@settings(
    max_examples=short_or_long(25, 1_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=st.lists(st.sampled_from(ACTIONS), min_size=4, max_size=14), dice=st.randoms(use_true_random=False))
def test_reversals_follow_their_payments_in_any_order(
    actions: list[str], dice: random.Random, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("campaigns")
    for campaign in CAMPAIGNS:
        (folder / f"{campaign}.toml").write_text(Path("tests/support/roof.toml").read_text("utf-8"), "utf-8")
    with sandbox_with(clock=time.time, seed=None) as sandbox, asyncio.Runner() as runner:
        harness = TotalsHarness(sandbox, redis_url, folder)
        harness.run = runner.run
        shop = Shop(harness)
        shop.sync()
        for action in ("give", *actions):
            act(shop, action, dice)
            totals = shop.totals()
            assert all(held is None or held.raised >= 0 for held in totals), "no reversal counts without its payment"
        shop.sync()
        assert shop.totals() == shop.expected()
        assert not [report for report in shop.rebuild() if report.mismatch or report.uncounted]
        assert shop.totals() == shop.expected()
        runner.run(shop.worker.close())


def act(shop: Shop, action: str, dice: random.Random) -> None:
    payment = dice.choice([*shop.paid, None])
    left = 25_00 - sum(amount for of, amount in shop.taken.values() if of == payment)
    reversals = [each for each, (_, amount) in shop.taken.items() if amount]
    chosen = dice.choice([*reversals, ""])
    if action == "give":
        shop.give(dice.choice(CAMPAIGNS))
    elif action == "edit" and payment:
        shop.edit(payment, dice.choice([*CAMPAIGNS, ""]))
    elif action in ("refund", "dispute") and payment and left:
        (shop.refund if action == "refund" else shop.dispute)(payment, dice.randint(1, left))
    elif action == "fail" and chosen.startswith("re_"):
        shop.fail(chosen)
    elif action == "win" and chosen.startswith("du_"):
        shop.win(chosen)
    elif action == "deliver":
        arriving = dice.choices(shop.events(), k=6) if shop.events() else []
        shop.deliver(*arriving)
    elif action == "lose":
        shop.delivered |= {each["id"] for each in shop.events() if dice.random() < 0.5}
    elif action in ("sync", "rebuild"):
        getattr(shop, action)()
