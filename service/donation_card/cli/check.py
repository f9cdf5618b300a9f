"""`donation-card check`: check the settings and the campaign files."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from donation_card.domain.campaign import Campaign
from donation_card.domain.redirect_methods import takes_currency
from donation_card.errors import ConfigFault, ConfigurationError
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.adapters.campaign_files.loader import CampaignFiles


@click.command()
@click.option("--campaigns", type=click.Path(path_type=Path), help="Check this folder only, not the settings.")
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, file_okay=False),
    help="First write each receipt into this folder, as everybody will see it.",
)
def check(campaigns: Path | None, receipts: Path | None) -> None:
    """Check the settings and the campaign files.

    Each mistake is named with its place and the values that are allowed.
    """
    from donation_card.adapters.campaign_files.bank_file import SUFFIX, reference_faults
    from donation_card.adapters.campaign_files.loader import CampaignFiles

    if receipts:
        write_receipts(campaigns or Path(os.environ.get("CAMPAIGNS_DIR", "campaigns")), receipts)
    if campaigns is None:
        settings, files = checked_configuration(images=True)
        campaigns, found = settings.campaigns_dir, files.all()
    else:
        files = CampaignFiles(campaigns)
        found = files.all()
        raise_faults(files.image_faults())
    raise_faults(reference_faults(found) + damaged_images(found))
    for path in campaigns.glob("*" + SUFFIX):
        if path.name.removesuffix(SUFFIX) not in [campaign.id for campaign in found]:
            click.echo(f"warning: {path.name}: there is no campaign file beside it, so it does not count", err=True)
    for warning in (*bank_warnings(found), *redirect_warnings(found), *spending_warnings(found)):
        click.echo(f"warning: {warning}", err=True)
    for campaign in found:
        click.echo(f"{campaign.id}: {campaign.goal}, {len(campaign.needs)} needs, {', '.join(campaign.languages)}")


def raise_faults(faults: Sequence[ConfigFault]) -> None:
    """Raise ConfigurationError if there is a fault."""
    if faults:
        raise ConfigurationError(faults)


def write_receipts(campaigns: Path, folder: Path) -> None:
    """Write the largest served image of each receipt, also of one that nobody has looked at yet."""
    from donation_card.adapters.campaign_files.loader import read_receipts
    from donation_card.adapters.pictures.inspection import PictureRefused
    from donation_card.adapters.pictures.store import make

    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in read_receipts(campaigns):
        with contextlib.suppress(PictureRefused):  # the check says why
            made = make(picture)
            path = folder / f"{name}.jpg"
            path.write_bytes(made[picture.file_name(max(picture.widths), "jpg")])
            click.echo(f"{path}: this is what everybody will see")


def damaged_images(campaigns: Sequence[Campaign]) -> list[ConfigFault]:
    """Make every image once, and return a fault for each file whose pixels cannot be read."""
    from donation_card.adapters.pictures.inspection import PictureRefused
    from donation_card.adapters.pictures.store import make

    faults = []
    for campaign in campaigns:
        for table, image in campaign.image_files.items():
            try:
                make(image)
            except PictureRefused as error:
                field, given, allowed = error.args
                faults.append(ConfigFault(f"{campaign.id}.toml", f"{table}.{field}", given, allowed))
    return faults


_BANK_TRANSFER = re.compile("bank transfer|überweis|перевод|перавод|переказ|pavedim|przelew", re.IGNORECASE)
"""The words for it in the languages of a campaign, without their endings."""


def bank_warnings(campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Yield what may be a mistake with bank transfers."""
    for campaign in campaigns:
        name, transfer = f"{campaign.id}.toml", campaign.bank_transfer
        for at, donation in enumerate(campaign.offline_donations):
            if campaign.imported_transfers and any(map(_BANK_TRANSFER.search, donation.source.values())):
                yield f"{name}: offline[{at}] may count a bank transfer that {campaign.id}.bank.toml counts too"
        if transfer and not campaign.shown_transfer:
            yield f"{name}: bank_transfer is not shown: the campaign warns, and accept_named_statement is false"


def redirect_warnings(campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Yield each method that Stripe does not offer in the currency of its campaign."""
    for campaign in campaigns:
        for method in campaign.redirect_methods:
            if not takes_currency(method, campaign.currency):
                yield f"{campaign.id}.toml: redirect_methods: {method} is never offered in {campaign.currency}"


def spending_warnings(campaigns: Sequence[Campaign]) -> Iterator[str]:
    """Yield each spending that stands in the file more than once."""
    for campaign in campaigns:
        for at, spending in enumerate(campaign.spendings):
            if spending in campaign.spendings[:at]:
                entry = f"{spending.amount} on {spending.need}, {spending.iso_date}"
                yield f"{campaign.id}.toml: spent: {entry} stands there more than once"


def checked_configuration(*, images: bool = False, first: int | None = None) -> tuple[Settings, "CampaignFiles"]:
    """Read the settings and the campaigns. Raises ConfigurationError with the faults of both.

    `images`: also raise it for an image file without which a campaign can be shown. `first`: load only so many files.
    """
    from donation_card.adapters.campaign_files.loader import CampaignFiles

    faults: list[ConfigFault] = []
    settings: Settings | None = None
    campaigns: CampaignFiles | None = None
    try:
        settings = from_environment(os.environ)
    except ConfigurationError as error:
        faults += error.faults
    if "CAMPAIGNS_DIR" not in [fault.field for fault in faults]:
        try:
            campaigns = CampaignFiles(
                *(settings.campaign_folders if settings else [os.environ.get("CAMPAIGNS_DIR", "campaigns")]),
                publication_interval=settings.demo_publication_interval if settings else None,
                livemode=settings.livemode if settings else False,
                first=first,
            )
            faults += campaigns.image_faults() if images else []
        except ConfigurationError as error:
            faults += error.faults
    if faults or settings is None or campaigns is None:
        raise ConfigurationError(faults)
    return settings, campaigns
