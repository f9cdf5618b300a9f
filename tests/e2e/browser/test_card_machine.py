"""Test what the card shows when a page changes it, moves it, or is not as the card expects."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_embedding import SHIFTS
from tests.support.browser import NARROW, choose, giving_frame, press_escape_inside

ALLOWED = {"access-control-allow-origin": "*"}
CARD = "document.querySelector('donation-card')"
BLANK = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title><style>body{margin:0}</style><h1>News</h1>'
)
LINK = "Give to BYSOL"


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def script(installation):
    return f'<script async src="{installation.service}/widget/v1/donation-card.js"></script>'


def card(installation, campaign="begun", attributes=""):
    return (
        f'<donation-card campaign="{campaign}" {attributes}>'
        f'<a href="{installation.service}/c/{campaign}">{LINK}</a></donation-card>'
    )


def page_with(installation, site, *parts, **headers):
    return site.publish(BLANK + script(installation) + "".join(parts), **headers)


def donate(page):
    return page.locator("donation-card .donate")


def link(page):
    return page.get_by_role("link", name=LINK)


def opened(page, url):
    page.goto(url)
    donate(page).click()
    expect(giving_frame(page).locator("#give-title")).to_be_focused()
    return giving_frame(page)


def change(page, **attributes):
    page.evaluate(
        f"attributes => Object.entries(attributes).forEach(([n, v]) => {CARD}.setAttribute(n, v))", attributes
    )


class Held:
    """Hold the first answer whose URL matches, until `release`."""

    def __init__(self, page, pattern):
        self.routes, self.pattern = [], re.compile(pattern)
        page.route("**/v1/campaigns/**", self)

    def __call__(self, route):
        if self.routes is not None and self.pattern.search(route.request.url):
            self.routes.append(route)
        else:
            route.continue_()

    def release(self):
        held, self.routes = self.routes, None
        assert held
        for route in held:
            route.continue_()


# --- Attributes that change at any moment ----------------------------------------------------------------------------


@pytest.mark.parametrize("around", [False, True])
def test_language_changed_before_the_answer_wins(page, installation, site, around):
    held = Held(page, "lang=en")
    page.goto(page_with(installation, site, card(installation, attributes="" if around else 'lang="en"')))
    page.wait_for_timeout(500)
    page.evaluate("document.documentElement.lang = 'de'" if around else f"{CARD}.lang = 'de'")
    held.release()
    expect(donate(page)).to_have_text("Spenden")


def test_language_of_the_page_is_followed(page, installation, site):
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_have_text("Donate")
    page.evaluate("document.documentElement.lang = 'de'")
    expect(donate(page)).to_have_text("Spenden")


def test_late_answer_of_another_campaign_is_not_drawn(page, installation, site):
    held = Held(page, "/begun")
    page.goto(page_with(installation, site, card(installation)))
    page.wait_for_timeout(500)
    change(page, campaign="paused")
    expect(page.locator("donation-card .notice")).to_be_visible()
    held.release()
    page.wait_for_timeout(500)
    expect(donate(page)).to_be_hidden()


def test_campaign_that_cannot_be_had_shows_link(page, installation, site):
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, campaign="nobody")
    expect(link(page)).to_be_visible()
    expect(donate(page)).to_have_count(0)
    change(page, campaign="begun")
    expect(donate(page)).to_be_visible()
    expect(link(page)).to_be_hidden()


def test_link_is_shown_while_another_campaign_loads(page, installation, site):
    held = Held(page, "/safe")
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, campaign="safe", lang="de")
    expect(donate(page)).to_have_count(0)
    expect(link(page)).to_be_visible()
    held.release()
    expect(donate(page)).to_have_attribute("href", f"{installation.service}/c/safe/give?lang=de")


def test_service_that_cannot_be_had_shows_link(page, installation, site):
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, **{"api-origin": "https://127.0.0.1:9"})
    expect(link(page)).to_be_visible()
    expect(donate(page)).to_have_count(0)


def test_language_that_cannot_be_had_shows_link(page, installation, site):
    page.route("**/v1/campaigns/*?lang=de", lambda route: route.abort())
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, lang="de")
    expect(link(page)).to_be_visible()
    change(page, lang="en")
    expect(donate(page)).to_have_text("Donate")


def test_language_of_the_reader_that_fails_changes_nothing(page, installation, site):
    page.route("**/v1/campaigns/*?lang=de", lambda route: route.abort())
    page.goto(page_with(installation, site, card(installation)))
    page.locator("donation-card select").select_option("pl")
    expect(donate(page)).to_have_text("Wspieram")
    page.locator("donation-card select").select_option("lt")
    expect(donate(page)).to_have_text("Aukoti")
    change(page, lang="be")
    expect(donate(page)).to_have_text("Ахвяраваць")
    page.locator("donation-card select").select_option("de")
    page.wait_for_function(f"{CARD}.shadowRoot.querySelector('select').value === 'be'")
    expect(donate(page)).to_have_text("Ахвяраваць")


def test_removed_attributes_fall_back_to_link_and_page(page, installation, site):
    page.goto(page_with(installation, site, card(installation, attributes='lang="de"')))
    expect(donate(page)).to_have_text("Spenden")
    page.evaluate(f"{CARD}.removeAttribute('lang'); {CARD}.removeAttribute('campaign')")
    expect(donate(page)).to_have_text("Donate")
    expect(donate(page)).to_have_attribute("href", re.compile("/c/begun/give"))


def test_payment_survives_another_language_not_another_campaign(page, installation, site):
    frame = opened(page, page_with(installation, site, card(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    number = frame.frame_locator("#payment iframe").locator("[name=number]")
    expect(number).to_be_visible()
    number.fill("4242")
    change(page, lang="de")
    expect(page.locator("donation-card #dialog_title")).to_have_text("Spende an BYSOL")
    expect(number).to_have_value("4242")
    change(page, campaign="paused")
    expect(page.locator("donation-card iframe")).to_have_count(0)
    expect(page.locator("donation-card .notice")).to_be_visible()


def test_donate_leads_to_the_service_that_is_named_last(page, installation, site):
    other = installation.service.replace("localhost", "127.0.0.1")
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, **{"api-origin": other})
    expect(donate(page)).to_have_attribute("href", f"{other}/c/begun/give?lang=en")


def test_changes_of_one_task_are_one_request(page, installation, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/campaigns/" in request.url else None)
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    change(page, campaign="safe", lang="de")
    expect(donate(page)).to_have_text("Spenden")
    assert [url.partition("/v1/campaigns/")[2] for url in asked] == ["begun?lang=en", "safe?lang=de"]


def test_bar_has_the_segments_of_the_new_campaign(page, installation, site):
    answer = installation.client.get("/v1/campaigns/safe?lang=en").json()
    answer["needs"] = answer["needs"][:1]
    page.route("**/v1/campaigns/safe?**", lambda route: route.fulfill(json=answer, headers=ALLOWED))
    page.goto(page_with(installation, site, card(installation)))
    expect(page.locator("donation-card .bar > i")).to_have_count(4)
    change(page, campaign="safe")
    expect(page.locator("donation-card .bar > i")).to_have_count(1)


def test_card_in_frame_grows_when_the_attribute_comes(page, installation, site):
    source = f'<script src="{installation.service}/widget/v1/donation-card.js"></script>'
    inner = site.publish(BLANK + source + card(installation, attributes="auto-height"))
    page.goto(site.publish(f'{BLANK}<iframe src="{inner}" width="600" height="900"></iframe>'))
    inside = page.frame_locator("iframe")
    expect(donate(inside)).to_have_text("Donate")
    framed = page.frames[1]
    framed.evaluate(f"{CARD}.removeAttribute('auto-height')")
    expect(donate(inside)).to_have_text("Open the giving page in a new tab")
    framed.evaluate(f"{CARD}.setAttribute('auto-height', '')")
    expect(donate(inside)).to_have_text("Donate")


def test_attribute_set_to_its_value_changes_nothing(page, installation, site):
    frame = opened(page, page_with(installation, site, card(installation, attributes='lang="en"')))
    frame.locator("#custom-amount").fill("37")
    page.evaluate(f"""() => {{
      for (const {{name, value}} of [...{CARD}.attributes]) {CARD}.setAttribute(name, value);
      {CARD}.lang = 'en-GB';
    }}""")
    page.wait_for_timeout(300)
    expect(frame.locator("#custom-amount")).to_have_value("37")


# --- The focus and the place of the card -----------------------------------------------------------------------------

COMMENTS = '<textarea id="comment"></textarea><div style="height:3000px"></div>'


def test_reader_who_types_elsewhere_keeps_focus_and_scroll(page, installation, site):
    page.route("**/c/begun/give**", lambda route: None)  # the frame never loads
    page.clock.install()
    page.goto(page_with(installation, site, card(installation), COMMENTS))
    donate(page).click()
    page.locator("#comment").focus()
    page.keyboard.type("I read on")
    before = page.evaluate("[scrollY, document.activeElement.id]")
    page.clock.run_for(9_000)
    expect(donate(page)).to_have_text("Open the giving page in a new tab")
    assert page.evaluate("[scrollY, document.activeElement.id]") == before
    page.keyboard.type(" in peace")
    expect(page.locator("#comment")).to_have_value("I read on in peace")


def test_giving_page_takes_no_focus_from_the_article(page, installation, site):
    frame = opened(page, page_with(installation, site, card(installation), COMMENTS))
    held = []
    page.route("**/v1/checkout-sessions", lambda route: held.append(route))
    choose(frame, "25")
    frame.locator("#submit").click()
    page.locator("#comment").focus()
    page.wait_for_timeout(300)
    held[0].continue_()
    expect(frame.locator("#pay")).to_be_visible()
    expect(page.locator("#comment")).to_be_focused()


def test_closed_frame_gives_focus_back_without_scrolling(page, installation, site):
    tall = '<p style="height:200px">Above</p>'
    opened(page, page_with(installation, site, tall, card(installation), COMMENTS))
    page.evaluate("scrollTo(0, 150)")
    press_escape_inside(page)
    expect(donate(page)).to_be_focused()
    assert page.evaluate("scrollY") == 150


@pytest.mark.parametrize("way", ["append", "moveBefore"])
def test_card_is_moved_while_a_donor_pays(page, installation, site, way):
    frame = opened(page, page_with(installation, site, card(installation), '<main id="t"></main>', COMMENTS))
    frame.locator("#custom-amount").fill("37")
    page.locator("#comment").focus()
    page.evaluate(f"t.{way}({CARD}{', null' if way == 'moveBefore' else ''})")
    page.wait_for_timeout(500)
    expect(page.locator("#comment")).to_be_focused()
    if way == "moveBefore":
        expect(frame.locator("#custom-amount")).to_have_value("37")
    else:
        expect(page.locator("donation-card iframe")).to_have_count(0)
        expect(donate(page)).to_be_visible()


def test_card_in_a_document_that_adopts_it_opens_a_tab(page, context, installation, site):
    inner = site.publish('<!doctype html><html lang="en"><title>Inner</title>')
    page.goto(page_with(installation, site, card(installation, attributes="auto-height")))
    expect(donate(page)).to_be_visible()
    page.evaluate(
        f"""async (src) => {{
          const frame = Object.assign(document.createElement('iframe'), {{src, width: 700, height: 1200}});
          document.body.append(frame);
          await new Promise((resolve) => (frame.onload = resolve));
          frame.contentDocument.body.append({CARD});
        }}""",
        inner,
    )
    adopted = donate(page.frame_locator("body > iframe"))
    assert adopted.evaluate("link => getComputedStyle(link).textAlign") == "center", "it keeps its styles"
    with context.expect_page() as tab:
        adopted.click()
    expect(tab.value.locator("#give-title")).to_be_visible()


def test_cards_from_templates_clones_and_shadow_roots_work(page, installation, site):
    template = f'<template id="t">{card(installation)}</template>'
    page.goto(page_with(installation, site, template, card(installation)))
    expect(donate(page)).to_have_count(1)
    page.evaluate(f"""() => {{
      document.body.append(t.content.cloneNode(true), {CARD}.cloneNode(true));
      const host = document.body.appendChild(document.createElement('div'));
      host.attachShadow({{mode: 'open'}}).innerHTML = {CARD}.outerHTML;
    }}""")
    for each in page.locator("donation-card").all():
        each.scroll_into_view_if_needed()
        expect(each.locator(".donate")).to_have_attribute("href", re.compile("/c/begun/give"))
    expect(donate(page)).to_have_count(4)


@pytest.mark.parametrize("size", [NARROW, {"width": 900, "height": 700}])
def test_escape_leaves_the_dialog_of_the_page_open(page, installation, site, size):
    page.set_viewport_size(size)
    show = "<script>d.showModal(); addEventListener('keydown', e => e.key === 'Escape' && d.close())</script>"
    page.goto(page_with(installation, site, f'<dialog id="d" style="width:90%">{card(installation)}</dialog>{show}'))
    donate(page).click()
    expect(giving_frame(page).locator("#give-title")).to_be_focused()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")
    expect(page.locator("donation-card iframe")).to_have_count(0)
    expect(page.locator("#d")).to_be_visible()
    expect(donate(page)).to_be_focused()


def test_opened_card_stands_below_a_sticky_header(page, installation, site):
    page.set_viewport_size({"width": 900, "height": 700})
    header = '<header style="position:sticky;top:0;height:110px;background:#ccc;z-index:2">News</header>'
    page.goto(page_with(installation, site, header, '<p style="height:900px">Above</p>', card(installation), COMMENTS))
    for above in (60, -300):
        page.evaluate(f"above => {CARD}.scrollIntoView() ?? scrollBy(0, -above)", above)
        donate(page).evaluate("link => link.click()")
        expect(giving_frame(page).locator("#give-title")).to_be_focused()
        top = page.locator("donation-card").evaluate("card => card.getBoundingClientRect().top")
        assert 110 <= top <= 170
        page.get_by_role("button", name="Close").click()
        expect(page.locator("donation-card iframe")).to_have_count(0)


@pytest.mark.parametrize(("lang", "name"), [("en", "Close"), ("de", "Schließen"), ("be", "Закрыць")])
def test_close_button_has_its_name_in_the_readers_language(page, installation, site, lang, name):
    page.goto(page_with(installation, site, card(installation, attributes=f'lang="{lang}"')))
    donate(page).click()
    expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


DARK = [
    "rgb(20, 20, 20)",
    "oklch(0.2 0.03 250)",
    "rgba(20, 20, 20, .9)",
    "color-mix(in oklab, black 85%, white)",
    "#111",
]


@pytest.mark.parametrize(
    ("paper", "theme"),
    [*((paper, "dark") for paper in DARK), ("oklch(0.95 0.03 90)", "light"), ("transparent", "light"), ("", "light")],
)
def test_theme_of_giving_page_follows_the_paper(page, installation, site, paper, theme):
    style = f'style="--donation-card-paper:{paper}"' if paper else ""
    page.goto(page_with(installation, site, card(installation, attributes=style)))
    donate(page).hover()
    expect(page.locator("donation-card iframe")).to_have_attribute("src", re.compile(f"#{theme}$"))


def test_transparent_paper_on_a_dark_page_is_dark(page, installation, site):
    scheme = "<style>:root{color-scheme:dark} donation-card{--donation-card-paper:transparent}</style>"
    page.goto(page_with(installation, site, scheme, card(installation)))
    donate(page).hover()
    expect(page.locator("donation-card iframe")).to_have_attribute("src", re.compile("#dark$"))


# --- The publisher's nodes -------------------------------------------------------------------------------------------


def test_nothing_is_written_into_the_publishers_nodes(page, installation, site):
    watch = """<script>
      window.written = []
      const tell = ({type, target, attributeName}) => `${type} ${target.nodeName} ${attributeName}`
      addEventListener('DOMContentLoaded', () => new MutationObserver((records) => written.push(...records.map(tell)))
        .observe(document, {subtree: true, childList: true, attributes: true, characterData: true}))
    </script>"""
    opened(page, page_with(installation, site, watch, card(installation)))
    press_escape_inside(page)
    expect(donate(page)).to_be_focused()
    change(page, lang="de")
    expect(donate(page)).to_have_text("Spenden")
    assert page.evaluate("written") == ["attributes DONATION-CARD lang"]


def test_content_replaced_by_a_framework_stays_a_card(page, installation, site):
    page.goto(page_with(installation, site, card(installation)))
    expect(donate(page)).to_be_visible()
    page.evaluate(f"{CARD}.innerHTML = `<a href='${{{CARD}.firstChild.href}}'>{LINK}</a><p>It goes on</p>`")
    expect(page.get_by_text("It goes on")).to_be_visible()
    expect(link(page)).to_be_hidden()
    expect(donate(page)).to_be_visible()


# --- Links that become cards -----------------------------------------------------------------------------------------


def hosted(installation, site):
    """Publish a copy of the card on the publisher's site, as HTML: a classic script accepts any type."""
    return site.publish(installation.client.get("/widget/v1/donation-card.js").text)


