"""Run the use cases in random orders of their steps, with everything around them that can go wrong.

A step is the time between two requests to Stripe or Redis. The use cases, the adapters and the Lua scripts are the real
ones. `model_stripe` and `lua_redis` take the place of the servers, `oracle` says what must come out. One process tries
some hundred scenarios a second.

    python -m tests.soak.interleavings --count 2000000
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import structlog
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import Account
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import REBUILD_INTERVAL, SYNC_INTERVAL, Reconciliation
from donation_card.application.session_limits import SessionLimits
from donation_card.application.stripe_account import StripeAccount
from donation_card.application.webhook_handler import WebhookHandler
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy
from donation_card.errors import IgnoredEvent, Invalid, Unavailable

from tests.support.fakes import FakeCampaigns
from tests.support.lua_redis import Fault, MemoryConnection, MemoryServer
from tests.support.model_stripe import OPEN, PAID, SECRET, UNKNOWN_STATUSES, UNPAID, ModelStripe, signed
from tests.support.oracle import Json, Sums, public_total

START = 1_800_000_000.0
HOUR, DAY = 3_600, 86_400
LEASE = 300
JUMPS = (-40 * DAY, -3 * HOUR, -301, -200, 200, 301, 3 * HOUR, 40 * DAY)
"""Seconds by which a clock is wrong."""

ODD_CAMPAIGNS: Sequence[object] = (None, "", 7, {"a": 1}, "x" * 300, "fürs Dach", "nobody-knows")
POLICY = {
    "one": PublicationPolicy(0, 1, 0, ZoneInfo("UTC")),
    "two": PublicationPolicy(6 * HOUR, 500, 0, ZoneInfo("UTC")),
}

DIMENSIONS = (
    *("clocks", "not found", "metadata", "settlement", "unknown values", "nulls", "empty pages"),
    *("currencies", "new currency", "accounts", "losses", "kills", "faults", "never sent"),
)
"""Each scenario has about a third of them."""


def _campaigns() -> list[Campaign]:
    roof = read_campaign(Path(__file__).parent / "roof.toml")
    yen = replace(roof, id="yen", goal=Money(90_000, "JPY"), needs=(), publication=POLICY["one"])
    return [replace(roof, id=name, publication=policy) for name, policy in POLICY.items()] + [yen]


CAMPAIGNS = _campaigns()

CreateServer = Callable[[Callable[[], float]], MemoryServer]
"""Create a server with this clock."""


class Killed(BaseException):
    """The process of a worker ended. It runs no `finally` that needs a server."""


class _Step:
    def __await__(self) -> Generator[None]:
        yield


STEP = _Step()


class ModelPayments(StripePayments):
    """Use the real adapter with a client of the model."""

    def __init__(self, client: Any, account: str, now: Callable[[], float]) -> None:
        self._account_id, self._livemode, self.key_fingerprint = account, False, account
        self._webhook_secrets, self._client, self._now = (SECRET,), client, now


class ModelWorker:
    """The use cases of one worker, with a clock of its own."""

    def __init__(self, scenario: Scenario, stripe: ModelStripe) -> None:
        self.scenario, self.stripe, self.ahead, self.killed = scenario, stripe, 0.0, False
        self.store = RedisTotalsStore(MemoryConnection(scenario.server, self.pause_at_redis))
        self.payments = ModelPayments(stripe.client(self.pause), stripe.account, lambda: self.clock().timestamp())
        self.account = StripeAccount(self.payments, self.store)
        campaigns, store, payments = scenario.campaigns, self.store, self.payments
        self.progress = PublicProgress(self.account, campaigns, store, self.clock, uptime=scenario.time)
        self.recorder = PaymentRecorder(self.account, campaigns, store, payments, scenario.time)
        self.reconciliation = Reconciliation(
            self.account, campaigns, store, payments, self.recorder, self.progress, self.clock
        )
        limits = cast(SessionLimits, SimpleNamespace(record_signal=lambda record: None))
        self.webhooks = WebhookHandler(self.account, payments, self.recorder, limits, self.clock)

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.scenario.now + self.ahead, UTC)

    async def pause(self) -> None:
        if not self.killed:
            await STEP
        if self.killed:
            raise Killed

    async def pause_at_redis(self) -> Fault:
        await self.pause()
        return self.scenario.fault()

    async def look(self, *, refresh: bool = True) -> None:
        """Do what the background tasks do every two seconds."""
        with suppress(Unavailable):
            await self.reconciliation.run_if_due()
        if refresh:
            for campaign in self.scenario.campaigns.all():
                await self.progress.refresh(campaign)

    async def rebuild(self) -> None:
        with suppress(Unavailable):
            await self.reconciliation.rebuild()

    async def receive(self, event: Json) -> None:
        """Answer a webhook. Stripe keeps what is not answered with 200, and sends it again."""
        outbox = self.stripe.outbox
        try:
            await self.webhooks.handle(*signed(event, self.scenario.now))
        except (Invalid, Unavailable):
            return
        except IgnoredEvent:
            outbox[:] = [each for each in outbox if each is not event]
            return
        self.scenario.acknowledged(self.stripe, event)
        if event in outbox and self.scenario.dice.random() < 0.8:  # else it is sent twice
            outbox.remove(event)


@dataclass
class Actor:
    worker: ModelWorker
    work: Coroutine[Any, Any, None]

    def advance(self) -> bool:
        """Run until the next request. Return False at the end."""
        try:
            self.work.send(None)
        except (StopIteration, Killed):
            return False
        return True

    def kill(self) -> None:
        with suppress(StopIteration, Killed):
            self.work.throw(Killed())


class Scenario:
    def __init__(self, dice: Random, create_server: CreateServer = MemoryServer) -> None:
        self.dice, self.now = dice, START
        self.has = {name for name in DIMENSIONS if dice.random() < 0.3}
        self.faulty, self.only_daily, self.clocks_were_right = "faults" in self.has, False, True
        self.redis_ahead = 0.0
        self.server = create_server(lambda: self.now + self.redis_ahead)
        self.backup: dict[str, Any] | None = None
        self.campaigns = FakeCampaigns(
            *CAMPAIGNS[: 3 if {"metadata", "currencies"} & self.has else 1 + int(dice.random() * 1.3)]
        )
        accounts = ("acct_a", "acct_b") if "accounts" in self.has else ("acct_a",)
        self.stripes = [ModelStripe(name, dice, self.time) for name in accounts]
        self.workers = [ModelWorker(self, stripe) for stripe in (*self.stripes, self.stripes[0])]
        self.actors: list[Actor] = []
        self.counted: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """Account and currency → the payments to the first campaign whose webhooks were answered with 200."""
        self.is_exact = True
        """True while nothing was set back or changed by hand, and no list failed. Answered gifts then count."""

    def time(self) -> float:
        return self.now

    def currencies(self) -> dict[str, str]:
        return {campaign.id: campaign.currency.lower() for campaign in self.campaigns.all()}

    def fault(self) -> Fault:
        if not self.faulty:
            return Fault.NONE
        value = self.dice.random()
        if value < 0.01:
            raise ConnectionError
        return Fault.REPEATED if value < 0.04 else Fault.REPLY_LOST if value < 0.05 else Fault.NONE

    # ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, steps: int) -> None:
        chance = self.dice.random
        for _ in range(steps):
            value = chance()
            if value < 0.42:
                self.change_stripe(self.pick(self.stripes))
            elif value < 0.58:
                self.start_webhook()
            elif value < 0.68:
                worker = self.pick(self.workers)
                refresh = chance() < 0.4
                self.start(worker, worker.look(refresh=refresh) if chance() < 0.85 else worker.rebuild())
            elif value < 0.80:
                self.pass_time(self.pick((1, 30, 400, 700, 2 * HOUR, DAY)))
            else:
                self.disturb()
            for _ in range(int(chance() * 14)):
                self.advance_one()
            if chance() < 0.2:
                self.check_running(self.pick(self.workers))
        self.finish()

    def pick(self, of: Sequence[Any]) -> Any:
        return of[int(self.dice.random() * len(of))]

    def start(self, worker: ModelWorker, work: Coroutine[Any, Any, None]) -> None:
        self.actors.append(Actor(worker, work))

    def advance_one(self) -> None:
        if self.actors:
            actor = self.pick(self.actors)
            if not actor.advance():
                self.actors.remove(actor)

    def complete(self, worker: ModelWorker, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, while all others wait."""
        actor = Actor(worker, work)
        while actor.advance():
            pass

    def start_webhook(self) -> None:
        worker = self.pick(self.workers)
        if worker.stripe.outbox:
            self.start(worker, worker.receive(self.pick(worker.stripe.outbox)))

    def pass_time(self, seconds: float) -> None:
        """Let time pass. The workers look every two seconds, unless they are down while all clocks are right."""
        if not self.clocks_were_right:
            self.look_everywhere()
            if not all(stripe.available and not stripe.empty_pages for stripe in self.stripes):
                self.only_daily = True  # no look could correct a cursor that is ahead
        elif self.dice.random() < 0.5:
            self.look(self.pick(self.workers), refresh=self.dice.random() < 0.4)
        self.now += seconds
        if not self.clocks_were_right:  # else a cursor could be ahead, and no longer when the clock is set right
            self.look_everywhere()

    def look(self, worker: ModelWorker, *, refresh: bool = True) -> None:
        self.complete(worker, worker.look(refresh=refresh))

    def look_everywhere(self) -> None:
        for worker in self.workers:
            self.look(worker)
        self.clocks_were_right = not self.redis_ahead and not any(worker.ahead for worker in self.workers)

    # ── at Stripe ─────────────────────────────────────────────────────────────────────────────────────────────

    def change_stripe(self, stripe: ModelStripe) -> None:
        value, earlier = self.dice.random(), set(stripe.events)
        if value < 0.4 or not stripe.payments:
            self.give(stripe)
        elif value < 0.5:
            waiting = [
                name for name, each in stripe.sessions.items() if (each["status"], each["payment_status"]) != PAID
            ]
            if waiting:
                self.end_session(stripe, self.pick(waiting))
        elif value < 0.75:
            self.change_refund(stripe, self.reversible(stripe))
        elif value < 0.93:
            self.change_dispute(stripe, self.reversible(stripe))
        elif "metadata" in self.has:
            campaign = self.pick(["one", "two", "yen", *ODD_CAMPAIGNS])
            stripe.edit_metadata(self.pick(list(stripe.payments)), {"campaign": campaign} if campaign else None)
        elif "accounts" in self.has:
            strange = [{"account": "acct_other"}, {"context": "acct_other"}, {"livemode": True}, {"type": "new.event"}]
            stripe.send_foreign(**self.pick(strange))
        new = stripe.outbox and stripe.outbox[-1]["id"] not in earlier
        if "never sent" in self.has and new and self.dice.random() < 0.2:
            stripe.events.pop(stripe.outbox.pop()["id"], None)
            self.only_daily = True

    def give(self, stripe: ModelStripe) -> None:
        campaign, currency = self.pick([(each.id, each.currency.lower()) for each in self.campaigns.all()])
        if "nulls" in self.has and self.dice.random() < 0.2:
            campaign = self.pick(ODD_CAMPAIGNS)
        if "currencies" in self.has and self.dice.random() < 0.3:
            currency = self.pick(["usd", "jpy", "eur", "xxx"])
        amount = 1 + int(self.dice.random() * 9_000)
        session = stripe.open_session(campaign, amount, currency, site=self.pick(["other", "news.example"]))
        if self.dice.random() < 0.9:
            self.end_session(stripe, session)

    def end_session(self, stripe: ModelStripe, session: str) -> None:
        found, value = stripe.sessions[session], self.dice.random()
        if (found["status"], found["payment_status"]) != OPEN:
            if found["payment_intent"]:
                stripe.settle(session, succeeded=value < 0.7)
            return
        statuses = PAID if value < 0.75 else UNPAID
        if "unknown values" in self.has and value > 0.9:
            statuses = self.pick(UNKNOWN_STATUSES)
        stripe.complete(session, statuses, delay=self.delay(), link=value < 0.2)
        if "nulls" in self.has and self.dice.random() < 0.15:
            payment = stripe.sessions[session]["payment_intent"]
            if statuses is PAID and self.dice.random() < 0.5:
                stripe.capture(payment, 1 + int((found["amount_total"] - 1) * self.dice.random()))
                self.only_daily = True
            elif "metadata" in self.has and stripe.outbox[-1]["data"]["object"]["id"] == session:
                stripe.sessions[session]["payment_intent"] = None

    def delay(self) -> int:
        return self.pick((0, 5, 59)) if "not found" in self.has else 0

    def reversible(self, stripe: ModelStripe) -> list[str]:
        """Return the payments that can be refunded or disputed: those that were captured."""
        return [name for name, each in stripe.payments.items() if each["amount_received"]]

    def change_refund(self, stripe: ModelStripe, payments: Sequence[str]) -> None:
        status = self.pick(["pending", "requires_action", "succeeded", "failed", "canceled"])
        if "unknown values" in self.has and self.dice.random() < 0.3:
            status = self.pick([None, "on_its_way"])
        movable = [name for name, each in stripe.refunds.items() if each["status"] not in ("failed", "canceled")]
        if movable and self.dice.random() < 0.5:
            stripe.move_refund(self.pick(movable), status)
            return
        if payments:
            stripe.refund(self.pick(payments), 1 + int(self.dice.random() * 3_000), status, delay=self.delay())

    def change_dispute(self, stripe: ModelStripe, payments: Sequence[str]) -> None:
        if payments and (not stripe.disputes or self.dice.random() < 0.4):
            amount = 100 * (1 + int(self.dice.random() * 30))
            name = stripe.dispute(self.pick(payments), amount, delay=self.delay())
            if self.dice.random() < 0.3:
                return
        elif stripe.disputes:
            name = self.pick(list(stripe.disputes))
        else:
            return
        self.move_dispute(stripe, name)

    def move_dispute(self, stripe: ModelStripe, name: str) -> None:
        """Withdraw all, give back all or a half, withdraw again only after all was given back, or correct a rate."""
        dispute = stripe.disputes[name]
        moves = dispute["balance_transactions"]
        foreign = "settlement" in self.has and int(name.partition("_")[2]) % 2
        currency, rate = ("usd", 110) if foreign else (dispute["currency"], 100)
        whole = dispute["amount"] * rate // 100
        held = -sum(each["amount"] for each in moves if each["reporting_category"] in ("dispute", "dispute_reversal"))
        created = int(self.now) if not moves or self.dice.random() < 0.7 else max(each["created"] for each in moves)
        corrected = any(each["reporting_category"] == "other_adjustment" for each in moves)
        if moves and held == whole and not corrected and "nulls" in self.has and self.dice.random() < 0.3:
            self.now += 1  # of two reports of one second, the lower amount counts until the next rebuild
            stripe.change_dispute(name, amount=dispute["amount"] - 1 - int(self.dice.random() * 99))
        elif held == 0 and not corrected:
            stripe.move_money(name, -whole, currency, "dispute", created=created)
        elif held == whole and foreign and not corrected and self.dice.random() < 0.3:
            stripe.move_money(name, self.pick([7, -7]), currency, "other_adjustment", created=int(self.now))
        elif held == whole:
            back = whole if self.dice.random() < 0.6 and not corrected else whole // 2
            stripe.move_money(name, back, currency, "dispute_reversal", created=created)

    # ── faults ────────────────────────────────────────────────────────────────────────────────────────────────

    def disturb(self) -> None:
        value = self.dice.random()
        if value < 0.3 and "clocks" in self.has:
            self.move_clock(self.pick(JUMPS) if self.dice.random() < 0.6 else 0)
        elif value < 0.5 and "kills" in self.has:
            self.kill(int(self.dice.random() * len(self.workers)))
        elif value < 0.7 and "losses" in self.has:
            self.lose_data()
        elif value < 0.8:
            stripe = self.pick(self.stripes)
            stripe.available, self.is_exact = not stripe.available, False
        elif value < 0.9 and "empty pages" in self.has:
            self.pick(self.stripes).empty_pages, self.is_exact = 1, False
        elif value < 0.95 and "new currency" in self.has:
            self.change_currency()
        else:
            outbox = self.pick(self.stripes).outbox
            del outbox[: len(outbox) // 2]  # lost on the way; Stripe still lists these events

    def close(self) -> None:
        for number in range(len(self.workers)):
            self.kill(number)

    def move_clock(self, ahead: float) -> None:
        """Set the clock of Redis or of a worker, which looks a few times before it is right again."""
        worker, self.clocks_were_right = self.pick(self.workers), False
        if self.dice.random() < 0.4:
            self.redis_ahead = ahead
        else:
            worker.ahead = ahead
        if self.dice.random() < 0.5:
            self.look(worker)
        else:
            self.start(worker, worker.look())

    def kill(self, number: int) -> None:
        worker = self.workers[number]
        worker.killed = True
        for actor in [each for each in self.actors if each.worker is worker]:
            actor.kill()
            self.actors.remove(actor)
        self.workers[number] = ModelWorker(self, worker.stripe)
        self.workers[number].ahead = worker.ahead

    def change_currency(self) -> None:
        """Edit the file of the first campaign. Its gifts so far are in the other currency."""
        one = self.campaigns.get("one")
        self.campaigns.put(replace(one, goal=Money(90_000, "EUR" if one.currency == "JPY" else "JPY"), needs=()))

    def lose_data(self) -> None:
        server, value = self.server, self.dice.random()
        keys = [key for key in server.all_keys() if "acct_a" in key]
        if value < 0.25:
            server.call("DEL", *server.all_keys())
        elif value < 0.5 and keys:
            server.call("DEL", self.pick(keys))
        elif value < 0.7 or self.backup is None:
            self.backup = server.backup()
        elif value < 0.85:
            server.restore(self.backup)
            self.is_exact = False
        elif totals := [key for key in keys if ":totals:" in key]:
            key, self.is_exact = self.pick(totals), False
            if self.dice.random() < 0.5:
                server.call("HSET", key, self.pick(["raised", "payments", "objects"]), "1e9")
                return
            for field in ("raised", "site:other:raised") if self.dice.random() < 0.7 else ("raised",):
                server.call("HINCRBY", key, field, -50)
            self.only_daily = True

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────

    def finish(self) -> None:
        """End all faults. One sync makes everything right, and a day also what no event reported."""
        self.faulty, self.redis_ahead = False, 0
        for stripe in self.stripes:
            stripe.available, stripe.empty_pages = True, 0
        for worker in self.workers:
            worker.ahead = 0
        while self.actors:
            self.advance_one()
        if not self.clocks_were_right:
            self.look_everywhere()
        if self.dice.random() < 0.3:
            self.deliver_all()
        sync_suffices = not self.only_daily and self.dice.random() < 0.6
        self.now += LEASE + (SYNC_INTERVAL if sync_suffices else REBUILD_INTERVAL)
        for worker in self.workers[: len(self.stripes)]:
            self.look(worker)
            if any(not campaign.publication.immediate for campaign in self.campaigns.all()):
                before, self.now = self.now, self.now + 6 * HOUR - self.now % (6 * HOUR)
                self.look(worker)
                self.now = before
            self.check(worker, "after a sync" if sync_suffices else "after a day")

    def deliver_all(self) -> None:
        for worker in self.workers:
            for event in list(worker.stripe.outbox):
                self.start(worker, worker.receive(event))
        while self.actors:
            self.advance_one()

    def check(self, worker: ModelWorker, when: str) -> None:
        expected = worker.stripe.expected(self.currencies())
        for campaign in self.campaigns.all():
            found, wanted = self.totals(worker, campaign.totals_name), expected[campaign.id]
            assert found == wanted, f"{when}: {campaign.id} of {worker.stripe.account} has {found}, not {wanted}"
            self.check_public(worker, campaign, wanted, when)

    def acknowledged(self, stripe: ModelStripe, event: Json) -> None:
        subject = event["data"]["object"]
        if subject.get("payment_status") == "paid" and event in stripe.events.values():
            campaign, first = (subject["metadata"] or {}).get("campaign"), self.campaigns.all()[0]
            if campaign == first.id and subject["currency"] == first.currency.lower():
                self.counted[stripe.account, first.currency].add(subject["payment_intent"])

    def check_running(self, worker: ModelWorker) -> None:
        """Check totals that are known: they have each payment that was acknowledged, and none that Stripe lacks."""
        faulty, self.faulty = self.faulty, False
        campaign = self.campaigns.all()[0]
        found = self.totals(worker, campaign.totals_name)
        self.faulty = faulty
        if found is not None and self.is_exact and self.clocks_were_right:
            counted = len(self.counted[worker.stripe.account, campaign.currency])
            assert found.payments >= counted, f"{counted} payments were acknowledged, {found.payments} are counted"
            assert found.payments <= len(worker.stripe.payments), "more payments than Stripe has"

    def totals(self, worker: ModelWorker, campaign: str) -> Sums | None:
        found: list[Any] = []

        async def read() -> None:
            found.append(await worker.store.totals(Account(worker.stripe.account, livemode=False), campaign))

        self.complete(worker, read())
        return found[0] and Sums(found[0].raised, found[0].payments)

    def check_public(self, worker: ModelWorker, campaign: Campaign, wanted: Sums, when: str) -> None:
        shown = worker.progress.get(campaign)
        assert shown is not None, f"{when}: {campaign.id} is unknown"
        assert not shown.stale, f"{when}: {campaign.id} is stale"
        public, rule = max(0, wanted.raised), campaign.publication
        if not rule.immediate:
            public = public_total(public, rule.step, campaign=campaign.id, goal=campaign.goal.amount)
        assert shown.raised.amount == public, f"{when}: {campaign.id} shows {shown.raised}, not {public}"
        assert shown.raised.currency == campaign.currency


def steps_of(seed: int) -> int:
    return 4 + seed % 9


async def _run(seed: int, count: int, create_server: CreateServer, then: Callable[[Scenario], None]) -> None:
    dice = Random()
    for number in range(seed, seed + count):
        dice.seed(number)
        scenario = Scenario(dice, create_server)
        try:
            scenario.run(steps_of(number))
            then(scenario)
        except Exception as error:
            raise AssertionError(f"SEED={number} COUNT=1: {type(error).__name__}: {error}") from error
        finally:
            scenario.close()
        await asyncio.sleep(0)


def run_scenarios(
    seed: int,
    count: int,
    create_server: CreateServer = MemoryServer,
    then: Callable[[Scenario], None] = lambda scenario: None,
) -> int:
    """Run `count` scenarios, and return their number. A failure names its seed.

    `then` is called with each scenario after its end.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        asyncio.run(_run(seed, count, create_server, then))
    finally:
        structlog.reset_defaults()
    return count
