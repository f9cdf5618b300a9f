"""Check the protocol of generations in a small model, over random orders of its steps.

The model has one campaign, a Stripe, a Redis and the workers that reconcile. A step is the time between two atomic
operations. The model behaves as the Lua scripts promise, so that only the order is random.
`tests/integration/adapters/redis/test_interleavings.py` checks the scripts themselves. `make stress` runs two million
scenarios instead of 40,000.

`SEED=… COUNT=… pytest tests/unit/application/test_generation_model.py` repeats or extends a run.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from random import Random

from tests.support.scale import short_or_long

COUNT = int(os.environ.get("COUNT", short_or_long(40_000, 2_000_000)))
SEED = int(os.environ.get("SEED", "20261124"))

LIFETIME = 3
"""Ticks within which a payment is paid or expires."""

OVERLAP = 3
"""Ticks before its cursor at which a sync starts to list."""

PAYMENT = 0

AMOUNTS = ((0, 50), (0, -20, 0), (0, -30, 0, -30))
"""Contributions of a payment, a refund and a dispute by version, as in `domain.totals`."""


class Generation:
    __slots__ = ("cursor", "raised", "versions", "waiting")

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        """Payment that does not count → the sum of its reversals."""
        self.raised = 0
        self.cursor = -1  # not complete

    def apply(self, name: int, kind: int, version: int, payment: int) -> None:
        known = self.versions.get(name, 0)
        if version <= known:
            return
        self.versions[name] = version
        difference = AMOUNTS[kind][version] - AMOUNTS[kind][known]
        if kind == PAYMENT or self.versions.get(payment):
            self.raised += difference + self.waiting.pop(name, 0)
        else:
            self.waiting[payment] = self.waiting.get(payment, 0) + difference

    def copy(self) -> Generation:
        other = Generation()
        other.versions, other.raised, other.cursor = self.versions.copy(), self.raised, self.cursor
        other.waiting = self.waiting.copy()
        return other


class Listing:
    """A worker that lists the objects at Stripe, newest first and page by page, for a sync or for a rebuild."""

    __slots__ = ("from_webhooks", "generation", "is_rebuild", "names", "required", "since", "started_at")

    def __init__(self, scenario: Scenario, generation: Generation, since: int, *, is_rebuild: bool) -> None:
        self.generation, self.since, self.is_rebuild, self.started_at = generation, since, is_rebuild, scenario.now
        self.names = [name for name in range(len(scenario.version)) if scenario.created[name] >= since]
        payments = {name: version for name, version in enumerate(scenario.version) if scenario.kind[name] == PAYMENT}
        self.required = payments | {name: scenario.version[name] for name in self.names}
        """Versions at the start that it must reach: everything listed, and every payment."""
        self.from_webhooks: list[tuple[int, int]] = []
        """States that arrived by webhook meanwhile."""


class Scenario:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 0
        self.kind: list[int] = []
        self.payment: list[int] = []
        """Object → the payment that it is or reverses."""
        self.created: list[int] = []
        self.version: list[int] = []
        self.events: list[tuple[int, int]] = []
        self.current: Generation | None = None
        self.rebuild: Generation | None = None
        self.backup: tuple[Generation | None, Generation | None] | None = None
        self.listings: list[Listing] = []

    def run(self, steps: int) -> None:
        chance = self.random.random
        for _ in range(steps):
            value = chance()
            if value < 0.30:
                self.change_an_object()
            elif value < 0.52:
                self.deliver_a_webhook()
            elif value < 0.84:
                self.list_a_page()
            elif value < 0.90:
                self.now += 1
            elif value < 0.93:
                self.kill_a_worker()
            elif value < 0.95:
                self.empty_redis()
            elif value < 0.98:
                self.save_or_restore_redis()
            else:
                self.now += OVERLAP
        self.finish()

    # ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────

    def change_an_object(self) -> None:
        random = self.random
        name = int(random.random() * (len(self.version) + 1))
        if name == len(self.version):
            payments = [payment for payment, kind in enumerate(self.kind) if kind == PAYMENT]
            self.kind.append(int(random.random() * 3) if payments else PAYMENT)
            self.payment.append(name if self.kind[name] == PAYMENT else random.choice(payments))
            self.created.append(self.now)
            self.version.append(0)
            if random.random() < 0.4:  # not paid yet
                return
        kind, age = self.kind[name], self.now - self.created[name]
        if self.version[name] < len(AMOUNTS[kind]) - 1 and (kind != PAYMENT or age <= LIFETIME):
            self.version[name] += 1
            if random.random() < 0.7:  # otherwise its event is lost or was never created
                self.events.append((name, self.version[name]))

    def deliver_a_webhook(self) -> None:
        if self.events:
            at = int(self.random.random() * len(self.events))
            event = self.events[at] if self.random.random() < 0.3 else self.events.pop(at)  # it may be sent again
            self.apply(*event)

    def apply(self, name: int, version: int) -> None:
        if self.current is None:
            self.current = Generation()
        self.current.apply(name, self.kind[name], version, self.payment[name])
        for listing in self.listings:
            listing.from_webhooks.append((name, version))
        if self.rebuild is not None:
            self.rebuild.apply(name, self.kind[name], version, self.payment[name])

    def list_a_page(self) -> None:
        random = self.random
        if not self.listings or (len(self.listings) < 2 and random.random() < 0.2):
            if self.current is None:
                self.current = Generation()
            if self.current.cursor < 0 or random.random() < 0.3:
                self.rebuild = Generation()  # an unfinished rebuild is discarded
                self.listings.append(Listing(self, self.rebuild, 0, is_rebuild=True))
            else:
                since = self.current.cursor - OVERLAP
                self.listings.append(Listing(self, self.current, since, is_rebuild=False))
            return
        listing = self.listings[int(random.random() * len(self.listings))]
        if listing.names:
            for name in listing.names[-2:]:
                if not listing.is_rebuild:
                    self.apply(name, self.version[name])
                elif listing.generation is self.rebuild:
                    listing.generation.apply(name, self.kind[name], self.version[name], self.payment[name])
            del listing.names[-2:]
            return
        self.listings.remove(listing)
        if listing.is_rebuild and listing.generation is self.rebuild:
            self.rebuild.cursor = listing.started_at
            self.current, self.rebuild = self.rebuild, None
            self.check_listing(listing)
        elif not listing.is_rebuild and listing.generation is self.current and self.current.cursor >= 0:
            self.current.cursor = max(self.current.cursor, listing.started_at)
            self.check_listing(listing)

    def kill_a_worker(self) -> None:
        if self.listings:
            self.listings.pop()

    def empty_redis(self) -> None:
        self.current = self.rebuild = None

    def save_or_restore_redis(self) -> None:
        def copied(pair: tuple[Generation | None, Generation | None]) -> tuple[Generation | None, Generation | None]:
            return pair[0] and pair[0].copy(), pair[1] and pair[1].copy()

        if self.backup is None:
            self.backup = copied((self.current, self.rebuild))
        else:
            self.current, self.rebuild = copied(self.backup)
            self.listings.clear()  # the restored generations are other objects

    # ── checks ────────────────────────────────────────────────────────────────────────────────────────────────

    def check_listing(self, listing: Listing) -> None:
        """Check that a complete listing brings at least the truth at its start, and never more than the truth."""
        assert self.current is not None
        for name, version in listing.required.items():
            assert self.current.versions.get(name, 0) >= version, "a version from before the listing is missing"
        for name, version in listing.from_webhooks:
            assert self.current.versions.get(name, 0) >= version, "an acknowledged update is missing"
        self.check_generation(self.current)

    def check_generation(self, generation: Generation) -> None:
        raised = 0
        for name, version in generation.versions.items():
            assert version <= self.version[name], "Stripe never sent this version"
            if generation.versions.get(self.payment[name]):
                raised += AMOUNTS[self.kind[name]][version]
        assert generation.raised == raised, "each object counts once, with its highest version, while its payment does"

    def finish(self) -> None:
        """Rebuild once more, as happens every day. The totals equal Stripe's."""
        self.listings.clear()
        if self.current is not None:
            self.check_generation(self.current)
        self.rebuild = Generation()
        self.listings.append(Listing(self, self.rebuild, 0, is_rebuild=True))
        while self.listings:
            for event in self.events[-1:]:
                self.apply(*event)
            listing = self.listings[0]
            if not listing.names:
                break
            for name in listing.names[-2:]:
                self.rebuild.apply(name, self.kind[name], self.version[name], self.payment[name])
            del listing.names[-2:]
        objects = zip(self.kind, self.version, self.payment, strict=True)
        true = sum(AMOUNTS[kind][version] for kind, version, payment in objects if self.version[payment])
        assert self.rebuild.raised == true


def scenarios(seed: int, count: int) -> int:
    """Run `count` scenarios. A failure names its seed."""
    random = Random()
    for number in range(count):
        random.seed(seed + number)
        try:
            Scenario(random).run(8 + number % 20)
        except AssertionError as error:
            raise AssertionError(f"SEED={seed + number} COUNT=1: {error}") from error
    return count


def test_random_interleavings_of_generations_end_correct() -> None:
    if COUNT < 100_000:
        assert scenarios(SEED, COUNT) == COUNT
        return
    parts = 20
    share = -(-COUNT // parts)
    with ProcessPoolExecutor(2) as pool:
        done = pool.map(scenarios, [SEED + part * share for part in range(parts)], [share] * parts)
        assert sum(done) >= COUNT
