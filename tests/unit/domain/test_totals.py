"""Test that the totals depend only on the highest version of each object."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from donation_card.domain.money import MAX_MINOR_UNITS
from donation_card.domain.totals import (
    MAX_VERSION,
    BalanceTransaction,
    ObjectState,
    Totals,
    dispute,
    dispute_taken,
    expected_totals,
    payment,
    refund,
    version,
)
from hypothesis import given, strategies as st


def gift(number: int = 1, amount: int = 25_00) -> ObjectState:
    return payment("roof", f"pi_{number}", amount)


def disputed(*changes: int, number: int = 1) -> ObjectState:
    """Return a dispute of a payment after these changes of the total."""
    return dispute("roof", f"dp_{number}", f"pi_{number}", -sum(changes), len(changes))


class StateTotals:
    """Apply the rule as the totals store does, one state after another."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, int]] = {}
        """Object → its version, and the amount that is added or waits. A payment that waits has version 0."""
        self.raised = self.payments = 0

    def apply(self, state: ObjectState) -> None:
        version, amount = self.known.get(state.object_id, (0, 0))
        if (state.version, -state.amount) <= (version, -amount) or state.version == 0:
            return
        self.known[state.object_id] = state.version, state.amount
        counts, reversed_ = self.known.get(state.payment, (0, 0))
        if state.kind.value != "payment":
            if counts:
                self.raised += state.amount - amount
            else:
                self.known[state.payment] = 0, reversed_ + state.amount - amount
        elif version:
            self.raised += state.amount - amount
        else:
            self.raised += state.amount + amount
            self.payments += 1


def totals_of(states: list[ObjectState] | tuple[ObjectState, ...]) -> Totals:
    store = StateTotals()
    for state in states:
        store.apply(state)
    return Totals(store.raised, store.payments)


HISTORIES = {
    "paid and twice partly refunded, one refund failing": [
        gift(),
        refund("roof", "re_1", "pi_1", 5_00, "pending"),
        refund("roof", "re_1", "pi_1", 5_00, "failed"),
        refund("roof", "re_2", "pi_1", 7_00, "requires_action"),
        refund("roof", "re_2", "pi_1", 7_00, "succeeded"),
    ],
    "a dispute warned, opened, won, and lost on appeal": [
        gift(),
        disputed(),
        disputed(-25_00),
        disputed(-25_00, 25_00),
        disputed(-25_00, 25_00, -25_00),
        gift(),
    ],
    "a refund and a dispute of a payment that never counts": [
        gift(2),
        refund("roof", "re_1", "pi_1", 5_00, "succeeded"),
        refund("roof", "re_1", "pi_1", 5_00, "failed"),
        disputed(-25_00),
        disputed(-25_00, number=2),
    ],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_every_order_of_six_events_has_one_result(history: list[ObjectState]) -> None:
    assert {totals_of(order) for order in permutations(history)} == {expected_totals(history)}


ALPHABET = [
    gift(1),
    payment("roof", "pi_1", 25_00, received=20_00),
    gift(2, 40_00),
    *(refund("roof", "re_1", "pi_1", amount, status) for amount, status in ((5_00, "pending"), (6_00, "failed"))),
    refund("roof", "re_1", "pi_1", 6_00, "succeeded", as_of=1),
    refund("roof", "re_2", "pi_1", 25_00, "succeeded"),
    *(disputed(*[-25_00, 25_00, -10_00][:seen]) for seen in (0, 1, 2, 3)),
]
"""Eleven events: all sequences of up to six of them, repetitions included, are 1,948,717."""


def test_every_sequence_of_six_events_equals_its_set() -> None:
    """Exhaustively: sequences share their beginnings, so each costs one join and one look at what its events mean."""
    meant: dict[int, Totals] = {}
    walked = 0

    def walk(store: StateTotals, seen: int, depth: int) -> None:
        nonlocal walked
        walked += 1
        if seen not in meant:
            meant[seen] = expected_totals([event for bit, event in enumerate(ALPHABET) if seen >> bit & 1])
        assert (store.raised, store.payments) == (meant[seen].raised, meant[seen].payments)
        if depth == 6:
            return
        for bit, event in enumerate(ALPHABET):
            ahead = StateTotals()
            ahead.known, ahead.raised, ahead.payments = store.known.copy(), store.raised, store.payments
            ahead.apply(event)
            walk(ahead, seen | 1 << bit, depth + 1)

    walk(StateTotals(), 0, 0)
    assert walked == sum(11**depth for depth in range(7))


states = st.one_of(
    st.builds(gift, st.integers(1, 4)),
    st.builds(
        lambda n, number, status: refund("roof", f"re_{n}_{number}", f"pi_{number}", n * 3_00, status),
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from(["pending", "requires_action", "succeeded", "failed", "canceled"]),
    ),
    st.builds(
        lambda seen, number: disputed(*[-25_00, 10_00, 15_00, -25_00][:seen], number=number),
        st.integers(0, 4),
        st.integers(1, 4),
    ),
)


@given(history=st.lists(states, max_size=40), dice=st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(history: list[ObjectState], dice: random.Random) -> None:
    again = history + dice.choices(history, k=20) if history else []
    dice.shuffle(again)
    assert totals_of(again) == totals_of(history) == expected_totals(history) == expected_totals(again)


@given(history=st.lists(states, max_size=30), more=st.lists(states, max_size=10))
def test_payment_count_never_falls(history: list[ObjectState], more: list[ObjectState]) -> None:
    assert expected_totals(history + more).payments >= expected_totals(history).payments


@pytest.mark.parametrize(
    ("status", "raised"),
    [("pending", 20_00), ("requires_action", 20_00), ("succeeded", 20_00), ("failed", 25_00), ("canceled", 25_00)],
)
def test_refund_reduces_the_total_until_it_fails(status: str, raised: int) -> None:
    assert expected_totals([gift(), refund("roof", "re_1", "pi_1", 5_00, status)]).raised == raised


@pytest.mark.parametrize("status", [None, "reversed", "", "FAILED", 5, [], {}])
def test_refund_without_a_known_status_reduces_the_total(status: object) -> None:
    states = [gift(), refund("roof", "re_1", "pi_1", 5_00, status)]
    assert expected_totals(states).raised == 20_00
    assert expected_totals([refund("roof", "re_1", "pi_1", 5_00, "failed"), *states]).raised == 25_00


def test_payment_and_refund_with_one_id_are_two_objects() -> None:
    assert expected_totals([payment("roof", "x", 5_00), refund("roof", "x", "x", 2_00, "pending")]) == Totals(3_00, 1)


@pytest.mark.parametrize("version", [-1, MAX_VERSION])
def test_version_out_of_range_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match="versions"):
        ObjectState("roof", gift().kind, "pi_1", "pi_1", version, 1)


def test_version_grows_with_progress_and_then_with_the_time_of_the_report() -> None:
    ascending = [(0, 0), (0, 5), (1, 0), (1, 1_800_000_000), (2, 1), (3, 0), (9_999, 0)]
    versions = [version(progress, as_of) for progress, as_of in ascending]
    assert versions == sorted(set(versions))
    assert 0 <= version(10**6, 10**30 - 1) < MAX_VERSION
    assert 0 <= version(0, -5) < MAX_VERSION


@pytest.mark.parametrize("amount", [True, 25.0, "2500", None, float("nan"), MAX_MINOR_UNITS + 1, 10**30])
def test_non_integer_contribution_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="whole minor units"):
        payment("roof", "pi_1", amount)


