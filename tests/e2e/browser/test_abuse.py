"""Test donations during an attack: inline after a challenge, or without JavaScript."""

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.web.test_abuse import easy as easy, force
from tests.support.browser import article, choose, open_card, pay_inline, pay_on, type_amount, with_publisher_site
from tests.support.installation import PAYS


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    """Start an installation under attack, and a publisher's site."""
    with with_publisher_site(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        force(found[0], "on")
        yield found


def test_donor_gives_inline_after_automatic_challenge(page, installation, site):
    paid = installation.paid()
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(installation.service).partition("?")[0]))
    frame = open_card(page, site.publish(article(installation, "be")))
    assert not [path for path in asked if path.endswith("solve.js")], "the solver is loaded only when it is needed"
    choose(frame, "25")
    with page.expect_response(lambda answer: "/v1/challenge" in answer.url):
        frame.locator("#submit").click()
        expect(frame.locator("#checking")).to_have_text("Кароткая праверка, каб не прайшлі скрадзеныя карткі…")
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_contain_text("Дзякуй")
    expect(frame.locator("#checking")).to_have_text("")
    assert installation.paid() == (paid[0] + 2500, paid[1] + 1)
    assert asked.count("/v1/challenge") == 1


def test_challenge_waits_its_turn_in_a_crowded_network(page, installation, site):
    turns = iter([True, True])

    def crowded(route):
        if next(turns, False):
            route.fulfill(status=429, headers={"retry-after": "1"}, json={"code": "rate_limited"})
        else:
            route.continue_()

    page.route("**/v1/challenge?*", crowded)
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    assert next(turns, None) is None


def test_new_tab_needs_no_second_challenge(page, context, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    with context.expect_page() as opened:
        frame.locator("#new-tab button").click()
    pay_on(opened.value, PAYS)
    expect(opened.value.locator("h1")).to_have_text("Thank you")


def test_changed_amount_is_challenged_again_and_paid_once(page, installation, site):
    paid = installation.paid()
    frame = open_card(page, site.publish(article(installation)))
    for amount in ("50", "35", "10"):
        choose(frame, amount)
        frame.locator("#submit").click()
        expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
        if amount != "10":
            frame.locator("#change").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("€10")
    assert installation.paid() == (paid[0] + 1000, paid[1] + 1)


def test_browser_without_web_crypto_goes_to_hosted_page(page, context, installation, site):
    page.route("**/solve.js", lambda route: route.abort())
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#error")).to_contain_text("Press again")
    with context.expect_page() as opened:
        frame.locator("#submit").click()
    expect(opened.value.locator("[name=number]")).to_be_visible()
    assert opened.value.url.startswith(installation.sandbox)


def test_donor_without_javascript_uses_reserved_quota(browser: Browser, installation):
    paid = installation.paid()
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{installation.service}/c/vitaly/give")
        type_amount(page, "25")
        page.locator("#submit").click()
        assert page.url.startswith(installation.sandbox)
        pay_on(page, PAYS)
        expect(page.locator("h1")).to_contain_text("Thank you")
        assert installation.paid() == (paid[0] + 2500, paid[1] + 1)
    finally:
        context.close()
