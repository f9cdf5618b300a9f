"""The file beside a campaign file that holds what came by bank transfer: `vitaly.bank.toml` beside `vitaly.toml`.

`donation-card bank import` writes it, and the loader reads it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo

from donation_card.adapters.campaign_files.fields import Date, FieldCheck
from donation_card.adapters.campaign_files.schema import Section
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import MAX_GOAL, Money
from donation_card.errors import ConfigFault

SUFFIX = ".bank.toml"


def bank_file_of(campaign_file: Path) -> Path:
    return campaign_file.with_suffix(SUFFIX)


def _sum(value: object, _: ValidationInfo) -> Money:
    match = re.fullmatch(r"(-?)([0-9]{1,12})\.([0-9]{2})", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return Money(int(match[1] + match[2] + match[3]), "EUR")


def _count(value: object, _: ValidationInfo) -> int:
    if type(value) is not int or not 0 <= value <= MAX_GOAL:
        raise ValueError
    return value


class BankFile(Section):
    """The sum can be negative: a bank may return a gift whose statement was taken back."""

    sum: Annotated[Money, FieldCheck('a sum in EUR with cents, such as "125.00"', _sum)]
    donations: Annotated[int, FieldCheck("a whole number", _count)]
    last_day: Date = Field(description="without quotes: a day such as 2027-06-30")

    def imported(self) -> ImportedTransfers:
        return ImportedTransfers(self.sum, self.donations, self.last_day)


def format_bank_file(imported: ImportedTransfers) -> str:
    return (
        "# Written by `donation-card bank import`: the sum and number of all transfers, and the last day covered.\n"
        f'sum = "{str(imported.total).removesuffix(" EUR")}"\n'
        f"donations = {imported.donations}\n"
        f"last_day = {imported.last_day}\n"
    )


def reference_faults(campaigns: Sequence[Campaign]) -> list[ConfigFault]:
    """Return a fault for each campaign with the reference of another one."""
    owners: dict[str, str] = {}
    faults = []
    for campaign in campaigns:
        if campaign.bank_transfer:
            owner = owners.setdefault(campaign.bank_transfer.reference, campaign.id)
            if owner != campaign.id:
                allowed = "a reference of its own: donation-card reference makes one"
                place = f"{campaign.id}.toml", "bank_transfer.reference"
                faults.append(ConfigFault(*place, f"the reference of {owner}", allowed))
    return faults
