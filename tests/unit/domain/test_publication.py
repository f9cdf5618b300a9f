"""Test that the public total moves at fixed times, in whole steps, after enough donations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.publication import (
    DAY,
    PublicationPolicy,
    PublishedTotal,
    next_period_start,
    next_published_total,
    period_starts,
    periods_around,
)
from donation_card.domain.totals import Totals
from hypothesis import given, strategies as st

VILNIUS = ZoneInfo("Europe/Vilnius")
RULE = PublicationPolicy(interval_seconds=6 * 3600, step=100_00, min_donations=3, timezone=VILNIUS)
SPRING, AUTUMN = [date(2026, 3, 29), date(2027, 3, 28)], [date(2026, 10, 25), date(2027, 10, 31)]

rules = st.builds(
    PublicationPolicy,
    interval_seconds=st.sampled_from([900, 3600, 3 * 3600, 6 * 3600, 8 * 3600, 12 * 3600, DAY, 2 * DAY, 7 * DAY]),
    step=st.sampled_from([1, 7, 100_00]),
    min_donations=st.integers(0, 5),
    timezone=st.sampled_from([VILNIUS, ZoneInfo("UTC"), ZoneInfo("America/Havana"), ZoneInfo("Australia/Lord_Howe")]),
)
near_a_change = st.builds(
    lambda day, seconds: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from(SPRING + AUTUMN),
    st.integers(-2 * DAY, 2 * DAY),
)
any_time = near_a_change | st.datetimes(
    datetime(2026, 1, 1),
    datetime(2028, 1, 1),
    timezones=st.just(UTC),
)


def walls(rule: PublicationPolicy, day: date) -> list[str]:
    return [datetime.fromtimestamp(at, rule.timezone).strftime("%H:%M") for at in period_starts(rule, day)]


@pytest.mark.parametrize("day", [*SPRING, *AUTUMN, date(2026, 7, 1)])
def test_six_hour_interval_has_the_same_hours_every_day(day: date) -> None:
    assert walls(RULE, day) == ["00:00", "06:00", "12:00", "18:00"]


@pytest.mark.parametrize(("days", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_dst_day_is_an_hour_shorter_or_longer(days: list[date], hours: int) -> None:
    for day in days:
        midnight, following = (next(period_starts(RULE, day + timedelta(days=n))) for n in (0, 1))
        assert following - midnight == hours * 3600


@pytest.mark.parametrize("day", SPRING)
def test_missing_dst_hour_is_merged_with_the_next(day: date) -> None:
    assert walls(replace(RULE, interval_seconds=3600), day)[2:5] == ["02:00", "04:00", "05:00"]


@pytest.mark.parametrize("day", AUTUMN)
def test_repeated_dst_hour_has_one_boundary(day: date) -> None:
    assert walls(replace(RULE, interval_seconds=3600), day).count("03:00") == 1


@given(rule=rules, day=st.sampled_from(SPRING + AUTUMN), days=st.integers(-2, 2))
def test_boundaries_ascend_over_midnight(rule: PublicationPolicy, day: date, days: int) -> None:
    first = day + timedelta(days=days)
    instants = [*period_starts(rule, first), *period_starts(rule, first + timedelta(days=1))]
    assert instants == sorted(set(instants))


@given(rule=rules, now=any_time)
def test_every_instant_has_two_boundaries_on_each_side(rule: PublicationPolicy, now: datetime) -> None:
    around = periods_around(rule, now)
    assert list(around) == sorted(set(around))
    assert [at <= now.timestamp() for at in around] == [True, True, False, False]


@given(rule=rules, now=any_time)
def test_next_boundary_becomes_the_current_one(rule: PublicationPolicy, now: datetime) -> None:
    following = next_period_start(rule, now)
    assert following is not None
    assert now < following <= now + timedelta(seconds=2 * rule.interval_seconds + 3600)
    assert periods_around(rule, following)[1] == following.timestamp()


@given(days=st.sampled_from([2, 3, 7, 28]), now=any_time)
def test_period_of_several_days_begins_on_fixed_days(days: int, now: datetime) -> None:
    """Two starts are so many days apart, at local midnight, whoever asks. A week begins on Monday."""
    around = periods_around(replace(RULE, interval_seconds=days * DAY), now)
    starts = [datetime.fromtimestamp(at, VILNIUS) for at in around]
    assert {start.time() for start in starts} == {time()}
    assert {later.date() - earlier.date() for earlier, later in pairwise(starts)} == {timedelta(days=days)}
    assert (starts[0].date() - date(2024, 1, 1)).days % days == (date(1, 1, 1) - date(2024, 1, 1)).days % days
    if days % 7 == 0:
        assert {start.isoweekday() for start in starts} == {1}


def test_immediate_total_has_no_next_boundary() -> None:
    assert next_period_start(replace(RULE, interval_seconds=0), datetime.now(UTC)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_seconds": -1},
        {"interval_seconds": 7000},
        {"interval_seconds": DAY + 3600},
        {"step": 0},
        {"min_donations": -1},
    ],
)
def test_impossible_rule_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"divides a day|step is at least"):
        replace(RULE, **wrong)


# ── secret thresholds ─────────────────────────────────────────────────────────────────────────────────────────────

keys = st.binary(min_size=1, max_size=40)
sums = st.integers(-900_00, 9_000_00) | st.integers(0, 900).map(lambda number: number * 100_00)


@given(rule=rules, key=keys, exact=sums, goal=st.integers(1, 30))
def test_public_sum_is_the_full_steps_or_one_less(rule: PublicationPolicy, key: bytes, exact: int, goal: int) -> None:
    shown = replace(rule, threshold_key=key, goal=goal * rule.step).public_sum(exact)
    full = exact - exact % rule.step if exact > 0 else 0
    assert shown in (full, max(0, full - rule.step))


@given(rule=rules, key=keys, exact=sums, more=st.integers(0, 500_00), goal=st.integers(1, 30))
def test_public_sum_never_falls_when_the_sum_grows(
    rule: PublicationPolicy, key: bytes, exact: int, more: int, goal: int
) -> None:
    keyed = replace(rule, threshold_key=key, goal=goal * rule.step)
    assert keyed.public_sum(exact) <= keyed.public_sum(exact + more)


@given(rule=rules, key=keys, goal=st.integers(1, 30), above=st.integers(0, 500_00))
def test_goal_is_published_as_soon_as_it_is_reached(rule: PublicationPolicy, key: bytes, goal: int, above: int) -> None:
    keyed = replace(rule, threshold_key=key, goal=goal * rule.step)
    assert keyed.public_sum(keyed.goal) == keyed.goal
    assert keyed.public_sum(keyed.goal + above) >= keyed.goal
    assert keyed.public_sum(keyed.goal - 1) == keyed.goal - rule.step


def test_thresholds_are_spread_evenly_over_a_step() -> None:
    keyed = replace(RULE, threshold_key=b"roof")
    thresholds = [keyed.threshold(number) for number in range(1, 4_001)]
    tenths = [sum(each * 10 // RULE.step == tenth for each in thresholds) for tenth in range(10)]
    assert min(thresholds) >= 0
    assert all(300 < count < 500 for count in tenths), "about 400 each"
    rises = sum(one < other for one, other in pairwise(thresholds))
    assert 1_850 < rises < 2_150, "a threshold says nothing about the next one"


def test_other_key_has_other_thresholds() -> None:
    one, other = (replace(RULE, threshold_key=key) for key in (b"roof", b"well"))
    assert sum(one.threshold(number) == other.threshold(number) for number in range(1, 400)) < 5
    assert repr(one) == repr(other), "no key in a log"


# ── the decision ──────────────────────────────────────────────────────────────────────────────────────────────────

moments = st.tuples(
    st.integers(0, 9), st.integers(-500_00, 900_00), st.integers(0, 4), st.sampled_from([0, 0, 100_00]), st.booleans()
)


@given(rule=rules, story=st.lists(moments, max_size=30))
def test_total_moves_once_per_period_in_whole_steps(
    rule: PublicationPolicy, story: list[tuple[int, int, int, int, bool]]
) -> None:
    figure: PublishedTotal | None = None
    raised = payments = epoch = 0
    for passed, given_now, gifts, offline, ended in story:
        epoch, raised, payments = epoch + passed - 2, raised + given_now, payments + gifts
        before, figure = (
            figure,
            next_published_total(
                rule, figure, Totals(raised, payments), period_start=epoch, offline=offline, ended=ended
            ),
        )
        assert figure.raised >= 0
        assert figure.raised % rule.step == 0
        if before is None:
            continue
        assert figure.period_start >= before.period_start
        if figure.period_start == before.period_start:
            assert figure == before
        if figure.raised != before.raised:
            assert ended or payments - before.payments_at_last_change >= rule.min_donations
            assert figure.payments_at_last_change == payments
        else:
            assert figure.payments_at_last_change == before.payments_at_last_change


@given(totals=st.builds(Totals, st.integers(-900_00, 900_00), st.integers(0, 9)), offline=st.sampled_from([0, 5_00]))
def test_deciding_twice_in_a_period_changes_nothing(totals: Totals, offline: int) -> None:
    figure = next_published_total(RULE, None, Totals(0, 0), period_start=7, offline=0, ended=False)
    assert next_published_total(RULE, figure, totals, period_start=7, offline=offline, ended=True) == figure
    assert next_published_total(RULE, figure, totals, period_start=6, offline=offline, ended=True) == figure


def test_too_few_donations_count_towards_the_next_period() -> None:
    figure = next_published_total(RULE, None, Totals(0, 0), period_start=1, offline=0, ended=False)
    figure = next_published_total(RULE, figure, Totals(300_00, 2), period_start=2, offline=0, ended=False)
    assert (figure.raised, figure.period_start, figure.payments_at_last_change) == (0, 2, 0)
    figure = next_published_total(RULE, figure, Totals(350_00, 3), period_start=3, offline=0, ended=False)
    assert (figure.raised, figure.payments_at_last_change) == (300_00, 3)


def test_end_of_campaign_publishes_the_rest() -> None:
    figure = next_published_total(RULE, None, Totals(0, 0), period_start=1, offline=0, ended=False)
    assert next_published_total(RULE, figure, Totals(350_00, 1), period_start=2, offline=0, ended=True).raised == 300_00


def test_offline_money_moves_in_the_same_steps() -> None:
    every_time = replace(RULE, min_donations=0)
    figure = next_published_total(every_time, None, Totals(150_00, 5), period_start=1, offline=0, ended=False)
    seen = []
    for period, offline in enumerate([37_50, 49_99, 50_00, 37_50], start=2):
        figure = next_published_total(
            every_time, figure, Totals(150_00, 5), period_start=period, offline=offline, ended=False
        )
        seen.append(figure.raised)
    assert seen == [100_00, 100_00, 200_00, 100_00]


def test_listed_donations_wait_for_the_next_period() -> None:
    figure = next_published_total(RULE, None, Totals(0, 0), period_start=1, offline=0, ended=False)
    for period, listed in ((1, 0), (2, 37_50)):
        figure = next_published_total(
            RULE, figure, Totals(0, 0), period_start=period, offline=37_50, listed=37_50, ended=False
        )
        assert (figure.raised, figure.listed) == (0, listed)


def test_total_below_one_step_is_zero() -> None:
    assert next_published_total(RULE, None, Totals(99_99, 9), period_start=1, offline=0, ended=False).raised == 0


def test_immediate_total_follows_every_cent() -> None:
    live = replace(RULE, interval_seconds=0)
    figure = next_published_total(live, None, Totals(25_00, 1), period_start=100, offline=0, ended=False)
    assert next_published_total(live, figure, Totals(25_00, 2), period_start=200, offline=0, ended=False) == figure
    assert next_published_total(
        live, figure, Totals(25_01, 2), period_start=200, offline=0, ended=False
    ) == PublishedTotal(200, 25_01, 0, 2)
    assert (
        next_published_total(live, figure, Totals(25_01, 2), period_start=50, offline=0, ended=False).period_start
        == 100
    )
    assert next_published_total(live, figure, Totals(-1, 2), period_start=300, offline=0, ended=False).raised == 0


published_totals = st.builds(
    PublishedTotal, st.integers(0, 4_000_000_000), st.integers(0, 9_00_00), st.integers(0, 9_00_00), st.integers(0, 9)
)


@given(rule=rules, live=st.booleans(), before=published_totals, raised=st.integers(0, 9_00_00), ended=st.booleans())
def test_published_period_ahead_of_now_is_due_at_once(
    rule: PublicationPolicy, live: bool, before: PublishedTotal, raised: int, ended: bool
) -> None:
    """It moves as a published total of long ago would, except that its period counts from now on."""
    now = 1_800_000_000
    totals = Totals(raised, 9)

    def decided(published: PublishedTotal) -> PublishedTotal:
        policy = replace(rule, interval_seconds=0) if live else rule
        return next_published_total(
            policy, published, totals, period_start=now - 60, offline=0, ended=ended, now=float(now)
        )

    after = decided(before)
    if before.period_start > now + MAX_AHEAD:
        old = decided(replace(before, period_start=0))
        assert after.period_start == now - 60
        assert after == replace(old, period_start=now - 60)
    elif not live and before.period_start >= now - 60:
        assert after == before
