"""The contract of the totals store."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import (
    ApplyResult,
    RebuildPosition,
    RebuildReport,
    SyncHistory,
    TotalsStore,
    TouchMark,
)
from donation_card.domain.lifetimes import STALE_AFTER
from donation_card.domain.publication import PublicationPolicy, PublishedTotal
from donation_card.domain.totals import ObjectState, Totals, dispute, payment, refund

pytestmark = pytest.mark.anyio

ADA = payment("roof", "pi_ada", 25_00, site="news.example")
BORIS = payment("roof", "pi_boris", 110_00)
VILNIUS = ZoneInfo("Europe/Vilnius")
IMMEDIATE = PublicationPolicy(0, 1, 0, VILNIUS)
SCHEDULED = PublicationPolicy(6 * 3600, 100_00, 2, VILNIUS)


async def build(
    store: TotalsStore, account: Account, *states: ObjectState, cursor: int | None = None
) -> RebuildReport | None:
    rebuild = await store.begin_rebuild(account, "roof")
    for state in states:
        assert await store.apply_to_rebuild(account, rebuild, state)
    return await store.promote_rebuild(account, rebuild, int(time.time()) if cursor is None else cursor)


async def published(
    store: TotalsStore, account: Account, policy: PublicationPolicy = IMMEDIATE, *, ended: bool = False
) -> PublishedTotal | None:
    return await store.publish_if_due(account, "roof", policy, now=datetime.now(UTC), offline=10_00, ended=ended)


async def test_totals_are_unknown_before_a_rebuild(store: TotalsStore, account: Account) -> None:
    assert await store.totals(account, "roof") is None
    await store.apply(account, ADA)
    assert await store.totals(account, "roof") is None
    assert await published(store, account) is None


async def test_state_applies_once_and_in_any_order(store: TotalsStore, account: Account) -> None:
    await build(store, account)
    failed, pending = (refund("roof", "re_1", "pi_ada", 5_00, status) for status in ("failed", "pending"))
    results = [await store.apply(account, state) for state in (failed, pending, ADA, ADA)]
    assert results == [ApplyResult.APPLIED, ApplyResult.UNCHANGED, ApplyResult.APPLIED, ApplyResult.UNCHANGED]
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_reversal_counts_from_the_moment_its_payment_counts(store: TotalsStore, account: Account) -> None:
    await build(store, account, BORIS)
    reversals = [
        refund("roof", "re_1", "pi_ada", 5_00, "pending"),
        refund("roof", "re_2", "pi_ada", 7_00, "failed"),
        refund("roof", "re_2", "pi_ada", 7_00, "pending"),
        dispute("roof", "dp_1", "pi_ada", 10_00, 1),
        dispute("roof", "dp_1", "pi_ada", 2_00, 2),
    ]
    for state in reversals:
        await store.apply(account, state)
        assert await store.totals(account, "roof") == Totals(110_00, 1)
    await store.apply(account, ADA)
    assert await store.totals(account, "roof") == Totals(128_00, 2)
    for state in (*reversals, refund("roof", "re_1", "pi_ada", 5_00, "failed")):
        await store.apply(account, state)
    assert await store.totals(account, "roof") == Totals(133_00, 2)


async def test_reversal_without_payment_is_found_by_the_next_sync(store: TotalsStore, account: Account) -> None:
    await build(store, account)
    early, now = await store.begin_sync(account, "roof"), int(time.time())
    for number in (1, 2):
        await store.apply(account, refund("roof", f"re_{number}", "pi_ada", 5_00, "pending"))
    await store.apply(account, refund("roof", "re_3", "pi_boris", 5_00, "pending"))
    assert await store.advance_cursor(account, "roof", early, now) == 0, "they came during the sync"
    late = await store.begin_sync(account, "roof")
    await store.apply(account, BORIS)
    assert await store.advance_cursor(account, "roof", late, now) == 1
    await store.apply(account, ADA)
    assert await store.advance_cursor(account, "roof", late, now) == 0
    assert await store.totals(account, "roof") == Totals(120_00, 2)


async def test_reversal_that_a_rebuild_lists_without_payment_is_found(store: TotalsStore, account: Account) -> None:
    listed = refund("roof", "re_1", "pi_ada", 5_00, "pending")
    report = await build(store, account, listed, BORIS)
    assert report == RebuildReport("roof", None, Totals(110_00, 1), mismatch=False, uncounted=1)
    run = await store.begin_sync(account, "roof")
    assert await store.advance_cursor(account, "roof", run, int(time.time())) == 1
    rebuild = await store.begin_rebuild(account, "roof")
    await store.apply(account, refund("roof", "re_2", "pi_clara", 5_00, "pending"))
    for state in (ADA, listed, BORIS):
        await store.apply_to_rebuild(account, rebuild, state)
    report = await store.promote_rebuild(account, rebuild, int(time.time()))
    assert report == RebuildReport("roof", Totals(110_00, 1), Totals(130_00, 2), mismatch=True, uncounted=0)


async def test_accounts_and_modes_are_separate(store: TotalsStore, account: Account) -> None:
    livemode = Account(account.id, livemode=True)
    await build(store, account, ADA)
    await build(store, livemode)
    assert await store.totals(livemode, "roof") == Totals(0, 0)
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_rebuild_reports_before_after_and_mismatch(store: TotalsStore, account: Account) -> None:
    assert await build(store, account, ADA) == RebuildReport("roof", None, Totals(25_00, 1), mismatch=False)
    assert await build(store, account, ADA) == RebuildReport("roof", Totals(25_00, 1), Totals(25_00, 1), mismatch=False)
    assert await build(store, account, ADA, BORIS) == RebuildReport(
        "roof", Totals(25_00, 1), Totals(135_00, 2), mismatch=True
    )


async def test_donation_on_another_site_is_a_mismatch(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    report = await build(store, account, payment("roof", "pi_ada", 25_00, site="other"))
    assert report
    assert report.mismatch


async def test_donation_during_a_rebuild_is_in_both(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    rebuild = await store.begin_rebuild(account, "roof")
    await store.apply(account, BORIS)
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    await store.apply_to_rebuild(account, rebuild, ADA)
    report = await store.promote_rebuild(account, rebuild, int(time.time()))
    assert report == RebuildReport("roof", Totals(135_00, 2), Totals(135_00, 2), mismatch=False)


async def test_later_rebuild_replaces_the_earlier(store: TotalsStore, account: Account) -> None:
    first, second = [await store.begin_rebuild(account, "roof") for _ in range(2)]
    assert not await store.apply_to_rebuild(account, first, ADA)
    assert await store.promote_rebuild(account, first, int(time.time())) is None
    assert await store.discard_rebuild(account, second) == RebuildReport("roof", None, Totals(0, 0), mismatch=False)
    assert await store.totals(account, "roof") is None


async def test_unfinished_rebuild_can_be_continued(store: TotalsStore, account: Account) -> None:
    assert await store.unfinished_rebuild(account, "roof") is None
    assert await store.rebuild_position(account) is None
    rebuild = await store.begin_rebuild(account, "roof")
    position = RebuildPosition(1_800_000_000, 1_799_996_400, "0123456789abcdef" * 4)
    await store.save_rebuild_position(account, position)
    assert await store.unfinished_rebuild(account, "roof") == rebuild
    assert await store.rebuild_position(account) == position
    await store.promote_rebuild(account, rebuild, int(time.time()))
    assert await store.unfinished_rebuild(account, "roof") is None
    await store.save_rebuild_position(account, None)
    assert await store.rebuild_position(account) is None


async def test_discarded_rebuild_changes_nothing(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    rebuild = await store.begin_rebuild(account, "roof")
    await store.apply_to_rebuild(account, rebuild, BORIS)
    report = await store.discard_rebuild(account, rebuild)
    assert report == RebuildReport("roof", Totals(25_00, 1), Totals(110_00, 1), mismatch=True)
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_sync_advances_only_the_built_generation(store: TotalsStore, account: Account) -> None:
    unbuilt = await store.begin_sync(account, "roof")
    assert unbuilt.since is None
    assert await store.advance_cursor(account, "roof", unbuilt, 1) is None
    now = int(time.time())
    await build(store, account, cursor=now - 60)
    assert await store.advance_cursor(account, "roof", unbuilt, now) is None, "its generation was replaced"
    run = await store.begin_sync(account, "roof")
    assert run.since == now - 60
    assert await store.advance_cursor(account, "roof", run, now) == 0
    assert (await store.begin_sync(account, "roof")).since == now


async def test_lease_has_one_owner(store: TotalsStore, account: Account) -> None:
    assert await store.lease(account, "a")
    assert await store.lease(account, "a")
    assert not await store.lease(account, "b")
    await store.release(account, "b")
    assert not await store.lease(account, "b")
    await store.release(account, "a")
    assert await store.lease(account, "b")


async def test_sync_history_and_campaigns_are_stored(store: TotalsStore, account: Account) -> None:
    assert await store.sync_history(account) == SyncHistory()
    assert await store.campaigns(account) == set()
    assert await store.save_sync_history(account, SyncHistory(20, 10))
    await store.begin_sync(account, "roof")
    assert await store.sync_history(account) == SyncHistory(20, 10)
    assert await store.campaigns(account) == {"roof"}


async def test_history_enters_only_an_account_with_the_same_campaigns(store: TotalsStore, account: Account) -> None:
    await store.begin_sync(account, "roof/EUR")
    roof = await store.sync_history(account)
    await store.begin_sync(account, "roof/EUR")
    assert await store.save_sync_history(account, replace(roof, last_sync_at=20, last_rebuild_at=10))
    await store.begin_sync(account, "well/EUR")
    assert not await store.save_sync_history(account, replace(roof, last_sync_at=40, last_rebuild_at=30))
    assert await store.sync_history(account) == SyncHistory(20, 10)
    both = await store.sync_history(account)
    assert await store.save_sync_history(account, replace(both, last_sync_at=40))
    assert not await store.save_sync_history(Account(account.id, livemode=True), both), "it has no campaign"


async def test_registered_campaign_without_totals_is_unknown(store: TotalsStore, account: Account) -> None:
    await store.register_campaigns(account, ["roof/EUR", "well/EUR"])
    before = await store.sync_history(account)
    await store.register_campaigns(account, ["well/EUR"])
    await store.register_campaigns(account, [])
    assert await store.campaigns(account) == {"roof/EUR", "well/EUR"}
    assert await store.save_sync_history(account, replace(before, last_sync_at=20, last_rebuild_at=10))
    assert (await store.begin_sync(account, "roof/EUR")).since is None


async def test_new_campaign_of_a_rebuilt_account_is_zero(store: TotalsStore, account: Account) -> None:
    now = int(time.time())
    await store.save_sync_history(account, SyncHistory(now, now - 3600))
    assert (await store.begin_sync(account, "roof")).since == now
    assert await store.totals(account, "roof") == Totals(0, 0)


async def test_total_in_a_new_currency_is_unknown_until_rebuilt(store: TotalsStore, account: Account) -> None:
    now = int(time.time())
    await store.save_sync_history(account, SyncHistory(now, now - 3600))
    assert (await store.begin_sync(account, "roof/EUR")).since == now
    assert (await store.begin_sync(account, "roof/JPY")).since is None
    assert await store.totals(account, "roof/JPY") is None
    assert (await store.begin_sync(account, "well/JPY")).since == now, "another campaign is new"
    assert await store.campaigns(account) == {"roof/EUR", "roof/JPY", "well/JPY"}


async def test_account_is_stored_for_its_key(store: TotalsStore, account: Account) -> None:
    await store.save_account(account.id, account)
    assert await store.load_account(account.id) == account
    assert await store.load_account(f"{account.id}-another") is None


async def test_immediate_total_follows_every_donation(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    first = await published(store, account)
    assert first
    assert (first.raised, first.stale) == (35_00, False)
    await store.apply(account, BORIS)
    second = await published(store, account)
    assert second
    assert second.raised == 145_00


async def test_scheduled_total_is_rounded_and_moves_once(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA, BORIS)
    first = await published(store, account, SCHEDULED)
    assert first
    assert (first.raised, first.payments_at_last_change) == (100_00, 2)
    await store.apply(account, payment("roof", "pi_cyril", 200_00))
    assert await published(store, account, SCHEDULED, ended=True) == first, "the period is decided"


async def test_total_is_stale_without_a_recent_sync(store: TotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    fresh = await published(store, account)
    await build(store, account, ADA, BORIS, cursor=int(time.time()) - STALE_AFTER - 10)
    stale = await published(store, account)
    assert fresh
    assert stale
    assert (stale.raised, stale.stale) == (fresh.raised, True)


async def test_ping_succeeds(store: TotalsStore) -> None:
    await store.ping()


async def test_touch_is_read_once_by_each_worker(store: TotalsStore, account: Account) -> None:
    unseen = TouchMark()
    nothing = await store.touched(account, unseen)
    assert (nothing.names, nothing.mark.number) == ([], 0)
    assert abs(nothing.now - time.time()) < 60
    await store.touch(account, ["roof/EUR", "well/EUR"])
    one = await store.touched(account, unseen)
    assert sorted(one.names) == ["roof/EUR", "well/EUR"]
    assert (await store.touched(account, one.mark)).names == []
    await store.touch(account, ["roof/EUR"])
    await store.touch(account, [])
    assert (await store.touched(account, one.mark)).names == ["roof/EUR"]
    assert sorted((await store.touched(account, unseen)).names) == ["roof/EUR", "well/EUR"]


async def test_mark_names_the_registry_and_the_last_sync(store: TotalsStore, account: Account) -> None:
    before = (await store.touched(account, TouchMark())).mark
    await store.register_campaigns(account, ["roof"])
    mark = (await store.touched(account, before)).mark
    assert mark.registry != before.registry
    assert mark.last_sync_at is None
    assert await store.save_sync_history(account, SyncHistory(7, 7, mark.registry))
    assert (await store.touched(account, mark)).mark == TouchMark(mark.server, mark.registry, 0, 7)


async def test_totals_are_known_for_each_site(store: TotalsStore, account: Account) -> None:
    await store.apply(account, ADA)
    assert await store.totals_by_site(account, "roof") == {}, "unknown before a rebuild"
    await build(store, account, ADA, BORIS)
    await store.apply(account, refund("roof", "re_1", "pi_ada", 5_00, "pending", site="news.example"))
    assert await store.totals_by_site(account, "roof") == {"news.example": Totals(20_00, 1), "other": Totals(110_00, 1)}
