"""Measure an import of bank statements: wall-clock and CPU time of the command, and its peak memory."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.bank_statements import REFERENCES, VERSIONS, Sheet, Transfer, write_campaigns, write_file

ENTRIES = 10_000
RUN = """
import atexit, sys
from pathlib import Path
from donation_card.cli.main import main
atexit.register(lambda: print(Path("/proc/self/status").read_text(), file=sys.stderr))
main()
"""
"""The command, which prints its own peak memory: that of `getrusage` includes the parent before `exec`."""


def main() -> None:
    print(f"\n{f'import of {ENTRIES:,} entries':24}{'file':>10}{'time':>10}{'CPU':>10}{'memory':>10}")
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            sheet = Sheet(1, 0, [transfer(number) for number in range(ENTRIES)])
            path = write_file(Path(folder), "statement.xml", sheet, version=version)
            options = [
                "--campaigns",
                write_campaigns(Path(folder) / "campaigns"),
                "--state",
                Path(folder) / "state.json",
            ]
            command = [sys.executable, "-c", RUN, "bank", "import", path, *options]
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
            took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
            assert peak
            size, memory = path.stat().st_size / 1e6, int(peak[1]) * 1024 / 1e6
            print(f"camt.053.001.{version:11}{size:>7.1f} MB{took:>8.2f} s{cpu:>8.2f} s{memory:>7.0f} MB", flush=True)


def transfer(number: int) -> Transfer:
    """Return a gift, a mistyped gift or other money, with a text as long as banks allow."""
    reference = (REFERENCES["roof"], REFERENCES["roof"][:-1] + "x", "Rechnung 2026")[
        number % 10 // 7 + (number % 10 > 8)
    ]
    return Transfer(25_00 + number % 100, f"Spende {number} {'für das Dach ' * 8}{reference}")


if __name__ == "__main__":
    main()
