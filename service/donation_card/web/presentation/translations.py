"""Translate texts, and format amounts and times as CLDR says, for the card, the pages and every other surface.

Nothing is formatted in a browser (Chromium knows no Belarusian); what leaves here is ready to be shown.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_skeleton, get_timezone_location
from babel.numbers import format_percent, parse_pattern
from starlette.requests import Request

from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.card_fee import CardFee
from donation_card.domain.money import Money
from donation_card.errors import Invalid
from donation_card.web.presentation.documents import AmountFormat

LOCALES = Path(__file__).parent.parent / "locales"
_ENGLISH = Locale.parse("en")
_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_MAX_LANG_PARAM = 100


def parse_lang_param(lang: str) -> tuple[str, ...]:
    """Return the primary subtags of a list such as `uk-UA,be`, in order. Raise Invalid (`language_malformed`)."""
    if not lang:
        return ()
    tags = lang.split(",")
    if len(lang) > _MAX_LANG_PARAM or not all(_TAG.fullmatch(tag) for tag in tags):
        raise Invalid("language_malformed", given=lang[:40])
    return tuple(_language_of(tag) for tag in tags)


def parse_accept_language(header: str) -> tuple[str, ...]:
    """Return the primary subtags of an Accept-Language header, best first (RFC 9110, 12.5.4). Never raise."""
    ranked: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        tag, _, quality = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", quality)
        if _TAG.fullmatch(tag):
            ranked.append((-float(weight[1]) if weight else -1.0, _language_of(tag)))
    return tuple(tag for _, tag in sorted(ranked, key=lambda pair: pair[0]))


def _language_of(tag: str) -> str:
    """Return the primary subtag in its short form: WordPress in Belarusian writes `bel` for `be` (ISO 639-2)."""
    subtag = tag.partition("-")[0].lower()
    return str(get_global("language_aliases").get(subtag, subtag)).partition("_")[0].lower()


class Translations:
    """Translate into one language. `translate` raises KeyError for a missing key."""

    def __init__(self, language: str, catalogue: Mapping[str, str | Mapping[str, str]]) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self.dir = "rtl" if self.locale.text_direction == "rtl" else "ltr"
        self._catalogue = catalogue

    def translate(self, key: str, **values: object) -> str:
        text = self._catalogue[key]
        if not isinstance(text, str):
            text = text[self.locale.plural_form(int(str(values["n"])))]
        return text.format_map(values) if values else text

    def format_money(self, money: Money) -> str:
        """Format an amount: `€1,400`, `1 400 €`. A whole amount has no decimals."""
        parsed = parse_pattern(self.locale.currency_formats["standard"].pattern)
        decimals = 0 if money.is_whole else money.exponent
        parsed.frac_prec = (decimals, decimals)
        text: str = parsed.apply(
            Decimal(money.amount).scaleb(-money.exponent), self.locale, currency=money.currency, currency_digits=False
        )
        # CLDR writes "EUR" in Ukrainian; a sign that everybody knows is calmer
        return text.replace(money.currency, _ENGLISH.currency_symbols.get(money.currency, money.currency))

    def format_fee(self, fee: CardFee) -> str:
        """Format a rule: `1.5% + €0.25`."""
        part = format_percent(Decimal(fee.basis_points).scaleb(-4), locale=self.locale, decimal_quantization=False)
        return f"{part} + {self.format_money(fee.fixed)}" if fee.fixed.amount else part

    def amount_format(self, currency: str) -> AmountFormat:
        """Return how a browser writes a whole amount while a donor types it. `{n}` stands for the digits."""
        one = self.format_money(Money(7 * Money(0, currency).minor_per_major, currency))
        symbols = self.locale.number_symbols["latn"]
        return {"pattern": one.replace("7", "{n}"), "group": symbols["group"], "decimal": symbols["decimal"]}

    def format_time(self, instant: dt.datetime) -> str:
        return instant.strftime("%H:%M")

    def format_datetime(self, instant: dt.datetime) -> str:
        return f"{format_date(instant.date(), 'd MMM', locale=self.locale)} {self.format_time(instant)}"

    def format_day(self, instant: dt.datetime) -> str:
        """Return the day without the year: “November 26”, “26 лістапада”."""
        return str(format_skeleton("MMMMd", instant, locale=self.locale))

    def format_date(self, date: dt.date) -> str:
        return str(format_date(date, locale=self.locale))

    def format_month(self, date: dt.date) -> str:
        return str(format_skeleton("yMMMM", date, locale=self.locale))

    def city_name(self, timezone: str) -> str:
        return get_timezone_location(timezone, locale=self.locale, return_city=True)

    def country_list(self, codes: tuple[str, ...]) -> str:
        return ", ".join(self.locale.territories[code] for code in codes)


@cache
def translations_for(language: str) -> Translations:
    """Return the translations of one of `LANGUAGES`. Read each catalogue once."""
    return Translations(language, json.loads((LOCALES / f"{language}.json").read_text("utf-8")))


def choose_translations(lang: str, campaign: Campaign | None = None, accept_language: str = "") -> Translations:
    """Choose the first language of `lang`, else of the browser, in which the campaign has texts, else its default.

    A page about no campaign has all languages, and English as default. Raise Invalid (`language_malformed`).
    """
    preferred = parse_lang_param(lang) or parse_accept_language(accept_language)
    offered, default = (campaign.languages, campaign.default_language) if campaign else (LANGUAGES, "en")
    return translations_for(next((tag for tag in preferred if tag in offered), default))


def request_translations(
    request: Request, campaign: Campaign | None = None, *, accept_language: bool = True
) -> Translations:
    """Return the texts in the language of the form, else of the query, else of the browser.

    Without `accept_language` the browser's languages are ignored: caches store JSON, pictures and feeds by their URL.
    Raise Invalid (`language_malformed`).
    """
    lang = getattr(request.state, "lang", "") or request.query_params.get("lang", "")
    header = request.headers.get("accept-language", "") if accept_language else ""
    return choose_translations(lang, campaign, header)
