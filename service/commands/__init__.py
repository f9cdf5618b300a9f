"""Commands that need more than a screen, one a module; `service/cli.py` lists them all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

_DEMO_ENVIRONMENT: Final = Path("data/environment")


def environment() -> Mapping[str, str]:
    """Where settings are read from; without any, those of the demo that runs in this folder."""
    if "REDIS_URL" in os.environ or not _DEMO_ENVIRONMENT.exists():
        return os.environ
    click.echo("(the demo's settings, from data/environment)", err=True)
    return dict(line.split("=", 1) for line in _DEMO_ENVIRONMENT.read_text().splitlines())