@pytest.mark.parametrize("copy", [False, True])
def test_card_link_that_comes_later_becomes_a_card(page, installation, site, copy):
    source = hosted(installation, site) if copy else f"{installation.service}/widget/v1/donation-card.js"
    page.goto(site.publish(f'{BLANK}<script src="{source}"></script><main id="t"></main>'))
    page.evaluate(
        "href => { t.innerHTML = `<p><a href='${href}'>Give to BYSOL</a></p><p>Or <a href='${href}'>here</a></p>` }",
        f"{installation.service}/c/begun#card",
    )
    expect(donate(page)).to_have_attribute("href", re.compile(f"^{installation.service}/c/begun/give"))
    page.evaluate("document.body.replaceWith(document.body.cloneNode(true))")
    expect(donate(page)).to_have_count(1)
    page.evaluate("document.querySelector('p > a').parentNode.replaceChildren(document.querySelector('p > a'))")
    expect(page.locator("donation-card")).to_have_count(2)


@pytest.mark.parametrize("size", [NARROW, {"width": 1280, "height": 900}])
def test_reserved_paragraph_of_a_card_link_does_not_move_the_article(page, installation, site, size):
    page.set_viewport_size(size)
    docs = Path("docs/embed.md").read_text("utf-8")
    reserved = re.search(r"```css\n(p:has.*?)```", docs, re.S)[1]
    style = f"<style>main{{font:18px/1.6 serif;max-width:640px;margin:auto}} {reserved}</style>"
    words = f"<p>{'A sentence of the article. ' * 30}</p>"
    card_link = f'<p><a href="{installation.service}/c/begun#card">{LINK}</a></p>'
    page.goto(page_with(installation, site, style, "<main>", words, card_link, words * 4, "</main>"))
    expect(donate(page)).to_be_visible()
    assert page.evaluate(SHIFTS) <= 0.05


