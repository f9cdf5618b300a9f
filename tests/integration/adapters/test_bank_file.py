"""The loader reads `*.bank.toml` beside a campaign file, and follows its changes."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.bank_file import bank_file_of, format_bank_file
from donation_card.adapters.campaign_files.constraints import epc_text_fits
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.campaign_files.placeholders import placeholder_faults
from donation_card.adapters.campaign_files.schema import BankTransferSection, CampaignFile
from donation_card.cli.main import cli
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.money import MAX_GOAL, Money
from donation_card.errors import ConfigurationError
from hypothesis import HealthCheck, given, settings, strategies as st

ROOF = Path("tests/support/roof.toml").read_text("utf-8")
TRANSFER = """
[bank_transfer]
holder = "Roofers Foundation"
iban = "LT60 1010 0123 4567 8901"
reference = "RF18 5390 0754 7034"
"""
GOOD = 'sum = "125.00"\ndonations = 5\nlast_day = 2026-11-20\n'


@pytest.fixture
def folder(sample_campaign: Path) -> Path:
    (sample_campaign / "roof.toml").write_text(ROOF + TRANSFER, "utf-8")
    return sample_campaign


@pytest.fixture
def bank_file(folder: Path) -> Path:
    return folder / "roof.bank.toml"


def check(folder: Path) -> str:
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(folder)], catch_exceptions=False)
    return str(done.stderr)


def test_bank_file_is_added_to_the_offline_money(folder: Path, bank_file: Path) -> None:
    entry = '\n[[offline]]\ndate = 2026-01-02\namount = "37.50"\nsource = { en = "A fair", de = "Ein Markt" }\n'
    (folder / "roof.toml").write_text(ROOF + TRANSFER + entry, "utf-8")
    bank_file.write_text(GOOD, "utf-8")
    files = CampaignFiles(folder)
    (campaign,) = files.all()
    assert campaign.imported_transfers == ImportedTransfers(Money(125_00, "EUR"), 5, date(2026, 11, 20))
    assert (campaign.offline_total, campaign.outside_stripe) == (Money(37_50, "EUR"), Money(162_50, "EUR"))
    assert campaign.bank_transfer
    assert (campaign.bank_transfer.iban, campaign.bank_transfer.bic) == ("LT601010012345678901", "")
    assert campaign.bank_transfer.reference == "RF18539007547034"


def test_bank_file_is_followed_while_the_service_runs(folder: Path, bank_file: Path) -> None:
    files = CampaignFiles(folder)

    def outside_stripe() -> int:
        files.reload()
        return files.get("roof").outside_stripe.amount

    assert outside_stripe() == 0
    bank_file.write_text(GOOD, "utf-8")
    assert files.reload()
    assert outside_stripe() == 125_00
    assert not files.reload()
    bank_file.write_text(GOOD.replace("125.00", "1e3"), "utf-8")
    assert outside_stripe() == 125_00, "a mistake keeps the last valid version"
    assert "roof.bank.toml: sum: given" in str(files.load_errors())
    bank_file.write_text(GOOD.replace("125.00", "-0.50"), "utf-8")
    assert outside_stripe() == -50
    assert files.load_errors() is None
    bank_file.unlink()
    assert outside_stripe() == 0


@pytest.mark.parametrize(
    ("text", "field", "given_value"),
    [
        (GOOD.replace('"125.00"', "125"), "sum", "125"),
        (GOOD.replace("125.00", "125,00"), "sum", '"125,00"'),
        (GOOD.replace("125.00", "1" * 16 + ".00"), "sum", '"1111'),
        (GOOD.replace("= 5", "= -5"), "donations", "-5"),
        (GOOD.replace("= 5", "= true"), "donations", "true"),
        (GOOD.replace("2026-11-20", '"2026-11-20"'), "last_day", '"2026-11-20"'),
        (GOOD + 'name = "Ada"\n', "name", "an unknown field"),
        ("", "sum", "nothing"),
        ("sum", "the end of the file", '"sum"'),
    ],
)
def test_mistake_in_a_bank_file_is_named(
    text: str, field: str, given_value: str, folder: Path, bank_file: Path
) -> None:
    bank_file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        CampaignFiles(folder)
    found = [(each.source, each.field) for each in caught.value.faults if given_value in each.given]
    assert ("campaigns/roof.bank.toml", field) in found


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("iban", "DE88370400440532013000", "right check digits"),
        ("iban", "DE8937040044053201300", "of the length there"),
        ("iban", "DE89-3704-0044-0532-0130-00", "an IBAN"),
        ("holder", "Roof 🏠", "a-z, A-Z"),
        ("iban", "BY13NBRB3600900000002Z00AB00", "of a SEPA country"),
        ("reference", "RF19539007547034", "right check digits"),
        ("reference", "vitaly", "donation-card reference"),
        ("holder", "R" * 71, "1 to 70"),
        ("holder", "Дах", "a-z, A-Z"),
        ("holder", "Müller", "a-z, A-Z"),
        ("holder", "Roofers ", "a-z, A-Z"),
        ("holder", "", "1 to 70"),
        ("bic", "COBADE", "8 or 11"),
        ("accept_named_statement", "yes", "true or false"),
        ("ibn", "DE89370400440532013000", "did you mean “iban”?"),
    ],
)
def test_mistake_in_a_transfer_is_named(field: str, value: str, allowed: str, folder: Path) -> None:
    text = re.sub(rf"\n{field} = .*", "", TRANSFER) + f'{field} = "{value}"\n'
    (folder / "roof.toml").write_text(ROOF + text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        CampaignFiles(folder)
    (fault,) = caught.value.faults
    assert (fault.source, fault.field) == ("campaigns/roof.toml", f"bank_transfer.{field}")
    assert allowed in fault.allowed
    assert value[:10] in fault.given or field == "ibn"


@pytest.mark.parametrize(("text", "field"), [(TRANSFER.replace("holder", "# "), "bank_transfer.holder"), ("", "")])
def test_transfer_needs_a_holder_and_a_table(text: str, field: str, folder: Path) -> None:
    whole = ROOF + text if text else 'bank_transfer = "x"\n' + ROOF
    (folder / "roof.toml").write_text(whole, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        CampaignFiles(folder)
    assert [each.field for each in caught.value.faults] == [field or "bank_transfer"]


def test_bank_file_beside_another_currency_is_refused(folder: Path, bank_file: Path) -> None:
    (folder / "roof.toml").write_text(ROOF.replace('"EUR"', '"PLN"'), "utf-8")
    bank_file.write_text(GOOD, "utf-8")
    with pytest.raises(ConfigurationError, match=r"roof.bank.toml: the file: given beside a campaign in PLN"):
        CampaignFiles(folder)


def test_bank_file_alone_is_no_campaign(folder: Path) -> None:
    (folder / "gone.bank.toml").write_text(GOOD, "utf-8")
    assert [each.id for each in CampaignFiles(folder).all()] == ["roof"]
    assert "gone.bank.toml: there is no campaign file beside it" in check(folder)


def test_example_account_is_refused_with_a_live_key(folder: Path) -> None:
    assert "bank_transfer.iban" in [fault.field for fault in placeholder_faults(CampaignFiles(folder).all()[0])]


@given(
    amount=st.integers(-MAX_GOAL + 1, MAX_GOAL - 1), number=st.integers(0, MAX_GOAL), day=st.dates(date(2020, 1, 1),
    date(2100, 12, 31)),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_written_bank_file_is_read_back(amount: int, number: int, day: date, sample_campaign: Path) -> None:
    written = ImportedTransfers(Money(amount, "EUR"), number, day)
    bank_file_of(sample_campaign / "roof.toml").write_text(format_bank_file(written), "utf-8")
    assert CampaignFiles(sample_campaign).get("roof").imported_transfers == written


def test_qr_code_that_is_too_long_is_refused() -> None:
    section = BankTransferSection.model_construct(
        holder="H" * 300,
        iban="LT601010012345678901",
        bic="",
        reference="RF18539007547034",
        accept_named_statement=False,
    )
    (violation,) = epc_text_fits(CampaignFile.model_construct(bank_transfer=section))
    assert "at most 331 bytes" in violation.allowed


@pytest.mark.parametrize("source", ["Bank transfers in May", "Deine Überweisung"])
def test_check_warns_about_offline_entry_beside_bank_file(source: str, folder: Path, bank_file: Path) -> None:
    entry = f'\n[[offline]]\ndate = 2026-01-02\namount = 5\nsource = {{ en = "{source}", de = "Etwas" }}\n'
    (folder / "roof.toml").write_text(ROOF + TRANSFER + entry, "utf-8")
    assert check(folder) == ""
    bank_file.write_text(GOOD, "utf-8")
    assert "warning: roof.toml: offline[0]" in check(folder)


def test_check_warns_if_the_warning_hides_the_transfer(folder: Path) -> None:
    text = (ROOF + TRANSFER).replace("warned_bank_countries = []", 'warned_bank_countries = ["BY"]')
    (folder / "roof.toml").write_text(text, "utf-8")
    assert "bank_transfer is not shown" in check(folder)
    (folder / "roof.toml").write_text(text + "accept_named_statement = true\n", "utf-8")
    assert check(folder) == ""
