"""Test rows and bars on pages that work against them, and with lists of campaigns that are wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.e2e.browser.test_card_room import keep_in
from tests.e2e.browser.test_several_campaigns import SHOWN, TEN, article, card, donate
from tests.support.browser import giving_frame, press_escape_inside

STYLES = {
    "everything": "*, *::before, *::after { box-sizing: content-box !important; margin: 30px !important;"
    " padding: 9px !important; font-size: 3px !important; float: left !important; position: relative !important }",
    "nothing is shown": "div, section, ol, li, h2, p, a, b, i, span, small, button { display: none !important }",
    "inherited": "body { letter-spacing: 2em; word-spacing: 3em; line-height: 9; text-transform: uppercase;"
    " text-indent: 9em; white-space: nowrap; visibility: collapse; text-align: right; hyphens: none }",
    "zoom": "html { zoom: 2 }",
    "right to left": "html { direction: rtl }",
    "columns": "body { display: grid; grid-template-columns: 1fr 1fr; place-items: end } * { max-width: 300px }",
}
CUT_OFF = """card => {
  const {left, right} = card.getBoundingClientRect()
  return [...card.querySelectorAll('.ask *, .list *, button')].filter((part) => {
    const box = part.getBoundingClientRect()
    return box.width && (box.left < left - 1 || box.right > right + 1)
  }).map((part) => part.className)
}"""
"""Return the parts of a card that are not inside it."""

CARDS = {"rows": (("begun", "paused", "safe"), "auto"), "bar": (("begun",), "bar")}


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def news(installation, kind, *parts, style="", **options):
    states, layout = CARDS[kind]
    return article(
        installation, f"<style>{style}</style>", card(installation, *states, layout=layout), *parts, **options
    )


def assert_sound(page, kind):
    """Check that all is shown, nothing is cut off, a finger finds each Donate, and the giving page opens."""
    open_ones = {"rows": 2, "bar": 1}[kind]
    expect(page.locator("donation-card .donate:visible")).to_have_count(open_ones)
    assert page.locator("donation-card .card").evaluate(CUT_OFF) == []
    for each in page.locator("donation-card .donate:visible").all():
        assert each.bounding_box()["height"] >= 44
        style = each.evaluate("e => { const s = getComputedStyle(e); return [s.letterSpacing, s.textTransform] }")
        assert style == ["normal", "none"]
    page.locator("donation-card .donate:visible").last.click()
    expect(giving_frame(page).locator("#give-title")).to_be_visible()
    press_escape_inside(page)
    expect(page.locator("donation-card .donate:visible").last).to_be_focused()


@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize("style", STYLES)
def test_rows_and_bar_resist_the_styles_of_the_page(page, installation, site, kind, style):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site.publish(news(installation, kind, style=STYLES[style])))
    assert_sound(page, kind)
    assert errors == []


@pytest.mark.parametrize("kind", CARDS)
def test_rows_and_bar_work_under_a_strict_policy(page, installation, site, kind):
    origin = installation.service
    csp = "default-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    csp += f"script-src {origin}; connect-src {origin}; frame-src {origin}"
    violations = []
    page.on("console", lambda said: violations.append(said.text) if "donation-card" in said.text else None)
    page.goto(site.publish(news(installation, kind), content_security_policy=csp))
    assert_sound(page, kind)
    assert violations == []


@pytest.mark.parametrize("kind", CARDS)
def test_printed_rows_and_bar_show_their_addresses(page, installation, site, kind):
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(site.publish(news(installation, kind)))
    expect(page.locator("donation-card .donate:visible").first).to_be_visible()
    page.emulate_media(media="print")
    for each in page.locator("donation-card .donate:visible").all():
        assert each.evaluate("e => getComputedStyle(e, '::after').content").count("/give?lang=en") == 1
    assert page.locator("donation-card .card").evaluate(CUT_OFF) == []


@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize(("lang", "scheme"), [("be", "dark"), ("de", "light")])
def test_rows_and_bar_pass_axe(page, installation, site, kind, lang, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    states, layout = CARDS[kind]
    body = f"<main><h1>News</h1>{card(installation, *states, lang=lang, layout=layout)}</main>"
    page.goto(site.publish(article(installation, body, lang=lang)))
    expect(page.locator("donation-card .donate:visible").first).to_be_visible()
    assert_clean(page)
    ids = page.evaluate(
        "[...document.querySelector('donation-card').shadowRoot.querySelectorAll('[id]')].map(e => e.id)"
    )
    assert len(ids) == len(set(ids))


def test_screen_reader_hears_title_total_and_donate_of_each_row(page, installation, site):
    page.goto(site.publish(article(installation, card(installation, "begun", "paused", "funded"))))
    expect(page.locator("donation-card ol")).to_match_aria_snapshot("""
      - list:
        - listitem:
          - text: A safe new start for Vitaly €1,400 of €3,000
          - 'link "Donate: A safe new start for Vitaly"'
        - listitem:
          - text: A safe new start for Vitaly €1,400 of €3,000 Paused
        - listitem:
          - text: A safe new start for Vitaly €3,200 of €3,000
          - 'link "Donate: A safe new start for Vitaly"'
          - text: funded
    """)


LISTS = {
    "an unknown one": ("begun nobody safe", 2),
    "tabs and newlines": ("\n begun\t\t\n safe\t", 2),
    "commas": ("begun,safe, closed", 3),
    "one that is hidden": ("begun hidden safe", 2),
    "one twice among others": ("begun safe begun", 2),
    "the same twice": ("begun begun", 1),
    "a single one": ("\tbegun\n", 0),
}


@pytest.mark.parametrize("given", LISTS)
def test_every_list_shows_its_campaigns_and_no_link(page, installation, site, given):
    ids, rows = LISTS[given]
    states = [each for each in ids.replace(",", " ").split() if each in TEN]
    html = card(installation, *states).replace(f'campaign="{" ".join(states)}"', f'campaign="{ids}"')
    page.goto(site.publish(article(installation, html, "<p>After.</p>")))
    expect(page.locator("donation-card .donate:visible").first).to_be_visible()
    assert page.locator("donation-card li:has(> i)").count() == rows
    expect(page.locator("donation-card > a:visible")).to_have_count(0)
    expect(page.get_by_text("After.")).to_be_visible()


def test_late_answer_about_other_campaigns_is_ignored(page, installation, site):
    held = []
    page.route("**/v1/campaigns/begun%20safe?**", keep_in(held))
    with page.expect_request("**/v1/campaigns/**"):
        page.goto(site.publish(article(installation, card(installation, "begun", "safe"))))
    page.wait_for_function("() => document.querySelector('donation-card').shadowRoot")
    page.evaluate("document.querySelector('donation-card').setAttribute('campaign', 'closed begun funded')")
    expect(page.locator("donation-card li")).to_have_count(3)
    for route in held:
        route.continue_()
    page.wait_for_timeout(500)
    expect(page.locator("donation-card li")).to_have_count(3)
    assert page.locator("donation-card li .donate:visible").count() == 2


@pytest.mark.parametrize("when", ["on the way", "drawn", "open"])
def test_removed_and_added_again_rows_work(page, installation, site, when):
    held = []
    page.route("**/v1/campaigns/**", keep_in(held))
    with page.expect_request("**/v1/campaigns/**"):
        page.goto(site.publish(article(installation, card(installation, *SHOWN), "<main></main>")))
    page.wait_for_function("() => document.querySelector('donation-card').shadowRoot")
    move = "document.querySelector('main').append(document.querySelector('donation-card'))"
    if when == "on the way":
        page.evaluate(move)
    page.unroute_all()  # it continues what was held
    expect(page.locator("donation-card li")).to_have_count(len(SHOWN))
    if when == "open":
        donate(page, "safe").click()
        expect(giving_frame(page).locator("#give-title")).to_be_visible()
    if when != "on the way":
        page.evaluate(move)
    expect(page.locator("donation-card iframe")).to_have_count(0)
    donate(page, "funded").click()
    expect(giving_frame(page).locator("#give-title")).to_be_visible()
    press_escape_inside(page)
    expect(donate(page, "funded")).to_be_focused()
