"""Test the card of several campaigns and the layout `bar`, on a publisher's page in Chromium."""

from __future__ import annotations

import re

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.snippet import Appearance, script_snippet
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import expect

from tests.e2e.browser.test_card_room import MEASURE, keep_in
from tests.e2e.browser.test_embedding import answer_live
from tests.support.browser import SHIFTS, giving_frame, press_escape_inside
from tests.support.campaign_states import campaign_in

COLUMNS = range(280, 961, 40)
WIDTHS = (280, 320, 390, 600)
SHOWN = ("begun", "started", "funded", "safe", "closed", "paused", "full")
TEN = ("begun", "started", "funded", "safe", "closed", "paused", "full", "pictured", "vitaly", "hidden")


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def snippet(installation, *states, lang="en", layout="auto"):
    first, *others = (campaign_in(state) for state in states)
    return script_snippet(installation.service, first, translations_for(lang), Appearance(layout=layout), others=others)


def card(installation, *states, **options):
    return snippet(installation, *states, **options).partition("\n")[2]


def article(installation, *parts, lang="en", text=18):
    script = f'<script async src="{installation.service}/widget/v1/donation-card.js"></script>'
    style = f"<style>body {{ margin: 0; font: {text}px/1.6 serif }}</style>"
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>News</title>{style}{script}{"".join(parts)}'
    )


def donate(page, state):
    return page.locator(f'donation-card li .donate[href*="/c/{state}/"]')


def test_rows_open_the_giving_page_of_their_campaign(page, installation, site):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(site.publish(article(installation, card(installation, "begun", "paused", "safe"))))
    expect(page.locator("donation-card li")).to_have_count(3)
    assert len([url for url in requests if "/v1/campaigns" in url]) == 1
    expect(page.locator("donation-card li .donate:visible")).to_have_count(2)
    expect(page.get_by_role("link", name="Give to")).to_have_count(0)
    name = page.locator("donation-card li b").first.inner_text()
    for state in ("safe", "begun"):
        donate(page, state).hover()
        assert not [url for url in requests if url.endswith("#light") or f"/c/{state}/give" in url], "no preload"
        expect(donate(page, state)).to_have_accessible_name(f"Donate: {name}")
        donate(page, state).focus()
        page.keyboard.press("Enter")
        expect(giving_frame(page).locator("#give-title")).to_be_focused()
        assert (
            page.locator("donation-card iframe")
            .get_attribute("src")
            .startswith(f"{installation.service}/c/{state}/give?lang=en#")
        )
        press_escape_inside(page)
        expect(donate(page, state)).to_be_focused()


def test_tab_order_follows_the_rows(page, installation, site):
    page.goto(site.publish(article(installation, card(installation, "safe", "begun", "funded"))))
    expect(page.locator("donation-card li")).to_have_count(3)
    active = "document.querySelector('donation-card').shadowRoot.activeElement"
    seen = []
    for _ in range(4):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(f"{active}?.getAttribute('href') ?? {active}?.localName"))
    assert seen[0] == "select"
    assert [re.search(r"/c/(\w+)/", url)[1] for url in seen[1:]] == ["safe", "begun", "funded"]


def test_links_of_several_campaigns_work_without_the_card(page, installation, site):
    page.route("**/v1/campaigns/**", lambda route: route.abort())
    html = article(installation, card(installation, "begun", "safe"), "<p>After.</p>")
    page.goto(site.publish(html))
    page.wait_for_timeout(1500)
    for state in ("begun", "safe"):
        link = page.get_by_role("link", name=f": {state}")
        expect(link).to_be_visible()
        assert link.get_attribute("href") == f"{installation.settings.public_url}/c/{state}" or state in (
            link.get_attribute("href") or ""
        )


def test_links_after_an_unclosed_card_of_several_stay(page, installation, site):
    unclosed = card(installation, "begun", "safe").removesuffix("</donation-card>")
    later = f'<a href="{installation.service}/c/funded">Another campaign</a><p>Article.</p>'
    page.goto(site.publish(article(installation, unclosed, later)))
    expect(page.locator("donation-card li")).to_have_count(2)
    expect(page.get_by_role("link", name="Another campaign")).to_be_visible()
    expect(page.get_by_role("link", name=": safe")).to_be_hidden()
    expect(page.get_by_text("Article.")).to_be_visible()


def test_one_campaign_follows_several_and_returns(page, installation, site):
    page.goto(site.publish(article(installation, card(installation, "begun", "safe"))))
    expect(page.locator("donation-card li .donate:visible")).to_have_count(2)
    change = "ids => document.querySelector('donation-card').setAttribute('campaign', ids)"
    page.evaluate(change, "begun")
    expect(page.locator("donation-card .ask .donate")).to_be_visible()
    expect(page.locator("donation-card li .donate")).to_have_count(0)
    page.evaluate(change, "safe begun funded")
    expect(page.locator("donation-card li .donate:visible")).to_have_count(3)
    expect(page.locator("donation-card .ask .donate")).to_be_hidden()


def test_only_hidden_campaigns_show_the_neutral_line(page, installation, site):
    page.goto(site.publish(article(installation, card(installation, "hidden", "hidden"), "<p>After.</p>")))
    page.evaluate("document.querySelector('donation-card').setAttribute('campaign', 'hidden nobody')")
    expect(page.locator("donation-card .notice")).to_be_visible()
    expect(page.locator("donation-card .donate:visible")).to_have_count(0)


