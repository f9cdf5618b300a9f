"""Check the protocol of generations in a small model, over random orders of its steps.

The model has one campaign, a Stripe, a Redis and the workers that reconcile. A step is the time between two atomic
operations. The model does what the Lua scripts promise, so that only the order is random.
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
"""Ticks within which a payment that was begun is paid or never is."""

OVERLAP = 3
"""Ticks that a pass looks back beyond its cursor."""

PAYMENT = 0

CONTRIBUTIONS = ((0, 50), (0, -20, 0), (0, -30, 0, -30))
"""Contributions of a payment, a refund and a dispute by version, as in `domain.totals`."""


class Generation:
    __slots__ = ("cursor", "raised", "ranks")

    def __init__(self) -> None:
        self.ranks: dict[int, int] = {}
        self.raised = 0
        self.cursor = -1  # not built

    def join(self, name: int, kind: int, rank: int) -> None:
        known = self.ranks.get(name, 0)
        if rank > known:
            self.ranks[name] = rank
            self.raised += CONTRIBUTIONS[kind][rank] - CONTRIBUTIONS[kind][known]

    def copy(self) -> Generation:
        other = Generation()
        other.ranks, other.raised, other.cursor = self.ranks.copy(), self.raised, self.cursor
        return other


class Listing:
    """Somebody who lists Stripe's objects, newest first and page by page: a pass, or a rebuild into a shadow."""

    __slots__ = ("began", "generation", "heard", "names", "reached", "rebuild", "since")

    def __init__(self, story: Story, generation: Generation, since: int, *, rebuild: bool) -> None:
        self.generation, self.since, self.rebuild, self.began = generation, since, rebuild, story.now
        self.names = [name for name in range(len(story.rank)) if story.created[name] >= since]
        payments = {name: rank for name, rank in enumerate(story.rank) if story.kind[name] == PAYMENT}
        self.reached = payments | {name: story.rank[name] for name in self.names}
        """Versions at the start that it must reach: everything listed, and every payment."""
        self.heard: list[tuple[int, int]] = []
        """States that arrived by webhook meanwhile."""


