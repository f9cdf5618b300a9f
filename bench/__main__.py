"""Measure speed and size, print tables of ratios and of growing costs, and write docs/benchmark.md.

    python -m bench [part…]

Targets are compared in interleaved rounds of one run. The table shows the median of the ratios, the lowest and the
highest. Rates are requests for each second of CPU that the server used, unless a row says otherwise. All servers listen
on loopback only. The parts campaigns, card and import print tables of their own.

Without a part, all are measured, and docs/benchmark.md and its plots are written.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bench import bank_import, campaigns, card, curves, page, reads, scale, sessions, webhooks
from bench.curves import Curve
from bench.running import Row

ROWS: dict[str, Callable[[], Iterator[Row]]] = {
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
CURVES: dict[str, Callable[[], Iterator[Curve]]] = {
    "by-campaigns": curves.by_campaigns,
    "by-gifts": curves.by_gifts,
    "by-connections": curves.by_connections,
    "rebuild": curves.rebuild,
}
OWN_TABLES: dict[str, Callable[[], None]] = {
    "campaigns": campaigns.main,
    "card": card.main,
    "import": bank_import.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*ROWS, *CURVES, *OWN_TABLES]
    parser.add_argument("part", nargs="*", metavar="part", help=", ".join(known), choices=[[], *known])
    chosen = parser.parse_args().part
    parts = chosen or known
    table = ["| what | measured | baseline | ratio (of all rounds) | aim |", "| --- | ---: | ---: | ---: | ---: |"]
    print(f"{datetime.now(UTC):%Y-%m-%d}, python -m bench {' '.join(parts)}\n", flush=True)
    rows = [part for part in parts if part in ROWS]
    print(*table if rows else (), sep="\n", flush=True)
    found: list[Curve] = []
    own: list[str] = []
    try:
        for part in rows:
            for row in ROWS[part]():
                table.append(f"| {row.what} | {row.measured} | {row.baseline} | {row.ratio} | {row.aim} |")
                print(table[-1], flush=True)
        for part in (each for each in parts if each in OWN_TABLES):
            own.append(_printed(OWN_TABLES[part]))
        for part in (each for each in parts if each in CURVES):
            for curve in CURVES[part]():
                found.append(curve)
                print(f"\n{page.curve_table(curve)}", flush=True)
    finally:
        if not chosen:  # an interrupted run shows what it has measured
            page.write(table, found, own)


def _printed(work: Callable[[], None]) -> str:
    """Return what the work prints, and print it too."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        work()
    sys.stdout.write(text.getvalue())
    sys.stdout.flush()
    return text.getvalue().strip()


if __name__ == "__main__":
    main()
