"""Simulate card testing: attackers from ten thousand networks, donors, and the real limits.

    python -m tests.soak.card_testing [scenario…] [--minutes 90] [--seed 7]

The clock is virtual and the random numbers are seeded, so a run repeats itself. The checks of sessions, the limits and
the attack detection are the service's own. The limits in memory stand for Redis, and
`tests/integration/adapters/redis/test_rate_limiter.py` checks the script in Redis against the same rule. A proof of
work costs its time: in a browser the speed of a telephone or a laptop, for an attacker the speed of native code on
each core.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import random
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.adapters.proof_of_work import MEAN_ATTEMPTS
from donation_card.application.ports.payments import Account, CheckoutSession, PaymentDeclined, SessionStatus
from donation_card.application.session_limits import WITHOUT_JS, Budgets, Client, SessionLimits
from donation_card.domain.attack_detection import MAX_LEVEL
from donation_card.errors import RateLimited

BUDGETS = Budgets.from_stripe_limit(25)
PREFIXES = 10_000
DONORS_A_SECOND = 0.5
NATIVE, LAPTOP, PHONE = 650, 400, 120
"""Attempts a second: one core without a browser, a laptop's browser, an old telephone's browser."""

TIMEOUT = 60
"""Seconds that a donor waits for the challenge."""

AGAIN = 20
"""How often a donor or an attacker sends a proof again that was rejected for lack of room."""


@dataclass(frozen=True)
class Scenario:
    """Describe an attack from a tenth to two thirds of the time. `rate` is requests a second without a proof."""

    about: str
    rate: float
    cores: int = 0
    forms: float = 0.3
    """The share of requests that look as if a browser without JavaScript sent them."""
    promised: bool = True
    """Require that 99 % of the donors are served. With more cores the work is too much for telephones."""


SCENARIOS = {
    "none": Scenario("nobody attacks", 0),
    "scripts": Scenario("400 requests a second that prove nothing", 400),
    "patient": Scenario("one request in five seconds", 0.2),
    "forms": Scenario("all of them as browsers without JavaScript", 50, forms=1),
    "cores-16": Scenario("50 a second, and 16 cores that prove", 50, 16),
    "cores-64": Scenario("50 a second, and 64 cores that prove", 50, 64, promised=False),
}


@dataclass
class Outcome:
    """Hold the results. `waits` are the seconds of donors with a challenge, `levels` the seconds at each level."""

    donors: Counter = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    attackers: Counter = field(default_factory=Counter)
    levels: Counter = field(default_factory=Counter)
    noticed_after: float | None = None
    budget: float = 0
    off_at_the_end: bool = False

    @property
    def served(self) -> float:
        return self.share("all")

    def share(self, kind: str) -> float:
        return self.donors[kind, "served"] / max(1, self.donors[kind, "came"])

    @property
    def sessions(self) -> int:
        return self.attackers["unproven"] + self.attackers["proven"]

    def good(self, scenario: Scenario) -> bool:
        within = self.sessions <= self.budget and not self.attackers["replayed"]
        return within and (self.served >= 0.99 or not scenario.promised)


class Run:
    def __init__(self, scenario: Scenario, minutes: float, seed: int) -> None:
        self.scenario, self.end = scenario, minutes * 60
        self.attack = self.end * 0.1, self.end * 2 / 3
        self.dice, self.at, self.order, self.proofs = random.Random(seed), 0.0, count(), count()
        self.due: list[tuple[float, int, Callable[[], Awaitable[None]]]] = []
        self.prefixes = [f"11.{n // 256}.{n % 256}.1" for n in range(PREFIXES)]
        self.campaign = read_campaign(Path("tests/support/roof.toml"))
        limits, alone = MemoryRateLimiter(now=self.now), MemoryRateLimiter(now=self.now)
        self.admission = SessionLimits(Bank(), limits, alone, Work(), BUDGETS, now_ms=self.now)  # type: ignore[arg-type]
        self.outcome = Outcome(budget=BUDGETS.unproven.burst + WITHOUT_JS.burst)

    def now(self) -> int:
        return int(self.at * 1_000)

    def later(self, seconds: float, what: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self.due, (self.at + seconds, next(self.order), what))

    async def play(self) -> Outcome:
        self.later(0, self.look)
        self.later(0, self.donor_comes)
        if self.scenario.rate:
            self.later(self.attack[0], self.attacker_asks)
        for _ in range(self.scenario.cores):
            self.later(self.attack[0], self.attacker_proves)
        while self.due and self.due[0][0] < self.end:
            self.at, _, what = heapq.heappop(self.due)
            await what()
        self.outcome.off_at_the_end = not self.admission.attack_status.effective_level
        return self.outcome

    async def look(self) -> None:
        """Do the background work of a second, and add the sessions that the limits allow."""
        await self.admission.sync_attack_status()
        level = self.admission.attack_status.effective_level
        self.outcome.levels[level] += 1
        if level and self.outcome.noticed_after is None:
            self.outcome.noticed_after = self.at - self.attack[0]
        if self.attack[0] <= self.at < self.attack[1]:
            open_to_all = WITHOUT_JS if level else BUDGETS.unproven
            self.outcome.budget += 1_000 / (BUDGETS.campaign if self.scenario.cores else open_to_all).interval_ms
        self.later(1, self.look)

    async def ask(self, address: str, *, scripted: bool, proof: str = "", replaces: str = "") -> tuple[str, float]:
        try:
            visitor = Client(address, scripted, proof, "form")
            await self.admission.admit(self.campaign, visitor, replaces=replaces)
        except RateLimited as error:
            return error.code, float(error.params.get("retry_after", 0))
        return "session", 0

    def work(self, speed: float) -> float:
        """Return the seconds that a challenge takes at the current level."""
        tries = MEAN_ATTEMPTS << (max(self.admission.attack_status.effective_level, 1) - 1)
        return tries * self.dice.uniform(0.5, 1.5) / speed

    # ── donors ────────────────────────────────────────────────────────────────────────────────────────────────

    async def donor_comes(self) -> None:
        self.later(self.dice.expovariate(DONORS_A_SECOND), self.donor_comes)
        kind, address = self.dice.choices(
            [
                ("own", f"12.{self.dice.randrange(256)}.{self.dice.randrange(256)}.1"),
                ("carrier", f"13.0.{self.dice.randrange(20)}.1"),
                ("tor", f"14.0.{self.dice.randrange(50)}.1"),
                ("shared", self.dice.choice(self.prefixes)),
            ],
            [40, 30, 5, 25],
        )[0]
        if self.dice.random() < 0.005:
            kind = "no script"
        speed = self.dice.choice([LAPTOP, PHONE])
        attacked = "attacked" if self.attack[0] <= self.at < self.attack[1] else "quiet"
        kinds = ("all", kind, attacked)
        for each in kinds:
            self.outcome.donors[each, "came"] += 1
        await self.donor_presses(address, kinds, speed, AGAIN)

    async def donor_presses(
        self, address: str, kinds: tuple[str, ...], speed: float, tries: int, proof: str = "", waited: float = 0
    ) -> None:
        answer, wait = await self.ask(address, scripted="no script" not in kinds, proof=proof)
        if answer == "session":
            for each in kinds:
                self.outcome.donors[each, "served"] += 1
            if waited:
                self.outcome.waits.append(waited)
            if self.dice.random() < 0.05:
                self.later(self.dice.uniform(20, 120), self.card_declined)
            elif self.dice.random() < 0.6:
                self.later(self.dice.uniform(20, 120), self.gift_paid)
        elif answer == "challenge_required":
            work = self.work(speed)
            if waited + work < TIMEOUT:
                solved = partial(self.donor_presses, address, kinds, speed, tries, self.proof(), waited + work)
                self.later(work, solved)
        elif proof and tries and waited < TIMEOUT:
            again = partial(self.donor_presses, address, kinds, speed, tries - 1, proof, waited + 2)
            self.later(max(wait, 2), again)

    async def gift_paid(self) -> None:
        self.admission.record_signal(PAID)

    async def card_declined(self) -> None:
        self.admission.record_signal(PaymentDeclined())

    # ── attackers ─────────────────────────────────────────────────────────────────────────────────────────────

    def proof(self) -> str:
        return f"proof {next(self.proofs)}"

    def attacking(self) -> bool:
        return self.at < self.attack[1]

    async def attacker_asks(self) -> None:
        if not self.attacking():
            return
        self.later(self.dice.expovariate(self.scenario.rate), self.attacker_asks)
        self.outcome.attackers["asked"] += 1
        scripted = self.dice.random() >= self.scenario.forms
        await self.attacker_gets("unproven", scripted=scripted)

    async def attacker_proves(self) -> None:
        """Attack with one core: solve, use the proof, send it again, and repeat from another network."""
        if not self.attacking():
            return
        self.outcome.attackers["asked"] += 1
        proof = self.proof()
        work = self.work(NATIVE)
        self.later(work, partial(self.attacker_gets, "proven", scripted=True, proof=proof))
        self.later(work, partial(self.attacker_gets, "replayed", scripted=True, proof=proof))
        self.later(work, self.attacker_proves)

    async def attacker_gets(self, how: str, *, scripted: bool, proof: str = "", tries: int = AGAIN) -> None:
        answer, _ = await self.ask(self.dice.choice(self.prefixes), scripted=scripted, proof=proof)
        if answer == "rate_limited" and how == "proven" and tries:
            again = partial(self.attacker_gets, how, scripted=scripted, proof=proof, tries=tries - 1)
            self.later(2, again)
        if answer != "session":
            return
        if how == "replayed" and not self.admission.attack_status.effective_level:
            how = "unproven"  # nobody is asked for a proof now, so an old one is as good as none
        self.outcome.attackers[how] += 1
        for _ in range(5):
            self.outcome.attackers["cards"] += 1
            tried = self.card_declined if self.dice.random() < 0.97 else self.gift_paid
            self.later(self.dice.uniform(2, 40), tried)


class Bank:
    async def get(self) -> Account:
        return Account("acct_simulated", livemode=False)


class Work:
    """Accept every proof. `Run.work` already spent the time for it."""

    def issue(self, form: str, level: int) -> dict[str, object]:
        raise NotImplementedError

    def verify(self, proof: str, form: str) -> str | None:
        return proof


PAID = CheckoutSession("cs_1", SessionStatus.PAID, None, "roof", "other", "n", "pi_1", 0, 0)


def run(scenario: str, *, minutes: float, seed: int) -> Outcome:
    return asyncio.run(Run(SCENARIOS[scenario], minutes, seed).play())


def table(outcomes: dict[str, Outcome]) -> Iterator[str]:
    yield (
        f"{'scenario':10} {'donors':>7} {'served':>8} {'attacked':>9} {'shared':>8} {'no script':>10} {'wait, p95':>12}"
        f" {'asked':>8} {'sessions':>9} {'budget':>8} {'replayed':>9} {'noticed':>8}  seconds at each level from 0"
    )
    for name, each in outcomes.items():
        waits = sorted(each.waits) or [0.0]
        wait = f"{statistics.median(waits):.1f}, {waits[int(len(waits) * 0.95)]:.1f} s"
        noticed = "never" if each.noticed_after is None else f"{each.noticed_after:.0f} s"
        yield (
            f"{name:10} {each.donors['all', 'came']:7} {each.served:8.2%} {each.share('attacked'):9.2%} "
            f"{each.share('shared'):8.2%} {each.share('no script'):10.0%} {wait:>12} {each.attackers['asked']:8} "
            f"{each.sessions:9} {each.budget:8.0f} {each.attackers['replayed']:9} {noticed:>8}  "
            f"{' '.join(str(each.levels[level]) for level in range(MAX_LEVEL + 1))}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    found = {name: run(name, minutes=given.minutes, seed=given.seed) for name in given.scenario}
    print("\n".join(table(found)))
    missed = [name for name, each in found.items() if not each.good(SCENARIOS[name])]
    for name in missed:
        print(f"{name}: fewer than 99 % of the donors were served, or attackers had more than their budget")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
