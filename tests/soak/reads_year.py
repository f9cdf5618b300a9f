"""Simulate a year of an account and count the reads of Stripe: `python -m tests.soak.reads_year`.

The reconciliation, the recorder and the public progress are the service's own, with a clock that is moved. The port to
Stripe counts a read for each page of each list, as the adapter would request it. Gifts of one hour are one record that
stands for several objects. One day of the year, card thieves open as many sessions as the limits let through.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, count
from pathlib import Path
from zoneinfo import ZoneInfo

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.stripe.objects import LISTED_EVENTS
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutSession,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
)
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy
from donation_card.domain.totals import ObjectKind
from donation_card.observability.logs import configure_logs

import tests.support
from tests.support.fakes import ACCOUNT, FakeCampaigns, FakeClock, FakeTotalsStore

PAGE = 100
MINUTE, HOUR, DAY = 60, 3_600, 86_400
MONTH = 30 * DAY
READS_A_PAYMENT, LEAST_READS = 500, 10_000
"""Stripe's limits over 30 days: https://docs.stripe.com/rate-limits."""

ATTACK_SESSIONS_A_MINUTE = 12 * 60
"""The limit of the whole service on new sessions."""

ROOF_ATTRIBUTION = Attribution("roof", "other")

REFUNDED, DISPUTED = 0.01, 0.003
"""Shares of all gifts."""

ROOF = replace(
    read_campaign(Path(tests.support.__file__).parent / "roof.toml"),
    publication=PublicationPolicy(DAY, 1, 0, ZoneInfo("Europe/Vilnius")),
)


