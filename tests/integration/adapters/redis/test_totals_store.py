"""Test that object states give the same totals in any order and with any repetition."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from donation_card.adapters.redis.connection import load_script
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import ApplyResult, RebuildReport, SyncHistory
from donation_card.domain.totals import ObjectState, Totals, dispute, expected_totals, payment, refund
from donation_card.errors import TotalsUnavailable
from hypothesis import given, settings, strategies as st
from redis import Redis

from tests.support.accounts import Connect, new_account
from tests.support.redis_stores import totals_store
from tests.support.scale import short_or_long

pytestmark = pytest.mark.anyio

ADA = payment("roof", "pi_ada", 25_00, site="news.example")
BORIS = payment("roof", "pi_boris", 110_00)


async def build(
    store: RedisTotalsStore, account: Account, *states: ObjectState, cursor: int | None = None
) -> RebuildReport:
    """Rebuild with these states, as if Stripe listed them now or at `cursor`."""
    rebuild = await store.begin_rebuild(account, "roof")
    for state in states:
        assert await store.apply_to_rebuild(account, rebuild, state)
    report = await store.promote_rebuild(account, rebuild, int(time.time()) if cursor is None else cursor)
    assert report is not None
    return report


def key(account: Account, name: str) -> str:
    return f"donation-card:{{{account.id}/test/roof}}:{name}"


def current(raw: Redis, account: Account) -> str:
    return raw.hget(key(account, "meta"), "current").decode()


def snapshot(raw: Redis, account: Account) -> dict[bytes, object]:
    return {name: raw.hgetall(name) for name in raw.scan_iter(key(account, "*"))}


# ── any order, any repetition ─────────────────────────────────────────────────────────────────────────────────────

payments = st.integers(0, 3).map(
    lambda n: [payment("roof", f"pi_{n}", (n + 1) * 10_00, received=received) for received in (None, 5_00)]
)
refunds = st.integers(0, 4).map(
    lambda n: [
        refund("roof", f"re_{n}", f"pi_{n}", cents, status, as_of=as_of)
        for cents, status, as_of in (
            (7_00, "pending", 0),
            (8_00, "succeeded", 1),
            (6_00, "succeeded", 2),
            (9_00, "failed", 0),
        )
    ]
)
disputes = st.integers(0, 1).map(
    lambda n: [dispute("roof", f"dp_{n}", f"pi_{n}", taken, seen) for seen, taken in enumerate((0, 20_00, 1_00, 15_00))]
)
histories = st.lists(st.one_of(payments, refunds, disputes).flatmap(st.sampled_from), max_size=30)


@settings(max_examples=short_or_long(40, 1_000))
@given(states=histories, workers=st.integers(1, 4), dice=st.randoms(use_true_random=False))
def test_order_repetition_and_workers_do_not_matter(
    connect: Connect, states: list[ObjectState], workers: int, dice: random.Random
) -> None:
    account = new_account()
    shuffled = states + dice.choices(states, k=len(states)) if states else []
    dice.shuffle(shuffled)

    async def story() -> Totals | None:
        stores = [connect() for _ in range(workers)]
        await build(stores[0], account)
        await asyncio.gather(*(stores[i % workers].apply(account, state) for i, state in enumerate(shuffled)))
        found = await stores[-1].totals(account, "roof")
        await asyncio.gather(*(store.close() for store in stores))
        return found

    assert asyncio.run(story()) == expected_totals(states)


async def test_repeated_update_counts_once(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account)
    assert await store.apply(account, ADA) is ApplyResult.APPLIED
    assert await store.apply(account, ADA) is ApplyResult.UNCHANGED
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_fifty_parallel_updates_count_once(connect: Connect, account: Account) -> None:
    stores = [connect(connections=4) for _ in range(50)]
    await build(stores[0], account)
    answers = await asyncio.gather(*(store.apply(account, ADA) for store in stores))
    assert sorted(answer.value for answer in answers) == ["applied"] + ["unchanged"] * 49
    assert await stores[1].totals(account, "roof") == Totals(25_00, 1)
    await asyncio.gather(*(store.close() for store in stores))


async def test_repeated_update_is_still_a_write(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await store.apply(account, ADA)
    await store.apply(account, ADA)
    assert raw.hget(key(account, "meta"), "updates") == b"2"


async def test_payment_with_higher_version_is_one_payment(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA, payment("roof", "pi_ada", 25_00, received=30_00, site=ADA.site))
    assert await store.totals(account, "roof") == Totals(30_00, 1)


async def test_refund_before_its_payment_ends_correct(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, refund("roof", "re_1", "pi_ada", 20_00, "succeeded", site=ADA.site))
    assert await store.totals(account, "roof") == Totals(0, 0)
    assert await store.apply(account, BORIS) is ApplyResult.APPLIED
    assert await store.totals(account, "roof") == Totals(110_00, 1)
    await store.apply(account, ADA)
    assert await store.totals(account, "roof") == Totals(115_00, 2)


async def test_sites_have_separate_sums(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, ADA, BORIS, refund("roof", "re_1", "pi_ada", 5_00, "pending", site="news.example"))
    held = raw.hgetall(key(account, f"totals:{current(raw, account)}"))
    assert held[b"site:news.example:raised"] == b"2000"
    assert held[b"site:news.example:payments"] == b"1"
    assert held[b"site:other:raised"] == b"11000"


async def test_accounts_modes_and_campaigns_share_no_key(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    livemode = Account(account.id, livemode=True)
    await build(store, livemode)
    await store.apply(account, payment("well", "pi_ada", 1_00))
    assert await store.totals(livemode, "roof") == Totals(0, 0)
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_no_id_and_no_single_amount_is_stored(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    gifts = [payment("roof", f"pi_secret{n}", 123_456_789_00 + n * 1_000_000_00) for n in range(3)]
    gifts.append(payment("roof", "pi_captured", 999_999_999_99, received=888_888_888_88, as_of=1_812_345_678))
    refunds = [
        refund("roof", f"re_{n}", f"pi_secret{n}", 777_777_777, "succeeded", as_of=1_812_345_678) for n in (0, 3)
    ]
    await build(store, account, *gifts, *refunds)
    kept = repr(snapshot(raw, account)).encode()
    amounts = [str(abs(state.amount)).encode() for state in (*gifts, *refunds)]
    for trace in (b"secret", b"pi_", b"re_", b"1812345678", *amounts):
        assert trace not in kept


async def test_equal_objects_have_different_entries(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    gifts = [payment("roof", f"pi_{n}", 25_00) for n in range(500)]
    await build(store, account, *gifts)
    entries = raw.hgetall(key(account, f"versions:{current(raw, account)}"))
    numbers = [int(number) for entry in entries.values() if entry != b"0" for number in entry.split()]
    assert len(set(numbers)) == 1_000
    for decimal in range(1, 10):  # the numbers that hide them are evenly spread over 48 bits
        below = sum(number < 2**48 * decimal / 10 for number in numbers)
        assert abs(below - 100 * decimal) < 80


@pytest.mark.parametrize("livemode", [True, False])
async def test_account_is_stored_for_its_key_only(store: RedisTotalsStore, livemode: bool) -> None:
    account = Account("acct_1Ada", livemode=livemode)
    await store.save_account(f"key {livemode}", account)
    assert await store.load_account(f"key {livemode}") == account
    assert await store.load_account("another key") is None


async def test_overwritten_account_entry_is_ignored(store: RedisTotalsStore, raw: Redis) -> None:
    raw.set("donation-card:account:damaged", "live/../acct")
    assert await store.load_account("damaged") is None


# ── complete and unknown totals ───────────────────────────────────────────────────────────────────────────────────


async def test_empty_store_is_unknown_and_not_zero(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    assert await store.totals(account, "roof") is None
    assert await store.totals(account, "roof") is None
    assert snapshot(raw, account) == {}, "a read creates nothing"


async def test_donation_before_the_first_rebuild_counts(store: RedisTotalsStore, account: Account) -> None:
    await store.apply(account, ADA)
    assert await store.totals(account, "roof") is None
    await build(store, account, ADA, BORIS)
    assert await store.totals(account, "roof") == Totals(135_00, 2)


async def test_complete_rebuild_of_nothing_is_zero(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account)
    assert await store.totals(account, "roof") == Totals(0, 0)


async def test_next_sync_starts_at_last_complete_sync(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, cursor=500)
    early, late = await store.begin_sync(account, "roof"), await store.begin_sync(account, "roof")
    assert (early.since, late.since) == (500, 500)
    assert await store.advance_cursor(account, "roof", late, 2_000) == 0
    assert await store.advance_cursor(account, "roof", early, 1_000) == 0
    assert (await store.begin_sync(account, "roof")).since == 2_000


async def test_sync_does_not_build_unbuilt_totals(store: RedisTotalsStore, account: Account) -> None:
    begun = await store.begin_sync(account, "roof")
    await store.apply(account, ADA)
    assert begun.since is None
    assert await store.advance_cursor(account, "roof", begun, 1_000) is None
    assert await store.totals(account, "roof") is None


async def test_first_worker_names_the_generation(connect: Connect, account: Account) -> None:
    stores = [connect() for _ in range(20)]
    passes = await asyncio.gather(*(store.begin_sync(account, "roof") for store in stores))
    assert len({begun.generation for begun in passes}) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_wiped_server_is_unknown_and_counts_nothing_twice(
    fragile: RedisTotalsStore, server: object, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA, BORIS)
    raw_server.flushall()
    assert await fragile.totals(account, "roof") is None
    fresh = totals_store(server.url)
    assert await fresh.apply(account, ADA) is ApplyResult.APPLIED
    assert await fragile.apply(account, ADA) is ApplyResult.UNCHANGED, "the old salt is not used any more"
    assert await fragile.totals(account, "roof") is None
    await build(fresh, account, ADA, BORIS)
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)
    await fresh.close()


async def test_rebuild_interrupted_by_wipe_is_discarded(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    rebuild = await fragile.begin_rebuild(account, "roof")
    await fragile.apply_to_rebuild(account, rebuild, ADA)
    raw_server.flushall()
    await fragile.apply(account, BORIS)
    assert not await fragile.apply_to_rebuild(account, rebuild, ADA)
    assert await fragile.promote_rebuild(account, rebuild, 1) is None
    assert await fragile.totals(account, "roof") is None
    await build(fragile, account, ADA, BORIS)
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)


async def test_sync_interrupted_by_wipe_is_discarded(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA)
    begun = await fragile.begin_sync(account, "roof")
    raw_server.flushall()
    await fragile.apply(account, BORIS)
    assert await fragile.advance_cursor(account, "roof", begun, int(time.time())) is None
    assert await fragile.totals(account, "roof") is None


async def test_damaged_rebuild_stops_no_update(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account)
    rebuild = await store.begin_rebuild(account, "roof")
    raw.hset(key(account, f"totals:{rebuild.generation}"), "raised", "1e9")
    assert await store.apply(account, ADA) is ApplyResult.APPLIED
    assert await store.totals(account, "roof") == Totals(25_00, 1)
    assert await store.promote_rebuild(account, rebuild, int(time.time())) is None


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_generation_with_lost_key_is_unknown_and_rebuilt(
    store: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(store, account, ADA, BORIS)
    old = current(raw, account)
    raw.delete(key(account, f"{lost}:{old}"))
    assert await store.totals(account, "roof") is None
    await store.apply(account, ADA)
    assert await store.totals(account, "roof") is None
    await build(store, account, ADA, BORIS)
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    assert not [name for name in snapshot(raw, account) if old.encode() in name], "nothing of the old one is left"


async def test_lost_generation_is_rebuilt_without_donation(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account)
    raw.delete(key(account, f"versions:{current(raw, account)}"))
    await build(store, account)
    assert await store.totals(account, "roof") == Totals(0, 0)


# ── rebuilds ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_donations_during_rebuild_enter_both_generations(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, ADA)
    rebuild = (await store.begin_rebuild(account, "roof")).generation
    assert await store.apply(account, ADA) is ApplyResult.UNCHANGED, "the answer is about the current generation"
    await store.apply(account, BORIS)
    await store.apply(account, BORIS)
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    assert raw.hget(key(account, f"totals:{rebuild}"), "raised") == b"13500"
    fields = [set(raw.hkeys(key(account, f"versions:{name}"))) - {b"."} for name in (rebuild, current(raw, account))]
    assert [len(names) for names in fields] == [2, 2]
    assert not fields[0] & fields[1], "each generation has its own salt"


async def test_rebuild_fills_only_the_new_generation(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    rebuild = await store.begin_rebuild(account, "roof")
    assert await store.apply_to_rebuild(account, rebuild, BORIS)
    assert await store.totals(account, "roof") == Totals(25_00, 1)
    assert await store.promote_rebuild(account, rebuild, 1) == RebuildReport(
        "roof", Totals(25_00, 1), Totals(110_00, 1), mismatch=True
    )


async def test_rebuild_of_equal_totals_has_no_mismatch(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA, BORIS)
    report = await build(store, account, BORIS, ADA)
    assert report == RebuildReport("roof", Totals(135_00, 2), Totals(135_00, 2), mismatch=False)


async def test_first_rebuild_is_no_mismatch(store: RedisTotalsStore, account: Account) -> None:
    assert await build(store, account, ADA) == RebuildReport("roof", None, Totals(25_00, 1), mismatch=False)


async def test_donation_on_the_wrong_site_is_a_mismatch(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    report = await build(store, account, payment("roof", "pi_ada", 25_00, site="elsewhere.example"))
    assert report.before == report.after
    assert report.mismatch


async def test_dry_run_compares_and_changes_nothing(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, ADA)
    before = snapshot(raw, account)
    rebuild = await store.begin_rebuild(account, "roof")
    await store.apply_to_rebuild(account, rebuild, BORIS)
    assert await store.discard_rebuild(account, rebuild) == RebuildReport(
        "roof", Totals(25_00, 1), Totals(110_00, 1), mismatch=True
    )
    assert snapshot(raw, account) == before


async def test_later_of_two_rebuilds_wins(store: RedisTotalsStore, account: Account) -> None:
    first = await store.begin_rebuild(account, "roof")
    second = await store.begin_rebuild(account, "roof")
    assert not await store.apply_to_rebuild(account, first, ADA)
    assert await store.promote_rebuild(account, first, 1) is None
    assert await store.discard_rebuild(account, first) is None
    assert await store.apply_to_rebuild(account, second, ADA)
    assert await store.promote_rebuild(account, second, 1)
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_replaced_generation_leaves_no_key(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, ADA)
    died = await store.begin_rebuild(account, "roof")
    await build(store, account, ADA)
    kept = current(raw, account)
    assert set(raw.hkeys(key(account, "meta"))) - {b"updates"} == {
        *(b"schema", b"current", b"last_reply"),
        *(f"salt:{kept}".encode(), f"cursor:{kept}".encode()),
    }
    names = {name.decode().rsplit(":", 2)[-1] for name in snapshot(raw, account)}
    assert names == {"meta", kept}, died


async def test_lost_reply_is_repeated(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, ADA)
    rebuild = await store.begin_rebuild(account, "roof")
    assert await store.promote_rebuild(account, rebuild, 1) == await store.promote_rebuild(account, rebuild, 1)


async def test_new_generation_with_lost_key_is_never_activated(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account)
    rebuild = await store.begin_rebuild(account, "roof")
    raw.delete(key(account, f"versions:{rebuild.generation}"))
    assert await store.apply(account, ADA) is ApplyResult.APPLIED
    assert raw.hget(key(account, f"totals:{rebuild.generation}"), "raised") == b"0"
    assert not await store.apply_to_rebuild(account, rebuild, ADA)
    assert await store.promote_rebuild(account, rebuild, 1) is None
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_worker_follows_an_activated_generation(
    connect: Connect, store: RedisTotalsStore, account: Account
) -> None:
    other = connect()
    await other.apply(account, ADA)
    await build(store, account, ADA)
    assert await other.apply(account, BORIS) is ApplyResult.APPLIED
    assert await store.totals(account, "roof") == Totals(135_00, 2)
    await other.close()


# ── sync history and lease ────────────────────────────────────────────────────────────────────────────────────────


async def test_store_keeps_sync_start_times(store: RedisTotalsStore, account: Account) -> None:
    assert await store.sync_history(account) == SyncHistory()
    for rounds in (SyncHistory(5, None), SyncHistory(9, 7)):
        await store.save_sync_history(account, rounds)
        assert await store.sync_history(account) == rounds
    assert await store.sync_history(Account(account.id, livemode=True)) == SyncHistory()


async def test_every_seen_campaign_is_listed(store: RedisTotalsStore, account: Account) -> None:
    assert await store.campaigns(account) == set()
    await store.begin_sync(account, "roof")
    await store.apply(account, payment("no-file", "pi_1", 5_00))
    assert await store.campaigns(account) == {"roof", "no-file"}


async def test_unseen_campaign_of_rebuilt_account_is_zero(store: RedisTotalsStore, account: Account) -> None:
    await store.save_sync_history(account, SyncHistory(last_sync_at=2_000, last_rebuild_at=1_000))
    assert (await store.begin_sync(account, "roof")).since == 2_000
    assert await store.totals(account, "roof") == Totals(0, 0)


async def test_lost_campaign_is_unknown(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await store.save_sync_history(account, SyncHistory(last_sync_at=2_000, last_rebuild_at=1_000))
    await store.begin_sync(account, "roof")
    raw.delete(*snapshot(raw, account))
    assert (await store.begin_sync(account, "roof")).since is None
    assert await store.totals(account, "roof") is None


async def test_one_owner_holds_the_lease(store: RedisTotalsStore, account: Account) -> None:
    assert await store.lease(account, "ada")
    assert await store.lease(account, "ada"), "renewed by its owner"
    assert not await store.lease(account, "boris")
    await store.release(account, "boris")
    assert not await store.lease(account, "boris"), "only the owner releases it"
    await store.release(account, "ada")
    assert await store.lease(account, "boris")


async def test_lease_expires(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await store.lease(account, "ada")
    assert 0 < raw.ttl(f"donation-card:{{{account.id}/test}}:lease") <= 300


# ── syncs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_sync_advances_only_its_own_generation(store: RedisTotalsStore, account: Account) -> None:
    await build(store, account, cursor=500)
    begun = await store.begin_sync(account, "roof")
    await build(store, account, cursor=500)
    assert await store.advance_cursor(account, "roof", begun, 1_000) is None
    assert (await store.begin_sync(account, "roof")).since == 500


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_sync_advances_nothing_with_a_lost_key(
    store: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(store, account)
    begun = await store.begin_sync(account, "roof")
    raw.delete(key(account, f"{lost}:{begun.generation}"))
    assert await store.advance_cursor(account, "roof", begun, 1) is None


# ── errors before any write ───────────────────────────────────────────────────────────────────────────────────────

GOOD = {"kind": "payment", "site": "other", "version": "1", "amount": "2500", "object": b"h" * 28, "payment": b"h" * 28}


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "gift"},
        {"site": ""},
        {"site": "a" * 256},
        *({"version": version} for version in ("1.5", "-1", "one", "1" * 16, "9" * 15, "")),
        *({"amount": amount} for amount in ("25.00", "1e3", "0x10", " 2500", "nan", "", "9" * 15, "9" * 16, "9" * 400)),
        {"object": b"short"},
        {"kind": "refund", "payment": b"short"},
    ],
    ids=repr,
)
async def test_malformed_argument_is_refused_before_any_write(
    store: RedisTotalsStore, account: Account, raw: Redis, bad: dict[str, object]
) -> None:
    await build(store, account, BORIS)
    before, generation = snapshot(raw, account), current(raw, account)
    sent = GOOD | bad
    keys = [
        key(account, name)
        for name in ("meta", f"versions:{generation}", f"totals:{generation}", "versions:", "totals:")
    ]
    state = [sent[name] for name in ("kind", "site", "version", "amount")]
    values = [*state, generation, "", sent["object"], sent["payment"], b"", b""]
    with pytest.raises(TotalsUnavailable):
        async with store._redis.within_deadline():
            await store._redis.eval(load_script("_prelude", "apply_state"), keys, values)
    assert snapshot(raw, account) == before


@pytest.mark.parametrize(
    ("where", "field", "garbage"),
    [
        ("totals", "raised", "12.5"),
        ("totals", "raised", "many"),
        ("totals", "raised", "9" * 15),
        ("totals", "payments", "9" * 16),
        ("totals", "site:other:raised", ""),
        ("meta", "updates", "x"),
    ],
)
async def test_damaged_number_stops_update_before_any_write(
    store: RedisTotalsStore, account: Account, raw: Redis, where: str, field: str, garbage: str
) -> None:
    await build(store, account, BORIS)
    raw.hset(key(account, "meta" if where == "meta" else f"{where}:{current(raw, account)}"), field, garbage)
    before = snapshot(raw, account)
    with pytest.raises(TotalsUnavailable):
        await store.apply(account, payment("roof", "pi_clara", 5_00))
    assert snapshot(raw, account) == before


async def test_wrong_key_type_stops_update_before_any_write(
    store: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(store, account, BORIS)
    versions, totals = (key(account, f"{name}:{current(raw, account)}") for name in ("versions", "totals"))
    held = raw.hgetall(totals)
    raw.set(versions, "not a hash")
    with pytest.raises(TotalsUnavailable):
        await store.apply(account, ADA)
    assert (raw.get(versions), raw.hgetall(totals)) == (b"not a hash", held)
    assert raw.hget(key(account, "meta"), "updates") is None


# ── contradictory totals are unknown until a rebuild ──────────────────────────────────────────────────────────────

WRONG = {
    "no number": ("totals", "raised", "1e5"),
    "a sum changed by hand": ("totals", "raised", "9999"),
    "a site's sum changed by hand": ("totals", "site:other:raised", "0"),
    "a count changed by hand": ("totals", "payments", "3"),
    "a version too many": ("versions", "somebody", "1"),
    "objects that were not counted": ("totals", "objects", "5"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_inconsistent_totals_are_unknown_until_rebuilt(
    store: RedisTotalsStore, account: Account, raw: Redis, wrong: tuple[str, str, str]
) -> None:
    await build(store, account, ADA, BORIS)
    where, field, value = wrong
    raw.hset(key(account, f"{where}:{current(raw, account)}"), field, value)
    assert await store.totals(account, "roof") is None
    assert (await store.begin_sync(account, "roof")).since is None
    report = await build(store, account, ADA, BORIS)
    assert report.mismatch
    assert await store.totals(account, "roof") == Totals(135_00, 2)


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_wrong_key_type_is_unknown_until_rebuilt(
    store: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(store, account, ADA)
    raw.set(key(account, f"{lost}:{current(raw, account)}"), "not a hash")
    assert await store.totals(account, "roof") is None
    await build(store, account, ADA)
    assert await store.totals(account, "roof") == Totals(25_00, 1)


async def test_deleted_field_is_unknown(store: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(store, account, ADA, BORIS)
    generation = current(raw, account)
    victim = next(field for field in raw.hkeys(key(account, f"versions:{generation}")) if field != b".")
    raw.hdel(key(account, f"versions:{generation}"), victim)
    assert await store.totals(account, "roof") is None


async def test_later_key_layout_is_left_alone(connect: Connect, account: Account, raw: Redis) -> None:
    raw.hset(key(account, "meta"), mapping={"schema": "3"})
    store = connect()
    with pytest.raises(TotalsUnavailable, match="layout_unknown"):
        await store.apply(account, ADA)
    assert raw.hget(key(account, "meta"), "schema") == b"3"
    await store.close()
