"""Settings and application objects for the commands."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:  # commands import what they need when they run, so that `--help` is fast
    from donation_card.application.donations import Donations

DEMO_ENVIRONMENT: Final = Path("data/environment")
"""Written by `donation-card demo`. The other commands read it in the folder of a demo."""


def environment() -> Mapping[str, str]:
    """Return the variables of the process, or those of the demo where REDIS_URL is not set."""
    if "REDIS_URL" in os.environ or not DEMO_ENVIRONMENT.exists():
        return os.environ
    click.echo(f"(with the demo's settings from {DEMO_ENVIRONMENT})", err=True)
    return dict(line.split("=", 1) for line in DEMO_ENVIRONMENT.read_text().splitlines())


def load_settings() -> Settings:
    """Read the settings. Raises ConfigurationError."""
    return from_environment(environment())


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Donations]:
    """Open the use cases without a web server, and close their connections at the end."""
    from datetime import UTC, datetime

    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.app import redis_ledger, stripe_payments
    from donation_card.application.donations import Donations

    files = CampaignFiles(settings.campaigns_dir, publication_every=settings.demo_publication_interval)
    donations = Donations(files, redis_ledger(settings), stripe_payments(settings), lambda: datetime.now(UTC))
    try:
        yield donations
    finally:
        await donations.totals_store.close()
        await donations.payments.close()