def test_card_link_in_an_editor_or_of_a_reader_stays_a_link(page, installation, site):
    href = f"{installation.service}/c/begun#card"
    parts = [
        f'<div contenteditable><p><a href="{href}">{LINK}</a></p></div>',
        f'<p><a rel="nofollow ugc" href="{href}">{LINK}</a></p>',
        f'<p><a href="https://other.example/c/begun#card">{LINK}</a></p>',
        f'<p><a href="{installation.service}/c/begun/give#card">{LINK}</a></p>',
    ]
    page.goto(page_with(installation, site, *parts))
    page.wait_for_function("!!customElements.get('donation-card')")
    page.wait_for_timeout(300)
    expect(page.locator("donation-card")).to_have_count(0)


# --- The origin of the service ---------------------------------------------------------------------------------------

BARE = '<donation-card campaign="begun" debug></donation-card>'


def test_imported_module_without_link_finds_its_service(page, installation, site):
    load = f"<script>import('{installation.service}/widget/v1/donation-card.js')</script>"
    page.goto(site.publish(f"{BLANK}{load}{BARE}"))
    expect(donate(page)).to_have_attribute("href", re.compile(f"^{installation.service}/"))


@pytest.mark.parametrize("inline", [False, True])
def test_copy_without_link_names_what_is_missing(page, installation, site, inline):
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    text = installation.client.get("/widget/v1/donation-card.js").text
    load = f"<script>{text}</script>" if inline else f'<script src="{hosted(installation, site)}"></script>'
    url = site.publish(BLANK + load + BARE) + "?https://127.0.0.1:9/widget/v1/donation-card.js"
    page.goto(url)
    page.wait_for_timeout(500)
    assert [line for line in said if line.startswith("donation-card: add the link") and "api-origin" in line]
    assert not [address for address in asked if "/v1/campaigns" in address]


