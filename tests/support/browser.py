"""Open the card in a browser, on the page of a publisher's site."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import FrameLocator, Locator, Page, expect
from starlette.responses import HTMLResponse

from tests.support.installation import Installation, listening, running, served

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 640}

expect.set_options(timeout=60_000)  # milliseconds; these machines are shared, and no test measures time

SHIFTS = """() => new Promise(resume => {
  let total = 0
  new PerformanceObserver(list => list.getEntries().forEach(e => { if (!e.hadRecentInput) total += e.value }))
    .observe({type: 'layout-shift', buffered: true})
  setTimeout(() => resume(total), 300)
})"""
"""Return the layout shift so far (https://web.dev/articles/cls)."""

BROKEN_AMOUNTS = """() => {
  const broken = []
  const search = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.shadowRoot) search(node.shadowRoot)
      if (node.nodeType !== Node.TEXT_NODE || node.parentElement.closest('script, style')) continue
      for (const amount of node.data.matchAll(/€\\s?\\d[\\d.,\\s]*\\d|€\\s?\\d|\\d[\\d.,\\s]*€/g)) {
        const range = document.createRange()
        range.setStart(node, amount.index)
        range.setEnd(node, amount.index + amount[0].length)
        const tops = new Set([...range.getClientRects()].map(({top}) => Math.round(top)))
        if (tops.size > 1) broken.push(amount[0])
      }
    }
  }
  search(document.body)
  return broken
}"""
"""Return the amounts that stand on more than one line."""

CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        *("--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync"),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ],
}
"""Debian's Chromium. As root it does not start with its sandbox. It must not send requests to its vendor."""


@dataclass
class Site:
    """Serve a news site. `publish` adds a page and returns its URL."""

    origin: str
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def publish(self, html: str, **headers: str) -> str:
        path = f"/{len(self.pages)}"
        self.pages[path] = html, {name.replace("_", "-"): value for name, value in headers.items()}
        return self.origin + path

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            html, headers = self.pages.get(scope["path"], ("", {}))
            await HTMLResponse(html, 200 if html else 404, headers)(scope, receive, send)


@contextlib.contextmanager
def with_publisher_site(redis_url: str, folder: Path, **options: Any) -> Iterator[tuple[Installation, Site]]:
    """Start an installation, and a site that may frame its giving page. `options` are those of `running`."""
    port = listening()
    site = Site(f"http://127.0.0.1:{port.getsockname()[1]}")
    with running(redis_url, folder, article_origin=site.origin, **options) as installation, served((site, port)):
        installation.until_ready()
        yield installation, site


def snippet(installation: Installation, lang: str = "en", attributes: str = "") -> str:
    return (
        f'<script async src="{installation.service}/widget/v1/donation-card.js"></script>\n'
        f'<donation-card campaign="vitaly" lang="{lang}" {attributes}>'
        f'<a href="{installation.service}/c/vitaly">Give to BYSOL</a></donation-card>'
    )


def article(installation: Installation, lang: str = "en", attributes: str = "", head: str = "") -> str:
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>News</title>{head}'
        "<style>body{font:18px/1.6 serif;max-width:640px;margin:24px auto;padding:0 12px}</style>"
        "<h1>Those who begin again</h1><p>First paragraph of the article.</p>"
        f"{snippet(installation, lang, attributes)}<p id=after>Last paragraph of the article.</p></html>"
    )


def giving_frame(page: Page) -> FrameLocator:
    """Return the giving page inside the card. Playwright searches open shadow roots."""
    return page.frame_locator("donation-card iframe")


def open_card(page: Page, url: str) -> FrameLocator:
    """Press Donate and wait for the giving page's script. Without it, the form opens a new tab."""
    page.goto(url)
    page.locator("donation-card .donate").click()
    frame = giving_frame(page)
    expect(frame.locator("#give-title")).to_be_focused()
    return frame


def choose(frame: FrameLocator, amount: str) -> None:
    frame.locator(f'.amount:has(input[value="{amount}"])').click()


def type_amount(frame: Page | FrameLocator, amount: str) -> None:
    """Choose another amount and type it."""
    frame.locator("#choose-custom-amount").check(force=True)
    frame.locator("#custom-amount").fill(amount)


def pay_inline(frame: FrameLocator, number: str) -> None:
    """Pay on the page that the sandbox's script embeds in the giving page. That page goes when it is paid."""
    payment = frame.frame_locator("#payment iframe")
    _fill_in(payment, number)
    press_later(payment.locator("form button").first)


def pay_on(payment: Page, number: str) -> None:
    """Fill in and submit a hosted payment page of the sandbox."""
    _fill_in(payment, number)
    payment.locator("form button").first.click()


def _fill_in(payment: Page | FrameLocator, number: str) -> None:
    payment.locator("[name=email]").fill("ada@example.org")
    payment.locator("[name=number]").fill(number)


def close_thanks(frame: FrameLocator) -> None:
    press_later(frame.locator(".close"))


def press_later(button: Locator) -> None:
    """Press a button after the call returned: a click that removes its own frame never ends."""
    button.evaluate("button => { setTimeout(() => button.click()) }")


def press_escape_inside(page: Page) -> None:
    """Send Escape to the giving page, and wait until its frame is gone.

    Playwright's own key press waits for an answer of the frame, for ever if the frame is removed first.
    """
    giving_frame(page).locator("body").evaluate(
        "body => { setTimeout(() => body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))) }"
    )
    expect(page.locator("donation-card iframe")).to_have_count(0)
