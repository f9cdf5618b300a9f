"""Test what the printed tags reveal about the article."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.pages.collection import MARKER, PublisherPage
from tests.e2e.pages.site import Publisher

POLICIES = ("", "unsafe-url", "no-referrer-when-downgrade", "origin-when-cross-origin", "same-origin", "no-referrer")
BADGE = re.search(r"^<a .*badge\.svg.*$", Path("docs/embed.md").read_text("utf-8"), re.M)[0]  # type: ignore[index]


@pytest.mark.parametrize("policy", POLICIES)
def test_no_printed_tag_sends_the_address_of_the_article(publisher: Publisher, browser: Browser, policy: str):
    """The page is open to scripts, frames, links and badges; each of them is loaded or pressed."""
    kinds = {
        "script": "SNIPPET",
        "tab": """<meta http-equiv="Content-Security-Policy" content="frame-src 'none'">SNIPPET""",
        "frame": "FRAME",
        "link": "<p>LINK</p>",
        "badge": f"<p>{BADGE}</p>",
    }
    header = (f"Referrer-Policy: {policy}",) if policy else ()
    meta = f'<meta name="referrer" content="{policy}">' if policy else ""
    for kind, tag in kinds.items():
        page = browser.new_page()
        declared = PublisherPage(f"referrer-{kind}", kind, kind, "gift", {"": meta + tag}, header=header)
        publisher.recorder.received.clear()
        page.goto(publisher.site.publish(declared))
        if kind == "script":
            page.locator("donation-card .donate").click()
            expect(page.frame_locator("donation-card iframe").locator("#give-title")).to_be_focused()
        elif kind == "tab":
            page.locator("donation-card .donate").hover()
            expect(page.locator("donation-card .donate")).to_have_text(re.compile("new tab"))
            with page.expect_popup() as opened:
                page.locator("donation-card .donate").click()
            expect(opened.value.locator("#give-title")).to_be_visible()
            opened.value.close()
        elif kind == "frame":
            expect(page.frame_locator("iframe").locator("donation-card .donate")).to_be_visible()
        else:
            page.get_by_role("link").click()
            page.wait_for_url(f"{publisher.site.service}/c/vitaly*")
        page.close()
        assert publisher.recorder.received
        for request in publisher.recorder.received:
            referrer = request.headers.get("referer", "")
            assert referrer in ("", f"{publisher.site.origin}/") or referrer.startswith(publisher.site.service), kind
            assert MARKER not in f"{request.url} {request.headers}"
