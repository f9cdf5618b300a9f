"""Define the types of the fields of a campaign file: a check, and the text that says what is allowed."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from sys import intern
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from donation_card.domain.bank_transfer import compact, is_iban, is_reference
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.card_fee import MAX_BASIS_POINTS
from donation_card.domain.host_name import canonical_host
from donation_card.domain.money import MAX_GOAL, MAX_MINOR_UNITS, MINOR_UNIT_EXPONENT, Money, parse_amount
from donation_card.domain.picture import Box
from donation_card.domain.redirect_methods import REDIRECT_METHODS
from donation_card.errors import Invalid

# fmt: off
STRIPE_LOCALES = frozenset({
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN",
    "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl",
    "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
})
# fmt: on
"""The values of `SessionCreateParams.locale` of the stripe package; a test compares them."""

_NOT_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""Codes that CLDR lists but that are not countries."""
_COUNTRY_CODES = {
    code for code in map(str, Locale.parse("en").territories) if re.fullmatch("[A-Z]{2}", code)
} - _NOT_COUNTRIES
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROLS = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_Value = TypeVar("_Value")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DAY = 86_400


def invalid(allowed: str) -> PydanticCustomError:
    """Return an error that says what is allowed. Pydantic adds the field and the given value."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """Annotate a field with a schema of pydantic, and with a text that says what is allowed."""

    allowed: str
    schema: CoreSchema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.schema


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """Annotate a field with its check, and with a text that says what is allowed.

    The check returns the value or raises ValueError. It raises `invalid` where it has a more precise text.
    """

    allowed: str
    check: Callable[[Any, ValidationInfo], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def _validate(self, value: object, info: ValidationInfo) -> Any:
        try:
            return self.check(value, info)
        except PydanticCustomError:
            raise
        except (ValueError, KeyError, OSError):
            raise invalid(self.allowed) from None


def bounded_text(max_length: int) -> FieldSchema:
    """Return a check for a text of at most `max_length` characters. Line breaks become spaces."""
    allowed = f"a text of 1 to {max_length} characters"

    def check(value: object) -> str:
        text = (_join_lines(value) if isinstance(value, str) else "").strip()
        for char in "" if text.replace("\u00a0", " ").isprintable() else text:
            if unicodedata.category(char) in _CONTROLS or char in _BIDI:
                raise invalid(f"text without control characters; there is a U+{ord(char):04X}: retype that place")
        if not 1 <= len(text) <= max_length:
            raise invalid(allowed)
        return text

    return FieldSchema(allowed, core_schema.no_info_plain_validator_function(check))


def _join_lines(text: str) -> str:
    """Return the text with one space in place of each line break, tab and run of spaces."""
    for char in "\r\n\t":
        text = text.replace(char, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def bounded_amount(most_minor: int, *, least_minor: int = 1, is_charge: bool = True) -> FieldCheck:
    """Return a check for an amount from `least_minor`, 0 or 1, to `most_minor` minor units."""
    least = "an amount above 0" if least_minor else "0 or more"

    def check(value: object, info: ValidationInfo) -> Money:
        currency: str = info.context["currency"] if info.context else "EUR"
        if isinstance(value, float):
            raise invalid(f"{_AMOUNT}: a number with a decimal point cannot hold every cent exactly")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        most = most_minor // Money(0, currency).minor_per_major
        if isinstance(value, int) and value > most:
            raise invalid(f"at most {most} {currency}")
        if (isinstance(value, int) and value < least_minor) or str(value).lstrip().startswith(("-", "\u2212")):
            raise invalid(least)
        try:
            money = _parse_amount(str(value), currency, most_minor)
        except Invalid as error:
            raise invalid(
                {
                    "amount_too_large": f"at most {most} {currency}",
                    "amount_ambiguous": f"{_AMOUNT}; this can be read in two ways",
                    "amount_whole_units": f"a whole amount: {currency} has no smaller unit",
                }.get(error.code, _AMOUNT)
            ) from error
        if money.amount < least_minor:
            raise invalid(least)
        if is_charge and not money.is_chargeable:
            raise invalid(f"a rounder amount: {currency} cannot be charged as finely as {money}")
        return money

    return FieldCheck(_AMOUNT, check)


@lru_cache(1_000)
def _parse_amount(typed: str, currency: str, most: int) -> Money:
    """Return the same object for the same amount: most campaigns have round sums."""
    return parse_amount(typed, currency, allow_minor_units=True, most=most)


def enum_value(kind: type[Enum]) -> FieldCheck:
    return FieldCheck(_one_of(f'"{each.value}"' for each in kind), lambda value, _: kind(_text(value)))


def choice(choices: Iterable[str], allowed: str) -> FieldSchema:
    """Return a check for one of some texts. Pydantic does it itself: a file has sixty names of languages."""
    return FieldSchema(
        allowed,
        core_schema.custom_error_schema(
            core_schema.literal_schema([*choices]),
            custom_error_type="not_allowed",
            custom_error_message="{allowed}",
            custom_error_context={"allowed": allowed},
        ),
    )


def _one_of(choices: Iterable[str]) -> str:
    return "one of " + ", ".join(choices)


def _valid(condition: bool, value: _Value) -> _Value:
    """Return the value. Raise ValueError unless the condition is true."""
    if not condition:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _boolean(value: object, _: ValidationInfo) -> object:
    return _valid(isinstance(value, bool), value)


def _count(value: object, _: ValidationInfo) -> object:
    return _valid(type(value) is int and 0 <= value <= 1000, value)


def _timezone(value: object, _: ValidationInfo) -> ZoneInfo:
    name = _text(value)
    return ZoneInfo(_valid("/" in name or name == "UTC", name))


def seconds(value: object, _: ValidationInfo | None = None) -> int:
    """Parse an interval such as "6h" into seconds. Raise ValueError unless a day is a multiple of it."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])|0", _text(value))
    every = int(match[1]) * _SECONDS[match[2]] if match and match[1] else 0
    return _valid(match is not None and (every == 0 or _DAY % every == 0), every)