def test_too_many_campaigns_leave_the_links(page, installation, site):
    html = article(installation, card(installation, *TEN, "begun2"[:5], "safe")).replace(
        'campaign="', 'debug campaign="one two three '
    )
    page.goto(site.publish(html))
    expect(page.get_by_role("link", name=": funded")).to_be_visible()
    expect(page.locator("donation-card .card")).to_have_count(0)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("states", "layout"), [(("paused", "full"), "auto"), (SHOWN, "auto"), (("begun",), "bar"), (("full",), "bar")]
)
def test_rows_and_bars_need_no_more_than_is_reserved(page, installation, site, lang, states, layout):
    columns = "".join(
        f'<div style="position:absolute;top:0;width:{width}px">'
        f"{card(installation, *states, lang=lang, layout=layout)}</div>"
        for width in COLUMNS
    )
    for text in (16, 24):
        held = []
        page.unroute_all()
        page.route("**/v1/campaigns/**", keep_in(held))
        with page.expect_request("**/v1/campaigns/**"):
            page.goto(site.publish(article(installation, columns, text=text)))
        reserved = {width: heights[0] for width, heights in page.evaluate(MEASURE).items()}
        page.wait_for_function("() => document.querySelector('donation-card').shadowRoot")
        page.wait_for_timeout(100)  # the handler is told after the test
        for route in held:
            answer_live(route)
        expect(page.locator("donation-card .card")).to_have_count(len(COLUMNS))
        for width, (host, _drawn, natural) in page.evaluate(MEASURE).items():
            assert host == pytest.approx(reserved[width], abs=1), (text, width)
            assert natural <= reserved[width] + 1, (text, width)
            assert reserved[width] <= natural * 1.25 + 40, (text, width)


TOPS = "() => [...document.querySelectorAll('.after')].map((after) => after.getBoundingClientRect().top)"


@pytest.mark.parametrize("state", SHOWN)
@pytest.mark.parametrize("lang", ["be", "de", "en"])
@pytest.mark.parametrize("layout", ["auto", "bar"])
def test_no_state_of_a_row_or_bar_moves_the_article(page, installation, site, layout, lang, state):
    states = (state, "pictured") if layout == "auto" else (state,)
    drawn = card(installation, *states, lang=lang, layout=layout)
    columns = "".join(
        f'<div style="flex:none;width:{width}px"><p>Before.</p>{drawn}<p class="after">After.</p></div>'
        for width in WIDTHS
    )
    page.set_viewport_size({"width": sum(WIDTHS), "height": 1600})
    held = []
    page.route("**/v1/campaigns/**", keep_in(held))
    with page.expect_request("**/v1/campaigns/**"):
        page.goto(site.publish(article(installation, f'<div style="display:flex;align-items:start">{columns}</div>')))
    page.wait_for_function("() => document.querySelector('donation-card').shadowRoot")
    page.wait_for_timeout(100)  # the handler is told after the test
    before = page.evaluate(TOPS)
    for route in held:
        answer_live(route)
    expect(page.locator("donation-card .card")).to_have_count(len(WIDTHS))
    assert page.evaluate(TOPS) == before
    assert page.evaluate(SHIFTS) == 0


@pytest.mark.parametrize("lang", ["be", "de", "en"])
def test_rows_are_equally_high_in_every_state(page, installation, site, lang):
    page.goto(site.publish(article(installation, card(installation, *SHOWN, lang=lang))))
    expect(page.locator("donation-card li")).to_have_count(len(SHOWN))
    heights = "rows => rows.map((row) => row.getBoundingClientRect().height)"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        found = page.locator("donation-card li").evaluate_all(heights)
        assert max(found) - min(found) < 0.5, (width, found)


def test_bar_is_closed_for_this_view_and_says_so(page, installation, site):
    url = site.publish(
        article(installation, "<p>Before.</p>", card(installation, "begun", layout="bar"), "<p id=after>After.</p>")
    )
    listen = """() => { window.seen = []; window.keep = true;
      addEventListener('donation-card-dismiss', (event) => { seen.push(1); keep && event.preventDefault(); }) }"""
    for _ in range(2):
        page.goto(url)
        page.evaluate(listen)
        close = page.locator("donation-card").get_by_role("button", name="Close")
        box = close.bounding_box()
        assert min(box["width"], box["height"]) >= 43.9
        page.keyboard.press("Tab")
        expect(page.locator("donation-card .donate")).to_be_focused()
        page.keyboard.press("Tab")
        expect(close).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("donation-card")).to_be_visible()
        page.evaluate("window.keep = false")
        before = page.locator("#after").bounding_box()["y"]
        close.click()
        expect(page.locator("donation-card")).to_be_hidden()
        assert page.locator("#after").bounding_box()["y"] < before - 40
        assert page.evaluate("[...document.querySelectorAll('donation-card')][0].getAttributeNames()") == [
            "campaign",
            "lang",
            "layout",
            "style",
        ]
        page.evaluate("document.querySelector('donation-card').setAttribute('lang', 'de')")
        page.wait_for_timeout(300)
        expect(page.locator("donation-card")).to_be_hidden()
        assert len(page.evaluate("seen")) == 2
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_bar_opens_the_giving_page_in_place(page, installation, site):
    page.goto(site.publish(article(installation, card(installation, "begun", layout="bar"))))
    page.locator("donation-card .donate").click()
    expect(giving_frame(page).locator("#give-title")).to_be_focused()
    press_escape_inside(page)
    expect(page.locator("donation-card .donate")).to_be_focused()
