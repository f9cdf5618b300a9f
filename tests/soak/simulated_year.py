"""Simulate a year of a network of newsrooms in minutes, on the real code and a real server with a moved clock.

    python -m tests.soak.simulated_year [--campaigns 10000] [--gifts 1000000] [--days 365]

Campaign files, recorder, reconciliation, refresh and the scripts in Redis are the service's own. The clock of Redis is
moved by libfaketime (Debian: libfaketime). Stripe is a model behind the port: it holds the objects in memory and counts
the pages that the adapter would read. Webhooks are lost, come twice and in any order. Files are edited, added, hidden
and removed. The service is started anew each month, and Redis loses everything once.

Until the last day there is one sync in five days and one rebuild in three months, so that a year takes minutes. The
last day is a whole one: 48 syncs, a rebuild and a refresh each minute. All totals must equal plain sums.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.application import reconciliation as module
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import (
    Attribution,
    CheckoutSession,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
)
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.refresh_schedule import AT_ONCE
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.money import Money
from donation_card.domain.totals import ObjectKind, Totals, totals_name
from donation_card.observability.logs import configure_logs
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.response_cache import ResponseCache

import tests.support
from tests.soak.reads_year import DAY, HOUR, MINUTE, CountingPayments
from tests.support.fakes import ACCOUNT, FakeClock
from tests.support.fakes.pictures import FakePictures
from tests.support.redis_servers import Server
from tests.support.redis_stores import totals_store

KEY = "publication-key-of-the-simulated-year"
LOST, REPEATED = 0.01, 0.02
"""Shares of the webhooks that never come, and that come twice."""

REFUNDED, DISPUTED, WON = 0.01, 0.003, 0.4
"""Shares of the gifts that are refunded and disputed, and of the disputes that the organiser wins."""

AMOUNTS = (5_00, 10_00, 25_00, 25_00, 50_00, 100_00, 250_00)
SITES = ("other", "daily.example", "weekly.example")
INTERVALS = ("1d",) * 9 + ("0",)
"""The publication intervals of the campaigns, in turn."""

STEP = 100_00
EDITS = 5
"""Edited files at a time."""

PARTS = 8
"""Groups in which the gifts come between two syncs."""

REBUILD_EVERY = 90 * DAY
LIBFAKETIME = "faketime/libfaketime.so.1"

ROOF_TEXT = (Path(tests.support.__file__).parent / "roof.toml").read_text("utf-8")


class PlainSums:
    """Sum up what the totals must be."""

    def __init__(self) -> None:
        self.raised: Counter[str] = Counter()
        self.payments: Counter[str] = Counter()
        self.of_site: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, name: str, site: str, amount: int, *, payments: int = 0) -> None:
        self.raised[name] += amount
        self.payments[name] += payments
        self.of_site[name][site] += amount

    def totals(self, name: str) -> Totals:
        return Totals(self.raised[name], self.payments[name])


class NetworkPayments(CountingPayments):
    """The port to Stripe, with sessions of many campaigns. The newest session is listed first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.attributions: dict[str | None, Attribution] = {}

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self.count("refunds and disputes")
        return self.attributions.get(payment_intent)

    async def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        for objects in self.lists.values():
            pages, records = objects.since(created)
            self.count("syncs" if created else "rebuilds", pages)
            for record in reversed(records):
                if isinstance(record, CheckoutSession):
                    if before is None or record.created < before:
                        yield record
                else:
                    attribution = self.attributions[record.payment_intent] if created == 0 else None
                    yield replace(record, attribution=attribution)


