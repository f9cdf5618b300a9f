"""Test what axe cannot see: focus order, announcements, and 200 % zoom."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import NARROW, WIDE, article, choose, giving_frame, open_card, pay_inline, type_amount
from tests.support.installation import PAYS

# The innermost focused element of this document: where it is, and whether a reader sees it.
FOCUSED = """() => {
  let element = document.activeElement;
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  const shown = element.type === 'radio' ? element.closest('label') : element;
  const {left, top, right, bottom} = shown.getBoundingClientRect();
  const [x, y] = [[left, right, innerWidth], [top, bottom, innerHeight]].map(
    ([from, to, end]) => (Math.max(from, 0) + Math.min(to, end)) / 2);
  let hit = document.elementFromPoint(x, y), deeper;
  while ((deeper = hit?.shadowRoot?.elementFromPoint(x, y)) && deeper !== hit) hit = deeper;
  return {
    what: element.id || element.className || element.localName,
    tabIndex: element.tabIndex,
    y: top + scrollY,
    seen: right > 0 && bottom > 0 && left < innerWidth && top < innerHeight
      && !!hit && (shown.contains(hit) || hit.contains(shown)),
  };
}"""


def walk(page, target, until, most=20):
    """Press Tab until `until` has the focus; where the focus was in `target`, in order."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = target.evaluate(FOCUSED)
        if stop["what"] == until:
            return stops
        stops.append(stop)
    raise AssertionError(f"{until} was not reached: {[stop['what'] for stop in stops]}")


def assert_orderly(stops):
    """Seen, in the order in which they stand, and none lifted out of it."""
    assert all(stop["seen"] for stop in stops), [stop["what"] for stop in stops if not stop["seen"]]
    assert all(stop["tabIndex"] <= 0 for stop in stops)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_card_focus_order_and_visibility(page, installation, site, size):
    page.set_viewport_size(size)
    html = article(installation).replace("<h1>", '<a id="before" href="#x">Before</a><h1>')
    page.goto(site.publish(html.replace("</html>", '<p><a id="behind" href="#x">Behind</a></p></html>')))
    expect(page.locator("donation-card .donate")).to_be_visible()
    page.locator("#before").focus()
    stops = walk(page, page, "behind")
    assert [stop["what"] for stop in stops] == ["select", "donate", "story"]
    assert_orderly(stops)
    if size is NARROW:
        assert [stop["y"] for stop in stops] == sorted(stop["y"] for stop in stops)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_giving_page_focus_order_and_visibility(page, installation, site, size):
    page.set_viewport_size(size)
    frame = open_card(page, site.publish(article(installation)))
    inside = next(each for each in page.frames if each.url.startswith(installation.service))
    expect(frame.locator("#give-title")).to_be_focused()
    stops = walk(page, inside, "submit")
    open_field = [] if size is NARROW else ["custom-amount"]
    assert [stop["what"] for stop in stops] == ["input", *open_field]  # the radio buttons are one stop
    assert_orderly(stops)
    assert [stop["y"] for stop in stops] == sorted(stop["y"] for stop in stops)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_focused_element_in_frame_is_scrolled_into_view(page, installation, site, size):
    """The frame is as tall as its page: it is the article that must scroll, and the browser does it."""
    page.set_viewport_size(size)
    frame = open_card(page, site.publish(article(installation)))
    expect(frame.locator("#give-title")).to_be_focused()
    inside = next(each for each in page.frames if each.url.startswith(installation.service))
    for _ in range(4):
        page.keyboard.press("Tab")
        here = inside.evaluate(FOCUSED)
        around = page.locator("donation-card iframe").bounding_box()
        middle = around["y"] + inside.evaluate(
            "() => { const {top, height} = document.activeElement.getBoundingClientRect(); return top + height / 2 }"
        )
        assert 0 <= middle <= size["height"], here["what"]


MARK = "element => { element.marked = true }"
MARKED = "element => element.marked === true"


def test_live_regions_exist_before_they_announce(page, installation, site):
    html = installation.client.get("/c/vitaly/give").text
    for name in ("error", "amount-error"):
        assert f'<p id="{name}" class="error" role="alert" tabindex="-1"></p>' in html
    frame = open_card(page, site.publish(article(installation)))
    regions = {name: frame.locator(name) for name in ("#error", "#amount-error", "#effect", "#pay [role=status]")}
    for region in regions.values():
        region.evaluate(MARK)
    before = regions["#effect"].text_content()
    choose(frame, "50")
    expect(regions["#effect"]).not_to_have_text("")
    type_amount(frame, "5000")
    expect(regions["#effect"]).not_to_have_text(before)
    frame.locator("#custom-amount").press("Enter")  # a click can miss while the frame grows
    expect(regions["#amount-error"]).to_contain_text("€1,000")
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#pay h1")).to_be_focused()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    assert all(region.evaluate(MARKED) for region in regions.values())


def test_donation_at_200_percent_zoom(browser, installation, site):
    """A window of 1280 by 900, zoomed to 200 %, is to a page one of 640 by 450 with two dots a pixel."""
    context = browser.new_context(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page = context.new_page()
    page.set_default_timeout(60_000)

    def whole(target):
        return target.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    frame = open_card(page, site.publish(article(installation, "de")))
    inside = next(each for each in page.frames if each.url.startswith(installation.service))
    assert whole(page)
    assert whole(inside)
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(giving_frame(page).locator("#pay h1")).to_be_focused()
    assert whole(inside)
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    assert whole(page)
    assert whole(inside)
    context.close()
