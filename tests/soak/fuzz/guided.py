"""Fuzz one parser, guided by coverage (atheris): `python -m tests.soak.fuzz.guided PARSER SECONDS`."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path


def run(count: int, seed: int) -> Counter[str]:
    """Fuzz every parser, `count` seconds in total. Return executions by parser. Raise AssertionError on a crash."""
    from tests.soak.fuzz.parsers import PARSERS

    return Counter({name: execute(name, max(2, count // len(PARSERS)), seed) for name in PARSERS})


def execute(name: str, seconds: int, seed: int, runs: int = -1) -> int:
    """Fuzz one parser in a process of its own, because atheris ends the process. With -1 only `seconds` ends it."""
    command = [sys.executable, "-m", "tests.soak.fuzz.guided", name, str(seconds), str(seed), str(runs)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120 + 2 * seconds)
    told = ended.stdout + ended.stderr
    done = re.search(r"Done (\d+) runs", told)
    if ended.returncode or not done:
        raise AssertionError(f"{name}: {told[-4000:]}")
    return int(done[1])


def main() -> None:
    import atheris

    name, seconds, seed, runs = sys.argv[1:]
    with atheris.instrument_imports(include=["donation_card", "itsdangerous", "tomli"]):
        from tests.soak.fuzz.parsers import PARSERS, SEEDS
    with tempfile.TemporaryDirectory(prefix="guided-") as folder:
        for number, seed_bytes in enumerate(SEEDS[name]):
            Path(folder, str(number)).write_bytes(seed_bytes)
        options = [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-runs={runs}",
            "-max_len=4096",
            "-rss_limit_mb=2048",
            f"-artifact_prefix={folder}/",
        ]
        atheris.Setup([sys.argv[0], *options, folder], PARSERS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
