"""`python -m tests.soak.mutants [name…]`: plant each bug in a copy of the project, and show which test catches it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "node_modules", "data", "__pycache__", ".*_cache", ".hypothesis")
PATIENCE = 300
"""Seconds."""


def patches() -> dict[str, Path]:
    return {path.stem: path for path in sorted(HERE.glob("*.patch"))}


def catchers(patch: Path) -> list[str]:
    return re.search(r"^Caught by: (.+)$", patch.read_text("utf-8"), re.M)[1].split()


def applies(patch: Path, folder: Path, *options: str) -> bool:
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # the copy is no repository
    command = ["git", "apply", *options, str(patch)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode == 0


def caught_by(patch: Path) -> str | None:
    """The first test that fails with the bug in; None: nobody noticed."""
    with tempfile.TemporaryDirectory(prefix="planted-") as temporary:
        folder = Path(temporary) / "project"
        shutil.copytree(PROJECT, folder, ignore=LEFT_BEHIND)
        if not applies(patch, folder):
            return None
        command = [sys.executable, "-m", "pytest", "-x", "-q", *catchers(patch)]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        failed = re.search(r"^FAILED (.+?)(?: - .*)?$", ended.stdout, re.M)
        return failed[1] if ended.returncode == 1 and failed else None


def main() -> None:
    wanted = {name: path for name, path in patches().items() if not sys.argv[1:] or name in sys.argv[1:]}
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(wanted, pool.map(caught_by, wanted.values()), strict=True))
    for name, test in found.items():
        print(f"{name:30} {test or 'NOBODY NOTICED'}")
    missed = [name for name, test in found.items() if test is None]
    print(f"{len(found) - len(missed)} of {len(found)} planted bugs caught")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