def test_image_named_like_the_script_does_not_choose_the_service(page, installation, site):
    fake = '<img name="currentScript" src="https://127.0.0.1:9/widget/v1/donation-card.js">'
    page.goto(page_with(installation, site, fake, BARE))
    expect(donate(page)).to_have_attribute("href", re.compile(f"^{installation.service}/"))


# --- Sandboxes -------------------------------------------------------------------------------------------------------


def sandboxed(page, installation, site, sandbox, attributes=""):
    inner = page_with(installation, site, card(installation, attributes=attributes))
    page.goto(site.publish(f'{BLANK}<iframe src="{inner}" sandbox="{sandbox}" width="700" height="1200"></iframe>'))
    return page.frame_locator("iframe")


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin"])
@pytest.mark.parametrize("popups", ["", " allow-popups", " allow-popups allow-popups-to-escape-sandbox"])
def test_donate_in_a_sandbox_opens_giving_page_or_shows_address(page, context, installation, site, sandbox, popups):
    inside = sandboxed(page, installation, site, sandbox + popups)
    expect(donate(inside)).to_have_text("Open the giving page in a new tab")
    if "escape" in popups:
        with context.expect_page() as tab:
            donate(inside).click()
        expect(tab.value.locator("#give-title")).to_be_visible()
    else:
        donate(inside).click()
        expect(donate(inside)).to_have_text(f"{installation.service}/c/begun/give?lang=en")
        assert [each for each in context.pages if not each.is_closed()] == [page]


