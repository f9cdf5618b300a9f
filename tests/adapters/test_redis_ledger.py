"""States joined in any order, any number of times, by anyone, come to the same totals."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from service.adapters.redis_ledger import RedisLedger
from service.domain.ledger import Kind, State, Totals, dispute, payment, refund, total
from service.errors import LedgerUnavailable
from service.ports import Account, Joined
from tests.adapters.conftest import new_account

pytestmark = pytest.mark.anyio

ADA = payment("roof", "pi_ada", 25_00, paid=True, site="news.example")
BORIS = payment("roof", "pi_boris", 110_00, paid=True)


async def build(ledger: RedisLedger, account: Account, *states: State, cursor: int = 1) -> None:
    begun = await ledger.begin_pass(account, "roof")
    for state in states:
        await ledger.join(account, state)
    assert await ledger.mark_built(account, "roof", begun, cursor)


def key(account: Account, name: str) -> str:
    return f"donation-card:{{{account.id}/test/roof}}:{name}"


def live(raw: Redis, account: Account) -> str:
    return raw.hget(key(account, "meta"), "live").decode()


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
def test_repetition_order_and_parallel_workers_change_nothing(
    redis_url: str, states: list[State], workers: int, dice: random.Random
) -> None:
    account = new_account()
    shuffled = states + dice.choices(states, k=len(states)) if states else []
    dice.shuffle(shuffled)

    async def story() -> Totals | None:
        ledgers = [RedisLedger(redis_url) for _ in range(workers)]
        begun = await ledgers[0].begin_pass(account, "roof")
        await asyncio.gather(*(ledgers[i % workers].join(account, state) for i, state in enumerate(shuffled)))
        await ledgers[0].mark_built(account, "roof", begun, 1)
        found = await ledgers[-1].totals(account, "roof")
        await asyncio.gather(*(ledger.close() for ledger in ledgers))
        return found

    assert asyncio.run(story()) == total(states)


async def test_a_state_joined_twice_counts_once(ledger: RedisLedger, account: Account) -> None:
    assert await ledger.join(account, ADA) is Joined.APPLIED
    assert await ledger.join(account, ADA) is Joined.UNCHANGED
    await build(ledger, account)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_fifty_workers_joining_one_state_at_once_count_it_once(redis_url: str, account: Account) -> None:
    ledgers = [RedisLedger(redis_url, connections=4) for _ in range(50)]
    answers = await asyncio.gather(*(ledger.join(account, ADA) for ledger in ledgers))
    assert sorted(answer.value for answer in answers) == ["applied"] + ["unchanged"] * 49
    await build(ledgers[0], account)
    assert await ledgers[1].totals(account, "roof") == Totals(25_00, 1)
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def test_a_repetition_is_still_a_write_so_that_replicas_can_be_waited_for(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await ledger.join(account, ADA)
    await ledger.join(account, ADA)
    assert raw.hget(key(account, "meta"), "joins") == b"2"


async def test_an_unpaid_payment_counts_only_once_it_is_paid(ledger: RedisLedger, account: Account) -> None:
    unpaid = payment("roof", "pi_sepa", 40_00, paid=False)
    await build(ledger, account, unpaid)
    assert await ledger.totals(account, "roof") == Totals(0, 0)
    assert await ledger.join(account, payment("roof", "pi_sepa", 40_00, paid=True)) is Joined.APPLIED
    assert await ledger.totals(account, "roof") == Totals(40_00, 1)
    assert await ledger.join(account, unpaid) is Joined.UNCHANGED


async def test_a_payment_that_goes_on_to_a_higher_rank_is_still_one_payment(
    ledger: RedisLedger, account: Account
) -> None:
    await build(ledger, account, ADA, State("roof", Kind.PAYMENT, ADA.object_id, (0, 25_00, 30_00)))
    assert await ledger.totals(account, "roof") == Totals(30_00, 1)


async def test_a_refund_seen_before_its_payment_goes_below_zero_and_comes_back(
    ledger: RedisLedger, account: Account
) -> None:
    await build(ledger, account, refund("roof", "re_1", 25_00, "succeeded"))
    assert await ledger.totals(account, "roof") == Totals(-25_00, 0)
    await ledger.join(account, ADA)
    assert await ledger.totals(account, "roof") == Totals(0, 1)


async def test_each_site_has_its_own_sums(ledger: RedisLedger, account: Account, raw: Redis) -> None:
    await build(ledger, account, ADA, BORIS, refund("roof", "re_1", 5_00, "pending", site="news.example"))
    held = raw.hgetall(key(account, f"totals:{live(raw, account)}"))
    assert held[b"site:news.example:raised"] == b"2000"
    assert held[b"site:news.example:payments"] == b"1"
    assert held[b"site:other:raised"] == b"11000"


async def test_accounts_modes_and_campaigns_never_meet(ledger: RedisLedger, account: Account) -> None:
    await build(ledger, account, ADA)
    livemode = Account(account.id, livemode=True)
    await build(ledger, livemode)
    await ledger.join(account, payment("well", "pi_ada", 1_00, paid=True))
    assert await ledger.totals(livemode, "roof") == Totals(0, 0)
    assert await ledger.totals(account, "roof") == Totals(25_00, 1)


async def test_neither_an_id_nor_the_amount_of_a_gift_is_kept(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    gifts = [payment("roof", f"pi_secret{n}", 123_00 + n * 1_000_00, paid=True) for n in range(3)]
    await build(ledger, account, *gifts, refund("roof", "re_secret", 777_77, "succeeded"))
    kept = repr(snapshot(raw, account)).encode()
    for trace in (b"secret", b"pi_", b"re_", *(str(gift.contributions[1]).encode() for gift in gifts), b"77777"):
        assert trace not in kept


@pytest.mark.parametrize("livemode", [True, False])
async def test_the_account_of_a_key_is_remembered_and_of_no_other_key(ledger: RedisLedger, livemode: bool) -> None:
    account = Account("acct_1Ada", livemode=livemode)
    await ledger.remember(f"key {livemode}", account)
    assert await ledger.remembered(f"key {livemode}") == account
    assert await ledger.remembered("another key") is None


async def test_a_memory_that_somebody_wrote_over_is_none(ledger: RedisLedger, raw: Redis) -> None:
    raw.set("donation-card:account:damaged", "live/../acct")
    assert await ledger.remembered("damaged") is None


# ── built and unknown ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_ledger_is_unknown_and_not_zero(ledger: RedisLedger, account: Account, raw: Redis) -> None:
    assert await ledger.totals(account, "roof") is None
    assert await ledger.totals(account, "roof") is None
    assert snapshot(raw, account) == {}, "looking creates nothing"


async def test_a_gift_that_comes_before_the_build_is_kept(ledger: RedisLedger, account: Account) -> None:
    await ledger.join(account, ADA)
    assert await ledger.totals(account, "roof") is None
    await build(ledger, account, ADA, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)


async def test_a_complete_pass_over_nothing_is_zero(ledger: RedisLedger, account: Account) -> None:
    await build(ledger, account)
    assert await ledger.totals(account, "roof") == Totals(0, 0)


async def test_the_next_pass_begins_where_the_latest_complete_one_began(ledger: RedisLedger, account: Account) -> None:
    assert (await ledger.begin_pass(account, "roof")).since is None
    early, late = await ledger.begin_pass(account, "roof"), await ledger.begin_pass(account, "roof")
    assert await ledger.mark_built(account, "roof", late, 2_000)
    assert await ledger.mark_built(account, "roof", early, 1_000)
    assert (await ledger.begin_pass(account, "roof")).since == 2_000


async def test_the_first_of_two_workers_names_the_generation(redis_url: str, account: Account) -> None:
    ledgers = [RedisLedger(redis_url) for _ in range(20)]
    passes = await asyncio.gather(*(ledger.begin_pass(account, "roof") for ledger in ledgers))
    assert len({begun.generation for begun in passes}) == 1
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def test_a_wiped_server_is_unknown_and_a_worker_that_remembers_it_counts_nothing_twice(
    fragile: RedisLedger, server: object, raw_server: Redis, account: Account
) -> None:
    await build(fragile, account, ADA, BORIS)
    raw_server.flushall()
    assert await fragile.totals(account, "roof") is None
    fresh = RedisLedger(server.url)
    assert await fresh.join(account, ADA) is Joined.APPLIED
    assert await fragile.join(account, ADA) is Joined.UNCHANGED, "the salt it remembers is of no use any more"
    assert await fragile.totals(account, "roof") is None
    await build(fresh, account, ADA, BORIS)
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)
    await fresh.close()


async def test_a_pass_that_a_wipe_interrupted_proves_nothing(
    fragile: RedisLedger, raw_server: Redis, account: Account
) -> None:
    begun = await fragile.begin_pass(account, "roof")
    await fragile.join(account, ADA)
    raw_server.flushall()
    await fragile.join(account, BORIS)
    assert not await fragile.mark_built(account, "roof", begun, 1)
    assert await fragile.totals(account, "roof") is None
    await build(fragile, account, ADA, BORIS)
    assert await fragile.totals(account, "roof") == Totals(135_00, 2)


@pytest.mark.parametrize("lost", ["ranks", "totals"])
async def test_a_generation_that_lost_a_key_is_unknown_and_built_anew(
    ledger: RedisLedger, account: Account, raw: Redis, lost: str
) -> None:
    await build(ledger, account, ADA, BORIS)
    old = live(raw, account)
    raw.delete(key(account, f"{lost}:{old}"))
    assert await ledger.totals(account, "roof") is None
    await ledger.join(account, ADA)
    assert await ledger.totals(account, "roof") is None
    await build(ledger, account, ADA, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)
    assert not [name for name in snapshot(raw, account) if old.encode() in name], "nothing of the old one is left"


async def test_a_lost_generation_heals_even_when_no_gift_comes(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await build(ledger, account)
    raw.delete(key(account, f"ranks:{live(raw, account)}"))
    await build(ledger, account)
    assert await ledger.totals(account, "roof") == Totals(0, 0)


# ── the shadow ────────────────────────────────────────────────────────────────────────────────────────────────────


def flip(raw: Redis, account: Account) -> str:
    """Make the shadow live and leave the old generation lying, as a rebuild killed midway might."""
    shadow = open_shadow(raw, account)
    raw.hset(key(account, "meta"), "live", shadow)
    raw.hdel(key(account, "meta"), "shadow")
    return shadow


def open_shadow(raw: Redis, account: Account) -> str:
    shadow = "5ade" * 4
    raw.hset(key(account, f"ranks:{shadow}"), ".", 0)
    raw.hset(key(account, f"totals:{shadow}"), mapping={"raised": 0, "payments": 0})
    raw.hset(key(account, "meta"), mapping={"shadow": shadow, f"salt:{shadow}": "c0ffee00" * 4})
    return shadow


async def test_while_a_shadow_is_filled_gifts_are_joined_into_both(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await build(ledger, account, ADA)
    shadow = open_shadow(raw, account)
    assert await ledger.join(account, ADA) is Joined.UNCHANGED, "the answer tells of the live generation"
    await ledger.join(account, BORIS)
    await ledger.join(account, BORIS)
    assert await ledger.totals(account, "roof") == Totals(135_00, 2)
    assert raw.hget(key(account, f"totals:{shadow}"), "raised") == b"13500"
    fields = [set(raw.hkeys(key(account, f"ranks:{name}"))) - {b"."} for name in (shadow, live(raw, account))]
    assert [len(names) for names in fields] == [2, 2]
    assert not fields[0] & fields[1], "each generation hashes under a salt of its own"


async def test_a_shadow_that_lost_a_key_stops_no_gift(ledger: RedisLedger, account: Account, raw: Redis) -> None:
    await build(ledger, account)
    shadow = open_shadow(raw, account)
    raw.delete(key(account, f"ranks:{shadow}"))
    assert await ledger.join(account, ADA) is Joined.APPLIED
    assert raw.hget(key(account, f"totals:{shadow}"), "raised") == b"0"


async def test_when_the_shadow_goes_live_the_next_gift_goes_there(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await build(ledger, account, ADA)
    old = live(raw, account)
    new = flip(raw, account)
    assert await ledger.join(account, BORIS) is Joined.APPLIED
    assert raw.hget(key(account, f"totals:{new}"), "raised") == b"11000"
    assert raw.hget(key(account, f"totals:{old}"), "raised") == b"2500"


async def test_a_pass_marks_only_the_generation_it_filled(ledger: RedisLedger, account: Account, raw: Redis) -> None:
    begun = await ledger.begin_pass(account, "roof")
    flip(raw, account)
    assert not await ledger.mark_built(account, "roof", begun, 1)
    assert await ledger.totals(account, "roof") is None


@pytest.mark.parametrize("lost", ["ranks", "totals"])
async def test_a_pass_marks_nothing_where_a_key_was_lost(
    ledger: RedisLedger, account: Account, raw: Redis, lost: str
) -> None:
    begun = await ledger.begin_pass(account, "roof")
    raw.delete(key(account, f"{lost}:{begun.generation}"))
    assert not await ledger.mark_built(account, "roof", begun, 1)


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
async def test_a_malformed_argument_is_refused_before_anything_is_written(
    ledger: RedisLedger, account: Account, raw: Redis, bad: dict[str, object]
) -> None:
    await build(ledger, account, BORIS)
    before, generation = snapshot(raw, account), live(raw, account)
    sent = GOOD | bad
    keys = [key(account, name) for name in ("meta", f"ranks:{generation}", f"totals:{generation}", "ranks:", "totals:")]
    values = [sent["kind"], sent["site"], sent["rank"], generation, sent["hash"], "", b"", *sent["contributions"]]
    with pytest.raises(LedgerUnavailable):
        async with ledger._answered():
            await ledger._run("join", keys, values)
    assert snapshot(raw, account) == before


@pytest.mark.parametrize(
    ("where", "field", "garbage"),
    [
        ("totals", "raised", "12.5"),
        ("totals", "raised", "many"),
        ("totals", "raised", "9" * 15),
        ("totals", "payments", "9" * 16),
        ("totals", "site:other:raised", ""),
        ("meta", "joins", "x"),
    ],
)
async def test_a_damaged_number_stops_the_join_before_anything_is_written(
    ledger: RedisLedger, account: Account, raw: Redis, where: str, field: str, garbage: str
) -> None:
    await build(ledger, account, BORIS)
    raw.hset(key(account, "meta" if where == "meta" else f"{where}:{live(raw, account)}"), field, garbage)
    before = snapshot(raw, account)
    with pytest.raises(LedgerUnavailable):
        await ledger.join(account, payment("roof", "pi_clara", 5_00, paid=True))
    assert snapshot(raw, account) == before


async def test_a_key_of_another_type_stops_the_join_before_anything_is_written(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await build(ledger, account, BORIS)
    ranks, totals = (key(account, f"{name}:{live(raw, account)}") for name in ("ranks", "totals"))
    held = raw.hgetall(totals)
    raw.set(ranks, "not a hash")
    with pytest.raises(LedgerUnavailable):
        await ledger.join(account, ADA)
    assert (raw.get(ranks), raw.hgetall(totals)) == (b"not a hash", held)
    assert raw.hget(key(account, "meta"), "joins") == b"1"


async def test_a_sum_that_is_no_number_is_unknown_and_never_shown(
    ledger: RedisLedger, account: Account, raw: Redis
) -> None:
    await build(ledger, account, BORIS)
    raw.hset(key(account, f"totals:{live(raw, account)}"), "raised", "1e5")
    with pytest.raises(LedgerUnavailable, match="1e5"):
        await ledger.totals(account, "roof")


async def test_a_layout_of_a_later_version_is_left_alone(redis_url: str, account: Account, raw: Redis) -> None:
    raw.hset(key(account, "meta"), mapping={"schema": "2"})
    ledger = RedisLedger(redis_url)
    with pytest.raises(LedgerUnavailable, match="layout_unknown"):
        await ledger.join(account, ADA)
    assert raw.hget(key(account, "meta"), "schema") == b"2"
    await ledger.close()
