"""Run random scenarios: in the end the totals equal the sandbox's, to the cent.

Service, sandbox and Redis are the real ones. The webhooks are carried by the test, which may lose them, repeat them,
and bring them late and in any order. The expected totals are calculated from the sandbox's objects by
`tests.support.oracle`. Long versions run in `make stress`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from donation_card.application import rebuild_progress
from donation_card.application.reconciliation import REBUILD_INTERVAL
from donation_card.domain.totals import Totals
from donation_card.errors import IgnoredEvent, Invalid, TotalsUnavailable, Unavailable
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis
from stripe import WebhookSignature
from stripe_sandbox.reversals import DISPUTE_TRANSITIONS, REFUND_TRANSITIONS

from tests.support.harness import WEBHOOK_SECRET, HarnessWorker, TotalsHarness
from tests.support.oracle import Json, expected_totals
from tests.support.sandbox import amount, sandbox_with
from tests.support.scale import short_or_long

PAYS, DECLINED, SETTLES_LATER = "4242 4242 4242 4242", "4000 0000 0000 0002", "AT611904300234573201"

# Seeds, not dice of Hypothesis' own: what there is to choose from depends on ids that differ from run to run.
dice = st.integers(0, 2**32).map(random.Random)
workers = st.integers(0, 1)
jumps = st.sampled_from([-40 * 86_400, -3 * 3_600, -200, 200, 301, 3 * 3_600, 40 * 86_400])
"""Seconds by which a clock is wrong."""


class Story(RuleBasedStateMachine):
    redis_url: str
    campaigns: Path

    def __init__(self) -> None:
        super().__init__()
        self.ends = ExitStack()
        self.harness = TotalsHarness(
            self.ends.enter_context(sandbox_with(clock=time.time)), self.redis_url, self.campaigns
        )
        self.harness.run = self.ends.enter_context(asyncio.Runner()).run
        self.raw = self.ends.enter_context(Redis.from_url(self.redis_url))
        self.workers = [self.harness.worker(), self.harness.worker()]
        self.account = self.harness.run(self.workers[0].account.get())
        self.seen: set[str] = set()
        self.on_their_way: list[dict[str, object]] = []
        self.backup: dict[bytes, dict[bytes, bytes]] | None = None
        self.acknowledged: set[object] = set()
        """Payments whose webhook was answered with 200."""
        self.went_back = self.clocks_were_wrong = False
        """Redis is older than what it acknowledged, and no pass has come since."""

    def teardown(self) -> None:
        for worker in self.workers:
            self.leave(worker)
        self.ends.close()

    # ── what donors and banks do ──────────────────────────────────────────────────────────────────────────────

    @rule(cents=st.integers(2_00, 300_00), number=st.sampled_from([PAYS, PAYS, PAYS, SETTLES_LATER, DECLINED]))
    def give(self, cents: int, number: str) -> None:
        self.harness.sandbox.pay(self.harness.sandbox.create(line_items=amount(cents)), number)

    @rule(dice=dice, succeeds=st.booleans())
    def settle(self, dice: random.Random, succeeds: bool) -> None:
        waiting = [each["id"] for each in self.listed("payment_intents") if each["status"] == "processing"]
        if waiting:
            outcome = "succeeded" if succeeds else "failed"
            self.harness.sandbox.operate("settle", payment_intent=dice.choice(waiting), outcome=outcome)

    @rule(dice=dice, share=st.floats(0.01, 1), status=st.sampled_from(["pending", "requires_action", "succeeded"]))
    def refund(self, dice: random.Random, share: float, status: str) -> None:
        self.go_back(dice, "refunds", share, status)

    @rule(dice=dice, share=st.floats(0.01, 1), status=st.sampled_from(["warning_needs_response", "needs_response"]))
    def dispute(self, dice: random.Random, share: float, status: str) -> None:
        self.go_back(dice, "disputes", share, status)

    @rule(dice=dice, status=st.sampled_from([None, "on_its_way"]))
    def refund_gets_an_unknown_status(self, dice: random.Random, status: str | None) -> None:
        if refunds := [each for each in self.listed("refunds") if each["status"] not in ("failed", "canceled")]:
            body = {"fields": {"status": status}, "event": "refund.updated"}
            self.harness.sandbox.operate("fields", id=dice.choice(refunds)["id"], **body)

    @rule(dice=dice)
    def dispute_is_settled_in_another_currency(self, dice: random.Random) -> None:
        if paid := [each for each in self.listed("payment_intents") if each["status"] == "succeeded"]:
            body = {"payment_intent": dice.choice(paid)["id"], "settlement_currency": "usd"}
            self.harness.sandbox.http.post("/sandbox/disputes", json=body)  # refused where less is left

    @rule(dice=dice)
    def move_a_refund(self, dice: random.Random) -> None:
        self.move(dice, "refunds", REFUND_TRANSITIONS)

    @rule(dice=dice)
    def move_a_dispute(self, dice: random.Random) -> None:
        self.move(dice, "disputes", DISPUTE_TRANSITIONS)

    @rule(dice=dice, campaign=st.sampled_from(["well", "", "roof"]))
    def somebody_edits_the_metadata_of_a_payment(self, dice: random.Random, campaign: str) -> None:
        if paid := self.listed("payment_intents"):
            self.harness.sandbox.operate("metadata", id=dice.choice(paid)["id"], metadata={"campaign": campaign})

    @rule(seconds=st.sampled_from([60, 2 * 3_600, REBUILD_INTERVAL]))
    def time_goes_by(self, seconds: int) -> None:
        self.harness.advance(seconds)

    @rule(of=st.sampled_from(["workers_ahead", "redis_ahead"]), seconds=jumps)
    def clock_jumps(self, of: str, seconds: int) -> None:
        setattr(self.harness, of, seconds)
        self.clocks_were_wrong = True

    @rule()
    def clocks_are_right_again(self) -> None:
        """The workers look every two seconds, so they look before much time goes by."""
        self.harness.workers_ahead = self.harness.redis_ahead = 0
        if self.clocks_were_wrong:
            self.a_pass(0)
        self.clocks_were_wrong = False

    # ── what networks do ──────────────────────────────────────────────────────────────────────────────────────

    @rule(dice=dice, worker=workers, copies=st.integers(1, 3))
    def webhooks_arrive(self, dice: random.Random, worker: int, copies: int) -> None:
        self.look()
        arriving = [event for event in self.on_their_way if dice.random() < 0.7]
        self.on_their_way = [event for event in self.on_their_way if event not in arriving]
        arriving *= copies
        dice.shuffle(arriving)
        for event in arriving:
            self.receive(worker, event)

    @rule(dice=dice)
    def webhooks_are_lost_for_good(self, dice: random.Random) -> None:
        self.look()
        self.on_their_way = [event for event in self.on_their_way if dice.random() < 0.5]

    # ── what machines do ──────────────────────────────────────────────────────────────────────────────────────

    @rule(worker=workers)
    def a_worker_restarts(self, worker: int) -> None:
        self.leave(self.workers[worker])
        self.workers[worker] = self.harness.worker()

    @rule()
    def redis_is_emptied(self) -> None:
        self.raw.delete(*self.keys() or ["none"])

    @precondition(lambda self: self.backup is None)
    @rule()
    def redis_is_saved(self) -> None:
        self.backup = {key: self.raw.hgetall(key) for key in self.keys() if self.raw.type(key) == b"hash"}

    @precondition(lambda self: self.backup is not None)
    @rule()
    def redis_is_restored_from_the_backup(self) -> None:
        self.redis_is_emptied()
        for key, held in (self.backup or {}).items():
            self.raw.hset(key, mapping=held)
        self.went_back = True

    @rule(dice=dice)
    def a_key_is_lost(self, dice: random.Random) -> None:
        if keys := self.keys():
            self.raw.delete(dice.choice(keys))

    @rule(dice=dice, change=st.sampled_from([-50_00, 7]))
    def a_sum_is_changed_by_hand(self, dice: random.Random, change: int) -> None:
        if totals := [key for key in self.keys() if b"}:totals:" in key]:
            self.raw.hincrby(dice.choice(totals), dice.choice(["raised", "payments", "objects"]), change)

    # ── what we do ────────────────────────────────────────────────────────────────────────────────────────────

    @rule(worker=workers)
    def a_pass(self, worker: int) -> None:
        self.harness.run(self.workers[worker].reconciliation.run())
        self.went_back = False

    @rule(worker=workers, path=st.sampled_from(["/v1/checkout/sessions", "/v1/refunds", "/v1/disputes", "/v1/events"]))
    def a_pass_gets_an_empty_page(self, worker: int, path: str) -> None:
        self.harness.sandbox.operate("faults", api={"kind": "empty_page", "path": path})
        with suppress(Unavailable):
            self.a_pass(worker)
        self.harness.sandbox.http.delete("/sandbox/faults")

    @rule(worker=workers, dry_run=st.booleans())
    def a_rebuild(self, worker: int, dry_run: bool) -> None:
        self.harness.run(self.workers[worker].reconciliation.rebuild(dry_run=dry_run))

    @rule(worker=workers, seen=st.integers(0, 6))
    def a_rebuild_is_killed_midway(self, worker: int, seen: int) -> None:
        rebuilding = self.workers[worker]
        rebuilding.payments.stop_after = seen

        async def killed() -> None:
            task = asyncio.ensure_future(rebuilding.reconciliation.rebuild())
            await asyncio.wait([task])

        self.harness.run(killed())
        self.a_worker_restarts(worker)

    @rule()
    def two_rebuild_at_once_while_webhooks_arrive(self) -> None:
        self.look()
        arriving, self.on_their_way = self.on_their_way, []

        async def together() -> None:
            rebuilds = [asyncio.ensure_future(worker.reconciliation.rebuild()) for worker in self.workers]
            for event in arriving:
                await self.received(0, event)
            for failure in await asyncio.gather(*rebuilds, return_exceptions=True):
                assert isinstance(failure, list | TotalsUnavailable), failure

        self.harness.run(together())

    # ── what readers see ──────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def a_ledger_that_claims_to_know_has_all_that_was_acknowledged_and_nothing_else(self) -> None:
        held = self.harness.run(self.workers[0].totals_store.totals(self.account, "roof/EUR"))
        if held is not None:
            assert held.payments <= self.oracle().payments
            assert held.payments >= len(self.acknowledged) or self.went_back

    @invariant()
    def readers_never_see_less_than_nothing_nor_a_guess(self) -> None:
        for worker in self.workers:
            campaign = worker.campaigns.get("roof")
            self.harness.run(worker.progress.refresh(campaign))
            held = self.harness.run(worker.totals_store.totals(self.account, "roof/EUR"))
            if figure := worker.progress.get(campaign):
                assert figure.raised.amount >= 0
                assert figure.stale or held is not None, "what nobody knows is marked stale"
                assert figure.stale or figure.raised.amount == max(0, held.raised)

    def all_is_quiet(self) -> None:
        """The promise: within a pass for what is listed, within a day for what no event told."""
        self.clocks_are_right_again()
        self.harness.advance(REBUILD_INTERVAL)
        self.harness.run(self.workers[0].reconciliation.run())
        held = self.harness.run(self.workers[1].totals_store.totals(self.account, "roof/EUR"))
        assert held == self.oracle()
        self.readers_never_see_less_than_nothing_nor_a_guess()
        for worker in self.workers:
            figure = worker.progress.get(worker.campaigns.get("roof"))
            assert figure
            assert not figure.stale
            assert figure.raised.amount == max(0, held.raised)

    @rule()
    def quiet(self) -> None:
        self.all_is_quiet()

    # ── how ───────────────────────────────────────────────────────────────────────────────────────────────────

    def listed(self, path: str) -> list[Json]:
        return self.harness.sandbox.call("GET", f"/v1/{path}?limit=100").json()["data"]

    def go_back(self, dice: random.Random, path: str, share: float, status: str) -> None:
        paid = [each for each in self.listed("payment_intents") if each["status"] == "succeeded"]
        if paid:
            payment = dice.choice(paid)
            wanted = max(1, int(payment["amount"] * share))
            body = {"payment_intent": payment["id"], "amount": wanted, "status": status}
            self.harness.sandbox.http.post(f"/sandbox/{path}", json=body)  # refused where less is left

    def move(self, dice: random.Random, path: str, moves: dict[str, tuple[str, ...]]) -> None:
        movable = [each for each in self.listed(path) if each["status"] in moves]
        if movable:
            chosen = dice.choice(movable)
            self.harness.sandbox.operate(f"{path}/{chosen['id']}", status=dice.choice(moves[chosen["status"]]))

    def look(self) -> None:
        """The newest events set out."""
        new = [event for event in self.listed("events") if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in new}
        self.on_their_way += new

    async def received(self, worker: int, event: dict[str, object]) -> None:
        text = json.dumps(event)
        handler = self.workers[worker].webhooks
        signature = WebhookSignature.generate_signature_header(text, WEBHOOK_SECRET, int(self.harness.now()))
        try:
            await handler.handle(text.encode(), signature.encode())
            if event["data"]["object"].get("payment_status") == "paid":
                self.acknowledged.add(event["data"]["object"]["payment_intent"])
        except IgnoredEvent:
            pass
        except (Invalid, Unavailable):  # Stripe would send it again
            self.on_their_way.append(event)

    def receive(self, worker: int, event: dict[str, object]) -> None:
        self.harness.run(self.received(worker, event))

    def leave(self, worker: HarnessWorker) -> None:
        self.harness.run(worker.close())

    def keys(self) -> list[bytes]:
        return sorted(self.raw.scan_iter(f"donation-card:{{{self.account.id}/test*", count=1_000))

    def oracle(self) -> Totals:
        payments = {each["id"]: each for each in self.listed("payment_intents")}
        reversals = {"refunds": self.listed("refunds"), "disputes": self.listed("disputes")}
        sessions = self.listed("checkout/sessions")
        return Totals(*expected_totals({"roof": "eur"}, sessions=sessions, payments=payments, **reversals)["roof"])


def test_any_scenario_ends_with_stripes_totals(
    redis_url: str, sample_campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_progress, "STORED_EVERY", 1)  # a killed rebuild is continued

    class Here(Story):
        campaigns = sample_campaign

    Here.redis_url = redis_url
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=short_or_long(25, 1_000),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
