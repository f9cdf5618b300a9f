"""`donation-card totals`: show the stored total of a campaign."""

import asyncio
import sys
import time
from datetime import datetime

import click

from donation_card.cli.environment import load_settings
from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.money import Money
from donation_card.domain.totals import campaign_of
from donation_card.settings import Settings


@click.command()
@click.argument("campaign")
def totals(campaign: str) -> None:
    """Show the total of CAMPAIGN and its sources.

    It is exact to the cent and includes donations that are not published yet. The sums by site are for the organiser.
    """
    asyncio.run(_totals(load_settings(), campaign))


async def _totals(settings: Settings, campaign_id: str) -> None:
    from donation_card.use_cases import open_application

    async with open_application(settings) as application:
        campaign = application.campaigns.get(campaign_id)
        account = await application.account.get()
        store = application.totals_store
        found = await store.totals(account, campaign.totals_name)
        by_site = await store.totals_by_site(account, campaign.totals_name)
        last_sync_at = (await store.sync_history(account)).last_sync_at or 0
        names = {name for name in await store.campaigns(account) if campaign_of(name) == campaign.id}
        await application.progress.refresh(campaign)  # without a sync of its own, it decides nothing
        progress = application.progress.get(campaign)
        opened = {each.host: application.progress.site_total(campaign, each) for each in campaign.site_totals}
        others = {name: await store.totals(account, name) for name in sorted(names - {campaign.totals_name})}
    click.echo(f"campaign  {campaign.id} ({account.id}, {account.environment})")
    if last_sync_at > time.time() + MAX_AHEAD:
        sys.exit("raised    unknown: a clock was ahead at the last sync; the service synchronises again within seconds")
    if found is None:
        sys.exit("raised    unknown: the service builds the totals within seconds after it starts")
    via_stripe, offline = Money(found.raised, campaign.currency), campaign.offline_total
    click.echo(f"raised    {via_stripe + campaign.outside_stripe} before fees")
    click.echo(f"stripe    {via_stripe} in {found.payments} payments")
    for site, of_site in sorted(by_site.items()):
        total = opened.get(site)
        public = f", of which {Money(total.raised, campaign.currency)} are published" if total else ""
        click.echo(f"site      {Money(of_site.raised, campaign.currency)} in {of_site.payments} from {site}{public}")
    click.echo(f"offline   {offline} in {len(campaign.offline_donations)} entries of the campaign file")
    if imported := campaign.imported_transfers:
        age = (datetime.now(campaign.publication.timezone).date() - imported.last_day).days
        covered = f"statements until {imported.last_day}, {age} days ago"
        click.echo(f"transfer  {imported.total} in {imported.donations} bank transfers; {covered}")
    click.echo(f"goal      {campaign.goal}")
    if campaign.spendings:
        click.echo(f"spent     {campaign.spent()} in {len(campaign.spendings)} entries of the campaign file")
    if progress and (warning := campaign.overspending(progress.raised)):
        click.echo(f"warning   {warning}, {progress.raised}")
    for name, other in others.items():
        if other:
            shown = Money(other.raised, name.rpartition("/")[2])
            click.echo(f"other     {shown} in {other.payments} payments, not shown: the file has {campaign.currency}")