class Story:
    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.now = 0
        self.kind: list[int] = []
        self.created: list[int] = []
        self.rank: list[int] = []
        self.events: list[tuple[int, int]] = []
        self.live: Generation | None = None
        self.shadow: Generation | None = None
        self.backup: tuple[Generation | None, Generation | None] | None = None
        self.listings: list[Listing] = []

    def tell(self, steps: int) -> None:
        chances = self.dice.random
        for _ in range(steps):
            what = chances()
            if what < 0.30:
                self.something_is_paid_or_taken_back()
            elif what < 0.52:
                self.a_webhook_arrives()
            elif what < 0.84:
                self.somebody_lists_a_page()
            elif what < 0.90:
                self.now += 1
            elif what < 0.93:
                self.a_worker_is_killed()
            elif what < 0.95:
                self.redis_is_emptied()
            elif what < 0.98:
                self.redis_is_saved_or_restored()
            else:
                self.now += OVERLAP
        self.all_is_quiet()

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────

    def something_is_paid_or_taken_back(self) -> None:
        dice = self.dice
        name = int(dice.random() * (len(self.rank) + 1))
        if name == len(self.rank):
            self.kind.append(int(dice.random() * 3))
            self.created.append(self.now)
            self.rank.append(0)
            if dice.random() < 0.4:  # begun, not paid yet
                return
        kind, age = self.kind[name], self.now - self.created[name]
        if self.rank[name] < len(CONTRIBUTIONS[kind]) - 1 and (kind != PAYMENT or age <= LIFETIME):
            self.rank[name] += 1
            if dice.random() < 0.7:  # else its event is lost, or was never made
                self.events.append((name, self.rank[name]))

    def a_webhook_arrives(self) -> None:
        if self.events:
            at = int(self.dice.random() * len(self.events))
            event = self.events[at] if self.dice.random() < 0.3 else self.events.pop(at)  # it may come again
            self.join(*event)

    def join(self, name: int, rank: int) -> None:
        if self.live is None:
            self.live = Generation()
        self.live.join(name, self.kind[name], rank)
        for listing in self.listings:
            listing.heard.append((name, rank))
        if self.shadow is not None:
            self.shadow.join(name, self.kind[name], rank)

    def somebody_lists_a_page(self) -> None:
        dice = self.dice
        if not self.listings or (len(self.listings) < 2 and dice.random() < 0.2):
            if self.live is None:
                self.live = Generation()
            if self.live.cursor < 0 or dice.random() < 0.3:
                self.shadow = Generation()  # whatever shadow there was is thrown away
                self.listings.append(Listing(self, self.shadow, 0, rebuild=True))
            else:
                since = self.live.cursor - OVERLAP
                self.listings.append(Listing(self, self.live, since, rebuild=False))
            return
        listing = self.listings[int(dice.random() * len(self.listings))]
        if listing.names:
            for name in listing.names[-2:]:
                if not listing.rebuild:
                    self.join(name, self.rank[name])
                elif listing.generation is self.shadow:
                    listing.generation.join(name, self.kind[name], self.rank[name])
            del listing.names[-2:]
            return
        self.listings.remove(listing)
        if listing.rebuild and listing.generation is self.shadow:
            self.shadow.cursor = listing.began
            self.live, self.shadow = self.shadow, None
            self.kept_its_promise(listing)
        elif not listing.rebuild and listing.generation is self.live and self.live.cursor >= 0:
            self.live.cursor = max(self.live.cursor, listing.began)
            self.kept_its_promise(listing)

    def a_worker_is_killed(self) -> None:
        if self.listings:
            self.listings.pop()

    def redis_is_emptied(self) -> None:
        self.live = self.shadow = None

    def redis_is_saved_or_restored(self) -> None:
        def copied(pair: tuple[Generation | None, Generation | None]) -> tuple[Generation | None, Generation | None]:
            return pair[0] and pair[0].copy(), pair[1] and pair[1].copy()

        if self.backup is None:
            self.backup = copied((self.live, self.shadow))
        else:
            self.live, self.shadow = copied(self.backup)
            self.listings.clear()  # their generations have other names now, in the model as in Redis

    # ── the law ───────────────────────────────────────────────────────────────────────────────────────────────

    def kept_its_promise(self, listing: Listing) -> None:
        """Check that a complete listing brings at least the truth at its start, and never more than the truth."""
        assert self.live is not None
        for name, rank in listing.reached.items():
            assert self.live.ranks.get(name, 0) >= rank, "something that was true when it began is missing"
        for name, rank in listing.heard:
            assert self.live.ranks.get(name, 0) >= rank, "something that was acknowledged meanwhile is missing"
        self.nothing_is_invented(self.live)

    def nothing_is_invented(self, generation: Generation) -> None:
        raised = 0
        for name, rank in generation.ranks.items():
            assert rank <= self.rank[name], "nobody ever said so"
            raised += CONTRIBUTIONS[self.kind[name]][rank]
        assert generation.raised == raised, "an object counts once, with its highest rank"

    def all_is_quiet(self) -> None:
        """Rebuild once more, as happens every day. The totals equal Stripe's."""
        self.listings.clear()
        if self.live is not None:
            self.nothing_is_invented(self.live)
        self.shadow = Generation()
        self.listings.append(Listing(self, self.shadow, 0, rebuild=True))
        while self.listings:
            for event in self.events[-1:]:
                self.join(*event)
            listing = self.listings[0]
            if not listing.names:
                break
            for name in listing.names[-2:]:
                self.shadow.join(name, self.kind[name], self.rank[name])
            del listing.names[-2:]
        true = sum(CONTRIBUTIONS[kind][rank] for kind, rank in zip(self.kind, self.rank, strict=True))
        assert self.shadow.raised == true


def stories(seed: int, count: int) -> int:
    """Tells `count` of them; a failure names the one."""
    dice = Random()
    for number in range(count):
        dice.seed(seed + number)
        try:
            Story(dice).tell(8 + number % 20)
        except AssertionError as error:
            raise AssertionError(f"SEED={seed + number} COUNT=1: {error}") from error
    return count


def test_random_interleavings_of_generations_end_correct() -> None:
    if COUNT < 100_000:
        assert stories(SEED, COUNT) == COUNT
        return
    parts = 20
    share = -(-COUNT // parts)
    with ProcessPoolExecutor(2) as pool:
        done = pool.map(stories, [SEED + part * share for part in range(parts)], [share] * parts)
        assert sum(done) >= COUNT
