"""Paste a link into a real WordPress without the plugin. WordPress requests our oEmbed document, server to server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.soak.publishers.wordpress import WordPress
from tests.support.installation import Installation, free_port

# WordPress requests only other computers, and the ports of the web.
_PERMIT = """add_filter( 'http_request_host_is_external', '__return_true' );
add_filter( 'http_allowed_safe_ports', fn( $ports ) => array( ...$ports, {port} ) );"""
_AWAY = "add_filter( 'pre_http_request', fn() => new WP_Error( 'http_request_failed', 'Connection refused' ) );"


@pytest.fixture(autouse=True)
def permitted(request: pytest.FixtureRequest, wordpress: WordPress, installation: Installation) -> Iterator[None]:
    """Remove the plugin. Let WordPress request the service."""
    if wordpress.plugin.exists():
        request.getfixturevalue("admin").remove_plugin()
    with wordpress.running_code(_PERMIT.format(port=urlsplit(installation.service).port)):
        yield


def publish(enter, content: str) -> str:
    editor = enter("editor")
    editor.open("post-new.php")
    return editor.post(f"Before.\n\n{content}\n\nAfter.")


def cached(wordpress: WordPress, url: str) -> list[str]:
    """Return what WordPress keeps for the links of an article."""
    article = int(re.search(r"p=(\d+)", url)[1])
    where = f"post_id = {article} AND meta_key LIKE '\\_oembed\\_%' AND meta_key NOT LIKE '%time%'"
    return wordpress.query(f"SELECT meta_value FROM wp_postmeta WHERE {where}")


def expect_preview(page: Page) -> None:
    frame = page.locator("iframe.wp-embedded-content")
    frame.scroll_into_view_if_needed()
    expect(page.frame_locator("iframe.wp-embedded-content").locator(".card .donate")).to_be_visible()
    expect(frame).to_have_attribute("sandbox", "allow-scripts")


def test_wordpress_finds_the_document_and_keeps_its_frame(wordpress, installation):
    link = f"{installation.service}/c/vitaly"
    found = wordpress.oembed(f"{link}?lang=de")
    assert (found["data"]["type"], found["data"]["version"]) == ("rich", "1.0")
    assert f'src="{link}/' in found["html"]
    assert 'sandbox="allow-scripts"' in found["html"]
    assert "<script" not in found["html"]
    assert f'<a href="{link}?lang=de">' in found["html"], "the fallback while the frame is silent"


def test_pasted_link_is_a_preview_that_leads_to_the_giving_page(enter, page, installation, wordpress):
    url = publish(enter, f"{installation.service}/c/vitaly")
    page.goto(url)
    expect_preview(page)
    expect(page.locator("blockquote.wp-embedded-content")).to_be_hidden()
    (kept,) = cached(wordpress, url)
    assert "wp-embedded-content" in kept
    page.frame_locator("iframe.wp-embedded-content").locator(".card .donate").click()
    page.wait_for_url(f"{installation.service}/c/vitaly/give*")


def test_preview_is_a_link_without_javascript(enter, browser, installation):
    link = f"{installation.service}/c/vitaly"
    url = publish(enter, link)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    expect(page.locator(f'main a[href="{link}?lang=en"]')).to_have_text("Give to BYSOL")
    expect(page.locator("iframe.wp-embedded-content")).to_have_attribute("style", re.compile("position: absolute"))
    context.close()


@pytest.mark.parametrize("path", ["/c/nobody", "/c/vitaly/give", "/"])
def test_address_without_a_preview_stays_a_link(enter, page, installation, path):
    link = f"{installation.service}{path}"
    page.goto(publish(enter, link))
    expect(page.locator("main p", has_text=link)).to_be_visible()
    expect(page.locator("main iframe")).to_have_count(0)


def test_link_stays_while_the_service_is_away(enter, page, installation, wordpress):
    link = f"{installation.service}/c/vitaly"
    with wordpress.running_code(_AWAY):
        url = publish(enter, link)
        page.goto(url)
        expect(page.locator("main p", has_text=link)).to_be_visible()
    assert cached(wordpress, url) == ["{{unknown}}"]
    page.goto(url)
    expect(page.locator("main p", has_text=link)).to_be_visible()  # WordPress keeps the failure
    editor = enter("editor")
    editor.open("post-new.php")
    editor.change(url, f"{link}?lang=en")
    page.goto(url)
    expect_preview(page)


def test_link_to_a_closed_port_stays(enter, page):
    link = f"http://127.0.0.1:{free_port()}/c/vitaly"
    page.goto(publish(enter, link))
    expect(page.locator("main p", has_text=link)).to_be_visible()