@pytest.mark.parametrize("escape", ["", " allow-popups-to-escape-sandbox"])
def test_donate_in_a_sandboxed_frame_of_the_service(page, context, installation, site, escape):
    source = f"{installation.service}/c/begun/frame?lang=en"
    sandbox = f"allow-scripts allow-same-origin allow-popups{escape}"
    page.goto(site.publish(f'{BLANK}<iframe src="{source}" sandbox="{sandbox}" width="700" height="1200"></iframe>'))
    inside = page.frame_locator("iframe")
    if escape:
        with context.expect_page() as tab:
            donate(inside).click()
        expect(tab.value.locator("#give-title")).to_be_visible()
    else:
        donate(inside).click()
        expect(donate(inside)).to_have_text(f"{installation.service}/c/begun/give?lang=en")


def test_continue_in_a_sandbox_without_forms_says_so(page, installation, site):
    inside = sandboxed(page, installation, site, "allow-scripts allow-same-origin allow-popups", "auto-height")
    donate(inside).click()
    frame = inside.frame_locator("donation-card iframe")
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#error")).to_contain_text(
        f"Copy this address into a new tab: {installation.service}/c/begun/give"
    )


@pytest.mark.parametrize("sandbox", ["allow-scripts allow-forms", "allow-scripts allow-same-origin", "allow-scripts"])
def test_giving_page_in_a_sandbox_of_its_own_says_so(page, installation, site, sandbox):
    address = f"{installation.service}/c/begun/give?lang=en"
    page.goto(site.publish(f'{BLANK}<iframe src="{address}" sandbox="{sandbox}" width="700" height="900"></iframe>'))
    frame = page.frame_locator("iframe")
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#error")).to_contain_text(f"Copy this address into a new tab: {address}")


def test_policy_sandbox_around_the_article_opens_no_frame(page, installation, site):
    page.goto(page_with(installation, site, card(installation), content_security_policy="sandbox allow-scripts"))
    donate(page).click()
    expect(donate(page)).to_have_text(f"{installation.service}/c/begun/give?lang=en")


# --- The frame -------------------------------------------------------------------------------------------------------


def test_frame_sends_no_height_before_the_card_is_drawn(page, installation, site):
    listen = "<script>window.told = []; addEventListener('message', ({data}) => told.push(data.height))</script>"
    held = Held(page, "/begun")
    source = f"{installation.service}/c/begun/frame?lang=en"
    page.goto(site.publish(f'{BLANK}{listen}<iframe src="{source}" width="600" height="800"></iframe>'))
    page.wait_for_timeout(1000)
    assert page.evaluate("told") == []
    held.release()
    page.wait_for_function("told.length")
    assert min(page.evaluate("told")) > 300
