"""Test donations in the article, in a new tab and without JavaScript."""

import contextlib
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import (
    NARROW,
    WIDE,
    article,
    choose,
    close_thanks,
    giving_frame,
    open_card,
    pay_inline,
    pay_on,
    press_later,
    type_amount,
)
from tests.support.installation import ASKS_3DS, DECLINED, PAYS, eventually


@pytest.mark.parametrize(("size", "lang", "thanks"), [(NARROW, "be", "Дзякуй"), (WIDE, "en", "Thank you")])
def test_inline_donation_shows_thanks_and_moves_total(page, installation, site, size, lang, thanks):
    before = installation.progress()["raised"]
    page.set_viewport_size(size)
    frame = open_card(page, site.publish(article(installation, lang)))
    type_amount(frame, "25")
    expect(frame.locator("#submit")).to_contain_text("25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_contain_text(thanks)
    expect(frame.locator("#thanks")).to_contain_text("25")
    close_thanks(frame)
    expect(page.locator("donation-card .donate")).to_be_focused()
    eventually(lambda: installation.progress()["raised"] == before + 2500, "the total has moved")
    figure = re.compile(rf"{(before + 2500) // 100}\D|{(before + 2500) // 100:,}")
    expect(page.locator("donation-card .total")).to_contain_text(figure)
    assert installation.paid() == (installation.totals().raised, installation.totals().payments)


def test_donation_in_new_tab_ends_open_inline_payment(page, context, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    paid = installation.paid()
    with context.expect_page() as opened:
        frame.locator("#new-tab button").click()
    hosted = opened.value
    pay_on(hosted, PAYS)
    expect(hosted.locator("h1")).to_have_text("Thank you")
    assert hosted.url.startswith(installation.service)
    expect(
        frame.locator("#payment")
    ).to_be_hidden()  # its session expired; its frame stays, because the article counts frames
    assert installation.paid() == (paid[0] + 2500, paid[1] + 1)


def test_declined_card_can_be_followed_by_another(page, installation, site):
    paid = installation.paid()
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "10")
    frame.locator("#submit").click()
    pay_inline(frame, DECLINED)
    expect(frame.frame_locator("#payment iframe").locator("[role=alert]")).to_be_visible()
    assert installation.paid() == paid
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_have_text("Thank you")
    assert installation.paid() == (paid[0] + 1000, paid[1] + 1)


def test_3d_secure_card_pays_after_approval(page, installation, site):
    paid = installation.paid()
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "10")
    frame.locator("#submit").click()
    pay_inline(frame, ASKS_3DS)
    press_later(frame.frame_locator("#payment iframe").get_by_role("button", name=re.compile("approve|confirm", re.I)))
    expect(frame.locator("#thanks h1")).to_have_text("Thank you")
    assert installation.paid()[1] == paid[1] + 1


def test_double_click_creates_one_session(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "35")
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    frame.locator("#submit").dblclick()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    orders = [request for request in sent if request.url.endswith("/v1/checkout-sessions")]
    assert len({request.response().json()["client_secret"] for request in orders}) == 1


WATCH = """
(() => {
  const real = window.Stripe;
  window.creates = { running: 0, most: 0, options: [] };
  window.Stripe = (key) => ({
    createEmbeddedCheckoutPage: async (options) => {
      creates.options.push(Object.keys(options).sort());
      creates.most = Math.max(creates.most, ++creates.running);
      const page = await real(key).createEmbeddedCheckoutPage(options).finally(() => creates.running--);
      return page;
    },
  });
})();
"""
"""Appended to Stripe's script: it notes how often, with which options and how many at once pages are created."""


def watched(route):
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text() + WATCH)


def creates(page):
    return giving_frame(page).locator("html").evaluate("() => window.creates")


def test_payment_page_gets_client_secret_and_no_function(page, installation, site):
    page.route("**/stripe.js", watched)
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    assert creates(page)["options"] == [["clientSecret", "onComplete"]]


@contextlib.contextmanager
def stripe_script_held(page):
    """Hold the answer for Stripe's script until the block ends."""
    held = []

    def hold(route):
        held.append(route)

    page.route("**/stripe.js", hold)

    def wait():
        for _ in range(400):
            if held:
                return
            page.wait_for_timeout(50)
        raise AssertionError("nobody asked for Stripe's script")

    yield wait
    for route in held:
        watched(route)


def test_amount_changed_while_stripe_loads_is_the_one_that_is_paid(page, installation, site):
    paid = installation.paid()
    frame = open_card(page, site.publish(article(installation)))
    with stripe_script_held(page) as wait:
        for amount in ("50", "35", "10"):
            choose(frame, amount)
            frame.locator("#submit").click()
            expect(frame.locator("#pay h1")).to_contain_text(f"€{amount}")
            wait()
            if amount != "10":
                frame.locator("#change").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("€10")
    found = creates(page)
    assert (found["most"], len(found["options"])) == (1, 1)
    assert installation.paid() == (paid[0] + 1000, paid[1] + 1)


