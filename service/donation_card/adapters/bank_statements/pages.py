"""Join the pages of a statement, and check that its entries and its balances agree."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from donation_card.domain.bank_statements import BankEntry, Statement, StatementRecord
from donation_card.domain.money import MAX_SUM, Money
from donation_card.errors import ConfigFault, ConfigurationError


@dataclass(frozen=True, slots=True)
class Balance:
    """`kind` is a code of ISO 20022: OPBD, PRCD, CLBD. `amount` is in cents."""

    kind: str
    day: date
    amount: int


@dataclass(frozen=True, slots=True)
class Page:
    """One `Stmt` of a file."""

    source: str
    account: str
    id: str
    legal_number: int | None
    electronic_number: int | None
    begins: datetime | None
    ends: datetime | None
    number: int
    is_last: bool
    balances: Sequence[Balance]
    entries: Sequence[BankEntry]

    @property
    def is_whole(self) -> bool:
        return self.number == 1 and self.is_last

    @property
    def statement(self) -> tuple[object, ...]:
        """Return what the pages of one statement have in common."""
        numbers = (self.electronic_number, self.legal_number)
        return self.account, max((each.day.year for each in self.balances), default=0), *(
            (self.id,) if numbers == (None, None) else numbers
        )  # fmt: skip

    @property
    def label(self) -> str:
        number = self.legal_number if self.electronic_number is None else self.electronic_number
        return self.id if number is None else str(number)

    def balance(self, *kinds: str, first: bool) -> Balance | None:
        """Return the earliest or the latest balance of the first of these kinds that the page has."""
        for kind in kinds:
            found = sorted((each for each in self.balances if each.kind == kind), key=lambda each: each.day)
            if found:
                return found[0 if first else -1]
        return None


def join_pages(pages: Iterable[Page]) -> list[Statement]:
    """Return the statements. Raise ConfigurationError if a page is missing or entries and balances disagree."""
    groups: dict[tuple[object, ...], list[Page]] = defaultdict(list)
    for page in pages:
        groups[page.statement].append(page)
    statements: list[Statement] = []
    faults: list[ConfigFault] = []
    for group in groups.values():
        parts = sorted((page for page in group if not page.is_whole), key=lambda page: page.number)
        for each in [[page] for page in group if page.is_whole] + ([parts] if parts else []):
            try:
                statements.append(_join(each))
            except _Incomplete as error:
                source = ", ".join(dict.fromkeys(page.source for page in each))
                faults.append(ConfigFault(source, f"statement {each[0].label}", *error.args))
    if faults:
        raise ConfigurationError(faults)
    return statements


class _Incomplete(Exception):
    """Pages that are no complete statement. The arguments are the given value and what is allowed."""


def _join(pages: Sequence[Page]) -> Statement:
    first, last = pages[0], pages[-1]
    numbers = [page.number for page in pages]
    if numbers != list(range(1, len(pages) + 1)) or any(page.is_last for page in pages[:-1]) or not last.is_last:
        given = f"pages {', '.join(map(str, numbers))}" + ("" if last.is_last else ", and more follow")
        raise _Incomplete(given, "all pages, each once")
    opening = first.balance("OPBD", "PRCD", first=True)
    closing = last.balance("CLBD", first=False)
    if opening is None or closing is None:
        given = "no closing balance (CLBD)" if opening else "no opening balance (OPBD, PRCD)"
        raise _Incomplete(given, "both balances: ask the bank for the complete statement")
    entries = [entry for page in pages for entry in page.entries]
    total = opening.amount + sum(entry.amount for entry in entries)
    if total != closing.amount:
        difference = Money(min(abs(total - closing.amount), MAX_SUM), "EUR")
        given = f"entries that lead to another balance than {Money(closing.amount, 'EUR')}, by {difference}"
        raise _Incomplete(given, "all entries: ask the bank for the complete statement, with all pages")
    record = StatementRecord(
        first.account,
        first.id,
        first.legal_number,
        first.electronic_number,
        first.begins,
        last.ends or first.ends,
        closing.day,
        opening.amount,
        closing.amount,
    )
    return Statement(record, entries, ", ".join(dict.fromkeys(page.source for page in pages)))
