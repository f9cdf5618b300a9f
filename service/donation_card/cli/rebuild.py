"""`donation-card rebuild`: build the stored totals again from Stripe, or compare the two."""

import asyncio
import sys
from collections.abc import Iterator, Sequence

import click

from donation_card.application.ports.totals import RebuildReport
from donation_card.cli.environment import load_settings
from donation_card.domain.money import Money
from donation_card.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Compare only; keep the stored totals.")
def rebuild(dry_run: bool) -> None:
    """Rebuild the stored totals from Stripe.

    The table shows the stored total, the total at Stripe and the difference. The exit status is 1 if a total was wrong.
    The service may run meanwhile.
    """
    if not asyncio.run(_rebuild(load_settings(), dry_run)):
        sys.exit(1)


async def _rebuild(settings: Settings, dry_run: bool) -> bool:
    """Return True if every stored total was right."""
    from donation_card.use_cases import open_application

    async with open_application(settings) as application:
        with click.progressbar(
            length=0, show_pos=True, show_percent=False, label="payments, refunds and disputes"
        ) as bar:

            def forward(done: int) -> None:
                bar.update(done - bar.pos)

            compared = await application.reconciliation.rebuild(dry_run=dry_run, on_progress=forward)
            failures = application.reconciliation.failures
    for line in _table(compared):
        click.echo(line)
    for name, reason in failures.items():
        click.echo(f"{name}: left out, {reason}")
    return not failures and not any(comparison.mismatch for comparison in compared)


def _table(compared: Sequence[RebuildReport]) -> Iterator[str]:
    yield f"{'campaign':24} {'stored':>20} {'at Stripe':>20} {'difference':>16} {'payments':>16}"
    for each in compared:
        (campaign, _, currency), before, after = each.campaign.partition("/"), each.before, each.after

        def shown(amount: int, currency: str = currency) -> str:
            return str(Money(amount, currency))

        stored = shown(before.raised) if before else "unknown"
        difference = shown(after.raised - before.raised) if before else ""
        payments = f"{before.payments} → {after.payments}" if before and before != after else str(after.payments)
        note = "  totals of single sites differ" if each.mismatch and before == after else ""
        yield f"{campaign:24} {stored:>20} {shown(after.raised):>20} {difference:>16} {payments:>16}{note}"