def test_amount_changed_while_the_page_is_created_waits_for_its_end(page, installation, site):
    paid = installation.paid()

    def slow(route):
        answer = route.fetch()
        late = "return await createPage"
        assert late in answer.text()
        pause = "await new Promise((done) => setTimeout(done, 1500)); "
        route.fulfill(response=answer, body=answer.text().replace(late, f"{pause}{late}") + WATCH)

    page.route("**/stripe.js", slow)
    frame = open_card(page, site.publish(article(installation)))
    for amount in ("50", "10"):
        choose(frame, amount)
        frame.locator("#submit").click()
        expect(frame.locator("#pay h1")).to_contain_text(f"€{amount}")
        if amount == "50":
            page.wait_for_timeout(300)
            frame.locator("#change").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("€10")
    assert creates(page)["most"] == 1
    assert installation.paid() == (paid[0] + 1000, paid[1] + 1)


def test_payment_opened_in_a_tab_while_stripe_loads_creates_no_page_here(page, context, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    with stripe_script_held(page) as wait:
        frame.locator("#submit").click()
        wait()
        with context.expect_page() as opened:
            frame.locator("#new-tab button").click()
        expect(opened.value.locator("[name=number]")).to_be_visible()
    page.wait_for_timeout(500)
    assert creates(page)["options"] == []
    expect(frame.locator("#opened-in-tab")).to_be_visible()


def test_sandbox_script_creates_no_page_after_one_that_failed(page, installation):
    page.goto(f"{installation.service}/c/vitaly/give")
    page.evaluate(
        """(src) => new Promise((loaded) => document.head.append(
        Object.assign(document.createElement('script'), { src, onload: loaded })))""",
        installation.settings.stripe_script,
    )
    attempt = """async (clientSecret) => {
      try { await Stripe('pk_test_ada').createEmbeddedCheckoutPage({ clientSecret }); return 'created'; }
      catch (error) { return error.name; }
    }"""
    valid = "cs_test_a_secret_b"
    assert page.evaluate(attempt, "not a secret") == "IntegrationError"
    assert page.evaluate(attempt, valid) == "IntegrationError"


def test_changed_amount_is_paid_once(page, installation, site):
    paid = installation.paid()
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "50")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    frame.locator("#change").click()
    expect(frame.locator("#give-title")).to_be_focused()
    choose(frame, "10")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("€10")
    assert installation.paid() == (paid[0] + 1000, paid[1] + 1)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_donation_without_javascript_reaches_thanks(browser: Browser, installation, size):
    paid = installation.paid()
    context = browser.new_context(java_script_enabled=False, viewport=size, locale="be")
    try:
        page = context.new_page()
        page.goto(f"{installation.service}/c/vitaly")
        assert page.locator("html").get_attribute("lang") == "be"
        page.locator('a[href*="/give"]').first.click()
        type_amount(page, "25")
        page.locator("#submit").click()
        assert page.url.startswith(installation.sandbox)
        pay_on(page, PAYS)
        expect(page.locator("h1")).to_contain_text("Дзякуй")
        expect(page.locator("main")).to_contain_text("25")
        assert installation.paid() == (paid[0] + 2500, paid[1] + 1)
        page.locator(".back a").click()
        assert page.url.startswith(f"{installation.service}/c/vitaly")
    finally:
        context.close()


def test_submit_before_script_loads_opens_new_tab(page, context, installation, site):
    page.route("**/give.js", lambda route: route.abort())
    page.goto(site.publish(article(installation)))
    page.locator("donation-card .donate").click()
    frame = page.frame_locator("donation-card iframe")
    choose(frame, "25")
    with context.expect_page() as opened:
        frame.locator("#submit").click()
    expect(opened.value.locator("[name=number]")).to_be_visible()
    assert opened.value.url.startswith(installation.sandbox)


def test_amount_error_is_shown_and_announced(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    frame.locator("#submit").click()
    expect(frame.locator("#amount-error")).to_contain_text("choose an amount")
    expect(frame.locator("#amount-error")).to_be_focused()  # a field would open a phone's keyboard
    assert frame.locator("#amount-error").bounding_box()["y"] < frame.locator(".amounts").bounding_box()["y"]
    type_amount(frame, "4")
    frame.locator("#submit").click()
    expect(frame.locator("#amount-error")).to_contain_text("€5")
    expect(frame.locator("#custom-amount-hint")).to_be_hidden()
    expect(frame.locator("#custom-amount")).to_be_focused()
    expect(frame.locator("#custom-amount")).to_have_attribute("aria-invalid", "true")


def test_donation_by_keyboard_alone(page, installation, site):
    paid = installation.paid()
    page.goto(site.publish(article(installation)))
    page.locator("donation-card .donate").focus()
    page.keyboard.press("Enter")
    frame = page.frame_locator("donation-card iframe")
    expect(frame.locator("#give-title")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if frame.locator(".amount input:focus").count():
            break
    page.keyboard.press("Space")
    expect(frame.locator("#submit")).to_contain_text("€10")
    page.keyboard.press("Enter")
    number = frame.frame_locator("#payment iframe").locator("[name=number]")
    expect(number).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if frame.frame_locator("#payment iframe").locator("[name=email]:focus").count():
            break
    page.keyboard.type("ada@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type(PAYS)
    page.keyboard.down("Enter")
    expect(frame.locator("#thanks h1")).to_be_focused()
    page.keyboard.up("Enter")  # in a frame that goes away meanwhile, `press` never ends
    assert installation.paid()[1] == paid[1] + 1
