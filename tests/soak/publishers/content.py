"""Show an article where no script runs, and accept from authors only cards of services that are listed."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.soak.publishers.reader import expect_card

pytestmark = pytest.mark.usefixtures("admin")

FOREIGN = "https://give.other.example"

CONTENTS = {
    "shortcode": '[donation_card campaign="vitaly" lang="be"]',
    "link": "{service}/c/vitaly?lang=be",
    "block": '<!-- wp:donation-card/card {{"campaign":"vitaly","service":"{service}","lang":"be"}} -->\n'
    '<p class="wp-block-donation-card-card"><a href="{service}/c/vitaly?lang=be">Give</a></p>\n'
    "<!-- /wp:donation-card/card -->",
    "card-link": '<p><a href="{service}/c/vitaly?lang=be#card">Give</a></p>',
}


def test_card_of_a_service_that_is_not_listed_stays_a_link(enter, page):
    editor = enter("editor")
    editor.open("post-new.php")
    block = (
        f'<!-- wp:donation-card/card {{"campaign":"vitaly","service":"{FOREIGN}"}} -->\n'
        f'<p class="wp-block-donation-card-card"><a href="{FOREIGN}/c/vitaly">Give</a></p>\n'
        "<!-- /wp:donation-card/card -->"
    )
    foreign_link = f'<p><a href="{FOREIGN}/c/vitaly#card">Give</a></p>'
    ours = '[donation_card campaign="vitaly"]'
    page.goto(editor.post(f"{block}\n\n{foreign_link}\n\n{ours}\n\n[donation_card service={FOREIGN} campaign=vitaly]"))
    expect_card(page)
    expect(page.locator("donation-card")).to_have_count(1)
    expect(page.locator(f'p > a[href="{FOREIGN}/c/vitaly"]')).to_have_count(2)


def test_attributes_of_a_block_cannot_carry_html(enter, page, installation):
    editor = enter("editor")
    editor.open("post-new.php")
    evil = r"\u0022\u003e\u003cimg src=x onerror=alert(1)\u003e"
    attributes = (
        f'"campaign":"vitaly","lang":"{evil}","layout":"{evil}","theme":"{evil}","service":"{installation.service}"'
    )
    saved = f'<p><a href="{installation.service}/c/vitaly">&lt;img src=x onerror=alert(1)&gt;</a></p>'
    page.goto(editor.post(f"<!-- wp:donation-card/card {{{attributes}}} -->\n{saved}\n<!-- /wp:donation-card/card -->"))
    expect_card(page)
    assert page.locator("donation-card").evaluate("card => card.getAttributeNames().sort()") == [
        *("api-origin", "campaign", "style")
    ]
    assert page.locator('img[src="x"], [onerror]').count() == 0


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("where", ["feed=rss2", "feed=atom", "amp=1"])
def test_page_without_scripts_contains_a_link(enter, installation, wordpress, content, where):
    editor = enter("editor")
    editor.open("post-new.php")
    with wordpress.running_code("function amp_is_request() { return isset( $_GET['amp'] ); }"):
        url = editor.post(content.format(service=installation.service))
        page = httpx.get(f"{url}&{where}" if "amp" in where else f"{wordpress.origin}/?{where}").text
    assert f'<a href="{installation.service}/c/vitaly?lang=be' in page
    assert "<donation-card" not in page
    assert "donation-card.js" not in page


def test_preview_in_the_classic_editor_is_a_link(enter, installation, wordpress):
    editor = enter("editor")
    editor.open("post-new.php")
    article = editor.page.evaluate("() => wp.data.select('core/editor').getCurrentPostId()")
    data = {
        "action": "parse-embed",
        "post_ID": str(article),
        "shortcode": f"[embed]{installation.service}/c/vitaly[/embed]",
    }
    body = editor.page.request.post(f"{wordpress.origin}/wp-admin/admin-ajax.php", form=data).json()["data"]["body"]
    assert f'<a href="{installation.service}/c/vitaly"' in body
    assert "<donation-card" not in body


@pytest.mark.parametrize(
    "href",
    [
        "https://bank.example/rules#cards",
        "https://shop.example/pay#card",
        "#card",
        "#cardiology",
        "/?page_id=2#card",
    ],
)
def test_other_links_keep_their_fragment(enter, page, href):
    editor = enter("editor")
    editor.open("post-new.php")
    page.goto(editor.post(f'<p><a class="here" href="{href}">here</a></p>'))
    assert page.locator("a.here").get_attribute("href") == href


@pytest.mark.parametrize(
    "link",
    [
        '<a href="{}#card">',
        '<a href="{}/#card">',
        '<a href="{}?lang=be#card">',
        '<a href="{}&#35;card">',
        '<a href="{}#c&#97;rd">',
        '<a title=" href=x " href="{}#card">',
        "<a title=' href=\"' href='{}#card'>",
        '<a HREF="{}#card">',
    ],
)
def test_contributor_cannot_make_a_card_of_another_service(enter, page, link):
    contributor = enter("contributor")
    contributor.open("post-new.php")
    html = link.format(f"{FOREIGN}/c/vitaly")
    article = contributor.draft(f"<p>{html}Give</a></p>\n\n[donation_card campaign=vitaly]")
    page.goto(enter("editor").publish(article))
    expect_card(page)
    expect(page.locator("donation-card")).to_have_count(1)
    expect(page.locator(f'p > a[href^="{FOREIGN}/c/vitaly"]')).to_have_count(1)


def test_nobody_else_reads_the_settings(wordpress, installation):
    """WordPress shows a dynamic block, its type and previews to authors only, and the setting is not in its API."""
    for path in ("block-renderer/donation-card/card&context=edit", "block-types/donation-card/card", "settings"):
        answer = httpx.get(f"{wordpress.origin}/?rest_route=/wp/v2/{path}")
        assert (answer.status_code, installation.service in answer.text) == (401, False)
