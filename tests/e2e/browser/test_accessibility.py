"""Test card, frame and pages with axe, in light and dark, on narrow and wide screens."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import NARROW, WIDE, article, choose, close_thanks, open_card, pay_inline
from tests.support.installation import PAYS

axe = Axe()
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def assert_clean(target, context=None, *, only_wcag=False):
    options = {"runOnly": WCAG if only_wcag else [*WCAG, "best-practice"]}
    found = axe.run(target, context=context, options=options).response["violations"]
    told = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]
    assert told == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_card_and_giving_page_pass_axe(page, installation, site, scheme, size):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    html = article(installation, "be").replace("<style>", "<style>:root{color-scheme:light dark}")
    frame = open_card(page, site.publish(html.replace("<h1>", "<main><h1>").replace("</html>", "</main></html>")))
    expect(frame.locator("#give-title")).to_be_focused()
    choose(frame, "25")
    inside = next(each for each in page.frames if each.url.startswith(installation.service))
    assert_clean(inside, "main")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    assert_clean(inside, "main")
    close_thanks(frame)
    expect(page.locator("donation-card .donate")).to_be_focused()
    assert_clean(page, "donation-card")


@pytest.mark.parametrize("lang", ["en", "be", "de"])
def test_thanks_page_passes_axe(page, installation, lang):
    started = installation.submit(token=installation.token(), amount="25", lang=lang)
    page.set_viewport_size(NARROW)
    page.goto(installation.pay(started.headers["location"]).headers["location"])
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_clean(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "be", "de"])
@pytest.mark.parametrize(
    "path", ["/", "/c/vitaly", "/c/vitaly/give", "/c/vitaly/frame", "/c/vitaly/embed", "/c/nobody"]
)
def test_pages_pass_axe(page, installation, scheme, lang, path):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(NARROW)
    page.goto(f"{installation.service}{path}?lang={lang}")
    assert_clean(page, only_wcag=path.endswith("/frame"))  # the article around it has the headings
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


@pytest.mark.parametrize("body", ["18px serif", "1rem serif", "medium serif"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_text_of_the_card_follows_the_size_of_the_reader(page, context, installation, site, size, body):
    """The reader sets the default size of text in the browser. The card follows it, whatever the article does."""
    page.set_viewport_size(NARROW)
    sizes = {"standard": size, "fixed": size}
    context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": sizes})
    page.goto(site.publish(article(installation, head=f"<style>body {{ font: {body} !important }}</style>")))
    card = page.locator("donation-card .card")
    expect(card).to_be_visible()
    assert card.evaluate("card => parseFloat(getComputedStyle(card).fontSize)") == size
    assert (
        page.locator("donation-card li").first.evaluate("li => parseFloat(getComputedStyle(li).fontSize)") >= size * 0.9
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("percent", ["62.5%", "125%", "20px", "39px"])
def test_text_of_the_card_is_readable_for_any_root_size(page, installation, site, percent):
    """Themes set the size of the root: to count in tenths of it, for larger text, or as a share of the window."""
    page.goto(site.publish(article(installation, head=f"<style>html {{ font-size: {percent} }}</style>")))
    card = page.locator("donation-card .card")
    expect(card).to_be_visible()
    assert 16 <= card.evaluate("card => parseFloat(getComputedStyle(card).fontSize)") <= 24