def _whole_days(value: object, _: ValidationInfo) -> int:
    match = re.fullmatch(r"([1-9][0-9]?)d", _text(value))
    days = int(match[1]) if match else 0
    return _DAY * _valid(1 <= days <= 28, days)


def _token_hash(value: object, _: ValidationInfo) -> object:
    return _valid(re.fullmatch(r"[0-9a-f]{64}", _text(value)) is not None, value)


def _host(value: object, _: ValidationInfo | None = None) -> str:
    """Return the host name as browsers send it: lower case, IDNA."""
    name = canonical_host(_text(value))
    return _valid(len(name) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name) is not None, name)


def _https(value: object, _: ValidationInfo | None = None) -> str:
    text = _text(value)
    parts = urlsplit(text)
    plain = len(text) <= 500 and not re.search(r"[^!-~]", text)
    web = parts.scheme == "https" and "@" not in parts.netloc and parts.port != 0 and bool(_host(parts.hostname))
    return _valid(plain and web, text)


def _contact(value: object, _: ValidationInfo) -> str:
    text = _text(value)
    name, at, host = text.rpartition("@")
    if not at or "/" in name:
        return _https(text)
    return _valid(re.fullmatch(r"[A-Za-z0-9._%+-]{1,64}", name) is not None and "." in _host(host), text)


def _descriptor(value: object, _: ValidationInfo) -> str:
    """https://docs.stripe.com/get-started/account/statement-descriptors"""
    text = _text(value)
    fits = re.fullmatch(r"(?=.*[A-Za-z])[!-~]([ -~]{3,20})[!-~]", text) is not None
    return _valid(fits and not set(text) & set("<>\\'\"*"), text)


def _holder(value: object, _: ValidationInfo) -> str:
    text = _text(value)
    return _valid(re.fullmatch(r"(?! )[A-Za-z0-9/?:().,'+ -]{1,70}(?<! )", text) is not None, text)


