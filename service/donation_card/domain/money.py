"""Money as an integer of minor units and an ISO 4217 currency.

The tables follow https://docs.stripe.com/currencies (zero-decimal, three-decimal and special-case currencies).
"""

import re
from dataclasses import dataclass

from donation_card.errors import Invalid

_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY "
    "COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR "
    "ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD "
    "NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD "
    "SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU UZS WST XCD YER ZAR ZMW"
)
_ZERO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD JOD KWD OMR TND"

MINOR_UNIT_EXPONENT: dict[str, int] = (
    dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_ZERO_DECIMALS.split(), 0)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)
"""Decimals of each currency as Stripe counts minor units."""

_CHARGE_INCREMENT: dict[str, int] = dict.fromkeys(_THREE_DECIMALS.split(), 10) | {"ISK": 100, "UGX": 100}
"""Stripe charges multiples of this many minor units only."""

MAX_MINOR_UNITS = 10**12
"""The largest single amount, above any donation."""

MAX_GOAL = 10**14
"""The largest goal or need. In IDR this is a trillion."""

MAX_SUM = 2**53 - 1
"""The largest sum: the largest integer that is exact in Redis scripts and in browsers."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount or a sum in minor units (cents for EUR) of one currency. The constructor raises ValueError."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise ValueError(f"an amount is a whole number of minor units, not {self.amount!r}")
        if abs(self.amount) > MAX_SUM:
            raise ValueError(f"an amount is at most {MAX_SUM} minor units, not {self.amount}")
        if self.currency not in MINOR_UNIT_EXPONENT:
            raise ValueError(f"{self.currency!r} is not a currency that can be charged")

    @property
    def exponent(self) -> int:
        return MINOR_UNIT_EXPONENT[self.currency]

    @property
    def minor_per_major(self) -> int:
        """Return the minor units in one whole unit: 100 for EUR, 1 for JPY, 1000 for KWD."""
        return int(10**self.exponent)

    @property
    def is_whole(self) -> bool:
        return self.amount % self.minor_per_major == 0

    @property
    def is_chargeable(self) -> bool:
        return self.amount > 0 and self.amount % _CHARGE_INCREMENT.get(self.currency, 1) == 0

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._require_same_currency(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._require_same_currency(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._require_same_currency(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._require_same_currency(other)

    def __str__(self) -> str:
        """Return plain digits for logs, such as `25.00 EUR`. Readers see `Translations.format_money`."""
        sign, digits = "-" * (self.amount < 0), str(abs(self.amount)).rjust(self.exponent + 1, "0")
        cut = len(digits) - self.exponent
        return f"{sign}{digits[:cut]}{'.' if self.exponent else ''}{digits[cut:]} {self.currency}"

    def _require_same_currency(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be combined")
        return other.amount


_TYPED_AMOUNT = re.compile(r"([0-9]+|[0-9]{1,3}(?:\s[0-9]{3})+)(?:([.,])([0-9]*))?")
"""A space separates thousands only, because "12 50" may mean 12.50. `\\s` includes no-break spaces."""


def parse_amount(text: str, currency: str, *, allow_minor_units: bool, most: int = MAX_MINOR_UNITS) -> Money:
    """Parse the text that a person typed. Comma and point are both decimal separators. `most` is in minor units.

    Raise Invalid: `amount_missing`, `amount_not_a_number`, `amount_too_large`, `amount_whole_units` (the campaign
    accepts no decimals), `amount_ambiguous` ("1,234" can be one or a thousand).
    """
    typed = text.strip()
    given = typed[:40]
    if not typed:
        raise Invalid("amount_missing")
    match = _TYPED_AMOUNT.fullmatch(typed)
    if not match:
        code = "amount_ambiguous" if re.fullmatch(r"[0-9]+(?:[.,\s]+[0-9]+)+", typed) else "amount_not_a_number"
        raise Invalid(code, given=given)
    units, sign, fraction = re.sub(r"\s", "", match[1]), match[2], match[3] or ""
    if len(units) > 15:
        raise Invalid("amount_too_large", given=given)
    exponent = MINOR_UNIT_EXPONENT[currency]
    if sign and len(fraction) == 3 and not (exponent == 3 and allow_minor_units):
        raise Invalid("amount_ambiguous", given=given)
    if fraction.strip("0") and (not allow_minor_units or exponent == 0):
        raise Invalid("amount_whole_units", given=given)
    if len(fraction) > exponent and fraction.strip("0"):
        raise Invalid("amount_not_a_number", given=given)
    minor = int(units + fraction[:exponent].ljust(exponent, "0"))
    if minor > most:
        raise Invalid("amount_too_large", given=given)
    return Money(minor, currency)