def moved(*amounts: int, currency: str = "usd", created: int = 0) -> list[BalanceTransaction]:
    """Return the transactions of a dispute, one each second from `created`. A positive amount is a reversal."""
    return [
        BalanceTransaction(amount, currency, created + second, is_reversal=amount > 0)
        for second, amount in enumerate(amounts)
    ]


ADJUSTMENT = BalanceTransaction(5, "usd", 9, is_reversal=False)


@pytest.mark.parametrize(
    ("transactions", "left"),
    [
        ([], 100_00),
        (moved(-110_00), 0),
        (moved(-110_00, 55_00), 50_00),
        (moved(-110_00, 110_00), 100_00),
        (moved(-110_00, 110_00, -110_00), 0),
        (moved(-110_00, 115_00), 100_00),
        (moved(-110_00, -2_00), 0),
        (moved(-110_00, -2_00, 56_00), 50_00),
        (moved(-60_00, -50_00, 55_00), 50_00),
        ([*moved(-110_00), ADJUSTMENT], 0),
        (moved(3_00), 100_00),
        (moved(-100_00, currency="eur"), 0),
        (moved(-100_00, 40_00, currency="eur"), 40_00),
        (moved(-60_00, currency="eur"), 40_00),
        (moved(-100_00, -3_00, currency="eur"), 0),
        (moved(-100_00, 107_00, currency="eur"), 100_00),
        ([*moved(-100_00, currency="eur"), BalanceTransaction(5, "eur", 9, is_reversal=False)], 0),
        ([*moved(-100_00, currency="eur"), *moved(110_00)], 0),
    ],
)
def test_dispute_in_a_settlement_currency_takes_the_part_not_reversed(
    transactions: list[BalanceTransaction], left: int
) -> None:
    assert 100_00 - dispute_taken(100_00, "eur", transactions) == left


