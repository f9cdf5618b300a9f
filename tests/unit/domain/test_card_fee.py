"""Test what a donor adds, so that the whole gift arrives after the fee."""

from __future__ import annotations

from fractions import Fraction

import pytest
from donation_card.domain.card_fee import EUROPEAN_CARD_FEE, MAX_BASIS_POINTS, CardFee
from donation_card.domain.money import MINOR_UNIT_EXPONENT, Money
from hypothesis import given, strategies as st

currencies = st.sampled_from(sorted(MINOR_UNIT_EXPONENT))
gifts = st.integers(1, 99_999_999)
points = st.integers(0, MAX_BASIS_POINTS)
fixed = st.integers(0, 100_000)


def arrives(payment: int, basis_points: int, fixed: int) -> Fraction:
    """Return what is left of a payment, in exact fractions of a minor unit."""
    return payment - payment * Fraction(basis_points, 10_000) - fixed


@given(gift=gifts, points=points, fixed=fixed, currency=currencies)
def test_the_whole_gift_arrives(gift: int, points: int, fixed: int, currency: str) -> None:
    added = CardFee(points, Money(fixed, currency)).to_add(Money(gift, currency))
    assert arrives(gift + added.amount, points, fixed) >= gift - Fraction(1, 2)


@given(gift=gifts, points=points, fixed=fixed, currency=currencies)
def test_one_unit_less_is_not_enough(gift: int, points: int, fixed: int, currency: str) -> None:
    money = Money(gift, currency)
    added = CardFee(points, Money(fixed, currency)).to_add(money).amount
    less = added - money.minor_per_major
    assert added % money.minor_per_major == 0
    assert added >= 0
    assert less < 0 or arrives(gift + less, points, fixed) < gift + Fraction(1, 2)


@given(payment=gifts, points=points, fixed=fixed, currency=currencies)
def test_fee_is_rounded_to_the_nearest_minor_unit(payment: int, points: int, fixed: int, currency: str) -> None:
    fee = CardFee(points, Money(fixed, currency)).of(Money(payment, currency))
    assert -Fraction(1, 2) < fee.amount - (payment - arrives(payment, points, fixed)) <= Fraction(1, 2)


@given(gift=gifts, currency=currencies)
def test_addition_to_a_chargeable_gift_is_chargeable(gift: int, currency: str) -> None:
    money = Money(gift, currency)
    whole = money + CardFee(150, Money(25, currency)).to_add(money)
    assert whole.is_chargeable is money.is_chargeable


@pytest.mark.parametrize(
    ("gift", "added"), [(5_00, 1_00), (10_00, 1_00), (25_00, 1_00), (50_00, 2_00), (12_50, 1_00), (1_000_00, 16_00)]
)
def test_european_card_fee_in_euro(gift: int, added: int) -> None:
    assert EUROPEAN_CARD_FEE.to_add(Money(gift, "EUR")) == Money(added, "EUR")


def test_fee_in_yen_has_no_minor_units() -> None:
    assert CardFee(360, Money(0, "JPY")).to_add(Money(2_500, "JPY")) == Money(93, "JPY")
