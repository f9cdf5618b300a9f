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
from donation_card.domain.totals import ObjectKind, ObjectState, Totals, dispute, expected_totals, payment, refund
from donation_card.errors import TotalsUnavailable
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.support.accounts import Connect, new_account
from tests.support.redis_stores import totals_store

pytestmark = pytest.mark.anyio

ADA = payment("roof", "pi_ada", 25_00, paid=True, site="news.example")
BORIS = payment("roof", "pi_boris", 110_00, paid=True)


async def build(
    ledger: RedisTotalsStore, account: Account, *states: ObjectState, cursor: int | None = None
) -> RebuildReport:
    """A rebuild that finds these states at Stripe, a moment ago or at `cursor`."""
    shadow = await ledger.begin_rebuild(account, "roof")
    for state in states:
        assert await ledger.apply_to_rebuild(account, shadow, state)
    compared = await ledger.promote_rebuild(account, shadow, int(time.time()) if cursor is None else cursor)
    assert compared is not None
    return compared


def key(account: Account, name: str) -> str:
    return f"donation-card:{{{account.id}/test/roof}}:{name}"


def live(raw: Redis, account: Account) -> str:
    return raw.hget(key(account, "meta"), "current").decode()


def snapshot(raw: Redis, account: Account) -> dict[bytes, object]:
    return {name: raw.hgetall(name) for name in raw.scan_iter(key(account, "*"))}


# ── the law ───────────────────────────────────────────────────────────────────────────────────────────────────────

amounts = st.integers(1, 500_00)
payments = st.tuples(st.integers(0, 3), amounts).map(
    lambda made: [payment("roof", f"pi_{made[0]}", (made[0] + 1) * 10_00, paid=paid) for paid in (False, True)]
)
refunds = st.integers(0, 2).map(
    lambda n: [refund("roof", f"re_{n}", (n + 1) * 7_00, status) for status in ("pending", "succeeded", "failed")]
)
disputes = st.integers(0, 1).map(
    lambda n: [dispute("roof", f"dp_{n}", [-20_00, 20_00, -15_00, 3_00][:seen]) for seen in range(5)]
)
histories = st.lists(st.one_of(payments, refunds, disputes).flatmap(st.sampled_from), max_size=30)


@settings(max_examples=150)
@given(states=histories, workers=st.integers(1, 4), dice=st.randoms(use_true_random=False))
def test_order_repetition_and_workers_do_not_matter(
    connect: Connect, states: list[ObjectState], workers: int, dice: random.Random
) -> None:
    account = new_account()
    shuffled = states + dice.choices(states, k=len(states)) if states else []
    dice.shuffle(shuffled)

    async def story() -> Totals | None:
        ledgers = [connect() for _ in range(workers)]
        await build(ledgers[0], account)
        await asyncio.gather(*(ledgers[i % workers].apply(account, state) for i, state in enumerate(shuffled)))
        found = await ledgers[-1].totals(account, "roof")
        await asyncio.gather(*(ledger.close() for ledger in ledgers))
        return found

    assert asyncio.run(story()) == expected_totals(states)


