"""Define the types of the fields of a campaign file: a check, and the text that says what is allowed."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.money import MAX_GOAL, MAX_MINOR_UNITS, MINOR_UNIT_EXPONENT, Money, parse_amount
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
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS = re.compile(r"[ \t\r\n]{2,}|[\t\r\n]")  # all white space except a single space
_CONTROLS = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DAY = 86_400


def invalid(allowed: str) -> PydanticCustomError:
    """Return an error that says what is allowed. Pydantic adds the field and the given value."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


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


def bounded_text(max_length: int) -> FieldCheck:
    """Return a check for a text of at most `max_length` characters. Line breaks become spaces."""

    def check(value: object, _: ValidationInfo) -> str:
        text = _BREAKS.sub(" ", _text(value)).strip()
        for char in "" if text.replace("\u00a0", " ").isprintable() else text:
            if unicodedata.category(char) in _CONTROLS or char in _BIDI:
                raise invalid(f"text without control characters; there is a U+{ord(char):04X}: retype that place")
        if not 1 <= len(text) <= max_length:
            raise ValueError
        return text

    return FieldCheck(f"a text of 1 to {max_length} characters", check)


def enum_value(kind: type[Enum]) -> FieldCheck:
    return FieldCheck(_one_of(f'"{each.value}"' for each in kind), lambda value, _: kind(_text(value)))


