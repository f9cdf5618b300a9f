"""`donation-card bank`: import the bank's statements where the organiser works."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from donation_card.cli.environment import campaigns_option
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.errors import ConfigFault, ConfigurationError

if TYPE_CHECKING:
    from donation_card.application.statement_import import ImportResult, ImportState

state_option = click.option(
    "--state",
    "state_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the imported statements, on this machine only. It is created by the first import.",
)
print_option = click.option(
    "--print", "print_files", is_flag=True, help="Print the bank files, and nothing else, for a ConfigMap."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")


@click.group("bank")
def bank_commands() -> None:
    """Count donations by bank transfer."""


@bank_commands.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@campaigns_option
@state_option
@click.option("--assign", multiple=True, metavar="ENTRY=CAMPAIGN", help="Count an entry, such as 2026-117:3=vitaly.")
@print_option
@dry_run_option
def import_command(
    files: tuple[Path, ...],
    campaigns: Path,
    state_file: Path,
    assign: tuple[str, ...],
    print_files: bool,
    dry_run: bool,
) -> None:
    """Import bank statements (camt.053).

    Sum the booked entries with the reference of a campaign, and write the sums beside the campaign files. The files
    come in any order. They must continue the statements that were imported before; otherwise nothing changes.
    Only day and amount of an entry are shown, and only on a terminal.
    """
    from donation_card.adapters.bank_statements.camt053 import read_statement_file
    from donation_card.adapters.bank_statements.pages import join_pages
    from donation_card.adapters.bank_statements.storage import locked
    from donation_card.application.statement_import import import_statements

    with locked(state_file):
        state, found, completed = _open(campaigns, state_file, dry_run=dry_run)
        statements = join_pages(page for file in files for page in read_statement_file(file))
        if completed and all(any(each.record.repeats(known) for known in state.statements) for each in statements):
            return
        result = import_statements(state, str(state_file), statements, found, _assignments(assign))
        for line in _report(result):
            click.echo(line, err=print_files)
        _show_notices(result, dry_run=dry_run, err=print_files)
        _write(result.state, campaigns, state_file, found, print_files=print_files, dry_run=dry_run)


@bank_commands.command()
@click.argument("statement")
@campaigns_option
@state_option
@print_option
@dry_run_option
def forget(statement: str, campaigns: Path, state_file: Path, print_files: bool, dry_run: bool) -> None:
    """Take the import of a STATEMENT back.

    Its name is printed by the import, such as 2026-117. Import its file again before you import newer ones.
    """
    from donation_card.adapters.bank_statements.storage import locked
    from donation_card.application.statement_import import forget_statement

    with locked(state_file):
        state, found, _ = _open(campaigns, state_file, dry_run=dry_run)
        state = forget_statement(state, str(state_file), statement)
        _write(state, campaigns, state_file, found, print_files=print_files, dry_run=dry_run)


def _open(campaigns: Path, state_file: Path, *, dry_run: bool) -> tuple[ImportState, Sequence[Campaign], bool]:
    """Read the state and the campaigns, and complete an import that was interrupted. Raise ConfigurationError."""
    from donation_card.adapters.bank_statements.storage import read_state
    from donation_card.adapters.campaign_files.bank_file import reference_faults
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.application.statement_import import ImportState, expected_transfers

    if state_file.resolve().is_relative_to(campaigns.resolve()):
        allowed = "a folder that is not copied to the server: it holds the balances of the account"
        raise ConfigurationError([ConfigFault("--state", str(state_file), "a file among the campaigns", allowed)])
    state = read_state(state_file)
    found = CampaignFiles(campaigns).all()
    if faults := reference_faults(found):
        raise ConfigurationError(faults)
    if not state.unfinished:
        _check_bank_files(expected_transfers(state, found), campaigns, state_file, found)
        return state, found, False
    click.echo("The last import was interrupted. It is completed first." + " Not with --dry-run." * dry_run)
    _write(ImportState(state.statements), campaigns, state_file, found, dry_run=dry_run)
    return ImportState(state.statements), found, not dry_run


def _check_bank_files(
    expected: Mapping[str, ImportedTransfers | None], campaigns: Path, state_file: Path, found: Sequence[Campaign]
) -> None:
    """Raise ConfigurationError if a bank file holds something else than the state: it may be the state of others."""
    faults = [
        ConfigFault(
            f"{campaign.id}.bank.toml",
            "the file",
            _summary(campaign.imported_transfers),
            f"{_summary(expected[campaign.id])}, as {state_file} says: name the right --state, or remove the file",
        )
        for campaign in found
        if campaign.imported_transfers and campaign.imported_transfers != expected[campaign.id]
    ]
    if faults:
        raise ConfigurationError(faults)


def _assignments(assign: Sequence[str]) -> dict[str, str]:
    return {place: campaign for place, _, campaign in (each.rpartition("=") for each in assign)}


def _report(result: ImportResult) -> Iterator[str]:
    for statement, count in result.counts:
        record = statement.record
        yield f"{statement.source}: statement {record.name} of {record.account}, until {record.last_day}"
        if not statement.entries:
            yield "  no entries"
        for campaign, (_, number) in sorted(count.imported.items()):
            yield f"  {campaign}: {number} donations"
        if count.unmatched:
            yield f"  {count.unmatched} credits without the reference of a campaign do not count"
    for statement in result.skipped:
        yield f"{statement.source}: skipped: {statement.record.account} is the account of no campaign"


def _show_notices(result: ImportResult, *, dry_run: bool, err: bool) -> None:
    """Show entries on the terminal. Elsewhere, show how many there are: a file would keep days and amounts.

    `err`: the standard output is for the bank files alone.
    """
    notices = [notice for _, count in result.counts for notice in count.notices]
    if not notices:
        return
    again = "" if dry_run else "take its statement back (donation-card bank forget {}), and "
    if not sys.stderr.isatty():
        again = again.format("STATEMENT")
        click.echo(f"{len(notices)} entries need your attention. To see one, {again}import it in a terminal.", err=err)
        return
    for each in notices:
        click.echo(f"  {each.place}  {each.day}  {Money(each.amount, 'EUR')}  {each.kind.value}", err=True)
    for each in [each for each in notices if not each.kind.is_counted][:1]:
        again = again.format(each.statement)
        click.echo(f"  To count an entry, {again}import it with --assign {each.place}=CAMPAIGN.", err=True)


def _write(
    state: ImportState,
    campaigns: Path,
    state_file: Path,
    found: Sequence[Campaign],
    *,
    print_files: bool = False,
    dry_run: bool = False,
) -> None:
    from donation_card.adapters.bank_statements.storage import write_all
    from donation_card.adapters.campaign_files.bank_file import bank_file_of, format_bank_file
    from donation_card.application.statement_import import expected_transfers

    expected = expected_transfers(state, found)
    texts = {
        bank_file_of(campaigns / f"{name}.toml"): format_bank_file(imported) if imported else None
        for name, imported in expected.items()
    }
    if not dry_run:
        write_all(state_file, state, texts)
    for campaign in found:
        if campaign.imported_transfers != expected[campaign.id]:
            before, after = _summary(campaign.imported_transfers), _summary(expected[campaign.id])
            click.echo(f"{campaign.id}.bank.toml: {after} (before: {before})", err=print_files)
    if dry_run:
        click.echo("Nothing was written.", err=print_files)
    if print_files:
        click.echo("data:")
        for path, text in texts.items():
            if text:
                click.echo(f"  {path.name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines()), nl=False)


def _summary(imported: ImportedTransfers | None) -> str:
    if imported is None:
        return "no file"
    return f"{imported.total} in {imported.donations} donations until {imported.last_day}"
