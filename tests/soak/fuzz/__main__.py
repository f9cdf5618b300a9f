"""Send malformed input and print the responses: `python -m tests.soak.fuzz [part…] [--scale 0.1] [--seed 7]`."""

from __future__ import annotations

import argparse
import random
import time

from tests.soak.fuzz import guided, signatures, wire

PARTS = {
    "signatures": (signatures.run, 3_000_000),
    "guided": (guided.run, 13 * 60),
    "wire": (lambda count, seed: wire.run(count, seed).statuses, 10_000_000),
}
"""Name → function, and the number of requests, signatures or seconds of the long run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}, scale {wanted.scale}", flush=True)
    for part in wanted.part or PARTS:
        work, count = PARTS[part]
        began = time.monotonic()
        seen = work(max(1, round(count * wanted.scale)), wanted.seed)
        told = ", ".join(f"{name}: {number:,}" for name, number in sorted(seen.items()))
        took = time.monotonic() - began
        print(f"{part:10} {took:6.0f} s   {seen.total():,} ({seen.total() / took:,.0f}/s)   {told}", flush=True)


if __name__ == "__main__":
    main()
