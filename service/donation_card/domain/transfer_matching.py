"""Find the campaign of each entry of a bank statement by its reference."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from donation_card.domain.bank_statements import BankEntry, Statement
from donation_card.domain.bank_transfer import is_reference

_MAX_TYPING_ERRORS = 2
_LONG = 12
"""Characters of a reference that is still recognised without RF and check digits."""


class NoticeKind(Enum):
    """A reason to show an entry to the organiser. The value is the text."""

    MISTYPED = "not counted: the reference is mistyped"
    AMBIGUOUS = "not counted: it has the references of two campaigns"
    BATCH_COUNTED = "counted as one sum: a batch without details"
    BATCH = "not counted: a batch without details, which may hold donations"
    DEBIT = "not counted: a debit with our reference that is no return"
    RETURNED_DEBIT = "not counted: a returned debit with our reference"

    @property
    def is_counted(self) -> bool:
        return self is NoticeKind.BATCH_COUNTED


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry that the organiser must see once. `position` counts the entries of its statement from 1."""

    statement: str
    position: int
    day: date
    amount: int
    kind: NoticeKind

    @property
    def place(self) -> str:
        """Return the name of the entry for `--assign`, such as `2026-117:3`."""
        return f"{self.statement}:{self.position}"


@dataclass(slots=True)
class Count:
    """The result for one statement: sum (cents) and number by campaign, notices, and credits without our reference."""

    imported: dict[str, tuple[int, int]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    unmatched: int = 0

    def add(self, campaign: str, entry: BankEntry) -> None:
        amount, number = self.imported.get(campaign, (0, 0))
        self.imported[campaign] = amount + entry.amount, number + (entry.transfers if entry.amount > 0 else 0)


def count_transfers(statement: Statement, references: Mapping[str, str], assigned: Mapping[int, str]) -> Count:
    """Add each entry to its campaign. `references`: reference → campaign. `assigned`: position → campaign."""
    count = Count()
    for position, entry in enumerate(statement.entries, 1):
        found = {references[reference] for reference in find_references(entry.text, references)}
        if position in assigned:
            count.add(assigned[position], entry)
            continue
        kind = _notice(entry, found, references)
        if len(found) == 1 and kind in (None, NoticeKind.BATCH_COUNTED):
            count.add(found.pop(), entry)
        elif kind is None:
            count.unmatched += entry.amount > 0
        if kind:
            count.notices.append(Notice(statement.record.name, position, entry.day, entry.amount, kind))
    return count


def _notice(entry: BankEntry, found: set[str], references: Mapping[str, str]) -> NoticeKind | None:
    """Return why the organiser must see the entry, or None."""
    if len(found) > 1:
        return NoticeKind.AMBIGUOUS
    if entry.amount < 0:
        return None if entry.returned or not found else NoticeKind.DEBIT
    if found and entry.returned:  # the debit that came back was not subtracted
        return NoticeKind.RETURNED_DEBIT
    if not entry.itemised:
        return NoticeKind.BATCH_COUNTED if found else NoticeKind.BATCH
    return NoticeKind.MISTYPED if not found and is_mistyped(entry.text, references) else None


def find_references(text: str, references: Mapping[str, str]) -> set[str]:
    """Return the references in a compact text: at each place the longest one."""
    lengths = sorted({len(reference) for reference in references}, reverse=True)
    found = set()
    for match in re.finditer(r"RF[0-9]{2}", text):
        begins = (text[match.start() : match.start() + length] for length in lengths)
        found |= {next((each for each in begins if each in references), "")}
    return found - {""}


def is_mistyped(text: str, references: Mapping[str, str]) -> bool:
    """Return True if a compact text holds a reference with up to two errors, without its beginning, or another one.

    Hyphens and other separators do not matter here. A reference that is written with them is shown, and not counted.
    """
    text = re.sub(r"[^0-9A-Z|]", "", text)
    if any(not is_reference(match[0]) for match in re.finditer(r"RF[0-9]{12}(?![0-9])", text)):
        return True
    return any(
        (len(reference) >= _LONG and reference[4:] in text)
        or (_has_exact_third(reference, text) and _errors(reference, text) <= _MAX_TYPING_ERRORS)
        for reference in references
    )


def _has_exact_third(reference: str, text: str) -> bool:
    """Return True if one of three parts stands in the text: two errors leave one of them as it is."""
    size = len(reference) // 3
    return any(reference[at * size : (at + 1) * size] in text for at in range(3))


def _errors(reference: str, text: str) -> int:
    """Return the fewest insertions, deletions and substitutions between the reference and a part of the text."""
    row = list(range(len(reference) + 1))
    fewest = row[-1]
    for character in text:
        before, row = row, [0]
        for at, expected in enumerate(reference):
            row.append(min(before[at] + (expected != character), before[at + 1] + 1, row[at] + 1))
        fewest = min(fewest, row[-1])
    return fewest