@dataclass
class Network:
    """A year of one account. Each start of the service opens the store anew."""

    folder: Path
    open_store: Callable[[], Any]
    lose_store: Callable[[], None]
    set_time: Callable[[float], None]
    """Move the clock of the store."""
    campaigns: int
    gifts: int
    days: int
    seed: int = 7
    store_cpu: Callable[[], float] = lambda: 0.0
    """Return the seconds of CPU that the store used so far."""
    stride: int = 5
    """Days between two syncs before the last day."""
    cpu: dict[str, defaultdict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    """Part of the year → work → seconds of CPU of the service."""
    work: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Part of the year → work → how often it was done."""

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self._move(self.clock.at // DAY * DAY)
        self.random = random.Random(self.seed)
        self.sums = PlainSums()
        self.payments = NetworkPayments(lambda: self.clock.at)
        self.names: list[str] = []
        self.hidden: set[str] = set()
        self.checked = Counter[str]()
        self.part = "year"
        self._objects = 0
        self._later: dict[int, list[Callable[[], None]]] = defaultdict(list)
        """Day → reversals."""
        self._webhooks: list[StripeRecord] = []
        self.folder.mkdir(parents=True)
        for number in range(self.campaigns):
            self._write(f"campaign-{number}")

    def _move(self, at: float) -> None:
        self.clock.at = at
        self.set_time(at)

    # campaign files

    def _write(self, name: str, *, goal: int = 900, status: str = "open") -> None:
        every = INTERVALS[int(name.rpartition("-")[2]) % len(INTERVALS)]
        text = ROOF_TEXT.replace('every = "6h"', f'every = "{every}"').replace("min_donations = 2", "min_donations = 0")
        text = text.replace('timezone = "Europe/Vilnius"', 'timezone = "UTC"').replace('"open"', f'"{status}"')
        text = text.replace("goal = 900", f"goal = {goal}").replace("amount = 300", f"amount = {goal - 600}")
        new = self.folder / f".{name}.new"
        new.write_text(text, "utf-8")
        new.rename(self.folder / f"{name}.toml")
        if name not in self.names:
            self.names.append(name)

    def _edit_files(self, day: int) -> None:
        for _ in range(EDITS):
            name = self.random.choice(self.names)
            hide = name not in self.hidden and self.random.random() < 0.2
            (self.hidden.add if hide else self.hidden.discard)(name)
            self._write(name, goal=self.random.randint(7, 90) * 100, status="hidden" if hide else "open")
        self._write(f"campaign-{self.campaigns + day}")
        removed = self.names.pop(self.random.randrange(len(self.names)))
        self.hidden.discard(removed)
        (self.folder / f"{removed}.toml").unlink()

    # what donors, banks and the organiser do

    def _give(self) -> None:
        campaign = self.names[int(len(self.names) * self.random.random() ** 3)]  # few campaigns get most
        amount, site = self.random.choice(AMOUNTS), self.random.choice(SITES)
        self._objects += 1
        intent, now = f"pi_{self._objects}", int(self.clock.at)
        session = CheckoutSession(
            f"cs_{self._objects}",
            SessionStatus.PAID,
            Money(amount, "EUR"),
            campaign,
            site,
            "attempt",
            intent,
            now,
            now + SESSION_LIFETIME,
        )
        self.payments.lists["session"].add(now, session, 1)
        self.payments.event("checkout.session.completed", session, 1)
        self.payments.attributions[intent] = Attribution(campaign, site)
        self.payments.count("thanks")
        name = totals_name(campaign, "EUR")
        self.sums.add(name, site, amount, payments=1)
        self._send(session)
        chance, after = self.random.random(), int(now // DAY) + self.random.randint(0, 20)
        if chance < REFUNDED:
            part = amount if chance < REFUNDED / 2 else amount // 5
            self._later[after].append(lambda: self._reverse(ObjectKind.REFUND, intent, name, site, part))
        elif chance < REFUNDED + DISPUTED:
            self._later[after].append(lambda: self._reverse(ObjectKind.DISPUTE, intent, name, site, amount))

    def _reverse(self, kind: ObjectKind, intent: str, name: str, site: str, amount: int) -> None:
        self._objects += 1
        record = RefundOrDispute(kind, f"re_{self._objects}", intent, "EUR", 10**10, -amount)
        self.payments.lists[kind.value].add(int(self.clock.at), record, 1)
        self.payments.event("refund.created" if kind is ObjectKind.REFUND else "charge.dispute.created", record, 1)
        self.sums.add(name, site, -amount)
        self._send(record)
        if kind is ObjectKind.DISPUTE and self.random.random() < WON:
            position = len(self.payments.lists[kind.value].records) - 1
            after = int(self.clock.at // DAY) + self.random.randint(1, 20)
            self._later[after].append(lambda: self._win(record, position, name, site))

    def _win(self, record: RefundOrDispute, position: int, name: str, site: str) -> None:
        won = replace(record, version=2 * 10**10, amount=0)
        self.payments.lists["dispute"].records[position] = won
        self.payments.event("charge.dispute.funds_reinstated", won, 1)
        self.sums.add(name, site, -record.amount)
        self._send(won)

    def _send(self, record: StripeRecord) -> None:
        if self.random.random() >= LOST:
            self._webhooks.extend([record] * (1 + (self.random.random() < REPEATED)))

    # the service

    async def _start(self) -> None:
        """Start the service anew: its memory is empty, its store is not."""
        with self._measured("starts"):
            self.store = self.open_store()
            self.files = CampaignFiles(self.folder, clock=self.clock)
            account = StripeAccount(self.payments, self.store)  # type: ignore[arg-type]
            self.progress = PublicProgress(account, self.files, self.store, self.clock, KEY, lambda: self.clock.at)
            self.recorder = PaymentRecorder(account, self.files, self.store, self.payments, lambda: self.clock.at)  # type: ignore[arg-type]
            self.reconciliation = Reconciliation(
                account,
                self.files,
                self.store,
                self.payments,  # type: ignore[arg-type]
                self.recorder,
                self.progress,
                self.clock,
            )
            responses = CampaignResponseCache(self.files, self.progress, None, ResponseCache(), FakePictures())  # type: ignore[arg-type]
            self.refresh = CampaignRefresh(self.files, self.progress, responses)
        await self._synchronise()
        await self._refresh_all()

    @contextlib.contextmanager
    def _measured(self, work: str, times: int = 1) -> Iterator[None]:
        began = time.process_time()
        yield
        self.cpu[self.part][work] += time.process_time() - began
        self.work[self.part][work] += times

    async def _synchronise(self) -> None:
        """Let the service synchronise if it is due, and count what it did."""
        rebuilt, began = self._pages_of_rebuilds(), time.process_time()
        await self.reconciliation.run_if_due()
        history = self.reconciliation.history
        if history and history.last_sync_at == int(self.clock.at):
            work = "rebuilds" if self._pages_of_rebuilds() > rebuilt else "syncs"
            self.cpu[self.part][work] += time.process_time() - began
            self.work[self.part][work] += 1

    def _pages_of_rebuilds(self) -> int:
        return sum(day["rebuilds"] for day in self.payments.reads.values())

    async def _refresh(self) -> None:
        with self._measured("refreshes"):
            await self.refresh.refresh()

    async def _refresh_all(self) -> None:
        for _ in range(len(self.names) // AT_ONCE + 2):
            await self._refresh()

    async def _receive(self) -> None:
        self.random.shuffle(self._webhooks)
        with self._measured("webhooks", len(self._webhooks)):
            for record in self._webhooks:
                await self.recorder.record(record, "webhook")
        self._webhooks.clear()

    async def _reload(self, day: int) -> None:
        self._edit_files(day)
        with self._measured("file edits"):
            self.files.reload()
            await self.refresh.refresh()
        for name in self.hidden:
            assert self.progress.get(self.files.get(name)) is None, name

    # the year

    async def run(self, report: Callable[[str], None] = lambda _: None) -> None:
        await self._start()
        last_day, half = self.days - 1, self.days // 2
        with mock.patch.object(module, "REBUILD_INTERVAL", REBUILD_EVERY):
            for day in range(0, last_day, self.stride):
                days = min(self.stride, last_day - day)
                if day <= half < day + days:
                    self.lose_store()
                if day % 30 < days or day <= half < day + days:
                    await self._start()
                await self._pass(day, days)
                if (day + days) % 90 < days or day + days == last_day:
                    await self.check()
                    report(f"day {day + days}: {self.sums.payments.total():,} gifts, all totals are right")
        used = self.store_cpu()
        self.cpu["year"]["Redis"], self.work["year"]["Redis"] = used, 1
        self.part = "last day"
        await self._whole_day(last_day)
        self.cpu["last day"]["Redis"], self.work["last day"]["Redis"] = self.store_cpu() - used, 1
        await self.check()

    def _plan(self, hours: float) -> None:
        mean = self.gifts / self.days / 24 * hours
        for _ in range(int(mean) + (self.random.random() < mean % 1)):
            self._give()

    def _reverse_due(self) -> None:
        today = int(self.clock.at // DAY)
        for day in sorted(day for day in self._later if day <= today):
            for action in self._later.pop(day):
                action()

    async def _pass(self, day: int, days: int) -> None:
        """Publish at midnight, receive the gifts of some days, and synchronise before the last midnight."""
        midnight = self.clock.at // DAY * DAY
        self._move(midnight + 5)
        await self._refresh_all()
        self._check_published(day)
        for part in range(PARTS):
            self._move(midnight + MINUTE + part * days * 23 * HOUR // PARTS)
            self._reverse_due()
            self._plan(days * 24 / PARTS)
            await self._receive()
            await self._refresh()
        await self._reload(day)
        self._move(midnight + days * DAY - 30 * MINUTE)
        await self._synchronise()
        await self._refresh()
        self._decided = dict(self.sums.raised)
        self._move(midnight + days * DAY)

    async def _whole_day(self, day: int) -> None:
        """All syncs of a day, a rebuild when it is due, and a refresh each minute."""
        midnight = self.clock.at // DAY * DAY
        self._reverse_due()
        for minute in range(24 * 60):
            self._move(midnight + minute * MINUTE + 5)
            if minute % 60 == 0:
                self._plan(1)
                await self._receive()
            await self._refresh()
            if minute % 10 == 0:
                await self._synchronise()
            if minute == 12 * 60:
                await self._reload(day)
        self._move(midnight + DAY)
        await self._synchronise()

    # laws

    async def check(self) -> None:
        """Raise AssertionError unless every total, and that of every site, equals the plain sums."""
        for name in self.sums.raised:
            assert await self.store.totals(ACCOUNT, name) == self.sums.totals(name), name
            found = await self.store.totals_by_site(ACCOUNT, name)
            of_site = self.sums.of_site[name]
            stored = {site: each.raised for site, each in found.items()}
            assert {site: sum_ for site, sum_ in stored.items() if sum_} == {s: n for s, n in of_site.items() if n}, (
                name
            )
            self.checked["exact totals"] += 1

    def _check_published(self, day: int) -> None:
        """Raise AssertionError unless each public total stands where the sum of the last midnight allows it."""
        if not day:
            return
        for campaign in self.files.all_visible():
            progress = self.progress.get(campaign)
            if progress is None or progress.stale or progress.as_of.timestamp() != self.clock.at // DAY * DAY:
                continue
            total = max(0, self._decided.get(campaign.totals_name, 0))
            above = total - progress.raised.amount
            assert 0 <= above < 2 * STEP, (campaign.id, total, progress.raised)
            self.checked["public totals"] += 1


@contextlib.contextmanager
def server_with_clock(folder: Path, clock: Path) -> Iterator[Server]:
    """Run a server whose time is that of the last change of a file. End if libfaketime is not installed."""
    library = next((path for path in Path("/usr/lib").glob(f"*/{LIBFAKETIME}")), None)
    if library is None:
        sys.exit("libfaketime is missing: apt-get install libfaketime")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME": "%",
        "FAKETIME_FOLLOW_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    server = Server(folder, environment=environment)
    try:
        yield server.start()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=10_000)
    parser.add_argument("--gifts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=365)
    wanted = parser.parse_args()
    configure_logs("critical")
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Path(name) / "clock"
        clock.touch()
        with server_with_clock(folder / "redis", clock) as server:
            raw, url = server.client(), f"redis://127.0.0.1:{server.port}"
            network = Network(
                folder / "campaigns",
                lambda: totals_store(url),
                raw.flushall,
                lambda at: os.utime(clock, (at, at)),
                wanted.campaigns,
                wanted.gifts,
                wanted.days,
                store_cpu=lambda: sum(raw.info("cpu")[f"used_cpu_{kind}"] for kind in ("user", "sys")),
            )
            asyncio.run(network.run(lambda line: print(line, flush=True)))
            report(network, raw.info("memory"))


def report(network: Network, memory: dict[str, Any]) -> None:
    checked = ", ".join(f"{number:,} {what}" for what, number in network.checked.items())
    used, most = (memory[key] / 1e6 for key in ("used_memory", "used_memory_peak"))
    print(f"\nright: {checked}\nRedis: {used:.0f} MB at the end, {most:.0f} MB at most (during a rebuild)\n")
    print("| work | of the year: times | CPU | of the last day: times | CPU | each |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for work in network.work["year"] | network.work["last day"]:
        cells = [f"{network.work[part][work]:,} | {network.cpu[part][work]:.1f} s" for part in ("year", "last day")]
        each = network.cpu["last day"][work] / max(1, network.work["last day"][work])
        print(f"| {work} | {' | '.join(cells)} | {each * 1000:.2f} ms |")
    reads = network.payments.reads[network.days - 1]
    print(f"\nStripe reads of the last day: {reads.total():,}, {', '.join(f'{w} {n:,}' for w, n in reads.items())}")


if __name__ == "__main__":
    main()
