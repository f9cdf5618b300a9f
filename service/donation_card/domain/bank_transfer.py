"""A donation by bank transfer: its data, its reference, and the text of its QR code."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from donation_card.domain.money import Money

MAX_EPC_BYTES = 331
"""The most that the QR code of a transfer may hold (EPC069-12)."""

# fmt: off
IBAN_LENGTHS = {
    "AD": 24, "AL": 28, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15,
    "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "VA": 22,
}
# fmt: on
"""Characters of an IBAN in each country of the SEPA schemes (EPC409-09, SWIFT's IBAN registry)."""

_INVISIBLE = re.compile(r"[\s\u00ad\u200b-\u200d\u2060\ufeff]+")


@dataclass(frozen=True, slots=True)
class BankTransfer:
    """The account that receives transfers, as the campaign file describes it. `holder` is the registered name."""

    holder: str
    iban: str
    bic: str
    reference: str
    accept_named_statement: bool
    """The organiser accepts that the donor's statement names the holder, in a campaign that warns about banks."""

    def epc_text(self, amount: Money | None) -> str:
        """Return the text of the QR code: version 002, UTF-8, structured reference (EPC069-12).

        The amount is optional (AT-T002 in version 3.1). Without it, the donor types it into the banking app.
        """
        units = f"EUR{amount.amount // 100}.{amount.amount % 100:02}" if amount else ""
        return "\n".join(["BCD", "002", "1", "SCT", self.bic, self.holder, self.iban, units, "", self.reference])


@dataclass(frozen=True, slots=True)
class ImportedTransfers:
    """All transfers that were imported from bank statements, and the last day that the statements cover."""

    total: Money
    donations: int
    last_day: date


def compact(text: str) -> str:
    """Return the text in capitals without white space and invisible characters."""
    return _INVISIBLE.sub("", text).upper()


def is_iban(text: str) -> bool:
    """Return True if the compact text is an IBAN of a SEPA country."""
    well_formed = re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+", text) is not None
    return well_formed and IBAN_LENGTHS.get(text[:2]) == len(text) and _remainder(text) == 1


def is_reference(text: str) -> bool:
    """Return True if the compact text is a structured creditor reference (ISO 11649)."""
    return re.fullmatch(r"RF[0-9]{2}[A-Z0-9]{1,21}", text) is not None and _remainder(text) == 1


def make_reference(digits: Iterable[int]) -> str:
    """Return the reference with these digits and its check digits."""
    body = "".join(map(str, digits))
    return f"RF{98 - _remainder(f'RF00{body}'):02}{body}"


def _remainder(text: str) -> int:
    """Return the number modulo 97, with the first four characters last and a letter as two digits (ISO 7064)."""
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97
