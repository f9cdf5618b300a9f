"""Measure speed and size, and print one table of ratios.

    python -m bench [part…]

Targets are compared in interleaved rounds of one run. The table shows the median of the ratios, the lowest and the
highest. Rates are requests for each second of CPU that the server used, unless a row says otherwise. All servers listen
on loopback only. The parts apply, rebuild, campaigns, card and import print tables of their own.

Without a part, all are measured, and docs/benchmark.md and its plots are written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bench import bank_import, campaigns, card, curves, page, reads, scale, sessions, totals, webhooks
from bench.running import Row

TABLE: dict[str, Callable[[], Iterator[Row]]] = {
    "reads": reads.rows,
    "sessions": sessions.rows,
    "webhooks": webhooks.rows,
    "instances": webhooks.two_instances,
    "start": scale.start,
    "memory": scale.memory,
    "workers": scale.workers,
    "many": scale.many_campaigns,
    "pictures": scale.pictures,
    "connections": scale.connections,
}
OWN_TABLE: dict[str, Callable[[], None]] = {
    "apply": totals.apply,
    "rebuild": totals.rebuild,
    "campaigns": campaigns.main,
    "card": card.main,
    "import": bank_import.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", nargs="*", metavar="part", help=", ".join([*TABLE, *OWN_TABLE]), choices=[[], *TABLE, *OWN_TABLE]
    )
    chosen = parser.parse_args().part
    parts = chosen or [*TABLE, *OWN_TABLE]
    table = [
        "| what | measured | baseline | ratio (of all rounds) | aim |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    tabled = [part for part in parts if part in TABLE]
    if tabled:
        print(f"{datetime.now(UTC):%Y-%m-%d}, python -m bench {' '.join(tabled)}\n", *table, sep="\n", flush=True)
    for part in tabled:
        for row in TABLE[part]():
            table.append(f"| {row.what} | {row.measured} | {row.baseline} | {row.ratio} | {row.aim} |")
            print(table[-1], flush=True)
    for part in parts:
        if part in OWN_TABLE:
            OWN_TABLE[part]()
    if not chosen:
        page.write(table, list(curves.all_curves()))


if __name__ == "__main__":
    main()
