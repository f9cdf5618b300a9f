"""Settings and application objects for the commands."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:  # commands import what they need when they run, so that `--help` is fast
    from donation_card.application.ports.campaigns import Campaigns
    from donation_card.application.ports.totals import TotalsStore
    from donation_card.application.reconciliation import Reconciliation
    from donation_card.application.stripe_account import StripeAccount

DEMO_ENVIRONMENT = Path("data/environment")
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


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of the service that the commands use."""

    campaigns: Campaigns
    totals_store: TotalsStore
    account: StripeAccount
    reconciliation: Reconciliation


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Open the use cases without a web server, and close their connections at the end."""
    from donation_card.app import campaign_files, redis_totals_store, stripe_payments, utc_now
    from donation_card.application.activity import ActivityLog
    from donation_card.application.payment_recorder import PaymentRecorder
    from donation_card.application.public_progress import PublicProgress
    from donation_card.application.reconciliation import Reconciliation
    from donation_card.application.stripe_account import StripeAccount

    campaigns = campaign_files(settings)
    payments, totals_store = stripe_payments(settings), redis_totals_store(settings)
    account = StripeAccount(payments, totals_store)
    recorder = PaymentRecorder(account, campaigns, totals_store, payments)
    progress = PublicProgress(account, campaigns, totals_store, utc_now)
    activity = ActivityLog(utc_now)
    reconciliation = Reconciliation(account, campaigns, totals_store, payments, recorder, progress, activity, utc_now)
    try:
        yield Application(campaigns, totals_store, account, reconciliation)
    finally:
        await totals_store.close()
        await payments.close()