@dataclass
class ListedObjects:
    """Objects of one list of Stripe, oldest first. Each entry is a record that stands for `objects` objects."""

    created: list[int] = field(default_factory=list)
    records: list[StripeRecord | None] = field(default_factory=list)
    objects: list[int] = field(default_factory=lambda: [0])
    """The number of objects before each entry."""

    def add(self, created: int, record: StripeRecord | None, objects: int) -> None:
        self.created.append(created)
        self.records.append(record)
        self.objects.append(self.objects[-1] + objects)

    def since(self, created: int) -> tuple[int, list[StripeRecord]]:
        """Return how many pages a list has, and its records."""
        first = bisect_left(self.created, created)
        pages = max(1, -(-(self.objects[-1] - self.objects[first]) // PAGE))
        return pages, [each for each in self.records[first:] if each is not None]


class CountingPayments:
    """The port to a Stripe that holds objects in memory and counts what the adapter would read."""

    key_fingerprint = "fingerprint"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.start = clock, clock()
        self.reads: dict[int, Counter[str]] = defaultdict(Counter)
        """Day → reads by kind of work."""
        self.lists = {kind: ListedObjects() for kind in ("session", "refund", "dispute")}
        self.events = ListedObjects()

    def count(self, work: str, reads: int = 1) -> None:
        self.reads[int((self.clock() - self.start) // DAY)][work] += reads

    def event(self, type: str, record: StripeRecord | None, objects: int) -> None:
        """Record an event, if the adapter lists events of its type."""
        if type in LISTED_EVENTS:
            self.events.add(int(self.clock()), record, objects)

    async def account(self) -> Account:
        self.count("starts")
        return ACCOUNT

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self.count("refunds and disputes")
        return ROOF_ATTRIBUTION

    async def get_session(self, session_id: str) -> CheckoutSession:
        raise NotImplementedError

    async def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        for objects in self.lists.values():
            pages, records = objects.since(created)
            self.count("syncs" if created else "rebuilds", pages)
            for record in records:
                whole = created == 0 and isinstance(record, RefundOrDispute)  # the session is in the same list
                yield replace(record, attribution=ROOF_ATTRIBUTION) if whole else record

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        pages, records = self.events.since(changed)
        self.count("syncs", pages)
        for record in records:
            yield record


@dataclass
class Year:
    """One account with its service.

    `gifts`: a month. `attack_paid`: the share of the thieves' sessions that a bank pays, and that the organiser refunds
    on the next day. None: nobody attacks.
    """

    gifts: int
    attack_paid: float | None = None
    days: int = 365
    attack_day: int = 200
    seed: int = 7

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.start = self.clock.at
        self.random = random.Random(self.seed)
        self.payments = CountingPayments(lambda: self.clock.at)
        self.store = FakeTotalsStore(self.clock)
        self.payments_a_day: Counter[int] = Counter()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._webhooks: list[StripeRecord] = []
        self._restart()

    def _restart(self) -> None:
        """Start the service anew: its memory is empty, its store is not."""
        campaigns, payments = FakeCampaigns(ROOF), self.payments
        self.account = StripeAccount(payments, self.store)  # type: ignore[arg-type]
        self.progress = PublicProgress(self.account, campaigns, self.store, self.clock, uptime=lambda: self.clock.at)  # type: ignore[arg-type]
        self.recorder = PaymentRecorder(self.account, campaigns, self.store, payments, lambda: self.clock.at)  # type: ignore[arg-type]
        self.reconciliation = Reconciliation(
            self.account,
            campaigns,
            self.store,  # type: ignore[arg-type]
            payments,  # type: ignore[arg-type]
            self.recorder,
            self.progress,
            self.clock,
        )

    async def run(self) -> None:
        for hour in range(self.days * 24):
            self._plan(hour)
            if hour % (7 * 24) == 0:
                self._restart()
            for _ in range(HOUR // MINUTE):
                await self._minute()
            await self.progress.refresh(ROOF)

    def _plan(self, hour: int) -> None:
        """Plan the gifts of the next hour, and the sessions of card thieves."""
        mean = self.gifts / (30 * 24)
        gifts = int(mean) + (self.random.random() < mean % 1)
        if gifts:
            self._after(self.random.random() * HOUR, lambda: self._open(gifts))
        if self.attack_paid is not None and hour // 24 == self.attack_day:
            for minute in range(HOUR // MINUTE):
                self._after(minute * MINUTE, self._attack)

    async def _minute(self) -> None:
        self.clock.advance(MINUTE)
        while self._later and self._later[0][0] <= self.clock.at:
            heapq.heappop(self._later)[2]()
        for record in self._webhooks:
            await self.recorder.record(record, "webhook")
        self._webhooks.clear()
        await self.reconciliation.run_if_due()
        progress = self.progress.get(ROOF)
        if progress is None or progress.stale:
            await self.progress.refresh(ROOF)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.clock.at + seconds, next(self._numbers), action))

    # what donors, thieves, banks and the organiser do

    def _open(self, gifts: int) -> None:
        """Open sessions, which are paid some minutes later. Each donor's page reads the session once."""
        self._after(5 * MINUTE, lambda: self._pay(gifts))

    def _pay(self, gifts: int, refunded: float = REFUNDED, disputed: float = DISPUTED) -> None:
        self.payments_a_day[self._day()] += gifts
        self.payments.count("thanks", gifts)
        reversed_gifts = 0
        for kind, share in ((ObjectKind.REFUND, refunded), (ObjectKind.DISPUTE, disputed)):
            for _ in range(sum(self.random.random() < share for _ in range(gifts - reversed_gifts))):
                reversed_gifts += 1
                session = self._complete(1)
                self._after(DAY, partial(self._reverse, kind, session))
        if gifts > reversed_gifts:
            self._complete(gifts - reversed_gifts)

    def _complete(self, gifts: int) -> CheckoutSession:
        """Complete the session of a gift, or one that stands for several gifts."""
        number, now = next(self._numbers), int(self.clock.at)
        session = CheckoutSession(
            id=f"cs_{number}",
            status=SessionStatus.PAID,
            amount=Money(25_00 * gifts, "EUR"),
            campaign="roof",
            site="other",
            attempt_id="attempt",
            payment_intent=f"pi_{number}",
            created=now - 5 * MINUTE,
            expires_at=now + SESSION_LIFETIME,
        )
        self.payments.lists["session"].add(now, session, gifts)
        self.payments.event("checkout.session.completed", session, gifts)
        self._webhooks.append(session)
        return session

    def _reverse(self, kind: ObjectKind, session: CheckoutSession) -> None:
        record = RefundOrDispute(kind, f"re_{next(self._numbers)}", session.payment_intent, "EUR", 1, -25_00)
        self.payments.lists[kind.value].add(int(self.clock.at), record, 1)
        for type in ("refund.created", "charge.refund.updated") if kind is ObjectKind.REFUND else DISPUTE_EVENTS:
            self.payments.event(type, record, 1)
            self._webhooks.append(record)

    def _attack(self) -> None:
        """Open the sessions of a minute. A few are paid and later refunded, all others expire."""
        paid = sum(self.random.random() < (self.attack_paid or 0) for _ in range(ATTACK_SESSIONS_A_MINUTE))
        if paid:
            self._after(MINUTE, lambda: self._pay(paid, refunded=1, disputed=0))
        self._after(SESSION_LIFETIME, lambda: self._expire(ATTACK_SESSIONS_A_MINUTE - paid))

    def _expire(self, sessions: int) -> None:
        self.payments.event("checkout.session.expired", None, sessions)

    # results

    def _day(self) -> int:
        return int((self.clock.at - self.start) // DAY)

    def months(self) -> Iterator[tuple[int, int]]:
        """Yield the reads of each 30 days, and the reads that Stripe allows in them."""
        reads = [0, *accumulate(self.payments.reads[day].total() for day in range(self.days))]
        payments = [0, *accumulate(self.payments_a_day[day] for day in range(self.days))]
        for end in range(min(30, self.days), self.days + 1):
            first = max(0, end - 30)
            allowed = max(LEAST_READS, READS_A_PAYMENT * (payments[end] - payments[first]))
            yield reads[end] - reads[first], allowed

    def busiest_month(self) -> tuple[int, int]:
        """Return the reads and the limit of the 30 days that come nearest to the limit."""
        return max(self.months(), key=lambda month: month[0] / month[1])

    def by_work(self) -> Counter[str]:
        """Return the reads of the whole time by kind of work."""
        return sum(self.payments.reads.values(), Counter[str]())


DISPUTE_EVENTS = ("charge.dispute.created", "charge.dispute.funds_withdrawn")


def simulate(gifts: int, attack_paid: float | None = None, *, days: int = 365, attack_day: int = 200) -> Year:
    year = Year(gifts, attack_paid, days, attack_day)
    asyncio.run(year.run())
    return year


SCENARIOS: list[tuple[int, float | None]] = [(0, None), (35, None), (35, 0), (35, 0.005), (35_000, 0.005)]
"""Gifts a month, and the share of the thieves' sessions that is paid, or None."""

DOCUMENTED = Path("docs/monitor.md")


def documented_row(gifts: int, attack_paid: float | None, year: Year) -> str:
    """Return the row of docs/monitor.md."""
    reads, allowed = year.busiest_month()
    attack = (
        "none" if attack_paid is None else f"{attack_paid * 100:g} % are paid" if attack_paid else "nothing is paid"
    )
    on_that_day = year.payments.reads[year.attack_day].total()
    return f"| {gifts:,} | {attack} | {reads:,} | {allowed:,} | {year.by_work().total():,} | {on_that_day:,} |"


def main() -> None:
    configure_logs("critical")
    failed = False
    for gifts, attack_paid in SCENARIOS:
        year = simulate(gifts, attack_paid)
        row = documented_row(gifts, attack_paid, year)
        print(row, ", ".join(f"{work} {reads:,}" for work, reads in year.by_work().items()), flush=True)
        if any(reads > allowed for reads, allowed in year.months()):
            failed = True
            print("  more than Stripe allows")
        if row not in DOCUMENTED.read_text("utf-8"):
            failed = True
            print(f"  {DOCUMENTED} has another row")
    sys.exit(failed)


if __name__ == "__main__":
    main()
