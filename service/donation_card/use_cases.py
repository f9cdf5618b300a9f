"""Connect the use cases with their adapters, without a web server: for the commands, and as a part of the service."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.totals_store import TOTALS_TIMEOUT, RedisTotalsStore
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.stripe_account import StripeAccount
from donation_card.settings import Settings


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of the service that the other commands use."""

    campaigns: CampaignFiles
    totals_store: RedisTotalsStore
    account: StripeAccount
    progress: PublicProgress
    reconciliation: Reconciliation


@contextlib.asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Open the use cases without a web server, and close their connections at the end."""
    campaigns = campaign_files(settings)
    payments, totals_store = stripe_payments(settings), redis_totals_store(settings)
    account = StripeAccount(payments, totals_store)
    recorder = PaymentRecorder(account, campaigns, totals_store, payments)
    progress = PublicProgress(account, campaigns, totals_store, utc_now, settings.publication_key)
    reconciliation = Reconciliation(account, campaigns, totals_store, payments, recorder, progress, utc_now)
    try:
        yield Application(campaigns, totals_store, account, progress, reconciliation)
    finally:
        await totals_store.close()
        await payments.close()


def campaign_files(settings: Settings, *, first: int | None = None) -> CampaignFiles:
    interval, livemode = settings.demo_publication_interval, settings.livemode
    return CampaignFiles(*settings.campaign_folders, publication_interval=interval, livemode=livemode, first=first)


def stripe_payments(settings: Settings) -> StripePayments:
    return StripePayments(
        settings.stripe_secret_key,
        settings.stripe_webhook_secrets,
        api_base=settings.stripe_api_base,
        account_id=settings.stripe_account,
    )


def redis_totals_store(settings: Settings) -> RedisTotalsStore:
    replicas = settings.redis_min_replicas_ack
    return RedisTotalsStore(create_connection(settings.redis_url, deadline=TOTALS_TIMEOUT, replicas=replicas))


def utc_now() -> datetime:
    return datetime.now(UTC)
