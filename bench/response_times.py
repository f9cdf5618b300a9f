"""Measure if response times show that somebody opened the giving page: `python -m bench.response_times`.

A poller asks public addresses through the shipped proxy, in random order. Before each turn, a reader in another process
opens the giving page, or does not, by a coin. The poller first sends requests that are not measured, because the first
request after a pause is slower for reasons of its own. A classifier learns from half of the turns and guesses the
others. Its result is the AUC: 0.5 is chance, 1 certainty. The advantage is the share of openings that it finds, minus
the share of false alarms.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import ssl
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx
from donation_card.demo.embedded_valkey import EmbeddedValkey

from tests.support.installation import free_port, processes
from tests.support.proxy import proxied

PAUSE = 1.1
"""Seconds between two turns. No entry of the proxy's cache that can expire lives longer."""
SINCE_OPENED = 0.2
"""Seconds between the opening and the poll."""
UNMEASURED = 5
"""Requests before each poll."""

reader_client: httpx.Client
"""The client of the reader. Only the process of the reader has it."""

Turn = tuple[bool, list[float]]
"""If the giving page was opened, and the logarithm of each response time."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--openings", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedValkey(Path(name) / "valkey") as valkey,
        processes(
            valkey.url,
            Path(name),
            Path("campaigns"),
            workers=1,
            more={"PUBLIC_URL": f"https://localhost:{port}"},
        ) as (installation, _),
        proxied(Path(name) / "nginx", installation.service, port) as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=15) as poller,
        ProcessPoolExecutor(1, get_context("spawn"), open_connection, (proxy.url, str(proxy.folder))) as reader,
    ):
        paths, turns = addresses(poller), list[Turn]()
        page = ["/c/vitaly/give", "/c/vitaly/frame", *(each for each in paths if "/static/" in each)]
        while sum(opened for opened, _ in turns) < options.openings:
            opened = rng.random() < 0.5
            reader.submit(read, page if opened else []).result()
            time.sleep(SINCE_OPENED)
            for _ in range(UNMEASURED):
                asked(poller, "/healthz")
            times = {path: asked(poller, path) for path in rng.sample(paths, len(paths))}
            turns.append((opened, [times[path] for path in paths]))
            time.sleep(PAUSE)
    report(paths, turns)


def open_connection(url: str, folder: str) -> None:
    """Prepare the reader in a process of its own."""
    global reader_client
    trust = ssl.create_default_context(cafile=f"{folder}/fullchain.pem")
    reader_client = httpx.Client(base_url=url, verify=trust, timeout=15)


def read(paths: Sequence[str]) -> None:
    for path in paths:
        reader_client.get(path).raise_for_status()


def addresses(client: httpx.Client) -> list[str]:
    page = client.get("/c/vitaly/give").text
    files = sorted(set(re.findall(r"/static/[0-9a-f]+/[\w.-]+", page)))
    return [
        *("/", "/c/vitaly", "/c/vitaly/give", "/c/vitaly/frame", "/v1/campaigns/vitaly"),
        *("/v1/campaigns/vitaly/progress", "/widget/v1/donation-card.js", "/c/vitaly/badge.svg", "/healthz"),
        *files,
    ]


def asked(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return math.log(time.perf_counter() - began)


def report(paths: Sequence[str], turns: Sequence[Turn]) -> None:
    opened = sum(each for each, _ in turns)
    print(f"{opened} openings, {len(turns) - opened} turns without\n{'AUC':>6}  address")
    for number, path in enumerate(paths):
        print(f"{auc([(label, times[number]) for label, times in turns]):>6.2f}  {path}")
    learned, guessed = turns[::2], turns[1::2]
    weights = [discriminant(learned, number) for number in range(len(paths))]

    def score(times: Sequence[float]) -> float:
        return sum(slope * (value - middle) for value, (slope, middle) in zip(times, weights, strict=True))

    scores = [(label, score(times)) for label, times in guessed]
    found = statistics.fmean(value > 0 for label, value in scores if label)
    false = statistics.fmean(value > 0 for label, value in scores if not label)
    chance = 1 / math.sqrt(len(scores))
    print(f"all together: AUC {auc(scores):.2f}, advantage {found - false:+.2f}, by chance alone ± {chance:.2f}")


def discriminant(turns: Sequence[Turn], number: int) -> tuple[float, float]:
    """Return the slope and the middle of a linear discriminant for one address."""
    groups = [[times[number] for label, times in turns if label is wanted] for wanted in (False, True)]
    without, opened = map(statistics.fmean, groups)
    return (opened - without) / statistics.fmean(map(statistics.pvariance, groups)), (opened + without) / 2


def auc(scores: Sequence[tuple[bool, float]]) -> float:
    """Return the chance that a turn with an opening has the higher score."""
    pairs = [(one > none) + (one == none) / 2 for a, one in scores if a for b, none in scores if not b]
    return statistics.fmean(pairs)


if __name__ == "__main__":
    main()
