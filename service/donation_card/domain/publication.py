"""The publication rule: the public figure is a decision, taken on a timetable and a grid.

Whoever holds one line of a bank statement must not find it again as a jump of the public counter. So the figure
moves only at fixed boundaries, only after enough gifts, and only in whole steps. `roll.lua` applies `decide`
inside Redis, where it is taken once for all workers; this module is the same rule in the open.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from donation_card.domain.totals import Totals

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Rule:
    """`every` seconds between boundaries, counted from local midnight; 0 publishes exactly and at once.

    `step` in minor units; `min_gifts` payments since the figure last moved.
    """

    every: int
    step: int
    min_gifts: int
    timezone: ZoneInfo

    def __post_init__(self) -> None:
        if self.every < 0 or (self.every and DAY % self.every):
            raise ValueError("every divides a day into equal parts, or is 0")
        if self.step < 1 or self.min_gifts < 0:
            raise ValueError("step is at least 1 and min_gifts at least 0")

    @property
    def live(self) -> bool:
        return self.every == 0


@dataclass(frozen=True, slots=True)
class Published:
    """The public figure as decided. Amounts in minor units; `epoch` is the boundary's instant in UTC seconds.

    `stale`: the projection behind it is not built now, so its next decision waits.
    """

    epoch: int
    online: int
    offline: int
    payments_at_move: int
    stale: bool = False

    @property
    def raised(self) -> int:
        return self.online + self.offline


def boundaries(rule: Rule, day: date) -> Iterator[int]:
    """The boundaries of one local day, as ascending UTC seconds. Daylight saving may merge two, never reorder."""
    last = None
    for second in range(0, DAY, rule.every):
        wall = datetime.combine(day, time(), rule.timezone) + timedelta(seconds=second)
        instant = int(wall.astimezone(UTC).timestamp())
        if last is None or instant > last:
            last = instant
            yield instant


def epochs_around(rule: Rule, now: datetime) -> tuple[int, ...]:
    """The two boundaries before `now` and the two after, for Redis' own TIME to choose from: clocks differ."""
    today = now.astimezone(rule.timezone).date()
    instants = sorted({at for day in (-1, 0, 1, 2) for at in boundaries(rule, today + timedelta(days=day))})
    here = bisect_right(instants, now.timestamp())
    return tuple(instants[max(0, here - 2) : here + 2])


def next_boundary(rule: Rule, now: datetime) -> datetime | None:
    if rule.live:
        return None
    stamp = now.timestamp()
    return next(datetime.fromtimestamp(at, UTC) for at in epochs_around(rule, now) if at > stamp)


def decide(
    rule: Rule, published: Published | None, totals: Totals, *, epoch: int, offline: int, ended: bool
) -> Published:
    """The figure to show from `epoch` on. An epoch already decided is never decided again."""
    step = 1 if rule.live else rule.step
    online = max(0, totals.raised) // step * step
    if published is None:
        return Published(epoch, online, offline, totals.payments)
    if (online, offline) == (published.online, published.offline) if rule.live else epoch <= published.epoch:
        return published
    # a figure that once counted a payment too many must not wait for it for ever
    since = min(published.payments_at_move, totals.payments)
    kept = replace(published, epoch=max(epoch, published.epoch), offline=offline, payments_at_move=since)
    due = rule.live or ended or totals.payments - since >= rule.min_gifts
    if not due or online == published.online:
        return kept
    return replace(kept, online=online, payments_at_move=totals.payments)
