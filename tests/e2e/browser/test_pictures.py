"""Test the picture of a campaign in a real browser: where it stands, when it loads, and what happens without it."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.e2e.browser.test_card_room import answer_live, card, news
from tests.support.browser import NARROW, SHIFTS
from tests.support.campaign_states import WITH_PICTURE

BOXES = """() => {
  const box = (name) => document.querySelector('donation-card').shadowRoot.querySelector(name).getBoundingClientRect()
  const [image, title, summary, content] = ['img', 'h2', '.summary', '.card'].map(box)
  return { image, title, summary, content }
}"""
LOADED = "() => document.querySelector('donation-card').shadowRoot?.querySelector('img')?.naturalWidth > 0"
SAVES_DATA = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"
PREFERS_LESS = (
    "(m => { window.matchMedia = q => q.includes('reduced-data') ? { matches: true } : m.call(window, q) })(matchMedia)"
)


@pytest.fixture(scope="module")
def installed(installed_with_states):
    return installed_with_states


def pictures_of(page):
    urls = []
    page.on("request", lambda request: "/pictures/" in request.url and urls.append(request.url))
    return urls


def article(installation, width=640, above="", attributes=""):
    body = card(installation, "en", WITH_PICTURE).replace("<donation-card", f"<donation-card {attributes}")
    return news(installation, f'<main style="width:{width}px;max-width:100%">{above}{body}</main>')


def is_loaded(page):
    page.wait_for_function(LOADED)


def test_card_with_a_picture_makes_three_requests(page, installation, site):
    urls = []
    page.on("request", lambda request: request.url.startswith(installation.service) and urls.append(request))
    page.goto(site.publish(article(installation)))
    is_loaded(page)
    paths = [request.url.removeprefix(installation.service).partition("?")[0] for request in urls]
    assert paths[:2] == ["/widget/v1/donation-card.js", f"/v1/campaigns/{WITH_PICTURE}"]
    assert len(paths) == 3
    assert paths[2].endswith("-640.webp")
    assert "referer" not in urls[2].all_headers()
    assert len(installation.client.get(paths[2]).content) <= 45_000


@pytest.mark.parametrize("width", [320, 390, 519, 520, 640, 760, 900])
def test_picture_stands_above_or_beside_the_title(page, installation, site, width):
    page.set_viewport_size({"width": max(width, 400), "height": 1400})
    page.route("**/v1/campaigns/**", answer_live)
    page.goto(site.publish(article(installation, width)))
    is_loaded(page)
    assert page.evaluate(SHIFTS) == 0
    boxes = page.evaluate(BOXES)
    image, title = boxes["image"], boxes["title"]
    assert image["width"] / image["height"] == pytest.approx(16 / 9, rel=0.01)
    if 520 <= width < 768:
        assert image["right"] < title["left"]
        assert image["width"] == pytest.approx(228, abs=2)
        assert boxes["summary"]["top"] >= image["bottom"]
    else:
        assert image["bottom"] <= title["top"]
    if width < 520:
        assert image["width"] == pytest.approx(boxes["content"]["width"] - 2, abs=1)
        assert image["top"] == pytest.approx(boxes["content"]["top"] + 1, abs=1)


def test_wide_card_has_two_columns_below_the_test_mode(page, installation, site):
    page.set_viewport_size({"width": 1000, "height": 1400})
    page.goto(site.publish(article(installation, 900)))
    is_loaded(page)
    widths = [page.locator(f"donation-card {part}").bounding_box()["width"] for part in (".ask", ".list", ".top")]
    assert min(widths) > 350


def test_picture_has_its_texts_and_its_manners(page, installation, site):
    page.goto(site.publish(article(installation)))
    is_loaded(page)
    image = page.get_by_role("img", name="A quiet, bright room (en)")
    expect(image).to_have_count(1)
    for name, value in {"loading": "lazy", "decoding": "async", "title": "Photo: Ada"}.items():
        expect(image).to_have_attribute(name, value)
    expect(image).to_have_attribute("referrerpolicy", "no-referrer")
    page.locator("donation-card select").select_option("de")
    expect(page.get_by_role("img", name="A quiet, bright room (de)")).to_have_count(1)


@pytest.mark.parametrize("script", [SAVES_DATA, PREFERS_LESS], ids=["saveData", "prefers-reduced-data"])
def test_readers_who_save_data_load_no_picture(page, installation, site, script):
    urls = pictures_of(page)
    page.add_init_script(script)
    page.goto(site.publish(article(installation)))
    expect(page.locator("donation-card .donate")).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator("donation-card img")).to_be_hidden()
    assert urls == []


@pytest.mark.parametrize("layout", ["compact", "button"])
def test_small_layouts_load_no_picture(page, installation, site, layout):
    urls = pictures_of(page)
    page.goto(site.publish(article(installation, attributes=f'layout="{layout}"')))
    expect(page.locator("donation-card .donate")).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator("donation-card img")).to_be_hidden()
    assert urls == []


def test_picture_far_below_the_window_is_not_loaded(page, installation, site):
    urls = pictures_of(page)
    page.goto(site.publish(article(installation, above='<p style="height:5000px">Before.</p>')))
    page.wait_for_timeout(500)
    assert urls == []
    page.locator("donation-card").scroll_into_view_if_needed()
    is_loaded(page)
    assert len(urls) == 1


def test_page_that_forbids_images_gets_the_text_of_the_picture(page, installation, site):
    policy = '<meta http-equiv="Content-Security-Policy" content="img-src \'self\'">'
    page.goto(site.publish(article(installation).replace("<title>", f"{policy}<title>")))
    expect(page.locator("donation-card .donate")).to_be_visible()
    expect(page.locator("donation-card img")).to_be_visible()  # its text stands in its place, so that nothing moves
    expect(page.locator("donation-card h2")).to_be_visible()
    assert page.evaluate(SHIFTS) == 0


def test_failed_picture_leaves_the_card_complete(page, installation, site):
    page.route("**/pictures/**", lambda route: route.abort())
    page.goto(site.publish(article(installation)))
    expect(page.locator("donation-card .donate")).to_be_visible()
    expect(page.locator("donation-card img")).to_be_visible()  # its text stands in its place, so that nothing moves
    expect(page.locator("donation-card h2")).to_be_visible()
    assert page.evaluate(SHIFTS) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [f"/c/{WITH_PICTURE}", f"/c/{WITH_PICTURE}/frame"])
def test_pages_with_a_picture_pass_axe(page, installation, scheme, path):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(NARROW)
    page.goto(f"{installation.service}{path}?lang=be")
    expect(page.get_by_role("img", name="A quiet, bright room (be)")).to_be_visible()
    assert_clean(page, only_wcag=path.endswith("/frame"))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


def test_printed_card_keeps_its_picture(page, installation, site):
    page.goto(site.publish(article(installation)))
    is_loaded(page)
    page.emulate_media(media="print")
    expect(page.locator("donation-card img")).to_be_visible()


def test_frame_shows_the_picture(page, installation, site):
    page.goto(f"{installation.service}/c/{WITH_PICTURE}/frame")
    is_loaded(page)


def test_campaign_page_moves_nothing_while_its_picture_loads(browser, installation):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    try:
        held = []
        page.route("**/pictures/**", lambda route: held.append(route))
        page.goto(f"{installation.service}/c/{WITH_PICTURE}?lang=en", wait_until="commit")
        expect(page.locator("h1")).to_be_visible()
        before = page.locator("h1").bounding_box()
        image = page.locator(".picture img").bounding_box()
        assert image["width"] / image["height"] == pytest.approx(16 / 9, rel=0.01)
        for route in held:
            route.continue_()
        page.wait_for_load_state("load")
        assert page.locator("h1").bounding_box() == before
    finally:
        page.unroute_all(behavior="ignoreErrors")
        context.close()