@pytest.mark.parametrize("currency", ["eur", "usd"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_transactions_in_one_second_have_one_result(currency: str, order: tuple[int, ...]) -> None:
    amounts = (-100_00, 100_00, -100_00)
    history = [BalanceTransaction(amount, currency, 7, is_reversal=amount > 0) for amount in amounts]
    seen = [history[:1], history[:2], [history[index] for index in order]]
    taken = [(dispute_taken(100_00, "eur", each), len(each)) for each in seen]
    states = [gift(1, 100_00), *(dispute("roof", "dp_1", "pi_1", *each) for each in taken)]
    for arrival in permutations(states):
        assert totals_of(arrival).raised == 0


@pytest.mark.parametrize("currency", ["eur", "usd"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_half_given_back_in_the_second_of_all_before_is_a_half(currency: str, order: tuple[int, ...]) -> None:
    """Stripe withdraws again only after it gave everything back."""
    amounts = (-100_00, 100_00, -100_00, 50_00)
    history = [BalanceTransaction(amounts[index], currency, 7, is_reversal=amounts[index] > 0) for index in order]
    assert dispute_taken(100_00, "eur", history) == 50_00


movements = st.lists(
    st.builds(
        BalanceTransaction,
        st.integers(-300_00, 300_00),
        st.sampled_from(["eur", "usd"]),
        st.integers(0, 3),
        is_reversal=st.booleans(),
    ),
    max_size=6,
)


@given(transactions=movements, dice=st.randoms(use_true_random=False))
def test_dispute_takes_at_least_nothing_and_at_most_the_disputed_amount(
    transactions: list[BalanceTransaction], dice: random.Random
) -> None:
    taken = dispute_taken(100_00, "eur", transactions)
    assert 0 <= taken <= 100_00
    shuffled = transactions.copy()
    dice.shuffle(shuffled)
    assert dispute_taken(100_00, "eur", shuffled) == taken


@given(
    withdrawn=st.lists(st.integers(1, 300_00), min_size=1, max_size=4),
    returned=st.lists(st.integers(1, 300_00), max_size=4),
    disputed=st.integers(1, 10**9),
)
def test_partial_reversal_gives_back_its_part(withdrawn: list[int], returned: list[int], disputed: int) -> None:
    transactions = moved(*(-amount for amount in withdrawn), *returned)
    part = max(0.0, 1 - sum(returned) / sum(withdrawn))
    assert dispute_taken(disputed, "eur", transactions) == pytest.approx(disputed * part, abs=1)


@pytest.mark.parametrize("received", [0, 60_00, 100_00, None])
def test_captured_part_replaces_the_amount_in_any_order(received: int | None) -> None:
    states = [gift(1, 100_00), payment("roof", "pi_1", 100_00, received=received), gift(1, 100_00)]
    expected = Totals(100_00 if received is None else received, 1)
    assert {totals_of(order) for order in permutations(states)} == {expected}


CHANGING = [
    ("a dispute whose amount changes", [disputed(-100_00), dispute("roof", "dp_1", "pi_1", 0, 2)], 0),
    (
        "a disputed amount that changes without a transaction",
        [dispute("roof", "dp_1", "pi_1", taken, 1, as_of=at) for at, taken in enumerate((100_00, 99_00, 99_50))],
        99_50,
    ),
    (
        "a refund whose amount changes before it fails",
        [refund("roof", "re_1", "pi_1", 10_00, "pending"), refund("roof", "re_1", "pi_1", 12_00, "failed")],
        0,
    ),
    (
        "a refund whose amount changes",
        [refund("roof", "re_1", "pi_1", cents, "succeeded", as_of=at) for at, cents in enumerate((10_00, 8_00, 9_00))],
        9_00,
    ),
    (
        "two amounts in one second",
        [refund("roof", "re_1", "pi_1", cents, "succeeded", as_of=7) for cents in (10_00, 12_00, 8_00)],
        12_00,
    ),
]


@pytest.mark.parametrize(("history", "taken"), [each[1:] for each in CHANGING], ids=[each[0] for each in CHANGING])
def test_amount_that_changes_counts_as_reported_last(history: list[ObjectState], taken: int) -> None:
    for order in permutations([gift(1, 100_00), *history]):
        assert totals_of(order) == expected_totals(order) == Totals(100_00 - taken, 1)


@pytest.mark.parametrize("received", [(60_00, 100_00), (100_00, 60_00)])
def test_captured_amount_can_grow_and_fall(received: tuple[int, int]) -> None:
    states = [payment("roof", "pi_1", 100_00, received=cents, as_of=at) for at, cents in enumerate(received)]
    for order in permutations([gift(1, 100_00), *states]):
        assert totals_of(order) == Totals(received[-1], 1)
