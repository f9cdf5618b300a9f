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
class PublicationPolicy:
    """`every` seconds between boundaries, counted from local midnight; 0 publishes exactly and at once.

    `step` in minor units; `min_donations` payments since the figure last moved.
    """

    interval_seconds: int
    step: int
    min_donations: int
    timezone: ZoneInfo

    def __post_init__(self) -> None:
        if self.interval_seconds < 0 or (self.interval_seconds and DAY % self.interval_seconds):
            raise ValueError("every divides a day into equal parts, or is 0")
        if self.step < 1 or self.min_donations < 0:
            raise ValueError("step is at least 1 and min_donations at least 0")

    @property
    def immediate(self) -> bool:
        return self.interval_seconds == 0


@dataclass(frozen=True, slots=True)
class PublishedTotal:
    """The public figure as decided. Amounts in minor units; `epoch` is the boundary's instant in UTC seconds.

    `stale`: the projection behind it is not built now, so its next decision waits.
    """

    period_start: int
    via_stripe: int
    offline: int
    payments_at_last_change: int
    stale: bool = False

    @property
    def raised(self) -> int:
        return self.via_stripe + self.offline


def period_starts(policy: PublicationPolicy, day: date) -> Iterator[int]:
    """The boundaries of one local day, as ascending UTC seconds. Daylight saving may merge two, never reorder."""
    last = None
    for second in range(0, DAY, policy.interval_seconds):
        wall = datetime.combine(day, time(), policy.timezone) + timedelta(seconds=second)
        instant = int(wall.astimezone(UTC).timestamp())
        if last is None or instant > last:
            last = instant
            yield instant


def periods_around(policy: PublicationPolicy, now: datetime) -> tuple[int, ...]:
    """The two boundaries before `now` and the two after, for Redis' own TIME to choose from: clocks differ."""
    today = now.astimezone(policy.timezone).date()
    instants = sorted({at for day in (-1, 0, 1, 2) for at in period_starts(policy, today + timedelta(days=day))})
    here = bisect_right(instants, now.timestamp())
    return tuple(instants[max(0, here - 2) : here + 2])


def next_period_start(policy: PublicationPolicy, now: datetime) -> datetime | None:
    if policy.immediate:
        return None
    stamp = now.timestamp()
    return next(datetime.fromtimestamp(at, UTC) for at in periods_around(policy, now) if at > stamp)


def next_published_total(
    policy: PublicationPolicy,
    published: PublishedTotal | None,
    totals: Totals,
    *,
    period_start: int,
    offline: int,
    ended: bool,
) -> PublishedTotal:
    """The figure to show from `epoch` on. An epoch already decided is never decided again."""
    step = 1 if policy.immediate else policy.step
    online = max(0, totals.raised) // step * step
    if published is None:
        return PublishedTotal(period_start, online, offline, totals.payments)
    if (
        (online, offline) == (published.via_stripe, published.offline)
        if policy.immediate
        else period_start <= published.period_start
    ):
        return published
    # a figure that once counted a payment too many must not wait for it for ever
    since = min(published.payments_at_last_change, totals.payments)
    kept = replace(
        published,
        period_start=max(period_start, published.period_start),
        offline=offline,
        payments_at_last_change=since,
    )
    due = policy.immediate or ended or totals.payments - since >= policy.min_donations
    if not due or online == published.via_stripe:
        return kept
    return replace(kept, via_stripe=online, payments_at_last_change=totals.payments)
