"""Test the pages of the list in Chromium: without a mouse, without JavaScript, and with axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.support.browser import NARROW, WIDE, with_publisher_site
from tests.support.shipped import VITALY_TEXT


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    for number in range(50):
        (folder / f"c{number:02}.toml").write_text(VITALY_TEXT, "utf-8")
    with with_publisher_site(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE])
@pytest.mark.parametrize("lang", ["be", "de"])
def test_page_of_the_list_passes_axe(page, installation, scheme, size, lang):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    page.goto(f"{installation.service}/?lang={lang}&page=2")
    assert_clean(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"], "nothing is cut off"
    for rel in ("prev", "next"):
        assert page.locator(f".pages a[rel={rel}]").bounding_box()["height"] >= 44, "a finger finds the link"


def test_keyboard_leads_to_the_last_page_and_back(browser, installation):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{installation.service}/?lang=en")
        for rel, number in (("next", 2), ("next", 3), ("prev", 2)):
            page.locator(f".pages a[rel={rel}]").focus()
            page.keyboard.press("Enter")
            expect(page.locator("#position")).to_have_text(f"Page {number} of 3")
        page.locator(".pages a[rel=prev]").focus()
        page.keyboard.press("Tab")
        expect(page.locator(".pages a[rel=next]")).to_be_focused()
    finally:
        context.close()
