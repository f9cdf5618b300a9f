"""Test that the totals depend only on the highest version of each object."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from donation_card.domain.money import MAX_MINOR_UNITS
from donation_card.domain.totals import (
    BalanceTransaction,
    ObjectState,
    Totals,
    dispute,
    dispute_changes,
    expected_totals,
    payment,
    refund,
)
from hypothesis import given, strategies as st


def gift(number: int = 1, amount: int = 25_00, *, paid: bool = True) -> ObjectState:
    return payment("roof", f"pi_{number}", amount, paid=paid)


class StateTotals:
    """Apply the rule as the totals store does, one state after another."""

    def __init__(self) -> None:
        self.versions: dict[tuple[object, str], int] = {}
        self.raised = self.payments = 0

    def apply(self, state: ObjectState) -> None:
        known = self.versions.get((state.kind, state.object_id), 0)
        if state.version > known:
            self.versions[state.kind, state.object_id] = state.version
            self.raised += state.cumulative_amounts[state.version] - state.cumulative_amounts[known]
            self.payments += state.kind.value == "payment" and known < 1


def totals_of(states: list[ObjectState] | tuple[ObjectState, ...]) -> Totals:
    store = StateTotals()
    for state in states:
        store.apply(state)
    return Totals(store.raised, store.payments)


HISTORIES = {
    "paid and twice partly refunded, one refund failing": [
        gift(),
        refund("roof", "re_1", 5_00, "pending"),
        refund("roof", "re_1", 5_00, "failed"),
        refund("roof", "re_2", 7_00, "requires_action"),
        refund("roof", "re_2", 7_00, "succeeded"),
    ],
    "a delayed payment that settles": [gift(paid=False), gift(paid=False), gift(), gift(2), gift(2)],
    "a dispute warned, opened, won, and lost on appeal": [
        gift(),
        dispute("roof", "dp_1", []),
        dispute("roof", "dp_1", [-25_00]),
        dispute("roof", "dp_1", [-25_00, 25_00]),
        dispute("roof", "dp_1", [-25_00, 25_00, -25_00]),
        gift(),
    ],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_every_order_of_six_events_has_one_result(history: list[ObjectState]) -> None:
    assert {totals_of(order) for order in permutations(history)} == {expected_totals(history)}


ALPHABET = [
    *(gift(1, paid=paid) for paid in (False, True)),
    gift(2, 40_00),
    *(refund("roof", "re_1", 5_00, status) for status in ("pending", "succeeded", "failed")),
    refund("roof", "re_2", 25_00, "succeeded"),
    *(dispute("roof", "dp_1", [-25_00, 25_00, -10_00][:seen]) for seen in (0, 1, 2, 3)),
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
            ahead.versions, ahead.raised, ahead.payments = store.versions.copy(), store.raised, store.payments
            ahead.apply(event)
            walk(ahead, seen | 1 << bit, depth + 1)

    walk(StateTotals(), 0, 0)
    assert walked == sum(11**depth for depth in range(7))


states = st.one_of(
    st.builds(gift, st.integers(1, 4), paid=st.booleans()),
    st.builds(
        lambda n, status: refund("roof", f"re_{n}", n * 3_00, status),
        st.integers(1, 3),
        st.sampled_from(["pending", "requires_action", "succeeded", "failed", "canceled"]),
    ),
    st.integers(0, 4).map(lambda seen: dispute("roof", "dp_1", [-25_00, 10_00, 15_00, -25_00][:seen])),
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
    assert expected_totals([gift(), refund("roof", "re_1", 5_00, status)]).raised == raised


@pytest.mark.parametrize("status", [None, "reversed", "", "FAILED", 5, [], {}])
def test_refund_without_a_known_status_reduces_the_total(status: object) -> None:
    states = [gift(), refund("roof", "re_1", 5_00, status)]
    assert expected_totals(states).raised == 20_00
    assert expected_totals([refund("roof", "re_1", 5_00, "failed"), *states]).raised == 25_00


def test_dispute_counts_its_balance_transactions() -> None:
    assert dispute("roof", "dp_1", [-25_00, 25_00, -25_00]).cumulative_amounts == (0, -25_00, 0, -25_00)


def test_payment_and_refund_with_one_id_are_two_objects() -> None:
    assert expected_totals([payment("roof", "x", 5_00, paid=True), refund("roof", "x", 2_00, "pending")]) == Totals(
        3_00, 1
    )


@pytest.mark.parametrize("contributions", [(), (1,), (5, 10)])
def test_unseen_object_contributes_nothing(contributions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="version 0"):
        ObjectState("roof", gift().kind, "pi_1", contributions)


@pytest.mark.parametrize("amount", [True, 25.0, "2500", None, float("nan"), MAX_MINOR_UNITS + 1, 10**30])
def test_non_integer_contribution_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="whole minor units"):
        payment("roof", "pi_1", amount, paid=True)


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
    assert 100_00 + sum(dispute_changes(100_00, "eur", transactions)) == left


@pytest.mark.parametrize("currency", ["eur", "usd"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_transactions_in_one_second_have_one_result(currency: str, order: tuple[int, ...]) -> None:
    amounts = (-100_00, 100_00, -100_00)
    history = [BalanceTransaction(amount, currency, 7, is_reversal=amount > 0) for amount in amounts]
    seen = [history[:1], history[:2], [history[index] for index in order]]
    states = [gift(1, 100_00), *(dispute("roof", "dp_1", dispute_changes(100_00, "eur", each)) for each in seen)]
    for arrival in permutations(states):
        assert totals_of(arrival).raised == 0


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
    changes = dispute_changes(100_00, "eur", transactions)
    assert all(-100_00 <= amount <= 0 for amount in dispute("roof", "dp_1", changes).cumulative_amounts)
    shuffled = transactions.copy()
    dice.shuffle(shuffled)
    assert dispute_changes(100_00, "eur", shuffled) == changes


@given(
    withdrawn=st.lists(st.integers(1, 300_00), min_size=1, max_size=4),
    returned=st.lists(st.integers(1, 300_00), max_size=4),
    disputed=st.integers(1, 10**9),
)
def test_partial_reversal_gives_back_its_part(withdrawn: list[int], returned: list[int], disputed: int) -> None:
    transactions = moved(*(-amount for amount in withdrawn), *returned)
    part = max(0.0, 1 - sum(returned) / sum(withdrawn))
    assert -sum(dispute_changes(disputed, "eur", transactions)) == pytest.approx(disputed * part, abs=1)


@pytest.mark.parametrize("received", [0, 60_00, 100_00, None])
def test_captured_part_replaces_the_amount_in_any_order(received: int | None) -> None:
    states = [gift(1, 100_00), payment("roof", "pi_1", 100_00, paid=True, received=received), gift(1, 100_00)]
    expected = Totals(100_00 if received is None else received, 1)
    assert {totals_of(order) for order in permutations(states)} == {expected}
