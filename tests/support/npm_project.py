"""Install the npm package into a project of its own, beside packages of `tools/node_modules`."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from tools.npm_package import pack

PACKAGES: Final = Path("tools/node_modules").absolute()


def npm_project(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Make a project. `without` names packages that it does not have."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    for package in PACKAGES.iterdir():
        if package.name not in without:
            (modules / package.name).symlink_to(package)
    with tarfile.open(pack(folder)) as packed:
        packed.extractall(modules, filter="data")
    (modules / "package").rename(modules / "donation-card")
    return folder


def run_tool(project: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a package in the project. Its output is text."""
    command = [str(PACKAGES / ".bin" / name), *options]
    return subprocess.run(command, cwd=project, env=os.environ, capture_output=True, text=True, timeout=120)
