"""What the commands share: the settings, and an application without a web server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from donation_card.settings import Settings

if TYPE_CHECKING:  # a command imports what it needs when it runs: `--help` waits for nothing
    from donation_card.application.donations import Donations

_DEMO_ENVIRONMENT: Final = Path("data/environment")


def environment() -> Mapping[str, str]:
    """Where settings are read from; without any, those of the demo that runs in this folder."""
    if "REDIS_URL" in os.environ or not _DEMO_ENVIRONMENT.exists():
        return os.environ
    click.echo("(the demo's settings, from data/environment)", err=True)
    return dict(line.split("=", 1) for line in _DEMO_ENVIRONMENT.read_text().splitlines())


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Donations]:
    """The verbs, beside a running service or without one."""
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
