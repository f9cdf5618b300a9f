"""Send 100,000 orders that are refused, and count the keys that they leave in Redis.

python -m tests.soak.refused_orders [--count 100000]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from donation_card.cli.attack_mode import set_attack_mode
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.support.installation import eventually, processes
from tests.support.refused_orders import refuse

MOST_KEYS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedValkey(Path(name) / "valkey") as valkey,
        Redis.from_url(valkey.url) as redis,
        processes(valkey.url, Path(name), Path("campaigns"), workers=1) as (installation, _),
    ):
        installation.until_ready()
        asyncio.run(set_attack_mode(installation.settings, "on"))
        eventually(lambda: installation.client.get("/readyz").json()["attack_mode"]["level"], "the worker knows")
        before = redis.dbsize()
        codes = refuse(installation, count)
        keys = redis.dbsize()
        print(f"{count} refused orders {dict(codes)}: {before} keys before, {keys} after")
        assert keys <= MOST_KEYS


if __name__ == "__main__":
    main()
