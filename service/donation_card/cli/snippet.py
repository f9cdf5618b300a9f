"""`donation-card snippet`: print the embed code of a campaign."""

from pathlib import Path

import click

from donation_card.cli.environment import campaigns_option


@click.command()
@click.argument("campaign")
@click.option("--lang", default="", help="Language of the link; default: the campaign's.")
@click.option("--url", envvar="PUBLIC_URL", required=True, help="Public address of the service.")
@campaigns_option
@click.option("--sri", is_flag=True, help="Pin the card's release with a hash (SRI).")
def snippet(campaign: str, lang: str, url: str, campaigns: Path, *, sri: bool) -> None:
    """Print the embed code of CAMPAIGN.

    A publisher pastes these two lines into an article.
    """
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.web.presentation.snippet import script_snippet
    from donation_card.web.presentation.translations import choose_translations

    found = CampaignFiles(campaigns).get(campaign)
    click.echo(script_snippet(url.rstrip("/"), found, choose_translations(lang, found), pinned=sri))
