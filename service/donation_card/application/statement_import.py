"""Import bank statements: which entries count, which files change, and what the organiser must see.

Nothing is written here. `adapters/bank_statements/storage.py` writes all of the result or nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from donation_card.domain.bank_statements import (
    Statement,
    StatementRecord,
    breaks,
    imported_transfers,
)
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.campaign import Campaign
from donation_card.domain.transfer_matching import Count, count_transfers
from donation_card.errors import ConfigFault, ConfigurationError


@dataclass(frozen=True, slots=True)
class ImportState:
    """The chain of all imported statements. `unfinished`: a crash may have left bank files that are not written."""

    statements: Sequence[StatementRecord] = ()
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The new state, the count of each new statement, and the statements of accounts that no campaign names."""

    state: ImportState
    counts: Sequence[tuple[Statement, Count]]
    skipped: Sequence[Statement]


def import_statements(
    state: ImportState,
    state_file: str,
    statements: Sequence[Statement],
    campaigns: Sequence[Campaign],
    assigned: Mapping[str, str],
) -> ImportResult:
    """Add statements to the chain. Raise ConfigurationError if they do not join up, and change nothing then.

    `assigned`: statement and position of an entry, such as `2026-117:3`, → campaign.
    """
    transfers = {campaign.id: campaign.bank_transfer for campaign in campaigns if campaign.bank_transfer}
    accounts = {each.iban for each in transfers.values()} | {each.account for each in state.statements}
    ours = [each for each in statements if each.record.account in accounts]
    if not ours:
        given = ", ".join(sorted({each.record.account for each in statements})) or "no statement"
        files = ", ".join(dict.fromkeys(each.source for each in statements))
        raise ConfigurationError([ConfigFault(files, "Acct", given, ", ".join(sorted(accounts)) or _NO_ACCOUNT)])
    positions, mistakes = _resolve(assigned, ours, campaigns)
    if faults := (list(_repeated(ours, state.statements)) or list(_apart(ours, state, state_file))) + mistakes:
        raise ConfigurationError(faults)
    references = {transfer.reference: campaign for campaign, transfer in transfers.items()}
    counts = [
        (each, count_transfers(each, references, positions.get(each.record.order, {})))
        for each in sorted(ours, key=lambda each: each.record.order)
    ]
    records = [replace(statement.record, imported=count.imported) for statement, count in counts]
    skipped = [each for each in statements if each.record.account not in accounts]
    return ImportResult(ImportState([*state.statements, *records]), counts, skipped)


_SHOWN = 5
"""Statements that a message names."""
_NO_ACCOUNT = "a campaign with [bank_transfer]"


def _repeated(statements: Sequence[Statement], known: Sequence[StatementRecord]) -> Iterator[ConfigFault]:
    for at, each in enumerate(statements):
        name = f"statement {each.record.name}"
        if any(each.record.repeats(record) for record in known):
            yield ConfigFault(each.source, name, "a statement that was imported before", "each statement once")
        elif any(each.record.repeats(other.record) for other in statements[:at]):
            yield ConfigFault(each.source, name, "a statement that another file holds too", "each statement once")


def _apart(statements: Sequence[Statement], state: ImportState, state_file: str) -> Iterator[ConfigFault]:
    sources = {each.record.order: each.source for each in statements}
    for each in breaks([*state.statements, *(statement.record for statement in statements)]):
        source = sources.get(each.after.order) or sources.get(each.before.order, state_file)
        yield ConfigFault(source, f"statement {each.after.name}", each.given, each.allowed)


def _resolve(
    assigned: Mapping[str, str], statements: Sequence[Statement], campaigns: Sequence[Campaign]
) -> tuple[dict[tuple[object, ...], dict[int, str]], list[ConfigFault]]:
    """Return the campaign of each assigned entry by statement and position, and the mistakes."""
    names = [campaign.id for campaign in campaigns]
    resolved: dict[tuple[object, ...], dict[int, str]] = {}
    faults = []
    for place, campaign in assigned.items():
        name, _, position = place.rpartition(":")
        found = [each for each in statements if each.record.is_called(name)]
        if len(found) != 1 or position not in map(str, range(1, len(found[0].entries) + 1)):
            faults.append(ConfigFault("--assign", place, "no entry of these files", "a place that --dry-run prints"))
        elif campaign not in names:
            faults.append(ConfigFault("--assign", place, campaign, f"one of {', '.join(names)}"))
        else:
            resolved.setdefault(found[0].record.order, {})[int(position)] = campaign
    return resolved, faults


def forget_statement(state: ImportState, state_file: str, name: str) -> ImportState:
    """Take one statement back. Raise ConfigurationError if the name is unknown or that of several."""
    found = [record for record in state.statements if record.is_called(name)]
    if len(found) != 1:
        given = "the name of several statements" if found else "an unknown statement"
        names = [f"{record.full_name} ({record.id})" for record in (found or state.statements)]
        earlier = f"{len(names) - _SHOWN} earlier ones, " * (len(names) > _SHOWN)
        allowed = earlier + ", ".join(names[-_SHOWN:]) or "nothing: it is empty"
        raise ConfigurationError([ConfigFault(state_file, name, given, allowed)])
    return ImportState([record for record in state.statements if record is not found[0]])


def expected_transfers(state: ImportState, campaigns: Sequence[Campaign]) -> dict[str, ImportedTransfers | None]:
    """Return what the bank file of each campaign must hold. None: the campaign has no bank file."""
    return {
        campaign.id: imported_transfers(
            state.statements, campaign.id, campaign.bank_transfer.iban if campaign.bank_transfer else None
        )
        for campaign in campaigns
    }
