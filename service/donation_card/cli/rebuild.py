"""`rebuild`: the ledger anew from what Stripe says, or only how far the two are apart."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from donation_card.cli.environment import environment, open_application
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.application.ports.totals import RebuildReport


@click.command()
@click.option("--dry-run", is_flag=True, help="Compare only; the ledger stays as it is.")
def rebuild(dry_run: bool) -> None:
    """Build the ledger anew from what Stripe says, and show what it had, what is true, and the difference.

    The service may go on meanwhile: it loses nothing, and readers see the last published figure.
    """
    if not asyncio.run(_rebuild(from_environment(environment()), dry_run)):
        sys.exit(1)


async def _rebuild(settings: Settings, dry_run: bool) -> bool:
    """Whether the ledger said what Stripe says."""
    from donation_card.application.reconciliation import Reconciliation

    async with open_application(settings) as donations:
        account = await donations.account()
        with click.progressbar(
            length=0, show_pos=True, show_percent=False, label="payments, refunds and disputes"
        ) as bar:

            def forward(done: int) -> None:
                bar.update(done - bar.pos)

            compared = await Reconciliation(donations).rebuild(account, dry_run=dry_run, on_progress=forward)
        currencies = {campaign.id: campaign.currency for campaign in donations.campaigns.all()}
    for line in _table(compared, currencies):
        click.echo(line)
    return not any(comparison.mismatch for comparison in compared)


def _table(compared: Sequence[RebuildReport], currencies: Mapping[str, str]) -> Iterator[str]:
    from donation_card.domain.money import Money

    yield f"{'campaign':24} {'the ledger had':>20} {'Stripe says':>20} {'difference':>16} {'payments':>16}"
    for each in compared:
        currency, had, found = currencies.get(each.campaign), each.before, each.after

        def shown(amount: int, currency: str | None = currency) -> str:
            return str(Money(amount, currency)) if currency else f"{amount} (no file)"

        before = shown(had.raised) if had else "unknown"
        change = shown(found.raised - had.raised) if had else ""
        payments = f"{had.payments} → {found.payments}" if had and had != found else str(found.payments)
        note = "  sums of single sites differ" if each.mismatch and had == found else ""
        yield f"{each.campaign:24} {before:>20} {shown(found.raised):>20} {change:>16} {payments:>16}{note}"
