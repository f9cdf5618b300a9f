"""An amount is exact from the donor's keyboard to the ledger, or it is refused; it is never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from donation_card.domain.money import MAX_MINOR_UNITS, MINOR_UNIT_EXPONENT, Money, parse_amount
from donation_card.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st

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
def test_what_is_written_out_is_read_back(amount: int, currency: str, sign: str) -> None:
    money = Money(amount, currency)
    assert parse_amount(str(money).split()[0].replace(".", sign), currency, allow_minor_units=True) == money


@given(amount=amounts, currency=currencies)
def test_the_written_form_is_the_exact_decimal(amount: int, currency: str) -> None:
    digits, code = str(Money(amount, currency)).split()
    assert code == currency
    assert Decimal(digits).scaleb(MINOR_UNIT_EXPONENT[currency]) == amount


@given(text=st.text(max_size=60) | st.text("0123456789.,  \u00a0\u202f-+e", max_size=60), currency=currencies)
def test_any_text_is_an_amount_or_a_refusal_with_a_known_code(text: str, currency: str) -> None:
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
def test_comma_and_point_are_decimals_and_spaces_group_thousands(text: str, minor: int) -> None:
    assert read(text) == minor


@pytest.mark.parametrize(
    "text", ["1,234", "1.234", "1.234,56", "1,234.56", "1.234.567", "12 50", "1 2", "1  234", "1 23,4"]
)
def test_what_can_be_read_in_two_ways_is_not_read(text: str) -> None:
    assert refusal(text) == "amount_ambiguous"


@pytest.mark.parametrize("text", ["", " ", "\u00a0"])
def test_nothing_is_missing_and_not_zero(text: str) -> None:
    assert refusal(text) == "amount_missing"


@pytest.mark.parametrize(
    "text",
    ["-5", "+5", "1e3", "0x10", "NaN", "inf", "5 EUR", "€5", ",5", ".", "1_000", "five", "12,345678", "x" * 50, "1/2"],
)
def test_what_is_no_number_is_called_so(text: str) -> None:
    assert refusal(text) == "amount_not_a_number"


@pytest.mark.parametrize("text", ["\u0662\u0665", "\u0968\u096b", "\uff12\uff15", "\u00b2", "\u2460", "1\u0662"])
def test_digits_of_other_scripts_are_refused(text: str) -> None:
    assert refusal(text) == "amount_not_a_number"


@pytest.mark.parametrize("text", ["1" * 16, "9" * 400, "9" * 5000, "10000000000.01"])
def test_more_than_any_donation_is_too_large(text: str) -> None:
    assert refusal(text) == "amount_too_large"


def test_the_end_of_a_long_text_is_never_cut_off() -> None:
    assert refusal("1" + " " * 45 + "000") != "amount_missing"


def test_where_only_whole_units_are_taken_decimals_must_be_zero() -> None:
    assert read("25,00", decimals=False) == 2500
    assert refusal("25,50", decimals=False) == "amount_whole_units"


def test_yen_have_no_decimals() -> None:
    assert read("2500", "JPY") == 2500
    assert read("2500,00", "JPY") == 2500
    assert refusal("25,5", "JPY") == "amount_whole_units"
    assert refusal("2,500", "JPY") == "amount_ambiguous"
    assert str(Money(2500, "JPY")) == "2500 JPY"


def test_dinars_have_three_decimals_and_the_last_must_be_zero() -> None:
    assert read("1,234", "KWD") == 1234
    assert read("1,2", "KWD") == 1200
    assert refusal("1,000", "KWD", decimals=False) == "amount_ambiguous"
    assert not Money(1234, "KWD").is_chargeable
    assert Money(1230, "KWD").is_chargeable


def test_kronur_are_counted_in_hundredths_and_charged_whole() -> None:
    assert read("500", "ISK") == 500_00
    assert Money(500_00, "ISK").is_chargeable
    assert not Money(500_50, "ISK").is_chargeable


@pytest.mark.parametrize(
    "amount", [True, 1.0, "1", None, Decimal(1), float("nan"), MAX_MINOR_UNITS + 1, -MAX_MINOR_UNITS - 1, 10**30]
)
def test_only_a_whole_number_of_reasonable_size_is_an_amount(amount: object) -> None:
    with pytest.raises(ValueError, match="an amount is"):
        Money(amount, "EUR")


@pytest.mark.parametrize("currency", ["", "eur", "XXX", "BTC", "EURO"])
def test_only_a_currency_that_can_be_charged_is_one(currency: str) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        Money(1, currency)


@pytest.mark.parametrize("amount", [0, -1])
def test_zero_and_less_cannot_be_charged(amount: int) -> None:
    assert not Money(amount, "EUR").is_chargeable


@given(left=st.integers(-(10**11), 10**11), right=st.integers(-(10**11), 10**11))
def test_money_adds_and_compares_as_its_amounts(left: int, right: int) -> None:
    one, other = Money(left, "EUR"), Money(right, "EUR")
    assert (one + other).amount == left + right
    assert one + other - other == one
    assert ((one < other), (one <= other), (one > other)) == (left < right, left <= right, left > right)


def test_two_currencies_never_meet() -> None:
    for operation in ("__add__", "__sub__", "__lt__", "__le__"):
        with pytest.raises(ValueError, match="do not add up"):
            getattr(Money(1, "EUR"), operation)(Money(1, "PLN"))
    assert Money(1, "EUR") != Money(1, "PLN")


@pytest.mark.parametrize(
    ("currency", "unit", "shown"), [("EUR", 100, "12.34 EUR"), ("JPY", 1, "1234 JPY"), ("KWD", 1_000, "1.234 KWD")]
)
def test_each_currency_has_its_own_minor_units(currency: str, unit: int, shown: str) -> None:
    assert Money(1_234, currency).minor_per_major == unit
    assert str(Money(1_234, currency)) == shown
    assert Money(unit, currency).is_whole
