"""`donation-card check`: check the settings and the campaign files."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from donation_card.domain.campaign import Campaign
from donation_card.errors import ConfigFault, ConfigurationError
from donation_card.settings import Settings, from_environment


@click.command()
@click.option("--campaigns", type=click.Path(path_type=Path), help="Check this folder only, not the settings.")
def check(campaigns: Path | None) -> None:
    """Check the settings and the campaign files.

    Each mistake is named with its place and the values that are allowed.
    """
    from donation_card.adapters.campaign_files.loader import CampaignFiles

    if campaigns is None:
        _, found = checked_configuration()
    else:
        found = CampaignFiles(campaigns).all()
    for campaign in found:
        click.echo(f"{campaign.id}: {campaign.goal}, {len(campaign.needs)} needs, {', '.join(campaign.languages)}")


def checked_configuration() -> tuple[Settings, Sequence[Campaign]]:
    """Read the settings and the campaigns. Raises ConfigurationError with the faults of both."""
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.campaign_files.placeholders import live_faults

    faults: list[ConfigFault] = []
    settings: Settings | None = None
    campaigns: Sequence[Campaign] = []
    try:
        settings = from_environment(os.environ)
    except ConfigurationError as error:
        faults += error.faults
    if "CAMPAIGNS_DIR" not in [fault.field for fault in faults]:
        try:
            campaigns = CampaignFiles(Path(os.environ.get("CAMPAIGNS_DIR", "campaigns"))).all()
        except ConfigurationError as error:
            faults += error.faults
    if settings and settings.livemode:
        faults += live_faults(campaigns)
    if faults or settings is None:
        raise ConfigurationError(faults)
    return settings, campaigns
