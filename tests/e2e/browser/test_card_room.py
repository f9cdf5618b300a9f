"""Test the room that the embed code reserves: the article does not move, and the card leaves no hole."""

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.snippet import placeholder_style
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import expect

from tests.e2e.browser.test_embedding import answer_live
from tests.support.browser import SHIFTS
from tests.support.campaign_states import STATES, WITH_PICTURE, campaign_in

COLUMNS = range(280, 761, 40)
TEXT_SIZES = (14, 18, 24, 36)
OLD_STYLE = "display:grid;grid:auto/minmax(0,38em);align-content:start;min-height:max(45em,106em - 150vw)"

MEASURE = """() => Object.fromEntries([...document.querySelectorAll('donation-card')].map((host) => {
  const card = host.shadowRoot?.querySelector('.card');
  const drawn = card?.getBoundingClientRect().height ?? 0;
  if (card) card.style.minHeight = 0;
  const natural = card?.getBoundingClientRect().height ?? 0;
  return [host.parentElement.clientWidth, [host.getBoundingClientRect().height, drawn, natural]];
}))"""
"""Return the heights of each card by the width of its column: reserved, drawn, and what its content alone needs."""


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def card(installation, lang, state="begun", style=None):
    reserved = campaign_in(state if state == WITH_PICTURE else "begun")
    style = placeholder_style(reserved, translations_for(lang), "card") if style is None else style
    link = f'<a href="{installation.service}/c/{state}">Give to BYSOL</a>'
    return f'<donation-card campaign="{state}" lang="{lang}" style="{style}">{link}</donation-card>'


def news(installation, body, text=18):
    script = f'<script async src="{installation.service}/widget/v1/donation-card.js"></script>'
    style = f"<style>body {{ margin: 0; font: {text}px/1.6 serif }}</style>"
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title>{style}{script}{body}</html>'


def keep_in(held):
    return lambda route: held.append(route)


@pytest.mark.parametrize(
    ("state", "lang"),
    [*(("begun", lang) for lang in LANGUAGES), *((WITH_PICTURE, lang) for lang in ("en", "be", "de"))],
)
def test_reserved_height_is_the_drawn_one_in_every_column(page, installation, site, state, lang):
    """The content alone needs less: how much less depends on the font and on where lines break."""
    columns = "".join(
        f'<div style="position:absolute;top:0;width:{width}px">{card(installation, lang, state)}</div>'
        for width in COLUMNS
    )
    spare = []
    for text in TEXT_SIZES:
        held = []
        page.unroute_all()
        page.route("**/v1/campaigns/**", keep_in(held))
        with page.expect_request("**/v1/campaigns/**"):
            page.goto(site.publish(news(installation, columns, text)))
        reserved = {width: heights[0] for width, heights in page.evaluate(MEASURE).items()}
        page.wait_for_function("() => document.querySelector('donation-card').shadowRoot")
        page.wait_for_timeout(100)  # the handler is told after the test
        assert held
        for route in held:
            answer_live(route)
        expect(page.locator("donation-card .card")).to_have_count(len(COLUMNS))
        for width, (host, drawn, natural) in page.evaluate(MEASURE).items():
            assert host == pytest.approx(reserved[width], abs=1), (text, width)
            assert drawn == pytest.approx(reserved[width], abs=1), (text, width)
            assert natural <= reserved[width], (text, width)
            spare.append(reserved[width] / natural - 1)
    assert sum(spare) / len(spare) <= 0.12
    assert max(spare) <= 0.22


@pytest.mark.parametrize(("state", "lang"), [*(("begun", lang) for lang in LANGUAGES), (WITH_PICTURE, "be")])
def test_drawn_card_shifts_nothing_in_live_mode(page, installation, site, state, lang):
    page.route("**/v1/campaigns/**", answer_live)
    for width, text in ((280, 36), (390, 14), (560, 18), (640, 36), (760, 24)):
        page.set_viewport_size({"width": max(width, 400), "height": 1600})
        column = f'<div style="width:{width}px"><p>Before.</p>{card(installation, lang, state)}<p>After.</p></div>'
        page.goto(site.publish(news(installation, column, text)))
        expect(page.locator("donation-card .donate")).to_be_visible()
        assert page.evaluate(SHIFTS) == 0, (width, text)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("size", [{"width": 390, "height": 844}, {"width": 1280, "height": 900}])
def test_other_states_and_the_test_mode_shift_little(page, installation, site, state, size):
    page.set_viewport_size(size)
    column = f'<main style="max-width:640px"><p>Before.</p>{card(installation, "en", state)}<p>After.</p></main>'
    page.goto(site.publish(news(installation, column)))
    expect(page.locator("donation-card .card")).to_be_visible()
    assert page.evaluate(SHIFTS) <= 0.05


@pytest.mark.parametrize("style", [None, OLD_STYLE])
def test_room_below_the_window_is_released_once_drawn(page, installation, site, style):
    """Articles with the first code reserve with `min-height`."""
    above = '<p style="height:1000px">Before.</p>'
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(site.publish(news(installation, f"{above}{card(installation, 'en', style=style)}<p>After.</p>")))
    expect(page.locator("donation-card .card")).to_have_count(1)
    host, drawn, natural = page.evaluate(MEASURE)["390"]
    assert host == drawn == natural
    assert page.evaluate(SHIFTS) == 0


def test_room_is_released_when_the_link_stays(page, installation, site):
    page.route("**/v1/campaigns/**", lambda route: route.abort())
    above = '<p style="height:1000px">Before.</p>'
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(site.publish(news(installation, f"{above}{card(installation, 'en')}")))
    page.wait_for_function("() => document.querySelector('donation-card').getBoundingClientRect().height < 60")


def test_room_in_the_window_stays_until_it_is_wider(page, installation, site):
    page.set_viewport_size({"width": 390, "height": 1600})
    page.goto(site.publish(news(installation, card(installation, "en", "hidden"))))
    expect(page.locator("donation-card .notice")).to_be_visible()
    height = "() => document.querySelector('donation-card').getBoundingClientRect().height"
    assert page.evaluate(height) > 800
    assert page.locator("donation-card .card").evaluate("card => card.clientHeight") < 300, "no hole in the card"
    page.set_viewport_size({"width": 800, "height": 390})
    assert page.evaluate(height) < 300


def test_donate_stands_near_the_top_in_every_language(page, installation, site):
    page.route("**/v1/campaigns/**", answer_live)
    top = """card => card.shadowRoot.querySelector('.donate').getBoundingClientRect().top
      - card.getBoundingClientRect().top"""
    for lang in LANGUAGES:
        for width, most in ((390, 500 if lang == "en" else 560), (640, 340 if lang == "en" else 390)):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(site.publish(news(installation, card(installation, lang))))
            expect(page.locator("donation-card .donate")).to_be_visible()
            assert page.locator("donation-card").evaluate(top) <= most, (lang, width)


def test_summary_has_a_readable_measure(page, installation, site):
    page.set_viewport_size({"width": 640, "height": 900})
    page.goto(site.publish(news(installation, card(installation, "en"))))
    summary = page.locator("donation-card .summary")
    expect(summary).to_be_visible()
    lines = summary.evaluate("p => p.clientHeight / parseFloat(getComputedStyle(p).lineHeight)")
    assert 55 <= len(summary.inner_text()) / (lines - 0.5) <= 75
