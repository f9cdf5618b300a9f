"""Test amounts, times and languages as each language writes them."""

import contextlib
from datetime import UTC, datetime

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.money import Money
from donation_card.errors import Invalid
from donation_card.web.presentation.translations import (
    choose_translations,
    parse_accept_language,
    parse_lang_param,
    translations_for,
)
from hypothesis import given, strategies as st


@pytest.mark.parametrize(
    ("language", "whole", "cents"),
    [
        ("en", "€1,400", "€1,400.50"),
        ("be", "1\u00a0400\u00a0€", "1\u00a0400,50\u00a0€"),
        ("ru", "1\u00a0400\u00a0€", "1\u00a0400,50\u00a0€"),
        ("uk", "1\u00a0400\u00a0€", "1\u00a0400,50\u00a0€"),
        ("lt", "1\u00a0400\u00a0€", "1\u00a0400,50\u00a0€"),
        ("pl", "1\u00a0400\u00a0€", "1\u00a0400,50\u00a0€"),
        ("de", "1.400\u00a0€", "1.400,50\u00a0€"),
    ],
)
def test_amounts_are_formatted_by_language(language, whole, cents):
    words = translations_for(language)
    assert (words.format_money(Money(140_000, "EUR")), words.format_money(Money(140_050, "EUR"))) == (whole, cents)


def test_currencies_keep_their_number_of_decimals():
    assert "1,400" in translations_for("en").format_money(Money(1_400, "JPY"))
    assert "1.250" in translations_for("en").format_money(Money(1_250, "KWD"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_browser_pattern_formats_like_the_server(language):
    words = translations_for(language)
    how = words.amount_format("EUR")
    assert how["pattern"].replace("{n}", "25") == words.format_money(Money(2_500, "EUR"))
    assert how["pattern"].replace("{n}", f"12{how['group']}345") == words.format_money(Money(1_234_500, "EUR"))


def test_countries_and_cities_are_translated():
    assert translations_for("de").country_list(("BY", "RU")) == "Belarus, Russland"
    assert translations_for("pl").city_name("Europe/Vilnius") == "Wilno"


def test_days_are_written_as_the_language_does():
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert translations_for("en").format_datetime(noon) == "23 Nov 12:00"
    days = {lang: translations_for(lang).format_day(noon) for lang in ("en", "be", "lt", "de")}
    assert days == {"en": "November 23", "be": "23 лістапада", "lt": "lapkričio 23 d.", "de": "23. November"}


@pytest.mark.parametrize(("n", "form"), [(1, "one"), (2, "few"), (5, "many"), (21, "one"), (0, "many")])
def test_belarusian_plural_forms(n, form):
    words = translations_for("be")
    assert words.translate("card.needs_count", n=n, of=4) == words._catalogue["card.needs_count"][form].format(
        n=n, of=4
    )


@given(st.text(max_size=120))
def test_any_language_list_is_parsed_or_refused(text):
    with contextlib.suppress(Invalid):
        assert all(tag.isascii() and tag.islower() for tag in parse_lang_param(text))


@given(st.text(max_size=200))
def test_accept_language_is_parsed_leniently(header):
    assert choose_translations("", accept_language=header).language in LANGUAGES


def test_language_with_three_letters_is_the_one_with_two():
    """WordPress in Belarusian says `bel`, so its pages do too."""
    assert parse_lang_param("bel,POL,de-AT,xyz") == ("be", "pl", "de", "xyz")
    assert parse_accept_language("bel") == ("be",)


def test_best_accepted_language_wins():
    assert parse_accept_language("ru;q=0.5, be-BY, en;q=0.9, *;q=0.1") == ("be", "en", "ru")
