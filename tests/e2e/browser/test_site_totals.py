"""Test that a publisher opens a closed total with the keyboard alone, and that each page of it passes axe."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.support.browser import BROKEN_AMOUNTS, NARROW, WIDE
from tests.support.installation import running
from tests.support.site_totals import CLOSED, OPEN, TOKEN, campaign_with_site_totals


@pytest.fixture(scope="module")
def sites(redis_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    (folder / "vitaly.toml").write_text(campaign_with_site_totals(), "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as found:
        found.until_ready()
        yield found


@pytest.mark.parametrize(("size", "scheme", "lang"), [(NARROW, "light", "be"), (WIDE, "dark", "de")])
def test_closed_total_opens_with_the_keyboard_and_passes_axe(page, sites, size, scheme, lang):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    page.goto(f"{sites.service}/c/vitaly/sites/{CLOSED}?lang={lang}")
    assert_clean(page)
    for token, field in (("wrong", "[aria-invalid]"), (TOKEN, "main:not(:has(form))")):
        page.locator("#token").focus()
        page.keyboard.type(token)
        page.keyboard.press("Enter")
        expect(page.locator(field)).to_be_visible()
        assert page.evaluate("() => document.documentElement.lang") == lang
        assert_clean(page)
    assert CLOSED in page.locator("h1").inner_text()
    assert TOKEN not in page.url
    page.goto(f"{sites.service}/c/vitaly/sites/{OPEN}?lang={lang}")
    assert_clean(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(BROKEN_AMOUNTS) == []
