"""Test that campaign files are read completely, or refused with every error."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import tomli
from click.testing import CliRunner
from donation_card.adapters.campaign_files import loader
from donation_card.adapters.campaign_files.fields import STRIPE_LOCALES
from donation_card.adapters.campaign_files.loader import (
    MAX_FILE_BYTES,
    CampaignFiles,
    LoadedCampaign,
    load_campaign,
    read_campaign,
)
from donation_card.cli.main import cli
from donation_card.domain.campaign import LANGUAGES, Campaign, Status, SurplusPolicy
from donation_card.domain.card_fee import EUROPEAN_CARD_FEE, CardFee
from donation_card.domain.money import Money
from donation_card.domain.progress import calculate_progress
from donation_card.domain.redirect_methods import REDIRECT_METHODS, names
from donation_card.errors import ConfigFault, ConfigurationError, NotFound
from donation_card.observability.logs import configure_logs
from hypothesis import HealthCheck, example, given, settings, strategies as st
from stripe.params.checkout import SessionCreateParams
from structlog.testing import capture_logs

from tests.support.shipped import VITALY_TEXT

SHIPPED = Path(__file__).parents[3] / "campaigns" / "vitaly.toml"
GOOD = VITALY_TEXT

ROOF = """
status = "open"
currency = "EUR"
goal = 200
default_language = "en"
on_surplus = "undecided"
on_shortfall = "undecided"
warned_bank_countries = []
[recipient]
short_name = "Roofers"
legal_name = "Friends of the Roof"
contact = "https://roof.example/contact"
statement_descriptor = "ROOF FUND"
[giving]
suggested = [10, 25]
minimum = "0.50"
maximum = 500
decimals = true
accept_above_goal = false
[publication]
every = "1d"
step = 50
min_donations = 3
timezone = "Europe/Vilnius"
[[needs]]
id = "tiles"
amount = 150
title.en = "Tiles"
[[needs]]
id = "gutter"
amount = 50
title.en = "A gutter"
[text.en]
title = "A roof for the library"
purpose = "for the roof"
summary = "It rains in."
story = ["It has rained in since spring."]
"""
"""The smallest campaign that says everything it must."""


def with_change(text: str, old: str, new: str) -> str:
    assert old in text, f"the test is out of date: {old!r} is not in the file"
    return text.replace(old, new, 1)


def faults(path: Path) -> tuple[ConfigFault, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_campaign(path)
    return caught.value.faults


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "roof.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


# ── what is shipped ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def vitaly() -> Campaign:
    return CampaignFiles(SHIPPED.parent).get("vitaly")


def test_shipped_campaign_lists_needs_in_order(vitaly: Campaign) -> None:
    assert [(need.id, need.amount.amount) for need in vitaly.needs] == [
        ("rent", 120_000), ("driving-licence", 70_000), ("medical", 60_000), ("food-clothing", 50_000)
    ]  # fmt: skip
    assert vitaly.goal == Money(300_000, "EUR")


def test_shipped_campaign_has_seven_languages(vitaly: Campaign) -> None:
    assert vitaly.languages == LANGUAGES
    for need in vitaly.needs:
        assert set(need.text) == set(LANGUAGES)
    for text in vitaly.text.values():
        assert 200 <= len(text.summary) <= 270
        assert 4 <= len(text.story) <= 6
        assert sum(map(len, text.story)) <= 1600


def test_shipped_campaign_protects_donors(vitaly: Campaign) -> None:
    assert vitaly.warned_bank_countries == ("BY", "RU")
    assert not vitaly.emit_complete_event
    assert (vitaly.publication.interval_seconds, vitaly.publication.step, vitaly.publication.min_donations) == (
        86_400,
        10_000,
        0,
    )
    assert vitaly.publication.timezone.key == "Europe/Vilnius"
    assert (vitaly.on_surplus, vitaly.on_shortfall, vitaly.status) == (
        SurplusPolicy.UNDECIDED,
        SurplusPolicy.UNDECIDED,
        Status.OPEN,
    )
    assert vitaly.stripe_locales == {"be": "en", "uk": "en"}
    assert vitaly.offline_donations == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_translation_has_the_same_dates_and_numbers(vitaly: Campaign, language: str) -> None:
    story = " ".join(vitaly.text[language].story)
    assert {"10", "2020", "3", "2024", "2025"} == set(re.findall(r"\d+", story))
    assert "BYSOL" in story


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────────────


def spent(need: str = "rent", date: str = '"2026-10"', amount: str = "5", over: str = "") -> str:
    """Return a table about money that was spent, above the first table of the shipped file."""
    text = ", ".join(f'{lang} = "October"' for lang in LANGUAGES)
    return f"[[spent]]\nneed = '{need}'\ndate = {date}\namount = {amount}\ntext = {{ {text} }}\n{over}\n[recipient]"


BAD: dict[str, tuple[str, str, str, str, str]] = {
    # what is wrong: (in the file, instead, field, given, allowed)
    "needs do not add up": ("amount = 1200", "amount = 1100", "needs", "100.00 EUR less than the goal", "3000.00 EUR"),
    "needs beyond the goal": ("goal = 3000", "goal = 2900", "needs", "100.00 EUR more than the goal", "2900.00 EUR"),
    "float": ("goal = 3000", "goal = 3000.0", "goal", "3000.0", "cannot hold every cent exactly"),
    "not a number": ("goal = 3000", "goal = nan", "goal", "nan", "cannot hold every cent exactly"),
    "bool": ("amount = 700", "amount = true", "needs[1].amount", "true", "whole units such as 1200"),
    "zero": ("amount = 700", "amount = 0", "needs[1].amount", "0", "above 0"),
    "negative": ("amount = 700", "amount = -700", "needs[1].amount", "-700", "above 0"),
    "negative text": ("amount = 700", 'amount = "−700"', "needs[1].amount", '"−700"', "above 0"),
    "too large": ("amount = 700", f"amount = {10**13}", "needs[1].amount", str(10**13), "at most 1000000000000 EUR"),
    "10^30": ("amount = 700", f"amount = 1{'0' * 30}", "needs[1].amount", f"1{'0' * 30}", "at most 1000000000000 EUR"),
    "text amount": ("amount = 700", 'amount = "many"', "needs[1].amount", '"many"', "whole units such as 1200"),
    "ambiguous amount": ("amount = 700", 'amount = "1,200"', "needs[1].amount", '"1,200"', "read in two ways"),
    "a date for an amount": ("amount = 700", "amount = 2026-01-01", "needs[1].amount", "2026-01-01", "whole units"),
    "off the step": ("amount = 700", "amount = 650", "needs[1].amount", "650.00 EUR", "multiple of publication.step"),
    "unknown currency": ('"EUR"', '"EUX"', "currency", '"EUX"', "a currency that can be charged"),
    "small letters": ('"EUR"', '"eur"', "currency", '"eur"', "three capital letters"),
    "below the charge minimum": ("minimum = 5 ", 'minimum = "0.40" ', "giving.minimum", "0.40 EUR", "0.50 EUR"),
    "maximum too large": ("maximum = 1000", "maximum = 1000000", "giving.maximum", "1000000.00 EUR", "999999.99 EUR"),
    "maximum below minimum": ("maximum = 1000", "maximum = 4", "giving.maximum", "4.00 EUR", "at least the minimum"),
    "cents without decimals": ("minimum = 5 ", 'minimum = "5.50" ', "giving.minimum", "5.50 EUR", "a whole amount"),
    "suggested: none": ("[10, 25, 35, 50]", "[]", "giving.suggested", "a list of 0", "1 to 6 amounts"),
    "suggested: seven": ("[10, 25, 35, 50]", "[5,6,7,8,9,10,11]", "giving.suggested", "a list of 7", "1 to 6 amounts"),
    "suggested: order": ("[10, 25, 35, 50]", "[10, 10]", "giving.suggested[1]", "10.00 EUR", "more than 10.00 EUR"),
    "suggested: too small": ("[10, 25", "[1, 25", "giving.suggested[0]", "1.00 EUR", "from the minimum, 5.00 EUR"),
    "suggested: over half a step": ("50]", "51]", "giving.suggested[3]", "51.00 EUR", "half of publication.step"),
    "suggested: one number": ("[10, 25, 35, 50]", "10", "giving.suggested", "10", "a list in square brackets"),
    "unknown status": ('"open"', '"opne"', "status", '"opne"', 'one of "open", "paused", "closed", "hidden"'),
    "status of another kind": ('"open"', "1", "status", "1", 'one of "open"'),
    "unknown default language": ('_language = "en"', '_language = "fr"', "default_language", '"fr"', "en, be, ru, uk"),
    "unknown language": ("[text.uk]", "[text.ua]", "text.ua", '"ua"', "one of en, be, ru, uk, lt, pl, de"),
    "language without its text": ("[text.uk]", "[text.ua]", "text.ua", '"ua"', "one of en"),
    "missing title": ('be = "Арэнда кватэры"\n', "", "needs[0].title.be", "nothing", "in each language"),
    "missing detail": ('lt = "Kalėjime', '# lt = "Kalėjime', "needs[2].detail.lt", "nothing", "in each language"),
    "empty text": ('"A safe new start for Vitaly"', '" "', "text.en.title", '" "', "1 to 80 characters"),
    "long text": ("A safe new start", "very " * 100, "text.en.title", "(511 characters)", "1 to 80 characters"),
    "control character": ("A safe new", r"A \u0000 new", "text.en.title", r"\u0000", "U+0000"),
    "bidi override": ("A safe new", "A \u202enew", "text.en.title", r"\u202e", "U+202E"),
    "duplicate need": ('id = "medical"', 'id = "rent"', "needs[2].id", '"rent"', "no other need has"),
    "bad need id": ('id = "medical"', 'id = "Medical!"', "needs[2].id", '"Medical!"', "of a-z, 0-9 and -"),
    "timezone": ('"Europe/Vilnius"', '"Europe/Wilno"', "publication.timezone", '"Europe/Wilno"', "IANA"),
    "timezone outside": ('"Europe/Vilnius"', '"../../etc/passwd"', "publication.timezone", "passwd", "IANA"),
    "timezone folder": ('"Europe/Vilnius"', '"America/Indiana"', "publication.timezone", '"America/Indiana"', "IANA"),
    "every 7h": ('every = "1d"', 'every = "7h"', "publication.every", '"7h"', "equal parts of a day"),
    "every 30s": ('every = "1d"', 'every = "30s"', "publication.every", '"30s"', "equal parts of a day"),
    "every as a number": ('every = "1d"', "every = 6", "publication.every", "6", '"6h"'),
    "step 0": ("step = 100 ", "step = 0 ", "publication.step", "0", "above 0"),
    "min_donations": ("min_donations = 0", "min_donations = -1", "publication.min_donations", "-1", "from 0 to 1000"),
    "yes": ("decimals = false", 'decimals = "no"', "giving.decimals", '"no"', "true or false"),
    "country": ('["BY", "RU"]', '["BY", "XX"]', "warned_bank_countries[1]", '"XX"', "ISO 3166"),
    "country twice": ('["BY", "RU"]', '["BY", "BY"]', "warned_bank_countries[1]", '"BY"', "each one once"),
    "no state": ('["BY", "RU"]', '["EU"]', "warned_bank_countries[0]", '"EU"', "ISO 3166"),
    "contact": ("info@example.org", "info at example", "recipient.contact", '"info at example"', "an e-mail address"),
    "contact without TLS": ("info@example.org", "http://a.example", "recipient.contact", "http", "https://"),
    "descriptor short": ("DONATION CARD", "GIFT", "recipient.statement_descriptor", '"GIFT"', "5 to 22"),
    "descriptor digits": ("DONATION CARD", "12345", "recipient.statement_descriptor", '"12345"', "one letter"),
    "descriptor star": ("DONATION CARD", "GIVE*HERE", "recipient.statement_descriptor", '"GIVE*HERE"', "none of <"),
    "descriptor Cyrillic": ("DONATION CARD", "ДАПАМОГА", "recipient.statement_descriptor", "ДАПАМОГА", "Latin"),
    "Stripe's locale": ('be = "en"', 'be = "be"', "stripe_locales.be", '"be"', "a locale of Stripe"),
    "beyond": ('on_surplus = "undecided"', 'on_surplus = "?"', "on_surplus", '"?"', '"same_person"'),
    "site with a path": ("on_surplus", 'sites = ["https://a.example"]\non_surplus', "sites[0]", "https", "a host name"),
    "site twice": ("on_surplus", 'sites = ["a.b", "A.B"]\non_surplus', "sites[1]", '"a.b"', "each one once"),
    "fallback": ("on_surplus", 'fallback_url = "javascript:x"\non_surplus', "fallback_url", "javascript", "https://"),
    "a method": ("on_surplus", "redirect_methods = ['ideel']\non_surplus", "redirect_methods[0]", '"ideel"', "ideal"),
    "card": ("on_surplus", "redirect_methods = ['card']\non_surplus", "redirect_methods[0]", '"card"', "one of alipay"),
    "method twice": ("on_surplus", "redirect_methods = ['eps', 'eps']\non_surplus", "redirect_methods[1]", "", "once"),
    "one method": ("on_surplus", "redirect_methods = 'eps'\non_surplus", "redirect_methods", '"eps"', "a list in"),
    "fee in floats": ("decimals =", "fee = {percent = 1.5, fixed = 0}\ndecimals =", "giving.fee.percent", "", '"1.5"'),
    "fee of 21 %": ("decimals =", "fee = {percent = 21, fixed = 0}\ndecimals =", "giving.fee.percent", "", '"20"'),
    "fee below 0": ("decimals =", "fee = {percent = 1, fixed = -1}\ndecimals =", "giving.fee.fixed", "-1", "0 or more"),
    "fee without fixed": ("decimals =", "fee = {percent = 1}\ndecimals =", "giving.fee.fixed", "nothing", ""),
    "no fee": ("decimals =", "fee = {percent = 0, fixed = 0}\ndecimals =", "giving.fee", "no fee", "above 0"),
    "fee as a text": ("decimals =", "fee = '1.5'\ndecimals =", "giving.fee", '"1.5"', "a table: { percent ="),
    "fee above the largest charge": (
        "maximum = 1000",
        "maximum = 999999\nfee = {percent = 1, fixed = 0}",
        "giving.maximum",
        "with its fee 1010100.00 EUR",
        "999999.99 EUR with the fee",
    ),
    "ends in text": ("on_surplus", 'ends = "2027-06-30"\non_surplus', "ends", '"2027-06-30"', "without quotes"),
    "ends nowhere": ("on_surplus", "ends = 2027-06-30T18:00:00\non_surplus", "ends", "18:00", "a date and time"),
    "ends in year 9999": ("on_surplus", "ends = 9999-12-31\non_surplus", "ends", "9999-12-31", "from 2020 to 2100"),
    "unknown field": ("minimum = 5", "minimun = 5", "giving.minimun", "an unknown field", "did you mean “minimum”?"),
    "unknown field above": ("currency =", "curency =", "curency", "an unknown field", "did you mean “currency”?"),
    "offline date": (
        "[recipient]",
        "[[offline]]\namount = 5\nsource = {en = 'a', de = 'b'}\n[recipient]",
        "offline[0].date",
        "nothing",
        "2027-06-30",
    ),
    "offline instant": (
        "[recipient]",
        "[[offline]]\ndate = 2026-01-02T00:00:00Z\namount = 5\nsource = {en = 'a', de = 'b'}\n[recipient]",
        "offline[0].date",
        "2026-01-02 00:00:00+00:00",
        "a day",
    ),
    "offline amount": (
        "[recipient]",
        "[[offline]]\ndate = 2026-01-02\namount = 0\nsource = {en = 'a', de = 'b'}\n[recipient]",
        "offline[0].amount",
        "0",
        "",
    ),
    "offline source": (
        "[recipient]",
        "[[offline]]\ndate = 2026-01-02\namount = 5\nsource = {en = 'a'}\n[recipient]",
        "offline[0].source.de",
        "nothing",
        "a text in each language",
    ),
    "a missing field": ("accept_above_goal = true", "", "giving.accept_above_goal", "nothing", "true or false"),
    "a missing section": ("[recipient]", "[giving.recipient]", "recipient", "nothing", "[recipient]"),
    "a table for a text": ('status = "open"', "status = {a = 1}", "status", "a table", 'one of "open"'),
    "a text for a table": ("[stripe_locales]\n", "", "publication.uk", "an unknown field", "known here"),
    "syntax": ("currency = ", "currency ", "line 12, column 10", 'currency "EUR"', "TOML (Expected '='"),
    "said twice": ("goal = 3000", "goal = 3000\ngoal = 3000", "line 14, column 12", "goal = 3000", "each field once"),
    "offline list": (
        "[recipient]",
        "[[offline]]\ndate = 2026-01-02\namount = 5\nlist = 'yes'\nsource = {en = 'a', de = 'b'}\n[recipient]",
        "offline[0].list",
        '"yes"',
        "true or false",
    ),
    "offline list in numbers": (
        "[recipient]",
        "[[offline]]\ndate = 2026-01-02\namount = 5\nlist = 1\nsource = {en = 'a', de = 'b'}\n[recipient]",
        "offline[0].list",
        "1",
        "true or false",
    ),
    "spent of no need": ("[recipient]", spent("rant"), "spent[0].need", '"rant"', "campaign: rent, driving-licence"),
    "spent without a need": ("[recipient]", spent().replace("need =", "# "), "spent[0].need", "nothing", "a text of 1"),
    "spent of a title": ("[recipient]", spent("Rent"), "spent[0].need", '"Rent"', "campaign: rent, driving-licence"),
    "spent above its need": ("[recipient]", spent(amount="1201"), "spent[0].over", "nothing", "instead of 1200.00 EUR"),
    "spent above its need twice": (
        "[recipient]",
        spent(amount="600").replace("[recipient]", spent(amount='"600.01"')),
        "spent[1].over",
        "nothing",
        "why 1200.01 EUR was spent on rent",
    ),
    "over in one language": (
        "[recipient]",
        spent(amount="1201", over="over.en = 'It rose.'"),
        "spent[0].over.be",
        "nothing",
        "a text in each language",
    ),
    "over in no language": ("[recipient]", spent(over="over = {}"), "spent[0].over.en", "nothing", "in each language"),
    "spent in six languages": (
        "[recipient]",
        spent().replace('lt = "October", ', ""),
        "spent[0].text.lt",
        "nothing",
        "a text in each language",
    ),
    "spent in a later year": ("[recipient]", spent(date="2099-01-01"), "spent[0].date", "2099-01-01", "has begun"),
    "spent in a later month": ("[recipient]", spent(date='"2099-01"'), "spent[0].date", "2099-01", "has begun"),
    "spent in month 13": ("[recipient]", spent(date='"2026-13"'), "spent[0].date", '"2026-13"', "a month in quotes"),
    "spent in a word": ("[recipient]", spent(date='"October"'), "spent[0].date", '"October"', "a month in quotes"),
    "spent at an instant": ("[recipient]", spent(date="2026-10-05T10:00:00Z"), "spent[0].date", "2026", "a month in"),
    "spent in 1999": ("[recipient]", spent(date='"1999-12"'), "spent[0].date", '"1999-12"', "from 2020 to 2100"),
    "spent nothing": ("[recipient]", spent(amount="0"), "spent[0].amount", "0", "above 0"),
    "spent less than nothing": ("[recipient]", spent(amount="-5"), "spent[0].amount", "-5", "above 0"),
    "spent a float": ("[recipient]", spent(amount="5.5"), "spent[0].amount", "5.5", "cannot hold every cent exactly"),
    "spent a fraction of a cent": ("[recipient]", spent(amount='"5.555"'), "spent[0].amount", "5.555", ""),
    "a receipt": ("[recipient]", spent(over="receipt = 1"), "spent[0].receipt", "1", "a table: { file"),
    "unclosed": ('"""Das Urteil', '"Das Urteil', "line", "Das Urteil", "TOML ("),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_error_names_file_field_given_and_allowed(what: str, write: Callable[..., Path]) -> None:
    old, new, field, was_given, allowed = BAD[what]
    found = faults(write(with_change(GOOD, old, new)))
    file = {fault.source.rpartition("/")[2] for fault in found}
    match = [each for each in found if each.field.startswith(field) and was_given in each.given]
    assert file == {"roof.toml"}
    assert match, found
    assert any(allowed in each.allowed for each in match), match
    assert all("\n" not in str(each) and "\x00" not in str(each) for each in found)


def test_spendings_are_read_newest_first(write: Callable[..., Path]) -> None:
    entries = [spent(date='"2026-09"'), spent(date="2026-10-05", amount='"5.50"'), spent(date='"2026-10"')]
    text = GOOD
    for entry in reversed(entries):
        text = with_change(text, "[recipient]", entry)
    campaign = read_campaign(write(text))
    assert [(each.iso_date, each.amount.amount) for each in campaign.spendings] == [
        ("2026-10-05", 550),
        ("2026-10", 500),
        ("2026-09", 500),
    ]
    assert campaign.spendings[0].text["de"] == "October"


def test_spending_above_a_need_is_read_with_its_reason(write: Callable[..., Path]) -> None:
    over = "over = {" + ", ".join(f'{lang} = "It rose."' for lang in LANGUAGES) + "}"
    text = with_change(GOOD, "[recipient]", spent(amount="1200"))
    assert read_campaign(write(text)).spent("rent") == Money(1200_00, "EUR"), "the amount of the need is not above it"
    text = with_change(text, "[recipient]", spent(over=over))
    campaign = read_campaign(write(text))
    assert campaign.spent("rent") == Money(1205_00, "EUR")
    assert [each.over["en"] for each in campaign.spendings if each.over] == ["It rose."]


@pytest.mark.parametrize(
    ("date", "now", "allowed"),
    [
        ('"2026-10"', "2026-09-30T20:59:59Z", False),
        ('"2026-10"', "2026-09-30T21:00:00Z", True),  # midnight in Vilnius
        ("2026-10-05", "2026-10-04T20:59:59Z", False),
        ("2026-10-05", "2026-10-04T21:00:00Z", True),
    ],
)
def test_future_begins_at_midnight_of_the_campaign(
    date: str, now: str, allowed: bool, write: Callable[..., Path]
) -> None:
    path, at = write(with_change(GOOD, "[recipient]", spent(date=date))), datetime.fromisoformat(now)
    if allowed:
        assert len(read_campaign(path, now=at).spendings) == 1
    else:
        with pytest.raises(ConfigurationError, match=r"spent\[0\].date"):
            read_campaign(path, now=at)


@pytest.mark.parametrize(("currency", "amount", "minor"), [("KWD", "5.555", 5555), ("ISK", "100.50", 10050)])
def test_spent_amount_can_be_finer_than_a_charge(
    currency: str, amount: str, minor: int, write: Callable[..., Path]
) -> None:
    entry = f"[[spent]]\nneed = 'tiles'\ndate = '2026-10'\namount = '{amount}'\ntext.en = 'Tiles'\nover.en = 'Rain'\n"
    text = ROOF.replace("EUR", currency).replace('"0.50"', "1") + entry
    assert read_campaign(write(text)).spent() == Money(minor, currency)


def test_transfer_in_another_currency_is_refused(write: Callable[..., Path]) -> None:
    transfer = "[bank_transfer]\nholder = 'Roofers'\niban = 'DE89370400440532013000'\nreference = 'RF18539007547034'\n"
    (fault,) = faults(write(ROOF.replace('"EUR"', '"PLN"').replace('"0.50"', "5") + transfer))
    assert (fault.field, fault.given) == ("bank_transfer", "a campaign in PLN")
    assert "EUR" in fault.allowed


OTHER_WAY = """
[[other_ways]]
url = "https://coins.example/roof"
title = { en = "Coins" }
text = { en = "Addresses for coins." }
traces = { en = "The transfer stays public." }
"""


def test_other_ways_are_read_in_their_order(write: Callable[..., Path]) -> None:
    campaign = read_campaign(write(ROOF + OTHER_WAY + OTHER_WAY.replace("coins.", "tribe.")))
    assert [way.url for way in campaign.other_ways] == ["https://coins.example/roof", "https://tribe.example/roof"]
    assert campaign.other_ways[0].text["en"].traces == "The transfer stays public."


@pytest.mark.parametrize(
    ("old", "new", "field", "given", "allowed"),
    [
        ("https://", "http://", "other_ways[0].url", "http://coins", "https://"),
        ("https://coins.example", "javascript:", "other_ways[0].url", "javascript", "https://"),
        ("https://", "https://ada:secret@", "other_ways[0].url", "coins.example", "without a user name"),
        ("coins.example/roof", "манеты.example", "other_ways[0].url", "https://манеты.example", "in ASCII"),
        ("coins.example/", "coins.example/a b", "other_ways[0].url", "/a b", "without spaces"),
        ("https://coins.example", "data:text/html,", "other_ways[0].url", "data:", "https://"),
        ('url = "https://coins.example/roof"', "", "other_ways[0].url", "nothing", "https://"),
        ('traces = { en = "The transfer stays public." }', "", "other_ways[0].traces", "nothing", "what remains"),
        ('{ en = "Coins" }', "{}", "other_ways[0].title.en", "nothing", "each language of this campaign: en"),
        ('{ en = "Addresses for coins." }', '{ de = "Adressen" }', "other_ways[0].text.en", "nothing", "en"),
        ('{ en = "The transfer stays public." }', '{ fr = "?" }', "other_ways[0].traces.fr", '"fr"', "one of en"),
        ("Addresses for coins.", "x" * 241, "other_ways[0].text.en", "(241 characters)", "240"),
        ("traces", "trace", "other_ways[0].trace", "an unknown field", "did you mean “traces”?"),
    ],
)
def test_bad_other_way_is_refused_with_its_place(
    write: Callable[..., Path], old: str, new: str, field: str, given: str, allowed: str
) -> None:
    found = {fault.field: fault for fault in faults(write(ROOF + OTHER_WAY.replace(old, new)))}
    assert given in found[field].given
    assert allowed in found[field].allowed


def test_seven_other_ways_are_too_many(write: Callable[..., Path]) -> None:
    (fault,) = faults(write(ROOF + 7 * OTHER_WAY))
    assert (fault.field, fault.given, fault.allowed) == (
        "other_ways", "a list of 7", "at most 6 tables, [[other_ways]] each",
    )  # fmt: skip


def test_every_error_of_every_file_is_reported(write: Callable[..., Path]) -> None:
    write(ROOF.replace('"open"', '"shut"').replace("goal = 200", "goal = 250").replace("tiles", "gutter"), "a.toml")
    folder = write(ROOF.replace('"EUR"', '"XXX"').replace("[10, 25]", "[25, 10]"), "b.toml").parent
    with pytest.raises(ConfigurationError) as caught:
        CampaignFiles(folder)
    told = [(fault.source.rpartition("/")[2], fault.field) for fault in caught.value.faults]
    assert told == [
        ("a.toml", "status"), ("a.toml", "needs"), ("a.toml", "needs[1].id"),
        ("b.toml", "currency"), ("b.toml", "giving.suggested[1]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "minimum", "allowed"),
    [
        ("JPY", '"100.50"', "no smaller unit"),
        ("JPY", "49", "50 JPY"),
        ("KWD", '"5.555"', "a rounder amount"),
        ("ISK", '"100.50"', "a rounder amount"),
        ("HUF", "170", "175.00 HUF"),
    ],
)
def test_currencies_have_their_own_decimals(
    currency: str, minimum: str, allowed: str, write: Callable[..., Path]
) -> None:
    path = write(ROOF.replace("EUR", currency).replace('"0.50"', minimum))
    assert any(fault.field == "giving.minimum" and allowed in fault.allowed for fault in faults(path))


@pytest.mark.parametrize(
    ("data", "field", "allowed"),
    [
        (b"\xff\xfe" + GOOD.encode("utf-16le"), "line 1", "UTF-8"),
        (GOOD.encode().replace("Дапам".encode(), b"\xc0", 1) + b"\n# \xc3", "line", "UTF-8"),
        (GOOD.encode() + b"#" * MAX_FILE_BYTES, "the file", "at most 262144 bytes"),
        (b"a = " + b"[" * 100_000, "the file", "lists and tables"),
        (b"goal = " + b"9" * 10_000, "the file", "1200"),
        (b"", "status", "one of"),
        (b'a\x00 = "b"', "line 1", "TOML ("),
    ],
    ids=["utf-16", "broken utf-8", "large", "deep", "endless number", "empty", "NUL"],
)
def test_file_that_is_no_campaign_is_refused(data: bytes, field: str, allowed: str, tmp_path: Path) -> None:
    path = tmp_path / "roof.toml"
    path.write_bytes(data)
    assert any(fault.field.startswith(field) and allowed in fault.allowed for fault in faults(path))


def test_pipe_folder_or_missing_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gone.toml").symlink_to("nowhere")
    with pytest.raises(ConfigurationError) as caught:
        CampaignFiles(tmp_path)
    assert [fault.given for fault in caught.value.faults] == [
        "a folder or a device", "No such file or directory", "a folder or a device"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Roof.toml", "-roof.toml", "a b.toml", "дах.toml", f"{'a' * 65}.toml", "ro\nof.toml"])
def test_file_name_must_be_a_valid_campaign_id(name: str, write: Callable[..., Path]) -> None:
    (fault,) = faults(write(ROOF, name))
    assert fault.field == "the file's name"
    assert "a-z, 0-9 and -" in fault.allowed


def test_folder_without_campaigns_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigurationError):
            CampaignFiles(folder)


# ── what is read ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_valid_file_needs_only_the_fast_parser(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tomli, "loads", lambda _: pytest.fail("it explains mistakes only"))
    assert read_campaign(write(GOOD)).id == "roof"


# fmt: off
PIECES = [
    "\n", "\r\n", "\r", "\0", "\t", "\ufeff", '"', "'", '"""', "'''", "\\", "=", ".", ",", "#", "-", "é", "[", "]", "{",
    "}", "\n[[a.b]]\n", "\n[a]\n", "0x1F", "1e5", "1_0", "9" * 30, "nan", "2026-10-05 10:00:00.5", "true", "a = 1\n",
]
# fmt: on


@given(st.integers(0, len(ROOF)), st.integers(0, 5), st.lists(st.sampled_from(PIECES), max_size=4).map("".join))
@settings(max_examples=500, deadline=None)
def test_fast_parser_finds_the_same_fields(at: int, cut: int, piece: str) -> None:
    text = ROOF[:at] + piece + ROOF[at + cut :]
    try:
        expected = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    assert repr(loader._loads(text)) == repr(expected)  # also in the same order


def test_minimal_file_gets_defaults(write: Callable[..., Path]) -> None:
    sample_campaign = read_campaign(write(ROOF))
    assert (sample_campaign.id, sample_campaign.giving.minimum, sample_campaign.giving.allow_minor_units) == (
        "roof",
        Money(50, "EUR"),
        True,
    )
    assert (
        sample_campaign.warned_bank_countries,
        sample_campaign.publisher_hosts,
        sample_campaign.ends_at,
        sample_campaign.fallback_url,
    ) == ((), (), None, None)
    assert sample_campaign.languages == ("en",)


@pytest.mark.parametrize(
    ("ends", "instant"),
    [
        ("2027-06-30", datetime(2027, 6, 30, 21, tzinfo=UTC)),  # the day is over at midnight in Vilnius
        ("2027-10-31", datetime(2027, 10, 31, 22, tzinfo=UTC)),  # a day of 25 hours
        ("2027-06-30T18:00:00+03:00", datetime(2027, 6, 30, 15, tzinfo=UTC)),
    ],
)
def test_end_is_a_time_or_the_end_of_a_day(ends: str, instant: datetime, write: Callable[..., Path]) -> None:
    assert read_campaign(write(f"ends = {ends}\n{ROOF}")).ends_at == instant


def test_sites_are_stored_as_browsers_send_them(write: Callable[..., Path]) -> None:
    assert read_campaign(write(f'sites = ["News.example", "гавань.бел"]\n{ROOF}')).publisher_hosts == (
        "news.example", "xn--80aafc7c0e.xn--90ais"
    )  # fmt: skip


def test_line_breaks_become_spaces_and_nbsp_stays(write: Callable[..., Path]) -> None:
    text = ROOF.replace('"It rains in."', '"""\n  It rains\n  in,\u00a0again.\n"""').replace("\n", "\r\n")
    assert read_campaign(write("\ufeff" + text)).text["en"].summary == "It rains in,\u00a0again."


def test_demo_publishes_every_campaign_at_once(write: Callable[..., Path]) -> None:
    path = write(ROOF.replace("[10, 25]", "[10, 30, 50]"))
    assert "half of publication.step" in str(ConfigurationError(faults(path)))
    live = CampaignFiles(path.parent, publication_interval="0").get("roof")
    assert live.publication.immediate  # and the step is not enforced
    assert read_campaign(write(ROOF.replace('"1d"', '"0"').replace("step = 50", "step = 70"))).publication.immediate


def test_fee_and_redirect_methods_are_read(write: Callable[..., Path]) -> None:
    text = ROOF.replace("[giving]", '[giving]\nfee = { percent = "2.9", fixed = "0.30" }')
    campaign = read_campaign(write('redirect_methods = ["paypal", "twint"]\n' + text))
    assert campaign.giving.offered_fee == campaign.card_fee == CardFee(290, Money(30, "EUR"))
    assert campaign.redirect_methods == ("paypal", "twint")
    assert read_campaign(write(ROOF)).card_fee == EUROPEAN_CARD_FEE


def test_redirect_methods_match_the_stripe_package() -> None:
    types = re.findall(r"'([a-z0-9_]+)'", str(SessionCreateParams.__annotations__["allowed_payment_method_types"]))
    assert types
    assert REDIRECT_METHODS.keys() <= set(types) - {"card", "link", "sepa_debit", "klarna"}
    assert [name for name in names(tuple(REDIRECT_METHODS), "CHF") if name in ("TWINT", "iDEAL")] == ["TWINT"]


def test_stripe_locales_match_the_stripe_package() -> None:
    hint = str(SessionCreateParams.__annotations__["locale"])
    assert set(re.findall(r"'([A-Za-z0-9-]+)'", hint.partition("Literal[")[2].partition("]")[0])) == STRIPE_LOCALES


# ── watching ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_edited_file_is_reloaded_and_others_kept(write: Callable[..., Path]) -> None:
    write(ROOF, "other.toml")
    files = CampaignFiles(write(ROOF).parent)
    other = files.get("other")
    assert not files.reload()
    write(ROOF.replace('"open"', '"paused"'))
    assert files.reload() == {"roof"}
    assert files.get("roof").status is Status.PAUSED
    assert files.get("other") is other
    assert not files.reload()


def test_bad_edit_keeps_the_campaign_and_is_logged_once(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs("info")
    monkeypatch.setattr(loader, "log", structlog.get_logger())  # a logger keeps the level of its first use
    files = CampaignFiles(write(ROOF).parent)
    before = files.get("roof")
    write(ROOF.replace("goal = 200", "goal = 20"))
    with capture_logs() as log:
        assert not any(files.reload() for _ in range(3))
    assert files.get("roof") is before
    (entry,) = log
    assert (entry["event"], entry["log_level"]) == ("campaign_file_invalid", "error")
    assert any("roof.toml: needs: given amounts that add up to 200.00 EUR" in fault for fault in entry["faults"])
    write(ROOF.replace("goal = 200", "goal = 2000"))
    with capture_logs() as log:
        files.reload()
    assert [entry["event"] for entry in log] == ["campaign_file_invalid"]
    write(ROOF.replace("It rains in.", "It is dry."))
    with capture_logs() as log:
        assert files.reload()
    assert [entry["event"] for entry in log] == ["campaign_file_read"]
    assert files.get("roof").text["en"].summary == "It is dry."


def test_refused_file_is_loaded_once_its_date_has_come(write: Callable[..., Path]) -> None:
    now = datetime(2026, 10, 31, 21, 59, tzinfo=UTC)  # two hours behind the campaign
    path = write(GOOD)
    files = CampaignFiles(path, clock=lambda: now)
    write(with_change(GOOD, "[recipient]", spent(date='"2026-11"')))
    assert not files.reload()
    assert "has begun, until 2026-10-31" in str(files.load_errors())
    now += timedelta(minutes=1)
    assert files.reload()
    assert files.load_errors() is None
    assert [each.iso_date for each in files.get(path.stem).spendings] == ["2026-11"]


def test_file_with_a_mistake_is_not_read_each_second(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, times = datetime(2026, 10, 31, 12, tzinfo=UTC), []

    def counted(path: Path, **how: Any) -> LoadedCampaign:
        times.append(now)
        return load_campaign(path, **how)

    monkeypatch.setattr(loader, "load_campaign", counted)
    files = CampaignFiles(write(ROOF), clock=lambda: now)
    write(ROOF.replace("goal = 200", "goal = 20"))
    with capture_logs() as log:
        for _ in range(40):
            files.reload()
            now += timedelta(minutes=1)
    assert [(time.hour, time.minute) for time in times] == [(12, 0), (12, 0), (12, 15), (12, 30)]
    assert len(log) <= 1, "the mistake is logged once"


def test_added_and_removed_files_are_noticed(write: Callable[..., Path]) -> None:
    files = CampaignFiles(write(ROOF).parent)
    added = write(ROOF, "library.toml")
    write("not a campaign", "notes.txt")
    write("not a campaign", ".#roof.toml")
    assert files.reload()
    assert [campaign.id for campaign in files.all()] == ["library", "roof"]
    added.unlink()
    assert files.reload()
    with pytest.raises(NotFound) as caught:
        files.get("library")
    assert caught.value.code == "campaign_unknown"


def test_replaced_file_is_noticed_despite_equal_mtime_and_size(write: Callable[..., Path]) -> None:
    path = write(ROOF)
    files = CampaignFiles(path.parent)
    status = path.stat()
    fresh = write(ROOF.replace("spring", "autumn"), "roof.new")
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fresh.stat().st_size == status.st_size
    fresh.rename(path)
    assert files.reload()
    assert "autumn" in files.get("roof").text["en"].story[0]


def test_vanished_folder_keeps_the_campaigns(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write(ROOF).parent / "mounted"
    folder.mkdir()
    (tmp_path / "roof.toml").rename(folder / "roof.toml")
    files = CampaignFiles(folder)
    folder.rename(tmp_path / "elsewhere")
    with capture_logs() as log:
        assert not any(files.reload() for _ in range(3))
    assert [entry["event"] for entry in log] == ["campaign_file_invalid"]
    assert files.get("roof").id == "roof"
    (tmp_path / "elsewhere").rename(folder)
    assert not files.reload()


def test_file_names_must_differ(write: Callable[..., Path], tmp_path: Path) -> None:
    first = write(ROOF)
    (tmp_path / "more").mkdir()
    second = tmp_path / "more" / "roof.toml"
    second.write_text(ROOF, "utf-8")
    with pytest.raises(ConfigurationError, match="one file for a campaign"):
        CampaignFiles(first, second)


# ── anything else ──────────────────────────────────────────────────────────────────────────────────────────────────

LINES = ROOF.splitlines()
VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1.5", "nan", "inf", "true", '""', "[]", "{}", "[[]]", "{en = 1}", '"\\u0000"', "1979-05-27",
         "1979-05-27T07:32:00", "07:32:00", "9999-12-31T23:59:59-23:59", "0x" + "f" * 5000, "1e400",
         '"' + "a" * 5000 + '"',
         '"https://[::"', '"a@b"', '"//"', '"Europe/"', '"/"', '"xn--a"', '"a..b"', '"https://a:99999"', '"\\uFFFF"']
    ),
    st.text(max_size=12).map(lambda text: f"'{text}'"),
    st.integers().map(str),
    st.lists(st.integers(-5, 500)).map(str),
)  # fmt: skip
MUTATIONS = st.one_of(
    st.tuples(st.just("drop"), st.integers(0, len(LINES) - 1), st.just("")),
    st.tuples(st.just("value"), st.integers(0, len(LINES) - 1), VALUES),
    st.tuples(st.just("insert"), st.integers(0, len(LINES) - 1), st.text(max_size=20)),
    st.tuples(st.just("insert"), st.integers(0, len(LINES) - 1), st.sampled_from(LINES)),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MUTATIONS, min_size=1, max_size=4))
@example([("value", LINES.index('timezone = "Europe/Vilnius"'), '"Europe/\\u0000"')])
def test_any_toml_raises_only_configuration_errors(tmp_path: Path, mutations: list[tuple[str, int, str]]) -> None:
    lines = list(LINES)
    for kind, at, text in mutations:
        at %= len(lines)
        if kind == "drop":
            del lines[at]
        elif kind == "insert":
            lines.insert(at, text)
        else:
            lines[at] = f"{lines[at].partition('=')[0]}= {text}"
    path = tmp_path / "roof.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    found: tuple[ConfigFault, ...] = ()
    try:
        campaign = read_campaign(path)
    except ConfigurationError as error:
        found = error.faults
    if found:
        assert all("\n" not in str(fault) for fault in found)
    else:
        assert sum(need.amount.amount for need in campaign.needs) == campaign.goal.amount


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_raise_only_configuration_errors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "roof.toml"
    path.write_bytes(data)
    assert faults(path)


amounts_of_a_file = st.lists(st.integers(1, 10**9), min_size=1, max_size=5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    currency=st.sampled_from(["EUR", "IDR", "VND", "KWD"]), offline=amounts_of_a_file, need=st.integers(1, 5 * 10**10)
)
@example(currency="EUR", offline=[6_000_000_000] * 2, need=100)
@example(currency="EUR", offline=[10**10] * 500, need=5 * 10**11)
@example(currency="VND", offline=[10**12] * 500, need=5 * 10**13)
def test_every_accepted_file_has_sums_that_the_domain_can_show(
    tmp_path: Path, currency: str, offline: list[int], need: int
) -> None:
    """Every sum of the amounts that `check` accepts is valid, with the largest total that the store can hold."""
    text = ROOF.replace('currency = "EUR"', f'currency = "{currency}"').replace("goal = 200", f"goal = {2 * need}")
    text = text.replace("amount = 50\n", f"amount = {need}\n").replace("amount = 150\n", f"amount = {need}\n")
    text = text.replace("step = 50", "step = 1").replace("suggested = [10, 25]", "suggested = [1000, 2500]")
    text = text.replace('minimum = "0.50"', "minimum = 1000").replace("maximum = 500", "maximum = 5000")
    text += "".join(f'\n[[offline]]\ndate = 2026-01-02\namount = {each}\nsource.en = "A fair"\n' for each in offline)
    bought = 'need = "tiles"\ndate = "2026-01"\ntext.en = "Tiles"\nover.en = "They broke"\n'
    text += "".join(f"\n[[spent]]\namount = {each}\n{bought}" for each in offline)
    path = tmp_path / "roof.toml"
    path.write_text(text, "utf-8")
    campaign = read_campaign(path, publication_interval="0")
    sums = campaign.offline_total.amount
    assert campaign.spent().amount == sums
    assert sums == sum(offline) * campaign.goal.minor_per_major
    progress = calculate_progress(
        campaign, 10**15 - 1 + sums, listed=sums, as_of=datetime.now(UTC), next_update_at=None
    )
    assert progress.raised.amount == 10**15 - 1 + sums


def test_needs_that_add_up_to_far_more_than_the_goal_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "roof.toml"
    path.write_text(ROOF.replace("amount = 150", f"amount = {10**12}").replace("amount = 50", f"amount = {10**12}"))
    with pytest.raises(ConfigurationError, match="more than the goal"):
        read_campaign(path)


@pytest.mark.parametrize(("second", "twice"), [("5", True), ("6", False)])
def test_check_warns_of_a_spending_that_stands_there_twice(
    second: str, twice: bool, write: Callable[..., Path]
) -> None:
    path = write(with_change(with_change(GOOD, "[recipient]", spent()), "[recipient]", spent(amount=second)))
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(path.parent)])
    assert done.exit_code == 0
    assert ("5.00 EUR on rent, 2026-10 stands there more than once" in done.output) is twice


def test_check_warns_of_a_method_in_another_currency(write: Callable[..., Path]) -> None:
    path = write('redirect_methods = ["ideal", "twint"]\n' + ROOF)
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(path.parent)], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stderr == "warning: roof.toml: redirect_methods: twint is never offered in EUR\n"