def _bic(value: object, _: ValidationInfo) -> str:
    """ISO 9362"""
    text = compact(_text(value))
    return _valid(re.fullmatch(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?", text) is not None, text)


def _iban(value: object, _: ValidationInfo) -> str:
    text = compact(_text(value))
    return _valid(is_iban(text), text)


def _reference(value: object, _: ValidationInfo) -> str:
    text = compact(_text(value))
    return _valid(is_reference(text), text)


def _need_id(value: object, _: ValidationInfo) -> object:
    return intern(_valid(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", _text(value)) is not None, _text(value)))


def _date_or_datetime(value: object, _: ValidationInfo) -> object:
    has_zone = not isinstance(value, datetime) or value.tzinfo is not None
    if isinstance(value, date) and not 2020 <= value.year <= 2100:
        raise invalid("a year from 2020 to 2100")
    return _valid(isinstance(value, date) and has_zone, value)


def _percent(value: object, _: ValidationInfo) -> int:
    """Return hundredths of a percent."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    match = re.fullmatch(r"([0-9]{1,2})(?:\.([0-9]{1,2}))?", str(value))
    points = int(match[1] + (match[2] or "").ljust(2, "0")) if match else MAX_BASIS_POINTS + 1
    return int(_valid(points <= MAX_BASIS_POINTS, points))


def _day(value: object, info: ValidationInfo) -> object:
    return _valid(not isinstance(value, datetime), _date_or_datetime(value, info))


def _focus(value: object, _: ValidationInfo) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or any(isinstance(each, bool) for each in value):
        raise ValueError
    x, y = (float(_valid(isinstance(each, int | float) and 0 <= each <= 1, each)) for each in value)
    return x, y


def _box(value: object, _: ValidationInfo) -> Box:
    if not isinstance(value, list) or len(value) != 4 or any(type(each) is not int for each in value):
        raise ValueError
    left, top, width, height = value
    return _valid(left >= 0 and top >= 0 and width > 0 and height > 0, (left, top, width, height))


def _month_or_day(value: object, info: ValidationInfo) -> tuple[object, bool]:
    """Return a date, and True if it stands for its whole month."""
    is_month = isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}", value) is not None
    return _day(date.fromisoformat(f"{value}-01") if is_month else value, info), is_month


_AMOUNT = 'whole units such as 1200, or a text such as "0.50" where cents are needed'

Amount = Annotated[Money, bounded_amount(MAX_MINOR_UNITS)]
GoalAmount = Annotated[Money, bounded_amount(MAX_GOAL)]
FixedFee = Annotated[Money, bounded_amount(MAX_MINOR_UNITS, least_minor=0, is_charge=False)]
SpentAmount = Annotated[Money, bounded_amount(MAX_MINOR_UNITS, is_charge=False)]
Percent = Annotated[int, FieldCheck('a text such as "1.5", from "0" to "20", with at most two decimals', _percent)]
RedirectMethod = Annotated[str, choice(REDIRECT_METHODS, _one_of(REDIRECT_METHODS))]
Boolean = Annotated[bool, FieldCheck("true or false", _boolean)]
SmallInt = Annotated[int, FieldCheck("a whole number from 0 to 1000", _count)]
Currency = Annotated[
    str, choice(MINOR_UNIT_EXPONENT, "a currency that can be charged, three capital letters such as EUR")
]
Language = Annotated[str, choice(LANGUAGES, _one_of(LANGUAGES))]
Timezone = Annotated[ZoneInfo, FieldCheck("a time zone of the IANA list, such as Europe/Vilnius", _timezone)]
Interval = Annotated[
    int, FieldCheck('"30m", "6h", "1d" or the like, equal parts of a day; "0" publishes exactly and at once', seconds)
]
WholeDays = Annotated[int, FieldCheck('"1d", "7d" or the like, from 1 to 28 whole days', _whole_days)]
TokenHash = Annotated[
    str, FieldCheck("64 of 0-9 and a-f, as donation-card site-token prints it (never the token itself)", _token_hash)
]
CountryCode = Annotated[str, choice(_COUNTRY_CODES, "two capital letters of ISO 3166, such as BY")]
Host = Annotated[str, FieldCheck("a host name such as news.example.org, without https:// and without a path", _host)]
HttpsUrl = Annotated[
    str, FieldCheck("an address that begins with https://, in ASCII, without spaces and without a user name", _https)
]
Contact = Annotated[str, FieldCheck("an e-mail address, or an address that begins with https://", _contact)]
StatementDescriptor = Annotated[
    str,
    FieldCheck(
        "5 to 22 Latin letters, digits or punctuation characters, at least one letter, none of < > \\ ' \" *",
        _descriptor,
    ),
]
AccountHolder = Annotated[
    str, FieldCheck("1 to 70 of a-z, A-Z, 0-9, space and / - ? : ( ) . , ' +, the name as the bank knows it", _holder)
]
Iban = Annotated[str, FieldCheck("an IBAN of a SEPA country, of the length there and with right check digits", _iban)]
Bic = Annotated[str, FieldCheck("a BIC of 8 or 11 letters and digits, such as COBADEFFXXX", _bic)]
Reference = Annotated[
    str, FieldCheck("a reference with right check digits (ISO 11649): donation-card reference makes one", _reference)
]
StripeLocale = Annotated[str, choice(STRIPE_LOCALES, "a locale of Stripe: " + ", ".join(sorted(STRIPE_LOCALES)))]
NeedId = Annotated[str, FieldCheck("1 to 32 of a-z, 0-9 and -, a letter or digit first", _need_id)]
Focus = Annotated[
    tuple[float, float], FieldCheck("two numbers from 0 to 1: [0.5, 0.3] is the middle, nearer to the top", _focus)
]
CoverBox = Annotated[
    Box, FieldCheck("four whole numbers of pixels: [left, top, width, height]; width and height above 0", _box)
]
Date = Annotated[date, FieldCheck("without quotes: a day such as 2027-06-30", _day)]
MonthOrDay = Annotated[
    tuple[date, bool],
    FieldCheck('a month in quotes such as "2026-10", or without quotes a day such as 2026-10-05', _month_or_day),
]
DateOrDateTime = Annotated[
    date,
    FieldCheck(
        "without quotes: a day such as 2027-06-30, or a date and time such as 2027-06-30T18:00:00+03:00",
        _date_or_datetime,
    ),
]