async def test_repeated_update_counts_once(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account)
    assert await ledger.apply(account, ADA) is ApplyResult.APPLIED
    assert await ledger.apply(account, ADA) is ApplyResult.UNCHANGED
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_fifty_parallel_updates_count_once(connect: Connect, account: Account) -> None:
    ledgers = [connect(connections=4) for _ in range(50)]
    await build(ledgers[0], account)
    answers = await asyncio.gather(*(ledger.apply(account, ADA) for ledger in ledgers))
    assert sorted(answer.value for answer in answers) == ["applied"] + ["unchanged"] * 49
    assert await ledgers[1].totals(account, "roof") == Totals(25_00, 1)
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def test_repeated_update_is_still_a_write(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await ledger.apply(account, ADA)
    await ledger.apply(account, ADA)
    assert raw.hget(key(account, "meta"), "updates") == b"2"


async def test_unpaid_payment_counts_when_paid(ledger: RedisTotalsStore, account: Account) -> None:
    unpaid = payment("roof", "pi_sepa", 40_00, paid=False)
    await build(ledger, account, unpaid)
    assert await ledger.totals(account, "roof") == Totals(0, 0)
    assert await ledger.apply(account, payment("roof", "pi_sepa", 40_00, paid=True)) is ApplyResult.APPLIED
    assert await ledger.totals(account, "roof") == Totals(40_00, 1)
    assert await ledger.apply(account, unpaid) is ApplyResult.UNCHANGED


async def test_payment_with_higher_version_is_one_payment(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA, ObjectState("roof", ObjectKind.PAYMENT, ADA.object_id, (0, 25_00, 30_00)))
    assert await ledger.totals(account, "roof") == Totals(30_00, 1)


async def test_refund_before_its_payment_ends_correct(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, refund("roof", "re_1", 25_00, "succeeded"))
    assert await ledger.totals(account, "roof") == Totals(-25_00, 0)
    await ledger.apply(account, ADA)
    assert await ledger.totals(account, "roof") == Totals(0, 1)


async def test_sites_have_separate_sums(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(ledger, account, ADA, BORIS, refund("roof", "re_1", 5_00, "pending", site="news.example"))
    held = raw.hgetall(key(account, f"totals:{live(raw, account)}"))
    assert held[b"site:news.example:raised"] == b"2000"
    assert held[b"site:news.example:payments"] == b"1"
    assert held[b"site:other:raised"] == b"11000"


async def test_accounts_modes_and_campaigns_share_no_key(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA)
    livemode = Account(account.id, livemode=True)
    await build(ledger, livemode)
    await ledger.apply(account, payment("well", "pi_ada", 1_00, paid=True))
    assert await ledger.totals(livemode, "roof") == Totals(0, 0)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_no_id_and_no_single_amount_is_stored(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    gifts = [payment("roof", f"pi_secret{n}", 123_00 + n * 1_000_00, paid=True) for n in range(3)]
    await build(ledger, account, *gifts, refund("roof", "re_secret", 777_77, "succeeded"))
    kept = repr(snapshot(raw, account)).encode()
    for trace in (b"secret", b"pi_", b"re_", *(str(gift.cumulative_amounts[1]).encode() for gift in gifts), b"77777"):
        assert trace not in kept


@pytest.mark.parametrize("livemode", [True, False])
async def test_account_is_stored_for_its_key_only(ledger: RedisTotalsStore, livemode: bool) -> None:
    account = Account("acct_1Ada", livemode=livemode)
    await ledger.save_account(f"key {livemode}", account)
    assert await ledger.load_account(f"key {livemode}") == account
    assert await ledger.load_account("another key") is None


async def test_overwritten_account_entry_is_ignored(ledger: RedisTotalsStore, raw: Redis) -> None:
    raw.set("donation-card:account:damaged", "live/../acct")
    assert await ledger.load_account("damaged") is None


# ── built and unknown ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_empty_store_is_unknown_and_not_zero(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    assert await ledger.totals(account, "roof") is None
    assert await ledger.totals(account, "roof") is None
    assert snapshot(raw, account) == {}, "looking creates nothing"


async def test_donation_before_the_first_rebuild_counts(ledger: RedisTotalsStore, account: Account) -> None:
    await ledger.apply(account, ADA)
    assert await ledger.totals(account, "roof") is None
    await build(ledger, account, ADA, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)


async def test_complete_rebuild_of_nothing_is_zero(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account)
    assert await ledger.totals(account, "roof") == Totals(0, 0)


async def test_next_sync_starts_at_last_complete_sync(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, cursor=500)
    early, late = await ledger.begin_sync(account, "roof"), await ledger.begin_sync(account, "roof")
    assert (early.since, late.since) == (500, 500)
    assert await ledger.advance_cursor(account, "roof", late, 2_000)
    assert await ledger.advance_cursor(account, "roof", early, 1_000)
    assert (await ledger.begin_sync(account, "roof")).since == 2_000


async def test_sync_does_not_build_unbuilt_totals(ledger: RedisTotalsStore, account: Account) -> None:
    begun = await ledger.begin_sync(account, "roof")
    await ledger.apply(account, ADA)
    assert begun.since is None
    assert not await ledger.advance_cursor(account, "roof", begun, 1_000)
    assert await ledger.totals(account, "roof") is None


async def test_first_worker_names_the_generation(connect: Connect, account: Account) -> None:
    ledgers = [connect() for _ in range(20)]
    passes = await asyncio.gather(*(ledger.begin_sync(account, "roof") for ledger in ledgers))
    assert len({begun.generation for begun in passes}) == 1
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def test_wiped_server_is_unknown_and_counts_nothing_twice(
    fragile: RedisTotalsStore, server: object, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA, BORIS)
    raw_server.flushall()
    assert await fragile.totals(account, "roof") is None
    fresh = totals_store(server.url)
    assert await fresh.apply(account, ADA) is ApplyResult.APPLIED
    assert await fragile.apply(account, ADA) is ApplyResult.UNCHANGED, "the salt it remembers is of no use any more"
    assert await fragile.totals(account, "roof") is None
    await build(fresh, account, ADA, BORIS)
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)
    await fresh.close()


async def test_rebuild_interrupted_by_wipe_is_discarded(
    fragile: RedisTotalsStore, raw_server: Redis, account: Account
) -> None:
    shadow = await fragile.begin_rebuild(account, "roof")
    await fragile.apply_to_rebuild(account, shadow, ADA)
    raw_server.flushall()
    await fragile.apply(account, BORIS)
    assert not await fragile.apply_to_rebuild(account, shadow, ADA)
    assert await fragile.promote_rebuild(account, shadow, 1) is None
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
    assert not await fragile.advance_cursor(account, "roof", begun, int(time.time()))
    assert await fragile.totals(account, "roof") is None


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_generation_with_lost_key_is_unknown_and_rebuilt(
    ledger: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(ledger, account, ADA, BORIS)
    old = live(raw, account)
    raw.delete(key(account, f"{lost}:{old}"))
    assert await ledger.totals(account, "roof") is None
    await ledger.apply(account, ADA)
    assert await ledger.totals(account, "roof") is None
    await build(ledger, account, ADA, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)
    assert not [name for name in snapshot(raw, account) if old.encode() in name], "nothing of the old one is left"


async def test_lost_generation_is_rebuilt_without_donation(
    ledger: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(ledger, account)
    raw.delete(key(account, f"versions:{live(raw, account)}"))
    await build(ledger, account)
    assert await ledger.totals(account, "roof") == Totals(0, 0)


# ── the shadow ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_donations_during_rebuild_enter_both_generations(
    ledger: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(ledger, account, ADA)
    shadow = (await ledger.begin_rebuild(account, "roof")).generation
    assert await ledger.apply(account, ADA) is ApplyResult.UNCHANGED, "the answer tells of the live generation"
    await ledger.apply(account, BORIS)
    await ledger.apply(account, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)
    assert raw.hget(key(account, f"totals:{shadow}"), "raised") == b"13500"
    fields = [set(raw.hkeys(key(account, f"versions:{name}"))) - {b"."} for name in (shadow, live(raw, account))]
    assert [len(names) for names in fields] == [2, 2]
    assert not fields[0] & fields[1], "each generation hashes under a salt of its own"


async def test_rebuild_fills_only_the_new_generation(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA)
    shadow = await ledger.begin_rebuild(account, "roof")
    assert await ledger.apply_to_rebuild(account, shadow, BORIS)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)
    assert await ledger.promote_rebuild(account, shadow, 1) == RebuildReport(
        "roof", Totals(25_00, 1), Totals(110_00, 1), mismatch=True
    )


async def test_rebuild_of_equal_totals_has_no_mismatch(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA, BORIS)
    compared = await build(ledger, account, BORIS, ADA)
    assert compared == RebuildReport("roof", Totals(135_00, 2), Totals(135_00, 2), mismatch=False)


async def test_first_rebuild_is_no_mismatch(ledger: RedisTotalsStore, account: Account) -> None:
    assert await build(ledger, account, ADA) == RebuildReport("roof", None, Totals(25_00, 1), mismatch=False)


async def test_donation_on_the_wrong_site_is_a_mismatch(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA)
    compared = await build(ledger, account, payment("roof", "pi_ada", 25_00, paid=True, site="elsewhere.example"))
    assert compared.before == compared.after
    assert compared.mismatch


async def test_dry_run_compares_and_changes_nothing(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(ledger, account, ADA)
    before = snapshot(raw, account)
    shadow = await ledger.begin_rebuild(account, "roof")
    await ledger.apply_to_rebuild(account, shadow, BORIS)
    assert await ledger.discard_rebuild(account, shadow) == RebuildReport(
        "roof", Totals(25_00, 1), Totals(110_00, 1), mismatch=True
    )
    assert snapshot(raw, account) == before


async def test_later_of_two_rebuilds_wins(ledger: RedisTotalsStore, account: Account) -> None:
    first = await ledger.begin_rebuild(account, "roof")
    second = await ledger.begin_rebuild(account, "roof")
    assert not await ledger.apply_to_rebuild(account, first, ADA)
    assert await ledger.promote_rebuild(account, first, 1) is None
    assert await ledger.discard_rebuild(account, first) is None
    assert await ledger.apply_to_rebuild(account, second, ADA)
    assert await ledger.promote_rebuild(account, second, 1)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_replaced_generation_leaves_no_key(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(ledger, account, ADA)
    died = await ledger.begin_rebuild(account, "roof")
    await build(ledger, account, ADA)
    kept = live(raw, account)
    assert set(raw.hkeys(key(account, "meta"))) - {b"updates"} == {
        *(b"schema", b"current", b"last_reply"),
        *(f"salt:{kept}".encode(), f"cursor:{kept}".encode()),
    }
    names = {name.decode().rsplit(":", 2)[-1] for name in snapshot(raw, account)}
    assert names == {"meta", kept}, died


async def test_lost_reply_is_repeated(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, ADA)
    shadow = await ledger.begin_rebuild(account, "roof")
    assert await ledger.promote_rebuild(account, shadow, 1) == await ledger.promote_rebuild(account, shadow, 1)


async def test_new_generation_with_lost_key_is_never_activated(
    ledger: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(ledger, account)
    shadow = await ledger.begin_rebuild(account, "roof")
    raw.delete(key(account, f"versions:{shadow.generation}"))
    assert await ledger.apply(account, ADA) is ApplyResult.APPLIED
    assert raw.hget(key(account, f"totals:{shadow.generation}"), "raised") == b"0"
    assert not await ledger.apply_to_rebuild(account, shadow, ADA)
    assert await ledger.promote_rebuild(account, shadow, 1) is None
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_worker_follows_an_activated_generation(
    connect: Connect, ledger: RedisTotalsStore, account: Account
) -> None:
    other = connect()
    await other.apply(account, ADA)
    await build(ledger, account, ADA)
    assert await other.apply(account, BORIS) is ApplyResult.APPLIED
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)
    await other.close()


# ── rounds ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_store_keeps_sync_start_times(ledger: RedisTotalsStore, account: Account) -> None:
    assert await ledger.sync_history(account) == SyncHistory()
    for rounds in (SyncHistory(5, None, 2), SyncHistory(9, 7, 0)):
        await ledger.save_sync_history(account, rounds)
        assert await ledger.sync_history(account) == rounds
    assert await ledger.sync_history(Account(account.id, livemode=True)) == SyncHistory()


async def test_every_seen_campaign_is_listed(ledger: RedisTotalsStore, account: Account) -> None:
    assert await ledger.campaigns(account) == set()
    await ledger.begin_sync(account, "roof")
    await ledger.apply(account, payment("no-file", "pi_1", 5_00, paid=True))
    assert await ledger.campaigns(account) == {"roof", "no-file"}


async def test_unseen_campaign_of_rebuilt_account_is_zero(ledger: RedisTotalsStore, account: Account) -> None:
    await ledger.save_sync_history(account, SyncHistory(last_sync_at=2_000, last_rebuild_at=1_000))
    assert (await ledger.begin_sync(account, "roof")).since == 2_000
    assert await ledger.totals(account, "roof") == Totals(0, 0)


async def test_lost_campaign_is_unknown(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await ledger.save_sync_history(account, SyncHistory(last_sync_at=2_000, last_rebuild_at=1_000))
    await ledger.begin_sync(account, "roof")
    raw.delete(*snapshot(raw, account))
    assert (await ledger.begin_sync(account, "roof")).since is None
    assert await ledger.totals(account, "roof") is None


async def test_one_owner_holds_the_lease(ledger: RedisTotalsStore, account: Account) -> None:
    assert await ledger.lease(account, "ada")
    assert await ledger.lease(account, "ada"), "its own, again"
    assert not await ledger.lease(account, "boris")
    await ledger.release(account, "boris")
    assert not await ledger.lease(account, "boris"), "nobody gives back what another has"
    await ledger.release(account, "ada")
    assert await ledger.lease(account, "boris")


async def test_lease_expires(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await ledger.lease(account, "ada")
    assert 0 < raw.ttl(f"donation-card:{{{account.id}/test}}:lease") <= 300


# ── passes ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_sync_advances_only_its_own_generation(ledger: RedisTotalsStore, account: Account) -> None:
    await build(ledger, account, cursor=500)
    begun = await ledger.begin_sync(account, "roof")
    await build(ledger, account, cursor=500)
    assert not await ledger.advance_cursor(account, "roof", begun, 1_000)
    assert (await ledger.begin_sync(account, "roof")).since == 500


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_sync_advances_nothing_with_a_lost_key(
    ledger: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(ledger, account)
    begun = await ledger.begin_sync(account, "roof")
    raw.delete(key(account, f"{lost}:{begun.generation}"))
    assert not await ledger.advance_cursor(account, "roof", begun, 1)


# ── nothing is half-written ───────────────────────────────────────────────────────────────────────────────────────

GOOD = {"kind": "payment", "site": "other", "rank": "1", "hash": b"h" * 16, "contributions": ("0", "2500")}


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "gift"},
        {"site": ""},
        {"site": "a" * 256},
        {"rank": "1.5"},
        {"rank": "-1"},
        {"rank": "one"},
        {"rank": "1" * 16},
        {"rank": "2"},
        {"hash": b"short"},
        {"contributions": ()},
        {"contributions": ("5", "2500")},
        {"contributions": ("0", "25.00")},
        {"contributions": ("0", "1e3")},
        {"contributions": ("0", "0x10")},
        {"contributions": ("0", " 2500")},
        {"contributions": ("0", "nan")},
        {"contributions": ("0", "")},
        {"contributions": ("0", "9" * 16)},
        {"contributions": ("0", "9" * 400)},
        {"contributions": ("0", "2500", "2500")},
    ],
    ids=repr,
)
async def test_malformed_argument_is_refused_before_any_write(
    ledger: RedisTotalsStore, account: Account, raw: Redis, bad: dict[str, object]
) -> None:
    await build(ledger, account, BORIS)
    before, generation = snapshot(raw, account), live(raw, account)
    sent = GOOD | bad
    keys = [
        key(account, name)
        for name in ("meta", f"versions:{generation}", f"totals:{generation}", "versions:", "totals:")
    ]
    values = [sent["kind"], sent["site"], sent["rank"], generation, sent["hash"], "", b"", *sent["contributions"]]
    with pytest.raises(TotalsUnavailable):
        async with ledger._redis.within_deadline():
            await ledger._redis.eval(load_script("_prelude", "apply_state"), keys, values)
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
    ledger: RedisTotalsStore, account: Account, raw: Redis, where: str, field: str, garbage: str
) -> None:
    await build(ledger, account, BORIS)
    raw.hset(key(account, "meta" if where == "meta" else f"{where}:{live(raw, account)}"), field, garbage)
    before = snapshot(raw, account)
    with pytest.raises(TotalsUnavailable):
        await ledger.apply(account, payment("roof", "pi_clara", 5_00, paid=True))
    assert snapshot(raw, account) == before


async def test_wrong_key_type_stops_update_before_any_write(
    ledger: RedisTotalsStore, account: Account, raw: Redis
) -> None:
    await build(ledger, account, BORIS)
    ranks, totals = (key(account, f"{name}:{live(raw, account)}") for name in ("versions", "totals"))
    held = raw.hgetall(totals)
    raw.set(ranks, "not a hash")
    with pytest.raises(TotalsUnavailable):
        await ledger.apply(account, ADA)
    assert (raw.get(ranks), raw.hgetall(totals)) == (b"not a hash", held)
    assert raw.hget(key(account, "meta"), "updates") is None


# ── what contradicts itself is unknown, and a rebuild mends it ────────────────────────────────────────────────────

WRONG = {
    "no number": ("totals", "raised", "1e5"),
    "a sum changed by hand": ("totals", "raised", "9999"),
    "a site's sum changed by hand": ("totals", "site:other:raised", "0"),
    "a count changed by hand": ("totals", "payments", "3"),
    "a rank too many": ("versions", "somebody", "1"),
    "objects that were not counted": ("totals", "objects", "5"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_inconsistent_totals_are_unknown_until_rebuilt(
    ledger: RedisTotalsStore, account: Account, raw: Redis, wrong: tuple[str, str, str]
) -> None:
    await build(ledger, account, ADA, BORIS)
    where, field, value = wrong
    raw.hset(key(account, f"{where}:{live(raw, account)}"), field, value)
    assert await ledger.totals(account, "roof") is None
    assert (await ledger.begin_sync(account, "roof")).since is None
    compared = await build(ledger, account, ADA, BORIS)
    assert compared.mismatch
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)


@pytest.mark.parametrize("lost", ["versions", "totals"])
async def test_wrong_key_type_is_unknown_until_rebuilt(
    ledger: RedisTotalsStore, account: Account, raw: Redis, lost: str
) -> None:
    await build(ledger, account, ADA)
    raw.set(key(account, f"{lost}:{live(raw, account)}"), "not a hash")
    assert await ledger.totals(account, "roof") is None
    await build(ledger, account, ADA)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_deleted_field_is_unknown(ledger: RedisTotalsStore, account: Account, raw: Redis) -> None:
    await build(ledger, account, ADA, BORIS)
    generation = live(raw, account)
    victim = next(field for field in raw.hkeys(key(account, f"versions:{generation}")) if field != b".")
    raw.hdel(key(account, f"versions:{generation}"), victim)
    assert await ledger.totals(account, "roof") is None


async def test_later_key_layout_is_left_alone(connect: Connect, account: Account, raw: Redis) -> None:
    raw.hset(key(account, "meta"), mapping={"schema": "2"})
    ledger = connect()
    with pytest.raises(TotalsUnavailable, match="layout_unknown"):
        await ledger.apply(account, ADA)
    assert raw.hget(key(account, "meta"), "schema") == b"2"
    await ledger.close()
