"""Test that no amount breaks inside, on any surface and in narrow windows."""

import re

import pytest
from donation_card.domain.campaign import LANGUAGES
from playwright.sync_api import expect

from tests.e2e.browser.test_several_campaigns import SHOWN, article, card
from tests.support.browser import BROKEN_AMOUNTS
from tests.support.campaign_states import cards

WIDTHS = (240, 280, 320, 360, 390, 600)
PAGES = ("/", "/c/begun", "/c/funded", "/c/closed", "/c/safe", "/c/begun/give", "/c/begun/frame")


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


@pytest.fixture(autouse=True)
def tall(page):
    """Show all cards of a page, because a card loads when it is near the window."""
    page.set_viewport_size({"width": 600, "height": 9000})


def assert_whole(page):
    amounts = page.locator("donation-card, body").evaluate_all(
        "hosts => hosts.map((host) => (host.shadowRoot ?? host).textContent).join()"
    )
    assert re.search(r"€\s?\d|\d\s?€", amounts), "amounts are shown"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(BROKEN_AMOUNTS) == [], width


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_amount_of_a_row_or_bar_breaks(page, installation, site, lang):
    bars = "".join(card(installation, state, lang=lang, layout="bar") for state in SHOWN)
    page.goto(site.publish(article(installation, card(installation, *SHOWN, lang=lang), bars)))
    expect(page.locator("donation-card .card")).to_have_count(1 + len(SHOWN))
    assert_whole(page)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("layout", ["card", "compact"])
def test_no_amount_of_a_card_breaks(page, installation, site, lang, layout):
    page.goto(site.publish(cards(installation, SHOWN, lang, f'lang="{lang}" layout="{layout}"')))
    expect(page.locator("donation-card .card")).to_have_count(len(SHOWN))
    assert_whole(page)


@pytest.mark.parametrize("lang", ["be", "de", "en"])
def test_no_amount_of_a_page_breaks(page, installation, lang):
    for path in PAGES:
        page.goto(f"{installation.service}{path}?lang={lang}")
        if path.endswith("/frame"):
            expect(page.locator("donation-card .card")).to_be_visible()
        assert_whole(page)


@pytest.mark.parametrize("lang", ["be", "de"])
def test_no_large_amount_of_a_row_breaks(page, installation, site, lang):
    """Donate goes below an amount that leaves no room beside it."""

    def enlarge(route):
        response = route.fetch()
        text = re.sub(r"(\d)[.\u00a0](\d{3}\u00a0€)", "\\1\u00a0234\u00a0567\u00a0\\2", response.text())
        route.fulfill(response=response, body=text)

    page.route("**/v1/campaigns/**", enlarge)
    page.goto(site.publish(article(installation, card(installation, *SHOWN, lang=lang))))
    expect(page.locator("donation-card li")).to_have_count(len(SHOWN))
    assert_whole(page)
