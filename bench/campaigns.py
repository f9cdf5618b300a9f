"""Measure the cost of a thousand campaign files: CPU time to load them, and requests compared with one campaign."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from donation_card.adapters.campaign_files.loader import CampaignFiles

from bench.running import requests_per_second, service_running
from tests.support.shipped import VITALY_TEXT

MANY, ROUNDS = 1000, 3
ADDRESSES = ("/v1/campaigns/vitaly?lang=be", "/c/vitaly?lang=be", "/c/vitaly/give?lang=be", "/c/vitaly/frame?lang=be")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        many = write_campaigns(Path(folder) / "many", MANY)
        print(
            f"\n{MANY} campaign files load in {statistics.median(load_seconds(many) for _ in range(3)):.2f} s of CPU\n"
        )
        one = write_campaigns(Path(folder) / "one", 1)
        services = [
            stack.enter_context(service_running(Path(folder) / f"of-{found.name}", campaigns=found))
            for found in (one, many)
        ]
        print(f"{'':32}{'1 campaign':>12}{MANY:>8} campaigns{'ratio':>8}")
        for address in ADDRESSES:
            rounds = [[requests_per_second(each.url + address) for each in services] for _ in range(ROUNDS)]
            rate_of_one, rate_of_many = (statistics.median(rates) for rates in zip(*rounds, strict=True))
            ratio = statistics.median(many_rate / one_rate for one_rate, many_rate in rounds)
            print(f"{address:32}{rate_of_one:>10,.0f}/s{rate_of_many:>16,.0f}/s{ratio:>8.2f}")


def write_campaigns(folder: Path, number: int) -> Path:
    folder.mkdir()
    text = VITALY_TEXT
    for name in ("vitaly", *(f"another-{n}" for n in range(1, number))):
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder


def load_seconds(folder: Path) -> float:
    """Return the CPU seconds that one process needs to read the folder."""
    started = time.process_time()
    CampaignFiles(folder)
    return time.process_time() - started


if __name__ == "__main__":
    main()
