"""The card is a guest: it breaks nothing, tells nothing, asks for nothing early, and leaves the link where it fails."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, article, choose, giving_frame, open_card, pay_inline, snippet
from tests.stack import PAYS

SHIFTS = """() => new Promise(resume => {
  let total = 0
  new PerformanceObserver(list => list.getEntries().forEach(e => { if (!e.hadRecentInput) total += e.value }))
    .observe({type: 'layout-shift', buffered: true})
  setTimeout(() => resume(total), 300)
})"""

KEPT = """() => {
  try { return [localStorage.length, sessionStorage.length, document.cookie.length] } catch { return 'denied' }
}"""


def drawn(page):
    expect(page.locator("donation-card .donate").first).to_be_visible()


def requests_of(page):
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    return urls


def test_two_requests_draw_the_card_and_none_goes_elsewhere(page, stack, site):
    urls = requests_of(page)
    page.goto(site.publish(article(stack)))
    drawn(page)
    ours = [url for url in urls if url.startswith(stack.service)]
    assert [url.removeprefix(stack.service).partition("?")[0] for url in ours] == [
        "/widget/v1/donation-card.js",
        "/v1/campaigns/vitaly",
    ]
    assert all(url.startswith((stack.service, site.origin)) for url in urls)


def test_nothing_is_asked_for_before_the_card_is_near(page, stack, site):
    urls = requests_of(page)
    spacer = '<div style="height:5000px"></div>'
    page.goto(site.publish(article(stack).replace("<p>First", f"{spacer}<p>First")))
    page.wait_for_timeout(500)
    assert not [url for url in urls if "/v1/campaigns/" in url]
    page.locator("donation-card").scroll_into_view_if_needed()
    drawn(page)


def test_no_cookie_no_storage_and_no_request_to_stripe_before_an_amount_is_submitted(page, context, stack, site):
    urls = requests_of(page)
    frame = open_card(page, site.publish(article(stack)))
    choose(frame, "25")
    expect(frame.locator("#submit")).to_contain_text("€25")
    assert context.cookies() == []
    for inside in page.frames:
        assert inside.evaluate(KEPT) in ([0, 0, 0], "denied"), inside.url
    assert not [url for url in urls if url.startswith(stack.sandbox)]
    frame.locator("#submit").click()
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    assert [url for url in urls if url.startswith(stack.sandbox)]


def test_a_hostile_article_learns_that_the_frame_was_opened_and_nothing_more(page, stack, site):
    spy = """<script>
      window.seen = []
      addEventListener('message', e => seen.push(JSON.stringify(e.data)), true)
      for (const name of ['ready', 'open', 'error', 'complete'])
        addEventListener('donation-card-' + name, e => seen.push(name + ':' + JSON.stringify(e.detail)), true)
      const post = MessagePort.prototype.postMessage
      MessagePort.prototype.postMessage = function (...a) {
        seen.push(JSON.stringify(a[0])); return post.apply(this, a)
      }
      const set = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage').set
      Object.defineProperty(MessagePort.prototype, 'onmessage', { set(f) {
        set.call(this, e => { seen.push(JSON.stringify(e.data)); f.call(this, e) })
      }})
      const fetched = window.fetch
      window.fetch = (...a) => { seen.push(String(a[0])); return fetched(...a) }
    </script>"""
    frame = open_card(page, site.publish(article(stack, head=spy)))
    frame.locator(".own input[name=own]").fill("137")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("€137")
    seen = page.evaluate("() => seen")
    assert any("open" in line for line in seen)
    assert any('"height"' in line for line in seen)
    told = " ".join(line for line in seen if '"height"' not in line)
    for secret in ("€137", "13700", "137.00", "paid", "complete", "done", "thank", "cs_test"):
        assert secret not in told.lower(), told
    heights = [int(height) for height in re.findall(r'"height":(\d+)', " ".join(seen))]
    assert heights == sorted(heights), "the frame's height never shrinks"
    assert (
        page.evaluate(
            "() => document.querySelector('donation-card').shadowRoot.querySelector('iframe').contentDocument"
        )
        is None
    )


@pytest.mark.parametrize("policy", ["frame-src 'none'", "child-src 'none'; frame-src 'self'"])
def test_where_the_frame_is_blocked_the_link_takes_over(page, context, stack, site, policy):
    csp = f"default-src 'self' 'unsafe-inline'; script-src {stack.service}; connect-src {stack.service}; {policy}"
    page.goto(site.publish(article(stack), content_security_policy=csp))
    donate = page.locator("donation-card .donate")
    donate.click()
    expect(donate).to_have_text("Open the giving page in a new tab", timeout=24_000)
    expect(page.locator("donation-card iframe")).to_have_count(0)
    with context.expect_page() as opened:
        donate.click()
    expect(opened.value.locator("#give-title")).to_be_visible()


@pytest.mark.parametrize("blocked", ["connect-src 'none'", "script-src 'none'"])
def test_where_the_script_or_its_request_is_blocked_the_link_stays(page, stack, site, blocked):
    csp = f"default-src 'self' 'unsafe-inline' {stack.service}; {blocked}"
    page.goto(site.publish(article(stack), content_security_policy=csp))
    page.wait_for_timeout(1500)
    link = page.get_by_role("link", name="Give to BYSOL")
    expect(link).to_be_visible()
    link.click()
    expect(page.locator("h1")).to_be_visible()
    assert page.url == f"{stack.service}/c/vitaly"


@pytest.mark.parametrize("status", [404, 500, 200])
def test_where_the_service_answers_nonsense_the_link_stays_and_nothing_is_invented(page, stack, site, status):
    page.route("**/v1/campaigns/**", lambda route: route.fulfill(status=status, body="<html>Wi-Fi log-in</html>"))
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site.publish(article(stack)))
    page.wait_for_timeout(2500)
    expect(page.get_by_role("link", name="Give to BYSOL")).to_be_visible()
    assert "NaN" not in page.locator("body").inner_text()
    assert "€0" not in page.locator("body").inner_text()
    assert complaints == []


def test_a_strict_policy_with_trusted_types_is_enough_room(page, stack, site):
    csp = (
        "default-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
        f"script-src {stack.service}; connect-src {stack.service}; frame-src {stack.service}"
    )
    violations = []
    page.on("console", lambda message: violations.append(message.text) if "Content Security" in message.text else None)
    html = article(stack).replace("<style>", "<!--").replace("</style>", "-->")
    page.goto(site.publish(html, content_security_policy=csp))
    drawn(page)
    page.locator("donation-card .donate").click()
    expect(giving_frame(page).locator("#give-title")).to_be_visible()
    assert violations == []


@pytest.mark.parametrize("broken", ["unclosed", "self-closed", "empty"])
def test_a_broken_tag_hides_not_one_word_of_the_article(page, stack, site, broken):
    script, tag = snippet(stack).split("\n")
    tag = {
        "unclosed": tag.replace("</donation-card>", ""),
        "self-closed": '<donation-card campaign="vitaly" lang="en" />',
        "empty": '<donation-card campaign="vitaly" lang="en"></donation-card>',
    }[broken]
    html = f"<!doctype html><html lang=en><p>Before.</p>{script}{tag}<p>After <em>the</em> card.</p><p>The end.</p>"
    page.goto(site.publish(html))
    drawn(page)
    for words in ("Before.", "After the card.", "The end."):
        expect(page.get_by_text(words)).to_be_visible()


def test_the_file_run_as_classic_script_and_as_module_and_twice_is_one_card(page, stack, site):
    address = f"{stack.service}/widget/v1/donation-card.js"
    more = f'<script src="{address}"></script><script type="module" src="{address}"></script>'
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    before = "() => Object.getOwnPropertyNames(window).length"
    page.goto(site.publish(article(stack).replace("</html>", f"{more}</html>")))
    drawn(page)
    expect(page.locator("donation-card .donate")).to_have_count(1)
    assert errors == []
    globals_with = page.evaluate(before)
    page.goto(site.publish(re.sub(r"<script.*?</script>", "", article(stack))))
    assert page.evaluate(before) == globals_with


def test_a_bare_link_alone_in_its_paragraph_becomes_a_card_and_one_within_words_does_not(page, stack, site):
    script = snippet(stack).split("\n")[0]
    link = f'<a href="{stack.service}/c/vitaly#card">Give to BYSOL</a>'
    page.goto(site.publish(f"<!doctype html><html lang=en>{script}<p>{link}</p><p>You can {link} here.</p>"))
    drawn(page)
    expect(page.locator("donation-card")).to_have_count(1)
    expect(page.get_by_text("You can Give to BYSOL here.")).to_be_visible()


@pytest.mark.parametrize("lang", ["en", "be", "de"])
@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_with_the_printed_min_height_nothing_moves_when_the_card_comes_or_the_frame_opens(
    page, stack, site, size, lang
):
    from service.web.snippet import RESERVED

    page.set_viewport_size(size)
    page.goto(site.publish(article(stack, lang, attributes=f'style="{RESERVED}"')))
    drawn(page)
    assert page.evaluate(SHIFTS) == 0
    page.locator("donation-card .donate").click()
    expect(giving_frame(page).locator("#give-title")).to_be_visible()
    assert page.evaluate(SHIFTS) == 0


def test_the_progress_bar_says_in_words_what_it_shows(page, stack, site):
    page.goto(site.publish(article(stack)))
    drawn(page)
    bar = page.locator("donation-card [role=progressbar]")
    expect(bar).to_have_count(1)
    assert bar.get_attribute("aria-valuetext")
    expect(page.locator("donation-card li")).to_have_count(4)


def test_escape_closes_the_frame_and_the_focus_returns(page, stack, site):
    open_card(page, site.publish(article(stack)))
    expect(giving_frame(page).locator("#give-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("donation-card .donate")).to_be_focused()
    expect(page.locator("donation-card dialog[open]")).to_have_count(0)


def test_only_the_articles_origin_and_https_may_frame_the_giving_page_and_nobody_the_others(stack):
    give = stack.client.get("/c/vitaly/give").headers["content-security-policy"]
    assert re.search(r"frame-ancestors 'self' https: http://127\.0\.0\.1:\d+$", give)
    for path in ("/c/vitaly", "/c/nobody", "/v1/campaigns/vitaly", "/healthz", "/openapi.yaml"):
        answer = stack.client.get(path, headers={"accept": "text/html"})
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
