"""Test every state of a campaign in the card: texts, accessibility, number of requests."""

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.support.browser import NARROW, choose, open_card, pay_inline, type_amount
from tests.support.campaign_states import SPENDING, STATES, THEMES, cards
from tests.support.installation import PAYS, SETTLES_LATER


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def all_drawn(page, number):
    page.evaluate(
        """async () => {
          for (const card of document.querySelectorAll('donation-card')) {
            card.scrollIntoView()
            await new Promise(resume => requestAnimationFrame(() => setTimeout(resume)))
          }
        }"""
    )
    expect(page.locator("donation-card .card")).to_have_count(number)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_card_is_accessible_in_every_state(page, installation, site, lang, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(NARROW)
    page.goto(site.publish(cards(installation, STATES, lang)))
    all_drawn(page, len(STATES))
    assert_clean(page, "donation-card", only_wcag=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_spending_and_closing_report_are_accessible(page, installation, lang, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(NARROW)
    for campaign in SPENDING:
        page.goto(f"{installation.service}/c/{campaign}?lang={lang}")
        expect(page.locator("#spent-2")).to_be_visible()
        expect(page.locator(".report")).to_have_count(int(campaign == "closed"))
        assert_clean(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_giving_page_is_accessible_with_error_and_when_closed(page, installation, lang, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(NARROW)
    page.goto(f"{installation.service}/c/safe/give?lang={lang}")
    assert_clean(page)
    type_amount(page, "4,999,9")
    page.locator("#submit").click()
    expect(page.locator("#amount-error")).not_to_be_empty()
    assert_clean(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    page.goto(f"{installation.service}/c/paused/give?lang={lang}")
    assert_clean(page)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("started", "Just started"),
        ("started", "First: Rent of a flat"),
        ("begun", "Now: Restoring his driving licence€500 to go"),
        ("begun", "€200 of €700"),
        ("funded", "Gifts are still welcome"),
        ("full", "no further gifts are taken"),
        ("paused", "Giving is paused"),
        ("closed", "has ended"),
    ],
)
def test_every_state_has_a_text_and_a_link(page, installation, site, state, says):
    page.goto(site.publish(cards(installation, [state])))
    card = page.locator("donation-card")
    expect(card.locator(".card")).to_contain_text(says)
    takes = state in {"started", "begun", "funded"}
    assert card.locator(".donate").is_visible() == takes
    if not takes:
        expect(card.locator(".current_label")).to_be_empty()  # where nothing is taken, no need is the current one


def test_fifty_cards_share_one_request(page, installation, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/campaigns/" in request.url else None)
    page.goto(site.publish(cards(installation, ["begun", "paused"] * 25, attributes='layout="button"')))
    all_drawn(page, 50)
    assert sorted(url.split("?")[0].rpartition("/")[2] for url in asked) == ["begun", "paused"]


def test_card_polls_only_when_total_may_change(page, installation, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/campaigns/" in request.url else None)
    page.clock.install()
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    page.clock.run_for(50_000)
    assert len(asked) == 1
    page.clock.fast_forward("25:00:00")
    page.wait_for_timeout(1000)
    assert len(asked) == 2


def test_card_redraws_when_a_script_sets_attributes(page, installation, site):
    page.goto(site.publish(cards(installation, ["begun"])))
    card = page.locator("donation-card")
    expect(card.locator(".donate")).to_have_text("Donate")
    card.evaluate("card => card.setAttribute('lang', 'de')")
    expect(card.locator(".donate")).to_have_text("Spenden")
    card.evaluate("card => card.setAttribute('campaign', 'paused')")
    expect(card.locator(".notice")).to_be_visible()


def test_card_is_mirrored_for_right_to_left_languages(page, installation, site):
    answer = installation.client.get("/v1/campaigns/begun?lang=en").json() | {"dir": "rtl", "lang": "ar"}
    page.route(
        "**/v1/campaigns/**", lambda route: route.fulfill(json=answer, headers={"access-control-allow-origin": "*"})
    )
    page.set_viewport_size(NARROW)
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    boxes = [each.bounding_box() for each in page.locator("donation-card .bar > i").all()]
    assert [box["x"] for box in boxes] == sorted((box["x"] for box in boxes), reverse=True)
    title, amount = page.locator("donation-card li > b").first, page.locator("donation-card li > span").first
    assert title.bounding_box()["x"] > amount.bounding_box()["x"]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]


def test_printed_card_shows_address_instead_of_button(page, installation, site):
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    page.emulate_media(media="print")
    after = page.locator("donation-card .donate").evaluate("link => getComputedStyle(link, '::after').content")
    assert f"{installation.service}/c/begun/give" in after
    expect(page.locator("donation-card select")).to_be_hidden()


def test_progress_bar_is_visible_with_forced_colours(page, installation, site):
    page.emulate_media(forced_colors="active")
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    style = "element => getComputedStyle(element).backgroundColor"
    first = page.locator("donation-card .bar > i").first
    assert first.evaluate(style) != first.locator("b").evaluate(style)


CONTRASTS = """(card) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => c / 255)
      .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + .05) / (low + .05);
  };
  const style = (selector, pseudo) => getComputedStyle(card.querySelector(selector), pseudo);
  const paper = getComputedStyle(card).backgroundColor;
  const fill = style('.bar .funded b').backgroundColor;
  return {
    fill: ratio(fill, paper), track: ratio(fill, style('.bar i').backgroundColor),
    donate: ratio(style('.donate').backgroundColor, paper),
    test: ratio(style('.test_mode_text').borderBottomColor, paper),
    ...Object.fromEntries(['funded', 'next', 'to_come'].map(
      (status) => [status, ratio(style(`li.${status}`, '::before').borderTopColor, paper)])),
  };
}"""


@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize("theme", THEMES)
def test_edges_and_bar_have_a_contrast_of_three(page, installation, site, theme, forced):
    """Texts have 4.5 to 1, which axe measures."""
    page.emulate_media(color_scheme=theme, forced_colors=forced)
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    found = page.locator("donation-card .card").evaluate(CONTRASTS)
    assert {name: ratio for name, ratio in found.items() if ratio < 3} == {}


def test_bar_and_list_carry_the_same_marks(page, installation, site):
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    marks = """(elements, pseudo) => elements.map((element) => getComputedStyle(element, pseudo).content)"""
    wanted = ['"✓"', '"2"', '"3"', '"4"']
    assert page.locator("donation-card .bar > i").evaluate_all(marks, "::after") == wanted
    assert page.locator("donation-card li").evaluate_all(marks, "::before") == wanted
    expect(page.get_by_role("listitem")).to_have_count(4)
    expect(page.locator("donation-card li").first).to_contain_text("Rent of a flat €1,200funded")
    expect(page.locator("donation-card h3")).to_have_text("What the money pays for, in this order")


@pytest.mark.parametrize(("width", "layout"), [(320, "card"), (640, "card"), (320, "compact")])
def test_card_says_what_was_spent_below_the_need(page, installation, site, width, layout):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(site.publish(cards(installation, ["begun"], attributes=f'layout="{layout}"')))
    all_drawn(page, 1)
    line = page.locator("donation-card li p")
    expect(line.first).to_have_text("€800 spent: Rent for October; Rent for November · 2 receipts")
    assert [each.is_visible() for each in line.all()] == [layout == "card", False, False, False]
    if layout == "card":
        title, spent = (page.locator(f"donation-card li {name}").first.bounding_box() for name in ("b", "p"))
        assert spent["y"] >= title["y"] + title["height"]
        indent = line.first.evaluate("p => parseFloat(getComputedStyle(p).paddingLeft)")
        assert spent["x"] + indent == pytest.approx(title["x"], abs=1), "in the column of the titles"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_receipts_open_on_the_campaign_page(page, context, installation, site, lang):
    page.goto(site.publish(cards(installation, ["begun"], lang)))
    all_drawn(page, 1)
    link = page.locator("donation-card li p a")
    expect(link).to_have_text(translations_for(lang).translate("page.receipts", n=2))
    with context.expect_page() as opened:
        link.click()
    receipts = opened.value.locator("#spent ~ ul a")
    expect(receipts).to_have_count(2)
    assert opened.value.url == f"{installation.service}/c/begun?lang={lang}#spent"
    assert opened.value.evaluate("() => document.referrer") == ""
    receipts.first.click()
    image = opened.value.locator("img")
    assert image.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 400


def test_figures_are_lining_digits_of_the_sans(page, installation, site):
    page.goto(site.publish(cards(installation, ["begun"])))
    all_drawn(page, 1)
    style = "figure => [getComputedStyle(figure).fontFamily, getComputedStyle(figure).fontVariantNumeric]"
    family, digits = page.locator("donation-card .raised_text").evaluate(style)
    assert (family, digits) == ("system-ui, sans-serif", "lining-nums tabular-nums")


@pytest.mark.parametrize(("state", "shared"), [("safe", 1), ("begun", 0)])
def test_thanks_offer_sharing_only_without_bank_warning(page, context, installation, site, state, shared):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    frame = open_card(page, site.publish(cards(installation, [state])))
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    expect(frame.locator("#share")).to_have_count(shared)
    if shared:
        frame.locator("#share").click()
        expect(frame.locator("#share-result")).to_have_text("The link is copied.")
        assert page.evaluate("() => navigator.clipboard.readText()") == f"{installation.service}/c/safe"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_payment_and_thanks_pass_axe_in_every_language(page, installation, site, lang):
    page.set_viewport_size(NARROW)
    frame = open_card(page, site.publish(cards(installation, ["begun"], lang)))

    def clean():
        inside = next(each for each in page.frames if each.url.startswith(installation.service))
        for theme in THEMES:
            inside.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            assert_clean(inside, "main")
        assert inside.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    clean()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    clean()
    frame = open_card(page, page.url)
    choose(frame, "35")
    frame.locator("#submit").click()
    pay_inline(frame, SETTLES_LATER)
    expect(frame.locator("#thanks h1")).to_be_focused()
    clean()
