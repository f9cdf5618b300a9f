"""Test the Content-Security-Policy in a browser."""

import json
import re

import pytest
from donation_card.settings import STRIPE_ORIGINS
from playwright.sync_api import expect

from tests.support.browser import article, choose, giving_frame, open_card, pay_inline
from tests.support.installation import PAYS


@pytest.fixture
def said(context):
    """Collect the browser's messages about policies, from every page and frame."""
    lines = []
    about = re.compile(r"polic|trusted|refused|violat|cross-origin|integrity", re.I)
    context.on("console", lambda message: lines.append(message.text) if about.search(message.text) else None)
    return lines


def test_no_page_violates_its_csp(page, installation, said):
    for path in (
        "/",
        "/c/vitaly",
        "/c/vitaly/give",
        "/c/vitaly/embed",
        "/c/vitaly/frame",
        "/c/nobody",
        "/c/vitaly/badge.svg",
    ):
        page.goto(installation.service + path, wait_until="networkidle")
    expect(page.locator("svg")).to_be_visible()
    page.goto(f"{installation.service}/c/vitaly/frame")
    expect(page.locator("donation-card .donate")).to_be_visible()
    assert said == []


def test_inline_donation_violates_no_csp(page, installation, site, said):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_have_text("Thank you")
    assert said == []


TRY = """async (address) => {
  const outcome = (attempt) => { try { attempt(); return 'done'; } catch (error) { return error.name; } };
  const script = document.createElement('script');
  return {
    script: outcome(() => { script.src = address; }),
    html: outcome(() => { document.createElement('div').innerHTML = '<img src=x onerror=alert(1)>'; }),
    text: outcome(() => { script.text = 'alert(1)'; }),
    another: outcome(() => { trustedTypes.createPolicy('another', { createHTML: (text) => text }); }),
    again: outcome(() => { trustedTypes.createPolicy('default', { createHTML: (text) => text }); }),
  };
}"""


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x.js",
        "//evil.example/x.js",
        "data:text/javascript,1",
        "/static/0/x.js",
        "javascript:1",
        "http://[",
    ],
)
def test_giving_page_csp_allows_only_stripe_scripts(page, installation, address):
    page.goto(f"{installation.service}/c/vitaly/give")
    assert page.evaluate(TRY, address) == dict.fromkeys(("script", "html", "text", "another", "again"), "TypeError")
    assert page.evaluate(TRY, f"{installation.sandbox}/v3/other.js")["script"] == "done"


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        ("https://js.stripe.com/endive/stripe.js", "done"),
        ("https://b.js.stripe.com/x.js", "done"),
        ("https://a.b.js.stripe.com/x.js", "done"),
        ("https://checkout.stripe.com/x.js", "TypeError"),
        ("https://stripe.com/x.js", "TypeError"),
        ("https://evil-js.stripe.com/x.js", "TypeError"),
        ("https://js.stripe.com.evil.example/x.js", "TypeError"),
        ("https://b.js.stripe.com:8443/x.js", "TypeError"),
        ("http://b.js.stripe.com/x.js", "TypeError"),
        ("https://evil.example/?.js.stripe.com", "TypeError"),
    ],
)
def test_trusted_types_policy_admits_js_stripe_com_and_its_subdomains(page, installation, address, outcome):
    def with_real_stripe(route):
        answer = route.fetch()
        (address,) = re.findall(r'"script_origins": ?(\[[^]]*\])', answer.text())
        real = json.dumps(list(STRIPE_ORIGINS["script"]))
        route.fulfill(response=answer, body=answer.text().replace(address, real))

    page.route("**/c/vitaly/give", with_real_stripe)
    page.goto(f"{installation.service}/c/vitaly/give")
    assert page.evaluate(TRY, address)["script"] == outcome


def test_second_script_from_a_subdomain_of_stripe_is_loaded(page, installation, said):
    """The sandbox's script loads another one from a subdomain, if its own host has some."""
    named = installation.sandbox.replace("127.0.0.1", "stripe.localhost")
    subdomains = named.replace("stripe.", "*.stripe.")

    def with_named_host(route):
        answer = route.fetch()
        body = answer.text().replace(f'["{installation.sandbox}"]', json.dumps([named, subdomains]))
        policy = answer.headers["content-security-policy"].replace(installation.sandbox, f"{named} {subdomains}")
        headers = answer.headers | {"content-security-policy": policy}
        route.fulfill(response=answer, headers=headers, body=body.replace(installation.sandbox, named))

    def from_sandbox(route):
        url = re.sub(r"//(b\.)?stripe\.localhost", "//127.0.0.1", route.request.url)
        route.fulfill(response=route.fetch(url=url))

    page.route("**/c/vitaly/give", with_named_host)
    page.route(re.compile(r"//(b\.)?stripe\.localhost:"), from_sandbox)
    page.goto(f"{installation.service}/c/vitaly/give")
    page.locator(".amount").first.click()
    second = named.replace("stripe.", "b.stripe.") + "/assets/embed.js"
    with page.expect_request_finished(lambda request: request.url == second):
        page.locator("#submit").click()
    expect(page.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    assert said == []


@pytest.mark.parametrize("path", ["/", "/c/vitaly", "/c/vitaly/embed", "/c/vitaly/frame", "/c/nobody"])
def test_other_pages_csp_allows_no_foreign_script(page, installation, path):
    page.goto(installation.service + path)
    assert set(page.evaluate(TRY, f"{installation.sandbox}/v3/other.js").values()) == {"TypeError"}


def test_no_single_click_in_a_frame_starts_payment(page, installation, site):
    """Whoever is tricked into one click (https://owasp.org/www-community/attacks/Clickjacking) has not given."""
    url = site.publish(f'<iframe src="{installation.service}/c/vitaly/give" width=700 height=2000></iframe>')
    sent = []
    page.context.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(url)
    frame = page.frame_locator("iframe")
    expect(frame.locator("#give-title")).to_be_visible()
    clickable = "button, label, input:not([type=hidden])"  # a link is a GET, which starts nothing
    count = frame.locator(clickable).count()
    assert count > 8
    for number in range(count):
        page.goto(url)
        target = frame.locator(clickable).nth(number)
        expect(frame.locator("#give-title")).to_be_visible()
        if target.is_visible():
            target.dispatch_event("click")
            page.wait_for_timeout(50)
    assert sent == []


def test_recipient_and_amount_are_visible_before_card_number(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "50")
    expect(frame.locator("#submit")).to_contain_text("€50")
    frame.locator("#submit").click()
    expect(giving_frame(page).frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    expect(frame.locator("#pay h1")).to_contain_text("€50")
    expect(frame.locator(".eyebrow").first).to_contain_text("BYSOL")
    above = "element => element.getBoundingClientRect().top"
    assert frame.locator(".eyebrow").first.evaluate(above) < frame.locator("#payment").evaluate(above)


COUNT = "document.querySelector('donation-card').shadowRoot.querySelector('iframe').contentWindow.length"
"""Return what a script of any origin can read of a frame (https://xsleaks.dev/docs/attacks/frame-counting/)."""


def test_publisher_counting_frames_sees_submit_but_no_payment(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    assert page.evaluate(COUNT) == 0
    frame.locator("#submit").click()
    number = giving_frame(page).frame_locator("#payment iframe").locator("[name=number]")
    expect(number).to_be_visible()
    paying = page.evaluate(COUNT)
    assert paying > 0
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_have_text("Thank you")
    expect(number).to_be_hidden()
    assert page.evaluate(COUNT) == paying
