"""The settings and the options that several commands share."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from donation_card.settings import Settings, from_environment

DEMO_ENVIRONMENT = Path("data/environment")
"""Written by `donation-card demo`. The other commands read it in the folder of a demo."""

campaigns_option = click.option(
    "--campaigns",
    default="campaigns",
    envvar="CAMPAIGNS_DIR",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of campaign files.",
)


def environment() -> Mapping[str, str]:
    """Return the variables of the process, or those of the demo where REDIS_URL is not set."""
    if "REDIS_URL" in os.environ or not DEMO_ENVIRONMENT.exists():
        return os.environ
    click.echo(f"(with the demo's settings from {DEMO_ENVIRONMENT})", err=True)
    return dict(line.split("=", 1) for line in DEMO_ENVIRONMENT.read_text().splitlines())


def load_settings() -> Settings:
    """Read the settings. Raises ConfigurationError."""
    return from_environment(environment())
