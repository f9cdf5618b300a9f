"""Test the estimate of the card's height, and the CSS length that reserves it."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES, Status
from donation_card.domain.money import Money
from donation_card.domain.picture import CampaignPicture, Picture, whole
from donation_card.domain.spending import Spending
from donation_card.web.presentation.card_height import estimate_height, frame_height, reserved_height
from donation_card.web.presentation.rows_height import rows_estimate
from donation_card.web.presentation.text_lines import wrapped_lines
from donation_card.web.presentation.translations import translations_for
from hypothesis import given, strategies as st

VITALY = read_campaign(Path("campaigns/vitaly.toml"))
LAYOUTS = ("card", "compact", "button")
IMAGE = Picture("", "", (1280, 720), whole(1280, 720))
PLAIN = replace(VITALY, picture=None)
WITH_PICTURE = replace(VITALY, picture=CampaignPicture(IMAGE, {}))


def length(css: str, width: float) -> float:
    """Compute a printed length in em for a column of this width. It is CSS arithmetic of em and percentages."""
    numbers = re.sub(r"([\d.]+)em", r"\1", css)
    numbers = re.sub(r"([\d.]+)(%|vw)", lambda part: str(float(part[1]) / 100 * width), numbers)
    names = {"max": max, "min": min, "calc": float, "clamp": lambda low, value, high: max(low, min(value, high))}
    return float(eval(numbers, {"__builtins__": {}}, names))


@given(
    lang=st.sampled_from(LANGUAGES),
    layout=st.sampled_from(LAYOUTS),
    words=st.integers(3, 150),
    width=st.floats(17.5, 47.5),
    campaign=st.sampled_from([PLAIN, WITH_PICTURE]),
)
def test_reserved_height_follows_the_estimate(lang, layout, words, width, campaign):
    """A longer or shorter summary than the shipped one, in any column: the lines are never far from the estimate."""
    text = replace(VITALY.text[lang], summary="wordy " * words)
    campaign = replace(campaign, text={**VITALY.text, lang: text})
    wanted = estimate_height(campaign, translations_for(lang), layout, width)
    printed = length(reserved_height(campaign, translations_for(lang), layout), width) + 1.5
    assert 0.91 * wanted <= printed <= 1.2 * wanted


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_part_of_a_printed_height_can_be_read(lang, layout):
    for css in (
        reserved_height(PLAIN, translations_for(lang), layout),
        frame_height(PLAIN, translations_for(lang), layout),
    ):
        assert re.fullmatch(r"max\(([\d.]+em - \d+(%|vw),)*[\d.]+em\)", css), css


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [17.5, 24, 32, 33, 40, 47.5, 48, 60])
def test_picture_reserves_its_height(lang, width):
    """A narrow card shows it above the title, in the shape 16:9; a wider one beside the title."""
    t = translations_for(lang)
    with_picture, plain = (length(reserved_height(each, t, "card"), width) for each in (WITH_PICTURE, PLAIN))
    if width <= 32.3:
        assert with_picture - plain == pytest.approx(1.077 * width * 9 / 16, abs=0.1)
    elif width < 48:
        assert 3 < with_picture - plain < 8
    else:
        assert with_picture >= estimate_height(WITH_PICTURE, t, "card", width) - 1.6
    for layout in ("compact", "button"):
        assert reserved_height(WITH_PICTURE, t, layout) == reserved_height(PLAIN, t, layout)
    frame = length(frame_height(WITH_PICTURE, t, "card"), width + 2)
    assert frame >= 0.91 * estimate_height(WITH_PICTURE, t, "card", width)


def test_longer_texts_reserve_more():
    t = translations_for("en")
    text = VITALY.text["en"]
    longer = replace(VITALY, text={**VITALY.text, "en": replace(text, summary=text.summary * 2)})
    assert estimate_height(longer, t, "card", 25) > estimate_height(VITALY, t, "card", 25) + 8
    assert estimate_height(longer, t, "compact", 25) == estimate_height(VITALY, t, "compact", 25)


def test_each_line_of_spending_reserves_its_height():
    t, texts = translations_for("en"), {"en": "Rent"}
    rent, medical = (Spending(need, date(2026, 10, 5), False, Money(100, "EUR"), texts) for need in ("rent", "medical"))
    heights = [
        estimate_height(replace(VITALY, spendings=each), t, "card", 25) for each in ((), (rent,), (rent, medical))
    ]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1])
    assert heights[1] > heights[0] + 1.2
    assert estimate_height(replace(VITALY, spendings=(rent,)), t, "compact", 25) == estimate_height(
        VITALY, t, "compact", 25
    )


def test_narrow_columns_and_small_layouts_are_told_apart():
    t = translations_for("be")
    heights = [estimate_height(VITALY, t, "card", width) for width in (18, 24, 30, 40)]
    assert heights == sorted(heights, reverse=True)
    assert [estimate_height(VITALY, t, layout, 24) for layout in LAYOUTS] == sorted(
        (estimate_height(VITALY, t, layout, 24) for layout in LAYOUTS), reverse=True
    )


@given(
    lang=st.sampled_from(LANGUAGES),
    lengths=st.lists(st.integers(8, 90), min_size=2, max_size=10),
    width=st.floats(17.5, 60),
)
def test_rows_reserve_what_they_need_in_at_most_six_steps(lang, lengths, width):
    t, story = translations_for(lang), " ".join(VITALY.text[lang].story)
    campaigns = [
        replace(VITALY, text={**VITALY.text, lang: replace(VITALY.text[lang], title=story[:size].strip())})
        for size in lengths
    ]
    printed = reserved_height(campaigns[0], t, "card", campaigns[1:])
    assert re.fullmatch(r"max\(-?[\d.]+em(,min\([\d.]+em,\([\d.]+em - 100%\)\*999\)){0,5}\)", printed), printed
    wanted = rows_estimate(campaigns, t)(min(width, 48))
    assert length(printed, width) + 1.5 * len(campaigns) >= wanted - 0.01


@pytest.mark.parametrize("lang", LANGUAGES)
def test_height_of_a_row_does_not_depend_on_its_state(lang):
    t = translations_for(lang)
    heights = {
        rows_estimate([VITALY, replace(VITALY, status=status)], t)(width) for status in Status for width in (18,)
    }
    assert len(heights) == 1


def test_word_is_wider_than_its_column_and_breaks():
    assert wrapped_lines("one two", 40) == 1
    assert wrapped_lines("one two", 3) == 2
    assert wrapped_lines("one\u00a0two", 3) == 2
    assert wrapped_lines("a" * 30, 10, bold=True) == 2
