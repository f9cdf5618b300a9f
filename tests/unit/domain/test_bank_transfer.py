"""References and IBANs are checked, and the QR code's text is the one of the EPC."""

from __future__ import annotations

import string

import pytest
from donation_card.domain.bank_transfer import (
    MAX_EPC_BYTES,
    BankTransfer,
    compact,
    is_iban,
    is_reference,
    make_reference,
)
from donation_card.domain.money import Money
from hypothesis import given, strategies as st

DIGITS = st.lists(st.integers(0, 9), min_size=10, max_size=10)
TRANSFER = BankTransfer("Belarus Solidarity Foundation", "LT601010012345678901", "", "RF18539007547034", False)


def remainder(text: str) -> int:
    """Return the remainder as ISO 7064 describes it: digit by digit, without large numbers."""
    found = 0
    for character in text[4:] + text[:4]:
        value = string.digits.find(character)
        digits = [value] if value >= 0 else divmod(string.ascii_uppercase.index(character) + 10, 10)
        for digit in digits:
            found = (found * 10 + digit) % 97
    return found


@given(digits=DIGITS)
def test_reference_has_ten_digits_and_right_check_digits(digits: list[int]) -> None:
    reference = make_reference(digits)
    assert (reference[:2], reference[4:], len(reference)) == ("RF", "".join(map(str, digits)), 14)
    assert remainder(reference) == 1
    assert is_reference(reference)


@given(digits=DIGITS, at=st.integers(2, 13), other=st.integers(1, 9))
def test_one_wrong_digit_is_never_a_reference(digits: list[int], at: int, other: int) -> None:
    reference = make_reference(digits)
    wrong = reference[:at] + str((int(reference[at]) + other) % 10) + reference[at + 1 :]
    assert not is_reference(wrong)


@given(digits=DIGITS, at=st.integers(2, 12))
def test_two_swapped_digits_are_never_a_reference(digits: list[int], at: int) -> None:
    reference = make_reference(digits)
    swapped = reference[:at] + reference[at + 1] + reference[at] + reference[at + 2 :]
    assert is_reference(swapped) == (swapped == reference)


@given(text=st.text(string.ascii_uppercase + string.digits, max_size=22))
def test_reference_is_what_the_standard_says(text: str) -> None:
    reference = f"RF{text}"
    checks = len(text) >= 3 and text[:2].isdigit() and len(reference) <= 25 and remainder(reference) == 1
    assert is_reference(reference) == checks


@pytest.mark.parametrize(
    ("iban", "right"),
    [
        ("DE89370400440532013000", True),
        ("LT601010012345678901", True),
        ("NO9386011117947", True),
        ("MT84MALT011000012345MTLCAST001S", True),
        ("DE8937040044053201300", False),  # a digit is missing
        ("DE88370400440532013000", False),
        ("BY13NBRB3600900000002Z00AB00", False),  # right check digits, but not in SEPA
        ("DE", False),
        ("", False),
        ("DE8937040044053201300Ä", False),
    ],
)
def test_iban_needs_country_length_and_check_digits(iban: str, right: bool) -> None:
    assert is_iban(iban) is right


def test_spaces_of_every_kind_are_removed() -> None:
    assert compact(" rf18\u00a05390\u202f0754\t7034\u200b\n") == "RF18539007547034"


def test_text_of_the_qr_code_has_the_lines_of_the_epc() -> None:
    assert TRANSFER.epc_text(Money(25_05, "EUR")).split("\n") == [
        "BCD", "002", "1", "SCT", "", "Belarus Solidarity Foundation", "LT601010012345678901", "EUR25.05", "",
        "RF18539007547034",
    ]  # fmt: skip


def test_longest_text_of_the_qr_code_is_allowed() -> None:
    longest = BankTransfer("H" * 70, "M" * 34, "COBADEFFXXX", "RF" + "1" * 23, True)
    assert len(longest.epc_text(Money(99_999_999_999, "EUR")).encode()) <= MAX_EPC_BYTES
