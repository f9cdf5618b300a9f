"""Measure the cost of a thousand campaign files: CPU time to load them, and requests compared with one campaign."""

from __future__ import annotations

import contextlib
import re
import statistics
import tempfile
import time
from pathlib import Path

from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.domain.campaign import LANGUAGES

from bench.running import requests_per_second, service_running
from tests.support.image_files import encode, photo
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
    """Write campaigns in seven languages. A hundred recipients have an equal share of them."""
    folder.mkdir()
    for at, name in enumerate(("vitaly", *(f"another-{n}" for n in range(1, number)))):
        text = VITALY_TEXT.replace("BYSOL", f"BYSOL {at % 100}") if at else VITALY_TEXT
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder


def write_pictures(folder: Path) -> None:
    """Give each campaign of a folder a picture of its own, as large as a photo of 12 million pixels."""
    image = encode(photo(1600, 1200).resize((4000, 3000)), "JPEG", quality=75)
    alts = ", ".join(f'{language} = "A picture"' for language in LANGUAGES)
    for number, path in enumerate(sorted(folder.glob("*.toml"))):
        path.with_suffix(".jpg").write_bytes(image + str(number).encode())
        text = re.sub(r"\n\[picture\].*?(?=\n\[|\Z)", "", path.read_text("utf-8"), flags=re.DOTALL)
        path.write_text(f'{text}\n[picture]\nfile = "{path.stem}.jpg"\nalt = {{ {alts} }}\n', "utf-8")


def load_seconds(folder: Path) -> float:
    """Return the CPU seconds that one process needs to read the folder."""
    started = time.process_time()
    CampaignFiles(folder)
    return time.process_time() - started


if __name__ == "__main__":
    main()
