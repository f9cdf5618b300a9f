"""Record what an article sees of nine journeys in three sizes, twenty times, and compare the recordings.

`python -m tests.soak.silent_frame [RUNS [SIZE…]]`. The recordings of one size must be equal.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from donation_card.demo.embedded_valkey import EmbeddedValkey
from playwright.sync_api import sync_playwright

from tests.support.browser import CHROMIUM, with_publisher_site
from tests.support.silent_frame import JOURNEYS, SIZES, hostile_article, record
from tests.support.ways import ACCOUNT, write_campaign_with_fee


def main(runs: int, sizes: Iterable[str]) -> int:
    differences = 0
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedValkey(Path(name) / "valkey") as valkey,
        # The public total must not move: anybody may see it, and at another step other words break into other lines.
        with_publisher_site(
            valkey.url,
            Path(name) / "sandbox",
            campaigns=write_campaign_with_fee(Path(name) / "campaigns", account=ACCOUNT),
            demo_publication_interval=None,
        ) as (installation, site),
        sync_playwright() as playwright,
    ):
        installation.until_ready()
        browser = playwright.chromium.launch(**CHROMIUM)
        url = site.publish(hostile_article(installation))
        for size in sizes:
            width, height = SIZES[size]
            expected: list[str] = []
            for run in range(runs):
                for journey in JOURNEYS:
                    with browser.new_context(viewport={"width": width, "height": height}) as context:
                        recording = record(context.new_page(), installation, url, JOURNEYS[journey])
                    expected = expected or recording
                    if recording != expected:
                        differences += 1
                        changed = [pair for pair in zip(expected, recording, strict=False) if pair[0] != pair[1]]
                        print(f"{size}, run {run + 1}, {journey}: {changed[:3]}")
            print(f"{size}: {runs} runs of {len(JOURNEYS)} journeys, {len(expected)} observations each")
        browser.close()
    print(f"{differences} recordings differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, sys.argv[2:] or SIZES))
