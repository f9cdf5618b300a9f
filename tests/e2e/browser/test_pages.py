"""Test the composition of the campaign page, the list and the page of a missing campaign."""

import pytest
from donation_card.domain.campaign import LANGUAGES
from playwright.sync_api import expect

from tests.support.browser import NARROW

PHONE = {"width": 390, "height": 844}


def top(locator):
    return locator.bounding_box()["y"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_campaign_page_asks_before_it_lists_the_needs(page, installation, lang):
    page.set_viewport_size(PHONE)
    page.goto(f"{installation.service}/c/vitaly?lang={lang}")
    order = [".total", ".bar", ".now", ".bank-warning", "a.button", ".needs"]
    places = [top(page.locator(f".panel {selector}").first) for selector in order]
    assert places == sorted(places)


def test_segments_of_the_bar_carry_the_numbers_of_the_list(page, installation):
    page.goto(f"{installation.service}/c/vitaly?lang=en")
    numbers = page.locator(".bar text").all_text_contents()
    assert numbers == page.locator(".needs i").all_text_contents() == ["1", "2", "3", "4"]
    expect(page.locator(".now")).to_contain_text("First: Rent of a flat")


@pytest.mark.parametrize("path", ["/", "/c/vitaly"])
def test_public_total_is_set_in_the_sans(page, installation, path):
    page.goto(f"{installation.service}{path}")
    style = """element => {
      const { fontFamily, fontVariantNumeric } = getComputedStyle(element);
      return [fontFamily, fontVariantNumeric];
    }"""
    total, body = (page.locator(each).first.evaluate(style) for each in (".total b", "body"))
    assert total == [body[0], "lining-nums tabular-nums"]


@pytest.mark.parametrize("size", [NARROW, {"width": 1280, "height": 900}])
def test_whole_panel_of_the_list_leads_to_the_campaign(page, installation, size):
    page.set_viewport_size(size)
    page.goto(f"{installation.service}/?lang=en")
    panel = page.locator("li.panel").first
    panel.click(position={"x": 8, "y": 8})
    page.wait_for_url("**/c/vitaly?lang=en")
    page.go_back()
    page.get_by_role("link", name="Donate").first.click()
    page.wait_for_url("**/c/vitaly/give?lang=en")


@pytest.mark.parametrize(
    ("path", "title"),
    [("/c/nobody", "This fundraiser is not here"), ("/nothing", "This page is not here")],
)
def test_missing_page_says_that_it_is_missing(page, installation, path, title):
    page.goto(f"{installation.service}{path}?lang=en")
    expect(page.locator("h1")).to_have_text(title)


def test_printed_page_shows_its_address_and_no_button(page, installation):
    page.goto(f"{installation.service}/c/vitaly?lang=en")
    address = page.get_by_text(f"{installation.service}/c/vitaly", exact=True)
    expect(address).to_be_hidden()
    page.emulate_media(media="print")
    expect(address).to_be_visible()
    expect(page.locator("a.button")).to_be_hidden()


def test_bars_are_mirrored_from_right_to_left(page, installation):
    """No language of today is written from right to left. The pages are ready for one."""
    for path, bar, part in (("/c/vitaly", ".segments", "rect.gap"), ("/c/vitaly/give", ".need-bar", ".gift")):
        page.goto(f"{installation.service}{path}?lang=en")
        if path.endswith("give"):
            page.locator(".amount").nth(1).click()
        before = page.locator(bar).first.bounding_box(), page.locator(part).first.bounding_box()
        page.evaluate("document.documentElement.dir = 'rtl'")
        after = page.locator(bar).first.bounding_box(), page.locator(part).first.bounding_box()
        from_left = before[1]["x"] - before[0]["x"]
        from_right = after[0]["x"] + after[0]["width"] - after[1]["x"] - after[1]["width"]
        assert from_right == pytest.approx(from_left, abs=1)
