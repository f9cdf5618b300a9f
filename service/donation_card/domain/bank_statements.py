"""Bank statements: the entries that count, and the rule that statements join up without a gap."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.money import Money

_LARGEST_COUNTER = 999_999
"""A larger statement number is a date or an id, so that the next one may be any other."""


@dataclass(frozen=True, slots=True)
class BankEntry:
    """One booked transfer. `amount` is in cents, negative for a debit. `text` is compact, and never printed."""

    day: date
    amount: int
    text: str = field(repr=False)
    returned: bool = False
    """The bank marks it as a reversal or a return."""
    transfers: int = 1
    itemised: bool = True
    """False for a batch without details: one sum of several transfers."""


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """The part of an imported statement that is kept. `imported` holds sum (cents) and number of each campaign."""

    account: str
    id: str
    legal_number: int | None
    electronic_number: int | None
    begins: datetime | None
    ends: datetime | None
    last_day: date
    opening: int
    closing: int
    imported: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        return self.legal_number if self.electronic_number is None else self.electronic_number

    @property
    def name(self) -> str:
        """Return the short name, such as `2026-117`, or the bank's id of a statement without number."""
        return (self.id or str(self.last_day)) if self.number is None else f"{self.last_day.year}-{self.number}"

    @property
    def full_name(self) -> str:
        return f"{self.account}/{self.name}"

    @property
    def order(self) -> tuple[str, date, int, int, datetime, str]:
        numbers = self.electronic_number or 0, self.legal_number or 0
        return self.account, self.last_day, *numbers, self.begins or datetime.min, self.id

    def is_called(self, name: str) -> bool:
        """Return True for the short name, the name with the account, and the bank's id."""
        return name in (self.name, self.full_name, self.id)

    def repeats(self, other: "StatementRecord") -> bool:
        """Return True if both are the same statement."""
        same = (self.account, self.last_day, self.opening, self.closing) == (
            other.account, other.last_day, other.opening, other.closing
        )  # fmt: skip
        distinct = _numbers(other, self) or _is_later(self, other) or _is_later(other, self)
        return same and (self.name == other.name or not distinct)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the bank's files hold it. `source` names the files."""

    record: StatementRecord
    entries: Sequence[BankEntry]
    source: str


@dataclass(frozen=True, slots=True)
class Break:
    """Two neighbours in a chain that do not join up."""

    before: StatementRecord
    after: StatementRecord
    given: str
    allowed: str


def breaks(records: Iterable[StatementRecord]) -> Iterator[Break]:
    """Yield each place where the statements of an account do not join up. Every order of the records is the same."""
    for before, after in pairwise(sorted(records, key=lambda record: record.order)):
        if before.account == after.account and (found := _break(before, after)):
            yield Break(before, after, *found)


def _break(before: StatementRecord, after: StatementRecord) -> tuple[str, str] | None:
    """Return what is given and what is allowed, or None if `after` continues `before`."""
    if after.opening != before.closing:
        given = f"an opening balance of {Money(after.opening, 'EUR')}"
        closing = f"{Money(before.closing, 'EUR')}, the closing balance of {before.name}"
        return given, f"{closing}: a statement is missing, or two overlap"
    numbers = _numbers(before, after)
    if numbers and all(later != earlier + 1 and not _new_year(before, after, later) for earlier, later in numbers):
        earlier, later = numbers[0]
        return f"number {later} after {earlier}", f"number {earlier + 1}: a statement is missing, or two overlap"
    if not numbers and not _is_later(before, after):
        return f"days that {before.name} covers too", "statements that do not overlap"
    return None


def _numbers(before: StatementRecord, after: StatementRecord) -> list[tuple[int, int]]:
    """Return the numbers that both have, if they count statements. Some banks send the same number every day."""
    pairs = (before.electronic_number, after.electronic_number), (before.legal_number, after.legal_number)
    return [
        (earlier, later)
        for earlier, later in pairs
        if earlier is not None and later is not None and earlier != later and max(earlier, later) <= _LARGEST_COUNTER
    ]


def _new_year(before: StatementRecord, after: StatementRecord, number: int) -> bool:
    return number in (0, 1) and after.last_day.year > before.last_day.year


def _is_later(before: StatementRecord, after: StatementRecord) -> bool:
    """Return True if `after` begins when `before` has ended. Without times, its last day is later."""
    if before.ends and after.begins:
        return after.begins >= before.ends
    return after.last_day > before.last_day


def covered_until(records: Iterable[StatementRecord]) -> date | None:
    """Return the last day of one account up to the first break, or None without a statement."""
    chain = sorted(records, key=lambda record: record.order)
    for before, after in pairwise(chain):
        if _break(before, after):
            return before.last_day
    return chain[-1].last_day if chain else None


def imported_transfers(
    records: Sequence[StatementRecord], campaign: str, account: str | None
) -> ImportedTransfers | None:
    """Return what all statements hold for a campaign. None: no statement is of its account or counts for it."""
    sums = [record.imported[campaign] for record in records if campaign in record.imported]
    accounts = {account} if account else {record.account for record in records if campaign in record.imported}
    days = [covered_until(record for record in records if record.account == each) for each in accounts]
    last_day = max((day for day in days if day), default=None)
    if last_day is None:
        last_day = max((record.last_day for record in records if campaign in record.imported), default=None)
    if last_day is None:
        return None
    total = Money(sum(amount for amount, _ in sums), "EUR")
    return ImportedTransfers(total, sum(number for _, number in sums), last_day)
