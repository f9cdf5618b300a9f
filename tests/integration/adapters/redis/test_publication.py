"""Test that the public total is decided once in each period, by the clock of Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from donation_card.adapters.redis.keys import lease_key
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.domain.lifetimes import MAX_AHEAD, STALE_AFTER
from donation_card.domain.publication import PublicationPolicy, PublishedTotal, next_published_total, periods_around
from donation_card.domain.totals import ObjectState, Totals, expected_totals, payment, refund
from donation_card.errors import TotalsUnavailable
from hypothesis import example, given, settings, strategies as st
from redis import Redis

from tests.integration.adapters.redis.test_totals_store import build, current, key, snapshot
from tests.support.accounts import Connect, new_account
from tests.support.scale import short_or_long

pytestmark = pytest.mark.anyio

VILNIUS = ZoneInfo("Europe/Vilnius")
GRID = PublicationPolicy(interval_seconds=21_600, step=100_00, min_donations=3, timezone=VILNIUS)
LIVE = replace(GRID, interval_seconds=0)
LAST_WEEK = datetime.now(UTC) - timedelta(days=7)
"""The clock of a worker that is a week behind: all its periods have begun."""


def gift(number: int, amount: int = 50_00) -> ObjectState:
    return payment("roof", f"pi_{number}", amount)


async def roll(
    store: RedisTotalsStore,
    account: Account,
    rule: PublicationPolicy = GRID,
    *,
    now: datetime = LAST_WEEK,
    offline: int = 0,
    listed: int = 0,
    ended: bool = False,
) -> PublishedTotal | None:
    return await store.publish_if_due(account, "roof", rule, now=now, offline=offline, listed=listed, ended=ended)


moves = st.tuples(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 90_00)), max_size=5),
    st.integers(-12, 48),
    st.sampled_from([0, 500_00]),
    st.booleans(),
)


@settings(max_examples=short_or_long(40, 1_000))
@given(
    story=st.lists(moves, max_size=8),
    step=st.sampled_from([1, 7, 100_00]),
    min_donations=st.integers(0, 4),
    key=st.sampled_from([b"", b"roof", b"well"]),
)
def test_scheduled_publication_equals_the_domain_rule(
    connect: Connect,
    story: list[tuple[list[tuple[bool, int, int]], int, int, bool]],
    step: int,
    min_donations: int,
    key: bytes,
) -> None:
    account, rule = new_account(), replace(GRID, interval_seconds=3_600, step=step, min_donations=min_donations)
    rule = replace(rule, threshold_key=key, goal=3 * step)

    async def run() -> None:
        store = connect()
        await build(store, account)
        states: list[ObjectState] = []
        expected: PublishedTotal | None = None
        now = datetime.now(UTC) - timedelta(days=60)
        for objects, hours, offline, ended in story:
            for paid, number, amount in objects:
                reversal = refund("roof", f"re_{number}", f"pi_{number}", amount, "pending")
                states.append(gift(number, amount) if paid else reversal)
                await store.apply(account, states[-1])
            now += timedelta(hours=hours)
            epoch = periods_around(rule, now)[-1]
            expected = next_published_total(
                rule, expected, expected_totals(states), period_start=epoch, offline=offline, ended=ended
            )
            assert await roll(store, account, rule, now=now, offline=offline, ended=ended) == expected
        await store.close()

    asyncio.run(run())


site_moves = st.tuples(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(0, 30), st.integers(1, 400_00), st.sampled_from(["news.example", "other"])
        ),
        max_size=5,
    ),
    st.integers(0, 20),
)


@settings(max_examples=short_or_long(40, 1_000))
@given(story=st.lists(site_moves, max_size=8), days=st.sampled_from([1, 7]), key=st.sampled_from([b"", b"roof"]))
def test_series_of_a_site_equals_the_domain_rule(
    connect: Connect, story: list[tuple[list[tuple[bool, int, int, str]], int]], days: int, key: bytes
) -> None:
    """It counts the donations of the site only, beside the series of the campaign with all of them."""
    account, site = new_account(), "news.example"
    rule = replace(GRID, interval_seconds=days * 86_400, step=250_00, min_donations=0, threshold_key=key)

    async def run() -> None:
        store = connect()
        await build(store, account)
        states: list[ObjectState] = []
        sites: dict[int, str] = {}
        figures: dict[str | None, PublishedTotal | None] = {None: None, site: None}
        now = datetime.now(UTC) - timedelta(days=200)
        for objects, passed in story:
            for paid, number, amount, origin in objects:
                where = sites.setdefault(number, origin)
                reversal = refund("roof", f"re_{number}", f"pi_{number}", amount, "pending", site=where)
                states.append(payment("roof", f"pi_{number}", amount, site=where) if paid else reversal)
                await store.apply(account, states[-1])
            now += timedelta(days=passed)
            for series, policy in ((None, GRID), (site, rule)):
                totals = expected_totals(each for each in states if series in (None, each.site))
                start = periods_around(policy, now)[-1]
                figures[series] = next_published_total(
                    policy, figures[series], totals, period_start=start, offline=0, ended=False
                )
                found = await store.publish_if_due(
                    account, "roof", policy, now=now, offline=0, ended=False, site=series
                )
                assert found == figures[series]
        await store.close()

    asyncio.run(run())


async def test_site_without_a_donation_is_published_as_nothing(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, gift(1, 900_00))
    figures = [
        await store.publish_if_due(account, "roof", GRID, now=LAST_WEEK, offline=0, ended=True, site=site)
        for site in ("news.example", "other")
    ]
    assert [each and each.raised for each in figures] == [0, 900_00]
    assert raw.exists(key(account, "published:news.example"))
    assert not raw.exists(key(account, "published")), "each series has a key of its own"


@settings(max_examples=short_or_long(25, 500))
@given(story=st.lists(st.tuples(st.integers(-90_00, 90_00), st.sampled_from([0, 500_00])), max_size=8))
def test_immediate_publication_equals_the_domain_rule(connect: Connect, story: list[tuple[int, int]]) -> None:
    account = new_account()

    async def run() -> None:
        store = connect()
        await build(store, account)
        states: list[ObjectState] = []
        expected: PublishedTotal | None = None
        for number, (amount, offline) in enumerate(story):
            reversal = refund("roof", f"re_{number}", f"pi_{number // 2}", abs(amount), "pending")
            states.append(gift(number, amount) if amount > 0 else reversal)
            await store.apply(account, states[-1])
            found = await roll(store, account, LIVE, offline=offline)
            assert found is not None
            expected = next_published_total(
                LIVE, expected, expected_totals(states), period_start=found.period_start, offline=offline, ended=False
            )
            assert found == expected
        await store.close()

    asyncio.run(run())


edits = st.tuples(
    st.lists(st.integers(1, 90_00), max_size=2),  # gifts by card
    st.lists(st.integers(1, 400_00), max_size=2),  # entries that the file gets
    st.booleans(),  # the file loses its oldest entry
    st.integers(0, 3),  # periods that pass
)


@settings(max_examples=short_or_long(30, 1_000))
@given(story=st.lists(edits, min_size=1, max_size=8), step=st.sampled_from([1, 100_00]))
@example(story=[([], [], False, 1), ([], [37_50], False, 0), ([], [], False, 1)], step=100_00)
def test_public_total_is_the_stepped_sum_of_all_sources(
    connect: Connect, story: list[tuple[list[int], list[int], bool, int]], step: int
) -> None:
    """All money is added, then rounded down, and only when a period begins."""
    account, rule = new_account(), replace(GRID, interval_seconds=3_600, step=step, min_donations=0)

    async def run() -> None:
        store = connect()
        await build(store, account)
        now, cards, entries = datetime.now(UTC) - timedelta(days=60), [], []
        shown = (await roll(store, account, rule, now=now)).raised
        assert shown == 0
        for gifts, added, lost, periods in story:
            for amount in gifts:
                await store.apply(account, gift(len(cards), amount))
                cards.append(amount)
            entries = entries[int(lost) :] + added
            now += timedelta(hours=periods)
            if periods:
                shown = (sum(cards) + sum(entries)) // step * step
            assert (await roll(store, account, rule, now=now, offline=sum(entries))).raised == shown
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("above", [0, 1, 25_00, 50_00, 75_00, 99_99])
async def test_step_is_published_at_its_secret_threshold(store: RedisTotalsStore, account: Account, above: int) -> None:
    """Every sum between two steps, with the threshold of the lower one."""
    rule = replace(GRID, min_donations=0, threshold_key=b"roof")
    await build(store, account)
    for day, number in enumerate(range(1, 13)):
        sum_so_far = number * 100_00 + above
        found = await roll(store, account, rule, now=LAST_WEEK + timedelta(hours=6 * day), offline=sum_so_far)
        hidden = above < rule.threshold(number)
        assert found is not None
        assert found.raised == (number - hidden) * 100_00


async def test_largest_sum_of_all_sources_is_published(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account)
    largest, offline = 999_999_999_999_999, 500 * 10**12
    raw.hset(
        key(account, f"totals:{current(raw, account)}"), mapping=dict.fromkeys(["raised", "site:other:raised"], largest)
    )
    for _ in range(2):
        figure = await roll(store, account, LIVE, offline=offline, listed=offline)
        assert (figure.raised, figure.listed) == (largest + offline, offline)


async def test_unbuilt_totals_publish_nothing(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    assert await roll(store, account) is None
    await store.apply(account, gift(1))
    assert await roll(store, account) is None
    assert await roll(store, account, LIVE) is None
    assert not raw.exists(key(account, "published"))


async def test_wiped_totals_keep_last_public_total_as_stale(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, *map(gift, range(4)))
    first = await roll(store, account)
    assert first is not None
    assert (first.raised, first.stale) == (200_00, False)
    raw.delete(key(account, "meta"))
    assert await roll(store, account, now=LAST_WEEK + timedelta(days=1)) == replace(first, stale=True)
    await store.apply(account, gift(1))
    assert await roll(store, account, LIVE) == replace(first, stale=True)
    await build(store, account, *map(gift, range(4)))
    assert await roll(store, account) == first


async def test_lost_public_total_is_published_again_rounded(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, *map(gift, range(5)))
    first = await roll(store, account)
    raw.delete(key(account, "published"))
    assert await roll(store, account) == first


async def test_public_total_is_constant_within_a_period(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account)
    first = await roll(store, account)
    for state in map(gift, range(10)):
        await store.apply(account, state)
    assert await roll(store, account, offline=900_00, ended=True) == first
    moved = await roll(store, account, now=LAST_WEEK + timedelta(days=1))
    assert moved is not None
    assert moved.raised == 500_00


async def test_many_workers_publish_once_per_period(connect: Connect, account: Account, raw: Redis) -> None:
    stores = [connect() for _ in range(10)]
    await build(stores[0], account, *map(gift, range(3)))

    async def join_and_roll(number: int) -> PublishedTotal | None:
        await stores[number].apply(account, gift(100 + number, 200_00))
        return await roll(stores[number], account)

    figures = await asyncio.gather(*map(join_and_roll, range(10)))
    assert len(set(figures)) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_publication_period_never_goes_back(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, *map(gift, range(4)))
    late = await roll(store, account, now=LAST_WEEK)
    assert await roll(store, account, now=LAST_WEEK - timedelta(days=3), offline=1_00) == late


async def test_worker_clock_ahead_cannot_publish_early(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, *map(gift, range(4)))
    assert await roll(store, account, now=datetime.now(UTC) + timedelta(days=3)) is None
    figure = await roll(store, account, now=datetime.now(UTC))
    assert figure is not None
    assert figure.period_start <= time.time()


async def test_early_donations_wait_for_the_minimum(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account)
    await roll(store, account)
    seen = []
    for day in range(1, 5):
        await store.apply(account, gift(day, 150_00))
        figure = await roll(store, account, now=LAST_WEEK + timedelta(days=day))
        seen.append(figure and figure.raised)
    assert seen == [0, 0, 400_00, 400_00]


async def test_end_of_campaign_publishes_the_rest(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account)
    await roll(store, account)
    await store.apply(account, gift(1, 350_00))
    figure = await roll(store, account, now=LAST_WEEK + timedelta(days=1), ended=True)
    assert figure is not None
    assert figure.raised == 300_00


async def test_exact_total_time_never_goes_back(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, gift(1))
    await roll(store, account, LIVE)
    soon = int(time.time()) + MAX_AHEAD - 30
    raw.hset(key(account, "published"), "period_start", soon)
    await store.apply(account, gift(2))
    assert await roll(store, account, LIVE) == PublishedTotal(soon, 100_00, 0, 2)


AHEAD = [MAX_AHEAD + 30, 3 * 3_600, 40 * 86_400]


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("rule", [GRID, LIVE])
async def test_published_period_ahead_of_redis_is_decided_again(
    store: RedisTotalsStore, account: Account, raw: Redis, rule: PublicationPolicy, ahead: int
) -> None:
    await build(store, account, *map(gift, range(4)))
    await roll(store, account, rule)
    raw.hset(key(account, "published"), "period_start", int(time.time()) + ahead)
    await store.apply(account, gift(9, 300_00))
    for number in range(10, 13):
        await store.apply(account, gift(number, 100_00))
    figure = await roll(store, account, rule)
    assert figure is not None
    assert figure.raised == 800_00
    assert figure.period_start <= time.time()


@pytest.mark.parametrize("ahead", AHEAD)
async def test_cursor_ahead_of_redis_is_unknown(
    store: RedisTotalsStore, connect: Connect, account: Account, raw: Redis, ahead: int
) -> None:
    """A sync corrects it, also for a worker that saw the cursor while the clock was ahead."""
    await build(store, account, gift(1))
    figure = await roll(store, account, LIVE)
    assert figure is not None
    begun, now = await store.begin_sync(account, "roof"), int(time.time())
    await store.advance_cursor(account, "roof", begun, now + ahead)
    assert await roll(store, account, LIVE) == replace(figure, stale=True)
    store._last_seen = dict.fromkeys(store._last_seen, (now + ahead, 9))
    await store.advance_cursor(account, "roof", begun, now)
    assert await roll(store, account, LIVE) == figure


@pytest.mark.parametrize("ahead", [3 * 3_600, 40 * 86_400])
async def test_lease_from_a_clock_ahead_is_taken_over(
    store: RedisTotalsStore, account: Account, raw: Redis, ahead: int
) -> None:
    assert await store.lease(account, "one")
    assert not await store.lease(account, "two")
    raw.expire(lease_key(account), ahead)
    assert await store.lease(account, "two")
    assert not await store.lease(account, "one")


def test_scripts_have_the_limit_of_the_domain() -> None:
    folder = files("donation_card.adapters.redis").joinpath("scripts")
    assert f"local MAX_AHEAD = {MAX_AHEAD}\n" in folder.joinpath("_prelude.lua").read_text()
    assert f"highest + {MAX_AHEAD * 1_000} " in folder.joinpath("check_limits.lua").read_text()


async def test_nothing_is_written_when_nothing_is_due(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, gift(1))
    await roll(store, account, LIVE)
    raw.hset(key(account, "published"), "period_start", 1)
    figure = await roll(store, account, LIVE)
    assert figure == PublishedTotal(1, 50_00, 0, 1)


async def test_switch_to_schedule_waits_for_next_boundary(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, gift(1, 123_45))
    exact = await roll(store, account, LIVE)
    assert await roll(store, account, GRID, now=datetime.now(UTC) - timedelta(days=1)) == exact


@pytest.mark.parametrize(("field", "garbage"), [("period_start", "soon"), ("raised", "1.5"), ("listed", "9" * 16)])
async def test_damaged_public_total_is_not_shown(
    store: RedisTotalsStore, account: Account, raw: Redis, field: str, garbage: str
) -> None:
    await build(store, account)
    await roll(store, account)
    raw.hset(key(account, "published"), field, garbage)
    with pytest.raises(TotalsUnavailable):
        await roll(store, account)


async def test_damaged_totals_publish_nothing(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account)
    raw.hset(key(account, f"totals:{current(raw, account)}"), "raised", "1e9")
    assert await roll(store, account) is None
    assert not raw.exists(key(account, "published"))


async def test_largest_sum_is_floored_exactly(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account)
    largest = dict.fromkeys(["raised", "site:other:raised"], 999_999_999_999_999)
    raw.hset(key(account, f"totals:{current(raw, account)}"), mapping=largest)
    figure = await roll(store, account, replace(GRID, step=7))
    assert figure is not None
    assert figure.raised == 999_999_999_999_999 // 7 * 7
    assert await store.totals(account, "roof") == Totals(999_999_999_999_999, 0)


async def test_inconsistent_totals_publish_nothing_and_are_stale(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, gift(1))
    figure = await roll(store, account, LIVE)
    raw.hset(key(account, f"totals:{current(raw, account)}"), "raised", 999)
    assert figure is not None
    assert await roll(store, account, LIVE) == replace(figure, stale=True)


async def test_totals_unsynchronised_for_hours_are_stale(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, gift(1), cursor=int(time.time()) - STALE_AFTER - 60)
    assert await roll(store, account, LIVE) is None, "it decides nothing, not even the first total"
    begun = await store.begin_sync(account, "roof")
    await store.advance_cursor(account, "roof", begun, int(time.time()))
    figure = await roll(store, account, LIVE)
    assert figure is not None
    assert not figure.stale


def restore(raw: Redis, backup: dict[bytes, object]) -> None:
    for name, held in backup.items():
        raw.delete(name)
        raw.hset(name, mapping=held)


async def caught_up(store: RedisTotalsStore, account: Account, state: ObjectState) -> PublishedTotal | None:
    """Return the public total after a sync that found this state."""
    begun = await store.begin_sync(account, "roof")
    await store.apply(account, state)
    await store.advance_cursor(account, "roof", begun, int(time.time()))
    return await roll(store, account, LIVE)


async def test_totals_from_a_backup_are_stale_until_synchronised(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    now = int(time.time())
    await build(store, account, gift(1), cursor=now - 600)
    backup = snapshot(raw, account)
    await store.advance_cursor(account, "roof", await store.begin_sync(account, "roof"), now)
    await store.apply(account, gift(2))
    figure = await roll(store, account, LIVE)
    restore(raw, backup)
    raw.hset(
        key(account, "published"),
        mapping={"period_start": 1, "raised": 50_00, "listed": 0, "payments_at_last_change": 1},
    )
    went_back = await roll(store, account, LIVE)
    assert went_back is not None
    assert went_back.stale
    found = await caught_up(store, account, gift(2))
    assert figure is not None
    assert found is not None
    assert (found.raised, found.stale) == (figure.raised, False)


async def test_totals_missing_latest_donations_are_stale(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    """No sync came between the backup and the loss, so the cursor is the same."""
    await build(store, account, gift(1), cursor=int(time.time()) - 60)
    await roll(store, account, LIVE)
    backup = snapshot(raw, account)
    await store.apply(account, gift(2))
    figure = await roll(store, account, LIVE)
    restore(raw, backup)
    went_back = await roll(store, account, LIVE)
    assert went_back is not None
    assert went_back.stale
    found = await caught_up(store, account, gift(2))
    assert figure is not None
    assert found is not None
    assert (found.raised, found.stale) == (figure.raised, False)


async def test_total_of_removed_payments_does_not_wait_for_them(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account)
    await roll(store, account)
    raw.hset(key(account, "published"), "payments_at_last_change", 1_000)
    day = timedelta(days=1)
    assert (await roll(store, account, now=LAST_WEEK + day)).payments_at_last_change == 0
    for number in range(3):
        await store.apply(account, gift(number))
    assert (await roll(store, account, now=LAST_WEEK + 2 * day)).raised == 100_00


@pytest.mark.parametrize("rule", [GRID, LIVE])
async def test_worker_waits_for_a_sync_that_began_after_its_start(
    store: RedisTotalsStore, account: Account, rule: PublicationPolicy
) -> None:
    started = int(time.time()) - 60

    async def ask() -> PublishedTotal | None:
        day = LAST_WEEK + timedelta(days=1)
        return await store.publish_if_due(account, "roof", rule, now=day, offline=0, ended=False, synced_since=started)

    await build(store, account, *map(gift, range(3)), cursor=started - 1)
    assert await ask() is None, "it decides nothing, not even the first total"
    figure = await roll(store, account, rule)
    assert figure is not None
    await store.apply(account, gift(4, 500_00))
    assert await ask() == replace(figure, stale=True)
    await store.advance_cursor(account, "roof", await store.begin_sync(account, "roof"), started)
    after = await ask()
    assert after is not None
    assert not after.stale


async def test_rebuild_moves_no_public_total(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, *map(gift, range(3)))
    figure = await roll(store, account)
    await build(store, account, *map(gift, range(90)))
    assert await roll(store, account) == figure
