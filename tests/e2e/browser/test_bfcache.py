"""Test the back/forward cache: the restored card works."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import article, choose, giving_frame, pay_inline
from tests.support.installation import PAYS

REMEMBER = "<script>addEventListener('pageshow', (event) => { window.restored = event.persisted })</script>"


@pytest.fixture
def page(browser_type, browser_type_launch_args) -> Iterator[Page]:
    """Playwright's browsers have no such cache unless it is given back to them."""
    browser = browser_type.launch(**browser_type_launch_args, ignore_default_args=["--disable-back-forward-cache"])
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    browser.close()


@pytest.mark.parametrize("opened", [False, True])
def test_card_restored_from_bfcache_still_works(page, installation, site, opened):
    page.goto(site.publish(article(installation, head=REMEMBER)))
    donate = page.locator("donation-card .donate")
    expect(donate).to_be_visible()
    if opened:
        donate.click()
        expect(giving_frame(page).locator("#give-title")).to_be_focused()
    page.goto(site.publish("<!doctype html><title>Elsewhere</title>"))
    page.go_back(wait_until="commit")
    page.wait_for_function("window.restored !== undefined")
    why = page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)")
    assert page.evaluate("window.restored"), why
    if opened:  # the same page in the same place; Playwright has lost sight of a frame that came back
        expect(page.locator("donation-card dialog[open] iframe")).to_be_visible()
        page.locator("donation-card dialog button").click()
        expect(donate).to_be_focused()
    donate.click()
    frame = giving_frame(page)
    expect(frame.locator("#give-title")).to_be_visible()
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_visible()
