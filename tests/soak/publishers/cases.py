"""Show the card in a real WordPress: `make test-publishers`. Authors use the block editor, readers give EUR 25."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from donation_card import __version__
from playwright.sync_api import expect

from tests.soak.publishers.author import PLUGIN_ROW
from tests.soak.publishers.reader import expect_card, give_25

pytestmark = pytest.mark.usefixtures("admin")

SCREENSHOTS = Path("dist/publishers")


def test_contributor_inserts_the_block_and_editor_publishes(enter, page, installation, wordpress):
    contributor = enter("contributor")
    contributor.start_article("Those who begin again")
    contributor.insert_card(f"{installation.service}/c/vitaly")
    preview = contributor.canvas().locator("donation-card")
    expect(preview.locator(".card .donate")).to_be_visible()
    expect(preview.locator("a[href]").first).to_be_attached()
    contributor.page.wait_for_function("() => wp.data.select('core/editor').getEditedPostContent().includes('BYSOL')")
    article = contributor.submit_for_review()
    stored = "\n".join(wordpress.query(f"SELECT post_content FROM wp_posts WHERE ID = {article}"))
    assert "<donation-card" not in stored
    assert f'<a href="{installation.service}/c/vitaly">Give to BYSOL</a>' in stored
    editor = enter("editor")
    url = editor.publish(article)
    assert "BYSOL" in editor.content()
    give_25(page, url, installation)


def test_block_of_several_campaigns_keeps_a_link_to_each(enter, page, installation, wordpress):
    contributor = enter("contributor")
    contributor.start_article("Two fundraisers")
    contributor.insert_card("vitaly, anna")
    expect(contributor.canvas().locator("donation-card li .donate:visible")).to_have_count(2)
    contributor.page.wait_for_function("() => wp.data.select('core/editor').getEditedPostContent().includes('BYSOL')")
    article = contributor.submit_for_review()
    stored = "\n".join(wordpress.query(f"SELECT post_content FROM wp_posts WHERE ID = {article}"))
    assert f'<a href="{installation.service}/c/vitaly">Give to BYSOL</a>' in stored
    assert f'<a href="{installation.service}/c/anna">anna</a>' in stored
    page.goto(enter("editor").publish(article))
    page.locator("donation-card").scroll_into_view_if_needed()
    expect(page.locator("donation-card li .donate:visible")).to_have_count(2)
    editor = enter("editor")
    editor.open(f"post.php?post={article}&action=edit")
    expect(editor.canvas().locator("donation-card li .donate:visible")).to_have_count(2)  # the saved block is valid


def test_pasted_link_is_the_card(enter, page, installation):
    contributor = enter("contributor")
    contributor.start_article("A pasted link")
    contributor.paste(f"{installation.service}/c/vitaly?lang=de")
    expect(contributor.canvas().locator("donation-card .card .donate")).to_have_text(re.compile("Spenden"))
    article = contributor.submit_for_review()
    url = enter("editor").publish(article)
    page.goto(url)
    expect(page.locator("donation-card .card .donate")).to_have_text(re.compile("Spenden"))
    assert page.locator("iframe").count() == 0
    give_25(page, url, installation)


@pytest.mark.parametrize(
    "content",
    [
        "Before.\n\n{link}\n\nAfter.",
        '<!-- wp:embed {{"url":"{link}","type":"rich","providerNameSlug":"embed-handler"}} -->\n'
        '<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">\n{link}\n</div></figure>\n'
        "<!-- /wp:embed -->",
        '<p><a href="{link}#card">Give</a></p>',
    ],
    ids=["classic", "embed-block", "card-link"],
)
def test_link_in_an_older_article_is_the_card(enter, page, installation, content):
    editor = enter("editor")
    editor.open("post-new.php")
    url = editor.post(content.format(link=f"{installation.service}/c/vitaly"))
    page.goto(url)
    expect_card(page)
    assert page.locator("iframe").count() == 0
    give_25(page, url, installation)


@pytest.mark.parametrize(
    "code",
    [
        '[donation_card campaign="vitaly" layout="compact"]',
        '[donation_card]<a href="{link}">Give to BYSOL</a>[/donation_card]',
    ],
    ids=["attributes", "around-a-link"],
)
def test_shortcode_is_the_card(enter, page, installation, code):
    contributor = enter("contributor")
    contributor.start_article("A shortcode")
    contributor.page.keyboard.type("/shortcode")
    contributor.page.get_by_role("option", name="Shortcode").click()
    box = contributor.canvas().get_by_role("textbox", name="Shortcode text")
    box.fill(code.format(link=f"{installation.service}/c/vitaly"))
    article = contributor.submit_for_review()
    give_25(page, enter("editor").publish(article), installation)


def test_links_stay_when_the_plugin_is_removed(enter, admin, page, installation, wordpress):
    link = f"{installation.service}/c/vitaly"
    editor = enter("editor")
    editor.start_article("The block")
    editor.insert_card(link)
    editor.page.wait_for_function("() => wp.data.select('core/editor').getEditedPostContent().includes('BYSOL')")
    block = editor.content()
    assert "wp:donation-card/card" in block
    shortcode = f'[donation_card]<a href="{link}">Give to BYSOL</a>[/donation_card]'
    articles = [editor.post(content) for content in (block, shortcode)]
    classic = editor.post(f"Before.\n\n{link}\n\nAfter.")
    for url in (*articles, classic):
        page.goto(url)
        expect_card(page)
    admin.remove_plugin()
    for url in articles:
        page.goto(url)
        expect(page.locator("donation-card")).to_have_count(0)
        expect(page.locator(f'a[href="{link}"]').first).to_be_visible()
    page.goto(classic)  # WordPress's own preview if it reaches the service, otherwise the address
    expect(page.locator("main")).to_contain_text(link)
    assert wordpress.query("SELECT option_name FROM wp_options WHERE option_name LIKE '%donation%card%'") == []
    assert not wordpress.plugin.exists()


def test_page_without_a_card_loads_nothing(enter, page, installation):
    editor = enter("editor")
    editor.open("post-new.php")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(editor.post("An article without a card."))
    assert [url for url in requested if "donation-card" in url or url.startswith(installation.service)] == []


def test_settings_reject_an_address_that_is_not_safe(admin, installation, wordpress):
    typed = [
        "http://give.example.org",
        "javascript:alert(1)",
        "https://me@give.example.org",
        "https://give.example.org/c/roof",
        "https://дапамога.бел/c/roof",
    ]
    admin.list_services(installation.service, *typed)
    expect(admin.page.locator("#setting-error-address")).to_have_count(3)
    saved = admin.page.get_by_label("Addresses of donation services").input_value().split()
    assert saved == [installation.service, "https://give.example.org", "https://xn--80aaalc4cof.xn--90ais"]


def test_only_administrators_open_the_settings(enter):
    editor = enter("editor")
    editor.open("options-general.php?page=donation-card")
    expect(editor.page.locator("body")).to_contain_text("not allowed")


def test_administrator_is_told_of_a_newer_card(admin, installation, wordpress):
    notice = admin.page.locator(".notice-warning", has_text="Donation Card")
    admin.open("plugins.php")
    expect(admin.page.locator(PLUGIN_ROW)).to_be_visible()
    expect(notice).to_have_count(0)
    card, code = wordpress.plugin / "card/donation-card.js", wordpress.plugin / "donation-card.php"
    original = card.read_text("utf-8"), code.read_text("utf-8")
    try:
        card.write_text(original[0] + "\n", "utf-8")
        admin.list_services(installation.service, "https://give.example.org")  # what is known is forgotten
        expect(notice).to_contain_text("another build")
        code.write_text(original[1].replace(f"'{__version__}'", "'0.0.9'"), "utf-8")
        admin.list_services(installation.service)
        expect(notice).to_contain_text(f"serves card {__version__}. This plugin contains card 0.0.9")
        admin.open("edit.php")
        expect(notice).to_have_count(0)
    finally:
        card.write_text(original[0], "utf-8")
        code.write_text(original[1], "utf-8")


def test_editor_speaks_the_language_of_the_author(enter):
    editor = enter("editor")
    editor.choose_language("de_DE")
    try:
        editor.open("post-new.php")
        editor.page.wait_for_function("() => window.wp?.blocks?.getBlockType('donation-card/card')")
        title = editor.page.evaluate("() => wp.blocks.getBlockType('donation-card/card').title")
        layout = editor.page.evaluate("() => wp.i18n.__('Only the button', 'donation-card')")
        assert (title, layout) == ("Spendenkarte", "Nur der Button")
    finally:
        editor.choose_language("")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_article_fits_its_page(enter, browser, scheme, width):
    """Write a screenshot of the article to dist/publishers/ and check that it does not scroll sideways."""
    editor = enter("editor")
    editor.open("post-new.php")
    url = editor.post(f'Before.\n\n[donation_card campaign="vitaly" theme="{scheme}"]\n\nAfter.')
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        page = context.new_page()
        page.goto(url)
        expect_card(page)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"article-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth") <= 0
    finally:
        context.close()
