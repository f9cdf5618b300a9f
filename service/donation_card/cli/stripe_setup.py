"""`donation-card stripe setup`: create at Stripe what campaigns need. A second run changes nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from donation_card.cli.environment import environment
from donation_card.domain.campaign import Campaign
from donation_card.errors import DonationCardError
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:  # the client of Stripe is slow to import, and `--help` does not need it
    from donation_card.adapters.stripe.provisioning import StripeProvisioning

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
    secret is printed once, when the endpoint is created. The exit status is 1 if Stripe refused a part.
    """
    if not asyncio.run(_setup(from_environment(environment(), required=REQUIRED_SETTINGS))):
        sys.exit(1)


async def _setup(settings: Settings) -> bool:
    """Return True if everything was created. A part that Stripe refuses does not stop the others."""
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.stripe.client import StripeRejectedRequest
    from donation_card.adapters.stripe.explanations import explain
    from donation_card.adapters.stripe.provisioning import StripeProvisioning

    campaigns = CampaignFiles(settings.campaigns_dir).all()
    at_stripe = StripeProvisioning(settings.stripe_secret_key, api_base=settings.stripe_api_base)
    complete = True
    try:
        for name, part in _parts(settings, campaigns, at_stripe):
            try:
                click.echo(f"{name:18} {await part}")
            except DonationCardError as error:
                click.echo(f"{name:18} FAILED: {explain(error)}")
                complete = False
                if not ("right" in error.params or isinstance(error, StripeRejectedRequest)):
                    break  # the key is wrong, or Stripe does not answer
    finally:
        await at_stripe.close()
    return complete


def _parts(
    settings: Settings, campaigns: Sequence[Campaign], at_stripe: StripeProvisioning
) -> Iterator[tuple[str, Awaitable[str]]]:
    """Yield the name of each part, and what creates it and returns the lines to print."""
    yield "webhook endpoint", _ensure_endpoint(settings, at_stripe)
    for campaign in campaigns:
        if not campaign.hidden:
            yield "payment link", _ensure_payment_link(campaign, at_stripe)
    for name in wallet_domains(settings, campaigns):
        yield "domain", _ensure_domain(name, at_stripe)


async def _ensure_endpoint(settings: Settings, at_stripe: StripeProvisioning) -> str:
    from donation_card.adapters.stripe.provisioning import API_VERSION
    from donation_card.web.api.stripe_webhook import PATH

    url = settings.public_url + PATH
    done, endpoint = await at_stripe.ensure_webhook_endpoint(url)
    lines = [f"{done}: {url}, {len(endpoint.events)} events"]
    if endpoint.secret:
        lines += [f"    STRIPE_WEBHOOK_SECRET={endpoint.secret}", "    Set it now: it is not printed again."]
    if endpoint.api_version not in (API_VERSION, None):
        lines.append(f"    Its version is {endpoint.api_version}, not {API_VERSION}: delete it, then run this again.")
    return "\n".join(lines)


async def _ensure_payment_link(campaign: Campaign, at_stripe: StripeProvisioning) -> str:
    from donation_card.web.presentation.translations import translations_for

    product = translations_for(campaign.default_language).translate("give.product")
    done, link = await at_stripe.ensure_payment_link(campaign, product)
    lines = [f"{done}: {campaign.id}"]
    if campaign.fallback_url != link:
        lines += [f"    For times when our form does not work, in {campaign.id}.toml:", f'    fallback_url = "{link}"']
    return "\n".join(lines)


async def _ensure_domain(name: str, at_stripe: StripeProvisioning) -> str:
    done, domain = await at_stripe.ensure_domain(name)
    problems = [f"    {wallet} does not work there yet: {problem}" for wallet, problem in domain.problems.items()]
    return "\n".join([f"{done}: {name}", *problems])


def wallet_domains(settings: Settings, campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Yield the service's domain and the publishers': a wallet inside a frame needs both registered."""
    service = urlsplit(settings.public_url).hostname or ""
    for name in dict.fromkeys([service, *(site for campaign in campaigns for site in campaign.publisher_hosts)]):
        if "." in name and not name.replace(".", "").isdigit():
            yield name
