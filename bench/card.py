"""Measure what the card, with a picture, adds to the article around it.

Load the same article with and without the card, in interleaved pairs, in a browser with a slow processor and a slow
network. Blocking time is the part of long tasks beyond 50 ms each. Largest paint is LCP (largest contentful paint).
"""

from __future__ import annotations

import statistics

from playwright.sync_api import Browser, sync_playwright

from tests.support.browser import CHROMIUM
from tests.support.campaign_states import WITH_PICTURE
from tests.support.screenshots import started_installation

PAIRS, SLOWER, LATENCY, BYTES_PER_SECOND = 10, 4, 150, 200_000

WATCH = """
  window.blocked = 0; window.painted = 0
  new PerformanceObserver(list => list.getEntries().forEach(e => { blocked += Math.max(0, e.duration - 50) }))
    .observe({ type: 'longtask', buffered: true })
  new PerformanceObserver(list => list.getEntries().forEach(e => { painted = e.startTime }))
    .observe({ type: 'largest-contentful-paint', buffered: true })
"""


def main() -> None:
    with started_installation() as (installation, site), sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        paragraph = "<p>" + "A sentence of the article, of the usual length. " * 12 + "</p>"
        style = (
            "body{font:18px/1.6 serif;max-width:640px;margin:24px auto} donation-card{display:block;min-height:45em}"
        )
        lines = (
            f'<script async src="{installation.service}/widget/v1/donation-card.js"></script>'
            f'<donation-card campaign="{WITH_PICTURE}"><a href="{installation.service}/c/{WITH_PICTURE}">Give</a>'
            "</donation-card>"
        )
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title><style>{style}</style>'
        without = site.publish(f"{head}<h1>News</h1>{paragraph * 6}")
        with_card = site.publish(f"{head}<h1>News</h1>{paragraph}{lines}{paragraph * 5}")
        differences, ratios = [], []
        for _ in range(PAIRS):
            baseline, measured = load(browser, without), load(browser, with_card)
            ratios.append(measured[1] / baseline[1])
            differences.append([after - before for before, after in zip(baseline, measured, strict=True)])
        browser.close()
    print(f"\nadded by the card, {PAIRS} pairs; CPU {SLOWER} times slower, {LATENCY} ms latency, 1.6 Mbit/s\n")
    for name, values in zip(("blocking time", "largest paint"), zip(*differences, strict=True), strict=True):
        print(f"{name:16}{statistics.median(values):>+8.0f} ms   spread {min(values):+.0f} to {max(values):+.0f}")
    print(f"largest paint of the page, with the card vs without: {statistics.median(ratios):.3f}; aim 1.02")


def load(browser: Browser, url: str) -> tuple[float, float]:
    """Return blocking time and largest paint in milliseconds, with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    cdp.send("Network.enable")
    line = {"offline": False, "latency": LATENCY, "uploadThroughput": BYTES_PER_SECOND}
    cdp.send("Network.emulateNetworkConditions", line | {"downloadThroughput": BYTES_PER_SECOND})
    page.add_init_script(WATCH)
    page.goto(url, wait_until="load")
    page.wait_for_timeout(2500)
    found = page.evaluate("() => [blocked, painted]")
    context.close()
    return found[0], found[1]


if __name__ == "__main__":
    main()
