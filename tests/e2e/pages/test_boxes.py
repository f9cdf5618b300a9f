"""Test the width of the card in boxes that take their width from their content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from playwright.sync_api import Browser, Page, expect

from tests.e2e.pages.collection import PublisherPage
from tests.e2e.pages.site import Publisher
from tests.e2e.pages.walk import DESK, PHONE

BOXES = (
    *("float:left", "float:right", "display:inline-block", "display:table", "display:table-cell", "width:fit-content"),
    *("display:flex", "display:inline-flex", "display:flex;flex-direction:column;align-items:center"),
    *("display:grid;justify-items:center", "display:inline-grid", "display:grid;grid-template-columns:auto auto"),
    *(
        "position:relative;min-height:900px",
        "position:absolute",
        "width:max-content;max-width:100%",
        "width:min-content",
    ),
    *("columns:2 20em", "contain:layout", "display:contents", "white-space:nowrap", "text-align:center;font-size:2em"),
)
SIZES = (PHONE, DESK)

MEASURE = """() => {
  const card = document.querySelector('donation-card');
  const { width } = card.shadowRoot.querySelector('.card').getBoundingClientRect();
  const { scrollWidth } = document.scrollingElement;
  card.replaceWith(Object.assign(document.createElement('a'), { textContent: 'Give', href: '/' }));
  return { width, scrollWidth, withLink: document.scrollingElement.scrollWidth };
}"""
"""Measure the card, then replace it by a link: what the page does without the card is no fault of the card."""


BARE = 'SCRIPT<donation-card campaign="vitaly"><a href="https://HOST/c/vitaly">Give to BYSOL</a></donation-card>'
CODES = ("SNIPPET", BARE)
"""The printed lines, and a card without the style that reserves its room."""


def nested(boxes: list[str], code: str) -> str:
    return "".join(f'<div style="{style}">' for style in boxes) + code + "</div>" * len(boxes)


@pytest.fixture(scope="module")
def measured(publisher: Publisher, browser: Browser):
    """Return a function that shows the card in boxes and measures it."""
    pages = {size["width"]: browser.new_page(viewport=size) for size in SIZES}  # type: ignore[arg-type]

    def measure(boxes: list[str], width: int, code: str) -> dict[str, Any]:
        page: Page = pages[width]
        page.goto(publisher.site.publish(PublisherPage("boxes", "Boxes", "boxes", "gift", {"": nested(boxes, code)})))
        expect(page.locator("donation-card .donate")).to_be_visible()
        return page.evaluate(MEASURE)

    yield measure
    for page in pages.values():
        page.close()


@pytest.mark.parametrize("width", [size["width"] for size in SIZES])
@pytest.mark.parametrize("box", BOXES)
def test_card_has_a_width_in_a_box_sized_by_its_content(measured, box: str, width: int):
    found = measured([box], width, BARE)
    narrowest = 0.27 * width if box == "width:min-content" else 0.6 * min(width, 640)
    if "auto auto" in box:
        narrowest = 240
    assert found["width"] >= min(narrowest, 240) - 24
    assert found["scrollWidth"] <= max(width, found["withLink"])


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    boxes=st.lists(st.sampled_from(BOXES), min_size=2, max_size=4),
    width=st.sampled_from([390, 1280]),
    code=st.sampled_from(CODES),
)
@example(boxes=["display:flex", "float:left", "display:table-cell"], width=390, code=BARE)
def test_card_in_nested_boxes_is_readable_and_never_overflows(measured, boxes: list[str], width: int, code: str):
    """The narrowest card is a quarter of the window, at most 15 em (16 px each): less the border of 2 px."""
    found = measured(boxes, width, code)
    assert found["width"] >= min(15 * 16, 0.27 * width) - 2, (boxes, found)
    assert found["scrollWidth"] <= max(width, found["withLink"]), (boxes, found)
