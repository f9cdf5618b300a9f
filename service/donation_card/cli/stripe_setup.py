"""`stripe setup`: what a campaign needs at Stripe, made once; a second time changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from donation_card.cli.environment import environment
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.domain.campaign import Campaign

REQUIRED_SETTINGS: Final = ("STRIPE_SECRET_KEY", "PUBLIC_URL", "CAMPAIGNS_DIR", "STRIPE_API_BASE")
"""The webhook's secret is what this command finds out, and Redis has no part in it."""


@click.group()
def stripe() -> None:
    """At Stripe: what a campaign needs there."""


@stripe.command()
def setup() -> None:
    """Make the webhook endpoint, a payment link for each campaign, and register the domains for wallets.

    Give it a key that may write these three, for this once; the service itself needs none of it. What is there already
    stays. The webhook's secret is printed when it is made, and never again.
    """
    asyncio.run(_setup(from_environment(environment(), required=REQUIRED_SETTINGS)))


async def _setup(settings: Settings) -> None:
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.stripe.provisioning import API_VERSION, StripeProvisioning
    from donation_card.web.api.stripe_webhook import PATH
    from donation_card.web.presentation.translations import translations_for

    campaigns = CampaignFiles(settings.campaigns_dir).all()
    at_stripe = StripeProvisioning(settings.stripe_secret_key, api_base=settings.stripe_api_base)
    try:
        url = settings.public_url + PATH
        how, endpoint = await at_stripe.ensure_webhook_endpoint(url)
        click.echo(f"webhook endpoint   {how}: {url}, {len(endpoint.events)} events")
        if endpoint.secret:
            click.echo(f"    STRIPE_WEBHOOK_SECRET={endpoint.secret}\n    Set it now; it is not told again.")
        if endpoint.api_version not in (API_VERSION, None):
            click.echo(f"    It speaks {endpoint.api_version}, not {API_VERSION}: delete it, then run this again.")
        for campaign in campaigns:
            if campaign.hidden:
                continue
            how, link = await at_stripe.ensure_payment_link(
                campaign, translations_for(campaign.default_language).translate("give.product")
            )
            click.echo(f"payment link       {how}: {campaign.id}")
            if campaign.fallback_url != link:
                click.echo(
                    f'    For the hours when our form cannot work, in {campaign.id}.toml:\n    fallback_url = "{link}"'
                )
        for name in wallet_domains(settings, campaigns):
            how, domain = await at_stripe.ensure_domain(name)
            click.echo(f"domain             {how}: {name}")
            for wallet, problem in domain.problems.items():
                click.echo(f"    {wallet} does not show there yet: {problem}")
    finally:
        await at_stripe.close()


def wallet_domains(settings: Settings, campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Ours, and those of the sites that the campaigns name: a wallet in a frame wants both registered."""
    ours = urlsplit(settings.public_url).hostname or ""
    for name in dict.fromkeys([ours, *(site for campaign in campaigns for site in campaign.publisher_hosts)]):
        if "." in name and not name.replace(".", "").isdigit():
            yield name
