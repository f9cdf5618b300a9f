"""Test the sums of what was spent, against sums that the test adds up itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.money import Money
from donation_card.domain.spending import Spending
from donation_card.web.presentation.spending import spending_json
from donation_card.web.presentation.translations import translations_for
from hypothesis import given, strategies as st

import tests.support

ROOF = read_campaign(Path(tests.support.__file__).parent / "roof.toml")
TEXT = dict.fromkeys(LANGUAGES, "Tiles from the shop")
BOUGHT = st.lists(st.tuples(st.sampled_from(["tiles", "work"]), st.integers(1, 10**12)), max_size=40)


def after(*bought: tuple[str, int]) -> Campaign:
    """Return the roof after these spendings, each a need and an amount in cents."""
    spendings = tuple(Spending(need, date(2026, 10, 5), False, Money(cents, "EUR"), TEXT) for need, cents in bought)
    return replace(ROOF, spendings=spendings)


@given(BOUGHT)
def test_sums_by_need_are_arithmetic(bought: list[tuple[str, int]]) -> None:
    wanted: Counter[str] = Counter()
    for need, cents in bought:
        wanted[need] += cents
    campaign = after(*bought)
    document = spending_json(campaign, translations_for("en"))
    assert {each["id"]: each["spent"] for each in document["needs"]} == {
        "tiles": wanted["tiles"],
        "work": wanted["work"],
    }
    assert document["spent"] == campaign.spent().amount == wanted.total()
    assert [(each["need"], each["amount"]) for each in document["spendings"]] == bought
    assert len({each["id"] for each in document["spendings"]}) == len(bought)


@given(BOUGHT, st.integers(0, 10**12))
def test_spending_above_the_public_total_is_described(bought: list[tuple[str, int]], published: int) -> None:
    more = sum(cents for _, cents in bought) - published
    described = after(*bought).overspending(Money(published, "EUR"))
    assert (described is None) == (more <= 0)
    if described:
        assert f"{more // 100}.{more % 100:02} EUR more than the public total" in described


def test_month_and_day_are_written_as_iso_8601() -> None:
    spending = after(("tiles", 1)).spendings[0]
    assert spending.iso_date == "2026-10-05"
    assert replace(spending, date=date(2026, 10, 1), month_only=True).iso_date == "2026-10"


@given(st.lists(st.integers(1, 160), min_size=1, max_size=20))
def test_line_of_a_need_names_the_newest_spendings_that_fit(lengths: list[int]) -> None:
    texts = [f"{number}".ljust(length, "x") for number, length in enumerate(lengths)]
    spendings = tuple(replace(after(("tiles", 100)).spendings[0], text={"en": text}) for text in texts)
    line = spending_json(replace(ROOF, spendings=spendings), translations_for("en"))["needs"][0]["spent_text"]
    number = max([1, *(count for count in range(1, len(texts) + 1) if len("".join(texts[:count])) <= 60)])
    older = "…; " if number < len(texts) else ""
    assert line == f"€{len(texts)} spent: {older}{'; '.join(reversed(texts[:number]))}"
