"""Decide when the public total moves, and to which value.

An observer who knows one line of a bank statement must not recognise it as a change of the public total. Therefore the
total moves only at the start of a period, after enough donations, and in whole steps. Each step has a secret threshold,
so that an observer who gives cannot bring the sum to just below it. `publish_if_due.lua` applies
`next_published_total` inside Redis, for all workers together. A site has a series of its own (`domain/site_total.py`).
"""

import hmac
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.totals import Totals

DAY = 86_400


@dataclass(frozen=True, slots=True)
class PublicationPolicy:
    """Periods start at local midnight and last `interval_seconds`. 0 publishes the exact total immediately.

    A period of several days begins on fixed days, and one of a week on Mondays.

    `step` and `goal` are in minor units. `min_donations` counts payments since the total moved last. Without a
    `threshold_key` each step is published as soon as the sum reaches it, and so is always the goal.
    """

    interval_seconds: int
    step: int
    min_donations: int
    timezone: ZoneInfo
    threshold_key: bytes = field(default=b"", repr=False)
    goal: int = 0

    def __post_init__(self) -> None:
        interval = self.interval_seconds
        if interval < 0 or (interval and DAY % interval and interval % DAY):
            raise ValueError("interval_seconds divides a day into equal parts, or is whole days, or is 0")
        if self.step < 1 or self.min_donations < 0:
            raise ValueError("step is at least 1 and min_donations at least 0")

    @property
    def immediate(self) -> bool:
        return self.interval_seconds == 0

    @property
    def is_daily(self) -> bool:
        return self.interval_seconds == DAY

    def threshold(self, number: int) -> int:
        """Return how far the sum must be above step `number` until that step is published: 0 to below `step`.

        See docs/decisions/0025-each-step-has-a-secret-threshold.md.
        """
        if not self.threshold_key or number * self.step in (0, self.goal):
            return 0
        digest = hmac.digest(self.threshold_key, str(number).encode(), "sha256")
        return int.from_bytes(digest[:8]) * self.step >> 64

    def public_sum(self, exact: int) -> int:
        """Return the last step whose threshold the sum has reached."""
        if self.immediate:
            return max(0, exact)
        number, above = divmod(max(0, exact), self.step)
        return (number - (above < self.threshold(number))) * self.step


@dataclass(frozen=True, slots=True)
class PublishedTotal:
    """The public total as it was decided last. Amounts in minor units, `period_start` in UTC seconds.

    `raised` is the sum of all sources in whole steps. `listed` is the exact sum of the offline donations that the
    campaign page lists singly. `stale` means that the exact totals are unknown, so that nothing can be decided.
    """

    period_start: int
    raised: int
    listed: int
    payments_at_last_change: int
    stale: bool = False


def period_starts(policy: PublicationPolicy, day: date) -> Iterator[int]:
    """Yield the starts of the periods of a local day in ascending UTC seconds. Daylight saving may merge two.

    A period of several days must begin on this day.
    """
    yield from _starts(policy.interval_seconds, policy.timezone, day)


@lru_cache(1_000)
def _starts(interval_seconds: int, timezone: ZoneInfo, day: date) -> tuple[int, ...]:
    """Return what `period_starts` yields. Many campaigns have the same interval and time zone."""
    walls = (
        datetime.combine(day, time(), timezone) + timedelta(seconds=second)
        for second in range(0, DAY, interval_seconds)
    )
    starts: list[int] = []
    for instant in (int(wall.astimezone(UTC).timestamp()) for wall in walls):
        if not starts or instant > starts[-1]:
            starts.append(instant)
    return tuple(starts)


def periods_around(policy: PublicationPolicy, now: datetime) -> tuple[int, ...]:
    """Return the two starts before `now` and the two after. Redis chooses by its own clock, because clocks differ."""
    today, days = now.astimezone(policy.timezone).date(), max(1, policy.interval_seconds // DAY)
    first = today - timedelta(days=(today.toordinal() - 1) % days)  # day 1 of the calendar was a Monday
    dates = [first + timedelta(days=number * days) for number in (-1, 0, 1, 2)]
    instants = sorted({at for day in dates for at in period_starts(policy, day)})
    here = bisect_right(instants, now.timestamp())
    return tuple(instants[max(0, here - 2) : here + 2])


def current_period(policy: PublicationPolicy, now: datetime) -> tuple[int, int]:
    """Return the start of the current period and of the next one, in UTC seconds."""
    starts = periods_around(policy, now)
    next_one = bisect_right(starts, now.timestamp())
    return starts[next_one - 1], starts[next_one]


def next_period_start(policy: PublicationPolicy, now: datetime) -> datetime | None:
    if policy.immediate:
        return None
    return datetime.fromtimestamp(current_period(policy, now)[1], UTC)


def next_published_total(
    policy: PublicationPolicy,
    published: PublishedTotal | None,
    totals: Totals,
    *,
    period_start: int,
    offline: int,
    listed: int = 0,
    ended: bool,
    now: float = math.inf,
) -> PublishedTotal:
    """Return the public total from `period_start` on. A period is decided once.

    All sources are summed before the sum is rounded, so that no source has a public amount of its own.

    A published period that is ahead of `now` (UTC seconds) is unknown, so the total is due at once.
    """
    raised = policy.public_sum(totals.raised + offline)
    if published is None:
        return PublishedTotal(period_start, raised, listed, totals.payments)
    ahead = published.period_start > now + MAX_AHEAD
    if not ahead and (
        (raised, listed) == (published.raised, published.listed)
        if policy.immediate
        else period_start <= published.period_start
    ):
        return published
    # a total that once included a payment too many must not wait for another one
    since = min(published.payments_at_last_change, totals.payments)
    kept = replace(
        published,
        period_start=period_start if ahead else max(period_start, published.period_start),
        listed=listed,
        payments_at_last_change=since,
    )
    due = policy.immediate or ended or totals.payments - since >= policy.min_donations
    if not due or raised == published.raised:
        return kept
    return replace(kept, raised=raised, payments_at_last_change=totals.payments)
