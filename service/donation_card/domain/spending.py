"""Money that was spent on the needs of a campaign. The organiser reports it in the campaign file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from donation_card.domain.money import Money
from donation_card.domain.picture import Picture


@dataclass(frozen=True, slots=True)
class Spending:
    """One sum that was spent on a need. `text` and `over` by language.

    `over` says why more was spent on the need than its amount. If `month_only`, `date` is the first day of the month.
    """

    need: str
    date: date
    month_only: bool
    amount: Money
    text: Mapping[str, str]
    over: Mapping[str, str] | None = None
    receipt: Picture | None = None

    @property
    def iso_date(self) -> str:
        return iso_date(self.date, self.month_only)


def iso_date(first: date, month_only: bool) -> str:
    """Return `2026-10`, or `2026-10-05` if the day is known."""
    return first.isoformat()[: 7 if month_only else 10]
