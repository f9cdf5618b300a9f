"""Test the example pages of widget/examples."""

from pathlib import Path

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.web.presentation.card_height import reserved_height
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import expect

from tests.support.browser import giving_frame

FOLDER = Path("widget/examples")


@pytest.fixture
def example(page, installation, site):
    def opened(name):
        html = (FOLDER / name).read_text("utf-8").replace("https://HOST", installation.service)
        page.goto(site.publish(html))
        expect(page.locator("donation-card .donate").first).to_be_visible()
        return page

    return opened


def test_card_dispatches_events_and_open_is_cancelable(example):
    page = example("events.html")
    expect(page.locator("#seen li")).to_have_text(["donation-card-ready"])
    page.locator("#keep").check()
    page.locator("donation-card .donate").click()
    expect(page.locator("#seen li").last).to_have_text("donation-card-open")
    expect(page.locator("donation-card dialog[open]")).to_have_count(0)
    page.locator("#keep").uncheck()
    page.locator("donation-card .donate").click()
    expect(giving_frame(page).locator("#give-title")).to_be_visible()


def test_every_layout_has_documented_height(example):
    page = example("layouts.html")
    text = (FOLDER / "layouts.html").read_text("utf-8").replace(", ", ",")
    campaign, t = read_campaign(Path("campaigns/vitaly.toml")), translations_for("en")
    for layout in ("card", "compact", "button", "bar"):
        assert f"padding-bottom: {reserved_height(campaign, t, layout)}" in text, layout
        card = page.locator(f"donation-card[layout={layout}]")
        card.scroll_into_view_if_needed()
        expect(card.locator(".donate")).to_be_visible()
        assert card.locator("p.summary").is_visible() == (layout == "card")
        assert card.locator(".bar").is_visible() == (layout in ("card", "compact"))


def test_custom_properties_style_the_card(example):
    page = example("theme.html")
    style = "(element, name) => getComputedStyle(element)[name]"
    parts = {
        ".donate": {"backgroundColor": "rgb(153, 15, 61)", "borderRadius": "0px", "textTransform": "uppercase"},
        ".card": {"backgroundColor": "rgb(255, 247, 239)", "borderTopWidth": "6px"},
        "h2": {"textTransform": "uppercase"},
        ".bar": {"height": "18px"},
    }
    for part, wanted in parts.items():
        element = page.locator(f"donation-card {part}")
        assert {name: element.evaluate(style, name) for name in wanted} == wanted, part