def _one_of(choices: Any) -> str:
    return "one of " + ", ".join(choices)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _boolean(value: object, _: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _count(value: object, _: ValidationInfo) -> int:
    if type(value) is not int or not 0 <= value <= 1000:
        raise ValueError
    return value


def _amount(value: object, info: ValidationInfo) -> Money:
    return _bounded_amount(value, info, MAX_MINOR_UNITS)


def _goal(value: object, info: ValidationInfo) -> Money:
    return _bounded_amount(value, info, MAX_GOAL)


def _bounded_amount(value: object, info: ValidationInfo, most_minor: int) -> Money:
    currency: str = info.context["currency"] if info.context else "EUR"
    if isinstance(value, float):
        raise invalid(f"{_AMOUNT}: a number with a decimal point cannot hold every cent exactly")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    most = most_minor // Money(0, currency).minor_per_major
    if isinstance(value, int) and value > most:
        raise invalid(f"at most {most} {currency}")
    if (isinstance(value, int) and value <= 0) or str(value).lstrip().startswith(("-", "\u2212")):
        raise invalid("an amount above 0")
    try:
        money = parse_amount(str(value), currency, allow_minor_units=True, most=most_minor)
    except Invalid as error:
        raise invalid(
            {
                "amount_too_large": f"at most {most} {currency}",
                "amount_ambiguous": f"{_AMOUNT}; this can be read in two ways",
                "amount_whole_units": f"a whole amount: {currency} has no smaller unit",
            }.get(error.code, _AMOUNT)
        ) from error
    if money.amount == 0:
        raise invalid("an amount above 0")
    if not money.is_chargeable:
        raise invalid(f"a rounder amount: {currency} cannot be charged as finely as {money}")
    return money


def _currency(value: object, _: ValidationInfo) -> str:
    if _text(value) not in MINOR_UNIT_EXPONENT:
        raise ValueError
    return _text(value)


def _language(value: object, _: ValidationInfo) -> str:
    if value not in LANGUAGES:
        raise ValueError
    return _text(value)


def _timezone(value: object, _: ValidationInfo) -> ZoneInfo:
    name = _text(value)
    if "/" not in name and name != "UTC":
        raise ValueError
    return ZoneInfo(name)


def seconds(value: object, _: ValidationInfo | None = None) -> int:
    """Parse an interval such as "6h" into seconds. Raise ValueError unless a day is a multiple of it."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])|0", _text(value))
    every = int(match[1]) * _SECONDS[match[2]] if match and match[1] else 0
    if not match or (every and _DAY % every):
        raise ValueError
    return every


@cache
def _country_codes() -> frozenset[str]:
    codes = {str(code) for code in Locale.parse("en").territories}
    return frozenset(code for code in codes if re.fullmatch("[A-Z]{2}", code)) - _NOT_COUNTRIES


def _country_code(value: object, _: ValidationInfo) -> str:
    if _text(value) not in _country_codes():
        raise ValueError
    return _text(value)


def _host(value: object, _: ValidationInfo | None = None) -> str:
    """Return the host name as browsers send it: lower case, IDNA."""
    name = _text(value).encode("idna").decode("ascii").lower()
    if len(name) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
        raise ValueError
    return name


def _https(value: object, _: ValidationInfo | None = None) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme != "https" or "@" in parts.netloc or parts.port == 0 or not _host(parts.hostname):
        raise ValueError
    if re.search(r"[^!-~]", _text(value)) or len(_text(value)) > 500:
        raise ValueError
    return _text(value)


def _contact(value: object, _: ValidationInfo) -> str:
    name, at, host = _text(value).rpartition("@")
    if not at or "/" in name:
        return _https(value)
    if not re.fullmatch(r"[A-Za-z0-9._%+-]{1,64}", name) or "." not in _host(host):
        raise ValueError
    return _text(value)


def _descriptor(value: object, _: ValidationInfo) -> str:
    """https://docs.stripe.com/get-started/account/statement-descriptors"""
    text = _text(value)
    if not re.fullmatch(r"(?=.*[A-Za-z])[!-~]([ -~]{3,20})[!-~]", text) or set(text) & set("<>\\'\"*"):
        raise ValueError
    return text


def _stripe_locale(value: object, _: ValidationInfo) -> str:
    if value not in STRIPE_LOCALES:
        raise ValueError
    return _text(value)


def _need_id(value: object, _: ValidationInfo) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", _text(value)):
        raise ValueError
    return _text(value)


def _date_or_datetime(value: object, _: ValidationInfo) -> date:
    if not isinstance(value, date) or not 2020 <= value.year <= 2100:
        raise ValueError
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError
    return value


def _date_of(value: object, _: ValidationInfo) -> date:
    if not isinstance(value, date) or isinstance(value, datetime) or not 2020 <= value.year <= 2100:
        raise ValueError
    return value


_AMOUNT = 'whole units such as 1200, or a text such as "0.50" where cents are needed'

Amount = Annotated[Money, FieldCheck(_AMOUNT, _amount)]
GoalAmount = Annotated[Money, FieldCheck(_AMOUNT, _goal)]
Boolean = Annotated[bool, FieldCheck("true or false", _boolean)]
SmallInt = Annotated[int, FieldCheck("a whole number from 0 to 1000", _count)]
Currency = Annotated[str, FieldCheck("a currency that can be charged, three capital letters such as EUR", _currency)]
Language = Annotated[str, FieldCheck(_one_of(LANGUAGES), _language)]
Timezone = Annotated[ZoneInfo, FieldCheck("a time zone of the IANA list, such as Europe/Vilnius", _timezone)]
Interval = Annotated[
    int, FieldCheck('"30m", "6h", "1d" or the like, equal parts of a day; "0" publishes exactly and at once', seconds)
]
CountryCode = Annotated[str, FieldCheck("two capital letters of ISO 3166, such as BY", _country_code)]
Host = Annotated[str, FieldCheck("a host name such as news.example.org, without https:// and without a path", _host)]
HttpsUrl = Annotated[str, FieldCheck("an address that begins with https://", _https)]
Contact = Annotated[str, FieldCheck("an e-mail address, or an address that begins with https://", _contact)]
StatementDescriptor = Annotated[
    str,
    FieldCheck(
        "5 to 22 Latin letters, digits or punctuation characters, at least one letter, none of < > \\ ' \" *",
        _descriptor,
    ),
]
StripeLocale = Annotated[str, FieldCheck("a locale of Stripe: " + ", ".join(sorted(STRIPE_LOCALES)), _stripe_locale)]
NeedId = Annotated[str, FieldCheck("1 to 32 of a-z, 0-9 and -, a letter or digit first", _need_id)]
Date = Annotated[date, FieldCheck("without quotes: a day such as 2027-06-30", _date_of)]
DateOrDateTime = Annotated[
    date,
    FieldCheck(
        "without quotes: a day such as 2027-06-30, or a date and time such as 2027-06-30T18:00:00+03:00",
        _date_or_datetime,
    ),
]
