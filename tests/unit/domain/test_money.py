"""Test that amounts are exact or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from donation_card.domain.money import MAX_MINOR_UNITS, MAX_SUM, MINOR_UNIT_EXPONENT, Money, parse_amount
from donation_card.errors import Invalid
from hypothesis import given, strategies as st

CODES = {"amount_missing", "amount_not_a_number", "amount_whole_units", "amount_ambiguous", "amount_too_large"}

currencies = st.sampled_from(sorted(MINOR_UNIT_EXPONENT))
amounts = st.integers(-MAX_MINOR_UNITS, MAX_MINOR_UNITS)


def read(text: str, currency: str = "EUR", *, decimals: bool = True) -> int:
    return parse_amount(text, currency, allow_minor_units=decimals).amount


def refusal(text: str, currency: str = "EUR", *, decimals: bool = True) -> str:
    with pytest.raises(Invalid) as caught:
        parse_amount(text, currency, allow_minor_units=decimals)
    return caught.value.code


@given(amount=st.integers(0, MAX_MINOR_UNITS), currency=currencies, sign=st.sampled_from(",."))
def test_formatted_amount_parses_back(amount: int, currency: str, sign: str) -> None:
    money = Money(amount, currency)
    assert parse_amount(str(money).split()[0].replace(".", sign), currency, allow_minor_units=True) == money


@given(amount=amounts, currency=currencies)
def test_formatted_amount_is_the_exact_decimal(amount: int, currency: str) -> None:
    digits, code = str(Money(amount, currency)).split()
    assert code == currency
    assert Decimal(digits).scaleb(MINOR_UNIT_EXPONENT[currency]) == amount


@given(text=st.text(max_size=60) | st.text("0123456789.,  \u00a0\u202f-+e", max_size=60), currency=currencies)
def test_any_text_parses_or_has_a_known_error_code(text: str, currency: str) -> None:
    refused, money = None, None
    try:
        money = parse_amount(text, currency, allow_minor_units=True)
    except Invalid as error:
        refused = error
    if money is not None:
        kept = "".join(letter for letter in text if not letter.isspace()).replace(",", ".")
        assert Decimal(kept).scaleb(money.exponent) == money.amount
    else:
        assert refused.code in CODES
        assert len(str(refused.params.get("given", ""))) <= 40


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("25", 2500),
        (" 25 ", 2500),
        ("12,5", 1250),
        ("12.5", 1250),
        ("12,50", 1250),
        ("12,", 1200),
        ("0", 0),
        ("007", 700),
        (" 1 234 ", 1_234_00),
        ("1\u00a0234,50", 1_234_50),
        ("1\u202f234\u202f567.05", 1_234_567_05),
    ],
)
def test_comma_point_and_spaces_are_separators(text: str, minor: int) -> None:
    assert read(text) == minor


@pytest.mark.parametrize(
    "text", ["1,234", "1.234", "1.234,56", "1,234.56", "1.234.567", "12 50", "1 2", "1  234", "1 23,4"]
)
def test_ambiguous_amount_is_refused(text: str) -> None:
    assert refusal(text) == "amount_ambiguous"


@pytest.mark.parametrize("text", ["", " ", "\u00a0"])
def test_empty_amount_is_missing_not_zero(text: str) -> None:
    assert refusal(text) == "amount_missing"


@pytest.mark.parametrize(
    "text",
    ["-5", "+5", "1e3", "0x10", "NaN", "inf", "5 EUR", "€5", ",5", ".", "1_000", "five", "12,345678", "x" * 50, "1/2"],
)
def test_text_without_a_number_is_malformed(text: str) -> None:
    assert refusal(text) == "amount_not_a_number"


@pytest.mark.parametrize("text", ["\u0662\u0665", "\u0968\u096b", "\uff12\uff15", "\u00b2", "\u2460", "1\u0662"])
def test_digits_of_other_scripts_are_refused(text: str) -> None:
    assert refusal(text) == "amount_not_a_number"


@pytest.mark.parametrize("text", ["1" * 16, "9" * 400, "9" * 5000, "10000000000.01"])
def test_amount_above_the_maximum_is_refused(text: str) -> None:
    assert refusal(text) == "amount_too_large"


def test_long_amount_is_never_truncated() -> None:
    assert refusal("1" + " " * 45 + "000") != "amount_missing"


def test_whole_unit_amount_has_zero_decimals() -> None:
    assert read("25,00", decimals=False) == 2500
    assert refusal("25,50", decimals=False) == "amount_whole_units"


def test_yen_have_no_decimals() -> None:
    assert read("2500", "JPY") == 2500
    assert read("2500,00", "JPY") == 2500
    assert refusal("25,5", "JPY") == "amount_whole_units"
    assert refusal("2,500", "JPY") == "amount_ambiguous"
    assert str(Money(2500, "JPY")) == "2500 JPY"


def test_dinars_have_three_decimals_ending_in_zero() -> None:
    assert read("1,234", "KWD") == 1234
    assert read("1,2", "KWD") == 1200
    assert refusal("1,000", "KWD", decimals=False) == "amount_ambiguous"
    assert not Money(1234, "KWD").is_chargeable
    assert Money(1230, "KWD").is_chargeable


def test_kronur_have_hundredths_and_are_charged_whole() -> None:
    assert read("500", "ISK") == 500_00
    assert Money(500_00, "ISK").is_chargeable
    assert not Money(500_50, "ISK").is_chargeable


@pytest.mark.parametrize("amount", [True, 1.0, "1", None, Decimal(1), float("nan"), MAX_SUM + 1, -MAX_SUM - 1, 10**30])
def test_amount_must_be_a_bounded_integer(amount: object) -> None:
    with pytest.raises(ValueError, match="an amount is"):
        Money(amount, "EUR")


@pytest.mark.parametrize("currency", ["", "eur", "XXX", "BTC", "EURO"])
def test_unsupported_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        Money(1, currency)


@pytest.mark.parametrize("amount", [0, -1])
def test_zero_and_negative_amounts_are_not_chargeable(amount: int) -> None:
    assert not Money(amount, "EUR").is_chargeable


@given(left=st.integers(-(10**11), 10**11), right=st.integers(-(10**11), 10**11))
def test_money_adds_and_compares_by_amount(left: int, right: int) -> None:
    one, other = Money(left, "EUR"), Money(right, "EUR")
    assert (one + other).amount == left + right
    assert one + other - other == one
    assert ((one < other), (one <= other), (one > other)) == (left < right, left <= right, left > right)


def test_two_currencies_never_mix() -> None:
    for operation in ("__add__", "__sub__", "__lt__", "__le__"):
        with pytest.raises(ValueError, match="cannot be combined"):
            getattr(Money(1, "EUR"), operation)(Money(1, "PLN"))
    assert Money(1, "EUR") != Money(1, "PLN")


@pytest.mark.parametrize(
    ("currency", "unit", "shown"), [("EUR", 100, "12.34 EUR"), ("JPY", 1, "1234 JPY"), ("KWD", 1_000, "1.234 KWD")]
)
def test_currencies_have_their_own_minor_units(currency: str, unit: int, shown: str) -> None:
    assert Money(1_234, currency).minor_per_major == unit
    assert str(Money(1_234, currency)) == shown
    assert Money(unit, currency).is_whole
