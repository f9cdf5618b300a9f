"""The card is written in three readable files and served as one."""

import re
from pathlib import Path

import brotli
import pytest
import rcssmin
from donation_card.web.assets import CARD_PATH, CARD_SOURCES, PALETTE, SOURCE_PATH, current_card, join_card

SCRIPT, *STYLE_SHEETS = (Path("widget", name).read_text("utf-8") for name in CARD_SOURCES)
STYLE_SHEET = "".join(STYLE_SHEETS)


def test_joined_card_has_styles_and_one_comment():
    joined = join_card(SCRIPT, STYLE_SHEET)
    assert rcssmin.cssmin(STYLE_SHEET) in joined
    assert "@import" not in joined
    assert joined.startswith("/*!")
    assert joined.count("/*") == 1
    assert "//" not in joined


def test_first_line_names_the_served_source(installation):
    address = f"{SOURCE_PATH}/donation-card.js"
    assert address in installation.client.get(CARD_PATH).text.partition("*/")[0]
    for name, text in zip(CARD_SOURCES, (SCRIPT, *STYLE_SHEETS), strict=True):
        assert installation.client.get(f"{SOURCE_PATH}/{name}").text == text


def test_card_and_pages_begin_with_one_palette(installation):
    palette = Path("widget", PALETTE).read_text("utf-8")
    page = installation.client.get("/c/vitaly").text
    style_sheet = installation.client.get(re.search(r'href="(/static/\w+/site\.css)"', page)[1]).text
    assert style_sheet.startswith(rcssmin.cssmin(palette))
    assert rcssmin.cssmin(palette) in current_card().decode()
    pages = Path("service/donation_card/web/static/site.css").read_text("utf-8")
    for sheet in (pages, STYLE_SHEETS[-1]):
        assert not set(re.findall(r"^  (--[\w-]+):", palette, re.M)) & set(re.findall(r"^  (--[\w-]+):", sheet, re.M))


def test_card_is_small_on_the_wire():
    assert len(brotli.compress(current_card(), quality=11)) <= 6_600


def test_current_card_is_made_once():
    assert current_card() is current_card()


@pytest.mark.parametrize("script", ["", "'@import \"donation-card.css\"'" * 2])
def test_join_rejects_missing_or_double_placeholder(script):
    with pytest.raises(ValueError, match="once"):
        join_card(script, STYLE_SHEET)


def test_join_escapes_any_style_sheet():
    assert join_card("const CSS = '@import \"donation-card.css\"';", 'a::after{content:"`${x}\\201c"}') == (
        'const CSS="a::after{content:\\"`${x}\\\\201c\\"}";'
    )


def test_join_shortens_names_of_the_file_only():
    script = """/*! keep */
{
  const CSS = '@import "donation-card.css"';
  const makeCard = (tag) => document.makeCard(tag, 'makeCard');
  class Card {
    #title = makeCard('#title');
    get #other() {
      return this.#title;
    }
  }
}
"""
    joined = join_card(script, "")
    assert joined == (
        "/*! keep */{const $a=\"\";const $b=(tag)=>document.makeCard(tag,'makeCard');"
        "class Card{#a=$b('#title');get#other(){return this.#a}}}"
    )
