"""Try two million random orders of steps in memory, and 50,000 with a real server.

    python -m tests.soak.interleavings [--count 2000000] [--on-redis 50000] [--minutes 600] [--seed 1]

A failure names the seed that repeats it. `--minutes` bounds the time, and the end says how many scenarios were tried.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable

from tests.integration.adapters.redis.test_interleavings import repeated_scenarios
from tests.support.interleavings import DIMENSIONS, run_scenarios

SHARE = 1_000
"""Scenarios between two lines of output."""


def run(name: str, work: Callable[[int, int], int], seed: int, count: int, until: float) -> None:
    done, began = 0, time.monotonic()
    while done < count and time.monotonic() < until:
        done += work(seed + done, min(SHARE, count - done))
        each = (time.monotonic() - began) / done
        print(f"{name}: {done:,} of {count:,} from seed {seed}, {each * 1000:.1f} ms each", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000_000)
    parser.add_argument("--on-redis", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    wanted = parser.parse_args()
    gc.set_threshold(100_000, 20, 20)  # a scenario leaves few cycles
    until = time.monotonic() + wanted.minutes * 60
    print(f"dimensions: {', '.join(DIMENSIONS)}", flush=True)
    run("on Redis", repeated_scenarios, wanted.seed, wanted.on_redis, until)
    run("in memory", run_scenarios, wanted.seed, wanted.count, until)


if __name__ == "__main__":
    main()
