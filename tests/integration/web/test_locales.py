"""Check every catalogue against English and against the rules of its language."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import Translations

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "service" / "donation_card" / "web" / "locales"
CATALOGUES = {language: json.loads((FOLDER / f"{language}.json").read_text("utf-8")) for language in LANGUAGES}
ENGLISH = CATALOGUES["en"]
OTHERS = [language for language in LANGUAGES if language != "en"]
CYRILLIC = ("be", "ru", "uk")

WHOLE_NUMBERS = range(201)
QUOTES = {"be": "«»", "ru": "«»", "uk": "«»", "lt": "„“", "pl": "„”", "de": "„“"}
LIMITS = {
    "card.donate": 14, "card.close": 10, "card.now": 12, "card.first": 12, "card.missing": 34,
    "card.just_started": 22, "give.continue": 24, "give.change_amount": 20, "give.again": 24,
}  # fmt: skip
ONE_LETTER = {"pl": "aiouwz"} | dict.fromkeys(CYRILLIC, "авезійкоусўяюэ")


def forms(language: str, key: str) -> list[str]:
    text = CATALOGUES[language][key]
    return [text] if isinstance(text, str) else list(text.values())


def every_text(language: str) -> list[str]:
    """All that a reader of this language is shown: the catalogue, and the shipped campaign."""
    campaign = read_campaign(ROOT / "campaigns" / "vitaly.toml")
    text = campaign.text[language]
    needs = [each for need in campaign.needs for each in (need.text[language].title, need.text[language].detail)]
    return [each for key in ENGLISH for each in forms(language, key)] + [
        text.title, text.purpose, text.summary, *text.story, *filter(None, needs)
    ]  # fmt: skip


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_each_language_has_a_catalogue() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{language}.json" for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_keys_are_unique(language: str) -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(pairs) == len(dict(pairs))
        return dict(pairs)

    json.loads((FOLDER / f"{language}.json").read_text("utf-8"), object_pairs_hook=once)


@pytest.mark.parametrize("language", OTHERS)
def test_catalogue_keys_match_english(language: str) -> None:
    assert list(CATALOGUES[language]) == list(ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_placeholders_match_english(language: str) -> None:
    for key in ENGLISH:
        wanted = {frozenset(placeholders(each)) for each in forms("en", key)}
        assert {frozenset(placeholders(each)) for each in forms(language, key)} == wanted, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_match_cldr(language: str) -> None:
    wanted = {*Locale.parse(language).plural_form.rules, "other"}
    for key, text in ENGLISH.items():
        assert isinstance(CATALOGUES[language][key], dict) == isinstance(text, dict), key
        if isinstance(text, dict):
            assert set(CATALOGUES[language][key]) == wanted, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_has_stray_spaces(language: str) -> None:
    for text in every_text(language):
        assert text
        assert text == text.strip()
        assert not re.search(r"[ \u00a0]{2}|[ \u00a0][,.;:!?](?!\w)|[\x00-\x1f]|\.\.\.", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_formats(language: str) -> None:
    texts = Translations(language, CATALOGUES[language])
    for key, text in ENGLISH.items():
        names = set().union(*(placeholders(each) for each in forms("en", key)))
        values = {name: f"<{name}>" for name in names}
        for n in WHOLE_NUMBERS if isinstance(text, dict) else (0,):
            said = texts.translate(key, **(values | {"n": n} if "n" in names else values))
            assert "{" not in said
            assert all(value in said for name, value in values.items() if name != "n"), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_their_own_name(language: str) -> None:
    name = Locale.parse(language).get_language_name(language)
    assert CATALOGUES[language]["language"].casefold() == name.casefold()
    assert CATALOGUES[language]["language"][0].isupper()


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_was_left_in_english(language: str) -> None:
    same = {key for key, text in ENGLISH.items() if CATALOGUES[language][key] == text}
    assert not same


@pytest.mark.parametrize("language", OTHERS)
def test_quotes_and_apostrophes_fit_the_language(language: str) -> None:
    opening, closing = QUOTES[language]
    for text in every_text(language):
        assert not set(text) & ({*"\"'`‘"} | ({*"«»„“”"} - {opening, closing})), text
        assert text.count(opening) == text.count(closing), text
        assert "’" not in text or re.search(r"\w’\w", text), text


@pytest.mark.parametrize("language", CYRILLIC)
def test_no_latin_letter_in_a_cyrillic_word(language: str) -> None:
    for text in every_text(language):
        assert not re.search(r"[A-Za-z][а-яёіїєґў]|[а-яёіїєґў][A-Za-z]", text, re.I), text


@pytest.mark.parametrize(
    ("language", "foreign"), [("be", "ищъїєґ"), ("ru", "іўїєґ’"), ("uk", "ыэъёў"), ("lt", "wxqß"), ("pl", "šžß")]
)
def test_no_letter_of_a_neighbouring_language(language: str, foreign: str) -> None:
    for text in every_text(language):
        bare = re.sub(r"\{\w+\}|Belarus Solidarity Foundation|Stripe|BYSOL|cookie|JSON|GUBOPiK|QR|be,ru", "", text)
        found = set(re.sub("Українська|Русский", "", bare).lower()) & set(foreign)
        assert not found, text


@pytest.mark.parametrize("language", ONE_LETTER)
def test_one_letter_word_is_followed_by_nbsp(language: str) -> None:
    for text in every_text(language):
        assert not re.search(rf"(?<![\w’])[{ONE_LETTER[language]}] ", text, re.I), text


@pytest.mark.parametrize("language", [*CYRILLIC, "lt"])
def test_dash_is_preceded_by_nbsp(language: str) -> None:
    for text in every_text(language):
        assert not re.search(r" [–—]|[№] ", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_number_and_unit_are_joined_by_nbsp(language: str) -> None:
    for text in every_text(language):
        assert not re.search(r"\d [%€]|\b(?:No\.|Nr\.|nr|№) \d", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_and_notes_are_short(language: str) -> None:
    for key, most in LIMITS.items():
        assert len(CATALOGUES[language][key]) <= most, key
