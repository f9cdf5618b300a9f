"""`make bench`: how fast and how large, as one table of ratios.

    python -m bench [part…]

What is compared is measured side by side, in interleaved rounds of one run; the median is told, and from where to where
the rounds went. Rates are requests for each second of CPU that the server used, unless a row says otherwise: on a
machine that is shared, a clock says more of the others. Everything talks to loopback and stops by itself. Parts without
a ratio (joins, rebuild, campaigns, card) print what they found by themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bench import campaigns, card, ledger, reads, scale, sessions
from bench.running import Row

TABLE: dict[str, Callable[[], Iterator[Row]]] = {
    "reads": reads.rows,
    "sessions": sessions.rows,
    "webhooks": ledger.webhooks,
    "start": scale.start,
    "memory": scale.memory,
    "workers": scale.workers,
    "many": scale.many_campaigns,
    "connections": scale.connections,
}
ALONE: dict[str, Callable[[], None]] = {
    "joins": ledger.joins,
    "rebuild": ledger.rebuild,
    "campaigns": campaigns.main,
    "card": card.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", nargs="*", metavar="part", help=", ".join([*TABLE, *ALONE]), choices=[[], *TABLE, *ALONE]
    )
    wanted = parser.parse_args().part or [*TABLE, *ALONE]
    tabled = [part for part in wanted if part in TABLE]
    if tabled:
        print(f"{datetime.now(UTC):%Y-%m-%d}, python -m bench {' '.join(tabled)}\n", flush=True)
        print(
            "| what | measured | beside it | ratio (of all rounds) | aim |\n| --- | ---: | ---: | ---: | ---: |",
            flush=True,
        )
    for part in tabled:
        for row in TABLE[part]():
            print(f"| {row.what} | {row.measured} | {row.beside} | {row.ratio} | {row.aim} |", flush=True)
    for part in wanted:
        if part in ALONE:
            ALONE[part]()


if __name__ == "__main__":
    main()
