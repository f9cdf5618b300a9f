"""Run the mutation tests: `python -m tests.soak.mutants [name…]`.

Each patch in this folder breaks one rule. It is applied to a copy of the project, where one of its tests must fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "node_modules", "data", "__pycache__", ".*_cache", ".hypothesis")
TEST_TIMEOUT = 300
"""Seconds for the tests of one mutant."""


def patches() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.patch"))}


def listed_tests(patch: Path) -> list[str]:
    """Return the test paths in the patch's line `Caught by:`."""
    found = re.search(r"^Caught by: (.+)$", patch.read_text("utf-8"), re.M)
    assert found, f"{patch.name} has no line `Caught by:`"
    return found[1].split()


def applies(patch: Path, folder: Path, *options: str) -> bool:
    # Without the ceiling, git would look for a repository above the copy.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", *options, str(patch)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode == 0


def failing_test(patch: Path) -> str | None:
    """Return the first test that fails with the mutant, or None."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
        folder = Path(temporary) / "project"
        shutil.copytree(PROJECT, folder, ignore=NOT_COPIED)
        if not applies(patch, folder):
            return None
        command = [sys.executable, "-m", "pytest", "-x", "-q", *listed_tests(patch)]
        # The tests start processes, which must import the copy and not the installed package.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "service"), str(folder)])}
        try:
            result = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TEST_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return None
        failed = re.search(r"^FAILED (.+?)(?: - .*)?$", result.stdout, re.M)
        return failed[1] if result.returncode == 1 and failed else None


def main() -> None:
    unknown = set(sys.argv[1:]) - patches().keys()
    if unknown:
        sys.exit(f"Unknown mutants: {', '.join(sorted(unknown))}; known: {', '.join(patches())}")
    chosen = {name: path for name, path in patches().items() if name in sys.argv[1:] or not sys.argv[1:]}
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(chosen, pool.map(failing_test, chosen.values()), strict=True))
    for name, test in found.items():
        print(f"{name:36} {test or 'NOT DETECTED'}")
    missed = [name for name, test in found.items() if test is None]
    print(f"{len(found) - len(missed)} of {len(found)} mutants detected")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
