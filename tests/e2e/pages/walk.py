"""Visit one publisher's page as a reader does, and check what it promises.

Each page is opened at two widths. At the wide one the reader gives EUR 25, or follows the link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Final

from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, Route, expect, sync_playwright

from tests.e2e.pages.collection import MARKER, PublisherPage, PublisherSite, ReceivedRequest, RequestRecorder
from tests.e2e.pages.site import Publisher
from tests.support.browser import CHROMIUM, close_thanks, press_later
from tests.support.installation import PAYS

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
MAX_SHIFT: Final = 0.05
MIN_CONTRAST: Final = 4.5
MIN_CARD_WIDTH: Final = 150
"""A narrower card shows only Donate."""
HARMLESS: Final = "Unrecognized feature: 'web-share'|document.domain mutation is ignored"
"""Chromium on Linux cannot share a page. The other line is about the new tab, which the card tests for a sandbox."""

_WATCH: Final = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) shifted += entry.value;
})).observe({ type: 'layout-shift', buffered: true });
"""

_LOWEST_CONTRAST: Final = """(root) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const pixel = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([...rgb]) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const layers = [];
  let lowest = { ratio: 21 };
  for (const element of [root, ...root.querySelectorAll('*')]) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || !element.getClientRects().length) continue;
    const behind = [];
    for (let at = element; at; at = at.assignedSlot ?? at.parentElement ?? at.getRootNode().host)
      behind.unshift(getComputedStyle(at).backgroundColor);
    const canvasColour = getComputedStyle(document.documentElement).colorScheme.includes('dark')
      && matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#fff';
    const paper = [canvasColour, ...behind];
    const ink = luminance(pixel([...paper, getComputedStyle(element).color])), under = luminance(pixel(paper));
    const ratio = (Math.max(ink, under) + .05) / (Math.min(ink, under) + .05);
    if (ratio < lowest.ratio) lowest = { ratio, text: element.textContent.trim().slice(0, 40) };
  }
  return lowest;
}"""
"""Return the lowest contrast of a text below an element (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

_OVERFLOW: Final = "() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"

_SETTLED: Final = "Promise.all([document.fonts.ready, document.activeViewTransition?.finished]).then(() => {})"
"""Wait for fonts and for a view transition of the page."""

_TRUNCATED: Final = """(card) => {
  const box = card.getBoundingClientRect();
  const rectangleOf = (e) => {
    const range = document.createRange();
    range.selectNodeContents(e);
    return (e.localName === 'select' ? e : range).getBoundingClientRect();
  };
  const isOutside = ({ left, right }) => left < box.left - 1 || right > box.right + 1;
  return [...card.querySelectorAll('.content :not(option, .content > div)')]
    .filter((e) => e.checkVisibility() && e.textContent.trim() && isOutside(rectangleOf(e)))
    .map((e) => e.textContent.trim().slice(0, 40));
}"""
"""Return the texts of a card that stand outside it."""


@dataclass
class Visit:
    """One visit of a page. `problems` lists in words what differs from the promise."""

    declared: PublisherPage
    site: PublisherSite
    recorder: RequestRecorder
    browser: Browser
    screenshots: Path | None = None
    problems: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def walk(self) -> list[str]:
        """Open the page at both widths and return the problems."""
        before = len(self.recorder.received)
        for viewport in (PHONE, DESK):
            context = self.context(viewport)
            try:
                page = self.open(context)
                self._check_page(page, viewport["width"])
                if viewport is DESK:
                    self._keep_promise(page)
                    if self.declared.promise == "gift":
                        self._check_shift(page, "during the gift")
            finally:
                context.close()
        self._check_console()
        self._check_received(self.recorder.received[before:])
        return self.problems

    def context(self, viewport: dict[str, int], scheme: str = "light") -> BrowserContext:
        reader = self.declared.reader
        context = self.browser.new_context(
            viewport=viewport,  # type: ignore[arg-type]
            color_scheme="dark" if "dark" in reader else scheme,  # type: ignore[arg-type]
            forced_colors="active" if "forced-colors" in reader else None,
            reduced_motion="reduce" if "reduced-motion" in reader else None,
            java_script_enabled="no-scripts" not in reader,
        )
        context.set_default_timeout(60_000)
        context.on("console", lambda line: self.console.append(f"{line.type}: {line.text}"))
        context.on("weberror", lambda error: self.console.append(f"error: {error.error}"))
        context.add_init_script(_WATCH)
        if {"blocks-card", "blocks-frames"} & set(reader):
            context.route(f"{self.site.service}/**", self._block)
        if "save-data" in reader:
            context.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
        return context

    def _block(self, route: Route) -> None:
        """Stop a request as a content blocker does. Links still work."""
        is_frame = route.request.resource_type == "document" and route.request.frame.parent_frame is not None
        is_link = route.request.resource_type == "document" and not is_frame
        if is_frame or ("blocks-card" in self.declared.reader and not is_link):
            route.abort("blockedbyclient")
        else:
            route.continue_()

    def open(self, context: BrowserContext) -> Page:
        """Open the page, press what it declares, and wait for the card or the link."""
        page = context.new_page()
        if "large-text" in self.declared.reader:
            context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
        page.goto(self.site.url(self.declared))
        for name in self.declared.press:
            page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first.click()
        expect(self._target(page)).to_be_visible()
        page.evaluate(_SETTLED)
        return page

    def _inside(self, page: Page) -> Page | FrameLocator:
        return page.frame_locator(self.declared.frame) if self.declared.frame else page

    def _target(self, page: Page) -> Locator:
        """Return Donate, or the link of the snippet."""
        inside = self._inside(page)
        if self.declared.promise == "link":
            return inside.get_by_role("link", name="Give to BYSOL").first
        return inside.locator("donation-card .donate").first

    def _check_page(self, page: Page, width: int) -> None:
        """Check that the card or the link can be read and pressed, and that the article stays in place."""
        where = f"at {width} px"
        overflow = page.evaluate(_OVERFLOW)
        if overflow > 0:
            self.problems.append(f"{where} the page scrolls sideways by {overflow} px")
        target = self._target(page)
        target.click(trial=True)
        if self.declared.promise == "link":
            lowest = target.evaluate(_LOWEST_CONTRAST)
        else:
            card = self._inside(page).locator("donation-card .card").first
            box = card.bounding_box() or {"width": 0}
            if box["width"] < MIN_CARD_WIDTH and card.locator("h2").is_visible():
                self.problems.append(f"{where} the card is {box['width']} px wide")
            if outside := card.evaluate(_TRUNCATED):
                page.wait_for_timeout(1_000)  # a busy machine draws late; what stays outside is a fault
                outside = card.evaluate(_TRUNCATED)
            if outside:
                self.problems.append(f"{where} texts stand outside the card: {outside}")
            lowest = card.evaluate(_LOWEST_CONTRAST)
        if lowest["ratio"] < MIN_CONTRAST:
            self.problems.append(f"{where} the contrast of {lowest['text']!r} is {lowest['ratio']:.2f}")
        focused = page.evaluate("document.activeElement.localName")
        if focused == "donation-card":
            self.problems.append(f"{where} the card took the focus")
        self._check_shift(page, where)
        if self.screenshots and width == DESK["width"]:
            page.screenshot(path=self.screenshots / f"{self.declared.name}-{width}.jpg", type="jpeg", quality=60)

    def _check_shift(self, page: Page, where: str) -> None:
        if "no-scripts" in self.declared.reader:
            return
        if (shifted := page.evaluate("window.shifted")) > MAX_SHIFT:
            self.problems.append(f"{where} the layout shifted by {shifted:.3f}")

    def _keep_promise(self, page: Page) -> None:
        """Give EUR 25 in the article or in a new tab, or follow the link."""
        target, service = self._target(page), self.site.service
        match self.declared.promise:
            case "gift":
                self._give_inside(page, target)
            case "tab":
                target.hover()  # loads the frame in advance
                expect(target).to_have_text("Open the giving page in a new tab", timeout=10_000)
                with page.expect_popup() as opened:
                    target.click()
                self._give(opened.value)
            case "address":
                target.click()
                expect(target).to_have_text(re.compile(f"{service}/c/vitaly/give"))
            case "page":
                target.click()
                page.wait_for_url(f"{service}/c/vitaly/give*")
            case "link":
                target.click()
                page.wait_for_url(f"{service}/c/vitaly*")

    def _give_inside(self, page: Page, target: Locator) -> None:
        target.focus()
        page.keyboard.press("Enter")
        frame = self._inside(page).frame_locator("donation-card iframe")
        expect(frame.locator("#give-title")).to_be_focused()
        self._give(frame)
        close_thanks(frame)
        expect(target).to_be_focused()

    def _give(self, giving: Page | FrameLocator) -> None:
        """Give EUR 25. Scripts press the buttons, because a zoomed or scaled page moves them under the pointer."""
        giving.locator('input[value="25"]').evaluate("input => input.click()")
        expect(giving.locator("#submit")).to_contain_text("€25")
        giving.locator("#submit").press("Enter")
        payment = giving.frame_locator("#payment iframe")
        payment.locator("[name=email]").fill("ada@example.org")
        payment.locator("[name=number]").fill(PAYS)
        press_later(payment.locator("form button").first)
        expect(giving.locator("#thanks")).to_contain_text("€25")

    def _check_console(self) -> None:
        expected = "|".join((HARMLESS, *self.declared.console))
        for line in self.console:
            if re.match(r"(error|warning|assert)", line) and not re.search(expected, line):
                self.problems.append(f"console: {line}")

    def _check_received(self, received: list[ReceivedRequest]) -> None:
        """Check that the service learned at most the host name of the article, and no cookie.

        Requests of a visit at the same time are among them. The same holds for those.
        """
        for request in received:
            text = f"{request.url} {request.headers}"
            referrer = request.headers.get("referer", "")
            outside = referrer.startswith(self.site.origin) and referrer != f"{self.site.origin}/"
            if MARKER in text or outside or "cookie" in request.headers:
                self.problems.append(f"the service received {request.url} from {referrer}")


class Walk:
    """Visit pages with two browsers at a time. Each has a thread of its own, as Playwright requires."""

    def __init__(self, publisher: Publisher, pages: Iterable[PublisherPage], screenshots: Path) -> None:
        self.problems: dict[str, Future[list[str]]] = {page.name: Future() for page in pages}
        self._publisher, self._screenshots = publisher, screenshots
        self._waiting = list(self.problems)[::-1]
        self._threads = [Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> Walk:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._waiting.clear()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            self._visit()
        except Exception as error:  # no page waits for a browser that does not start
            while self._waiting:
                self.problems[self._waiting.pop()].set_exception(error)

    def _visit(self) -> None:
        site, recorder = self._publisher.site, self._publisher.recorder
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
            while self._waiting:
                name = self._waiting.pop()
                try:
                    problems = Visit(site.pages[name], site, recorder, browser, self._screenshots).walk()
                    self.problems[name].set_result(problems)
                except Exception as error:  # the test of this page raises it
                    self.problems[name].set_exception(error)
            browser.close()
