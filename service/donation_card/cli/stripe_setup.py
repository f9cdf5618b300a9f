"""`donation-card stripe setup`: create at Stripe what campaigns need. A second run changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from donation_card.cli.environment import environment
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.domain.campaign import Campaign

REQUIRED_SETTINGS = ("STRIPE_SECRET_KEY", "PUBLIC_URL", "CAMPAIGNS_DIR", "STRIPE_API_BASE")
"""The others may be missing: this command prints the webhook secret, and does not use Redis."""


@click.group("stripe")
def stripe_commands() -> None:
    """Prepare the Stripe account."""


@stripe_commands.command()
def setup() -> None:
    """Create what campaigns need at Stripe.

    That is the webhook endpoint, a payment link for each campaign, and the domains for wallets. What exists and is
    right stays. Run it with a key that may write these three; the service needs none of these rights. The webhook
    secret is printed once, when the endpoint is created.
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
        done, endpoint = await at_stripe.ensure_webhook_endpoint(url)
        click.echo(f"webhook endpoint   {done}: {url}, {len(endpoint.events)} events")
        if endpoint.secret:
            click.echo(f"    STRIPE_WEBHOOK_SECRET={endpoint.secret}\n    Set it now: it is not printed again.")
        if endpoint.api_version not in (API_VERSION, None):
            click.echo(f"    Its version is {endpoint.api_version}, not {API_VERSION}: delete it, then run this again.")
        for campaign in campaigns:
            if campaign.hidden:
                continue
            product = translations_for(campaign.default_language).translate("give.product")
            done, link = await at_stripe.ensure_payment_link(campaign, product)
            click.echo(f"payment link       {done}: {campaign.id}")
            if campaign.fallback_url != link:
                click.echo(
                    f'    For times when our form does not work, in {campaign.id}.toml:\n    fallback_url = "{link}"'
                )
        for name in wallet_domains(settings, campaigns):
            done, domain = await at_stripe.ensure_domain(name)
            click.echo(f"domain             {done}: {name}")
            for wallet, problem in domain.problems.items():
                click.echo(f"    {wallet} does not work there yet: {problem}")
    finally:
        await at_stripe.close()


def wallet_domains(settings: Settings, campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Yield the service's domain and the publishers': a wallet inside a frame needs both registered."""
    service = urlsplit(settings.public_url).hostname or ""
    for name in dict.fromkeys([service, *(site for campaign in campaigns for site in campaign.publisher_hosts)]):
        if "." in name and not name.replace(".", "").isdigit():
            yield name
