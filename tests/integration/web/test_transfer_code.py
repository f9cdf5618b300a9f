"""An independent decoder reads the QR code of a transfer, and finds what the page shows."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.bank_transfer import BankTransfer, make_reference
from donation_card.domain.money import Money
from donation_card.web.presentation.qr_code import transfer_svg
from donation_card.web.presentation.translations import translations_for
from donation_card.web.presentation.ways import transfer_view
from hypothesis import given, settings, strategies as st

from tests.support.qr_reader import read_svg

ROOF = read_campaign(Path("tests/support/roof.toml"))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ "
IBANS = ("LT601010012345678901", "DE89370400440532013000", "MT84MALT011000012345MTLCAST001S")

transfers = st.builds(
    BankTransfer,
    holder=st.text(ALPHABET, min_size=1, max_size=70).map(lambda name: name.strip() or "A"),
    iban=st.sampled_from(IBANS),
    bic=st.sampled_from(["", "AGBLLT2X", "COBADEFFXXX"]),
    reference=st.lists(st.integers(0, 9), min_size=10, max_size=10).map(make_reference),
    accept_named_statement=st.booleans(),
)
amounts = st.integers(1, 99_999_999).map(lambda cents: Money(cents, "EUR"))


def expected_text(view):
    """Return the text that EPC069-12 asks for, with the values that the page shows for copying."""
    fields = {field.id: field.value for field in view.fields}
    amount = f"EUR{Decimal(fields['amount']):.2f}" if fields["amount"] else ""
    lines = ["BCD", "002", "1", "SCT", fields.get("bic", ""), fields["holder"], fields["iban"], amount, ""]
    return "\n".join([*lines, fields["reference"]])


@settings(max_examples=1_000, derandomize=True)
@given(transfers, amounts)
def test_decoder_reads_what_the_page_shows(transfer, amount):
    campaign = replace(ROOF, bank_transfer=transfer)
    view = transfer_view(campaign, transfer, amount, translations_for("en"), test=False)
    assert read_svg(transfer_svg(transfer, amount)) == expected_text(view)


def test_code_without_an_amount_leaves_its_line_empty():
    transfer = BankTransfer("Roofers", IBANS[1], "", make_reference([1] * 10), False)
    view = transfer_view(replace(ROOF, bank_transfer=transfer), transfer, None, translations_for("en"), test=False)
    text = read_svg(transfer_svg(transfer, None))
    assert text == expected_text(view)
    assert text.split("\n")[7] == ""


def test_longest_code_has_version_13_at_most_and_level_m():
    """EPC069-12 allows no more: 69 modules, and 4 of quiet zone on each side."""
    longest = BankTransfer("A" * 70, IBANS[2], "COBADEFFXXX", "RF18" + "5" * 21, False)
    svg = transfer_svg(longest, Money(99_999_999, "EUR"))
    modules = int(svg.partition(b'viewBox="0 0 ')[2].split()[0])
    assert modules <= 69 + 8
