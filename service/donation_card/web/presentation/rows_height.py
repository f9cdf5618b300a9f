"""Compute the height of the card of several campaigns and of the layout `bar`. All lengths are in em of the card.

Each row has the same parts in every state: a title, a bar, and the total beside Donate. A campaign that takes no
donations has its state in place of Donate, as high as Donate. So the height follows from the texts of the campaigns.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.card import recipient_name
from donation_card.web.presentation.text_lines import text_width, widest_word, wrapped_lines
from donation_card.web.presentation.translations import Translations, choose_translations

_EDGE = 0.125
_DONATE = 3.0
"""The height of Donate in a row and in the layout `bar`."""

_CLOSE = 1.75
"""The space beside a bar for the button that closes it."""

_ROW = 1 + 1.75 + 0.0625
"""The height of a row without title and total: space, bar and edge."""

_SMALL, _NOTE = 0.8125, 0.875
_SERIF = 1.08
"""How wide the letters of a heading are, beside those of the text."""

_DAY = "26 November"
_BAR_WIDTH = 30
"""From this width on, without its edges, Donate stands beside the title of a bar."""

_NARROWEST = 17.5
"""The width from which on the estimate holds."""

_GRID = 0.5
_STEPS = 6
"""More steps would make the embed code longer than the room that they save is worth."""


def padding(width: float) -> float:
    """Return the space at each side of a card."""
    return min(1.75, 0.06 * width)


def rows_estimate(campaigns: Sequence[Campaign], t: Translations) -> Callable[[float], float]:
    """Return a function from the width of a card of several campaigns to its height."""
    recipients = {recipient_name(campaign) for campaign in campaigns}
    usual = Counter(map(_as_of_text, campaigns)).most_common(1)[0][0]
    heading = t.translate("page.campaigns")
    small = [t.translate("card.assurance"), t.translate(usual, as_of=_DAY)]
    rows = [_row(each, t, (len(recipients) > 1, _as_of_text(each) != usual)) for each in campaigns]

    def estimate(width: float) -> float:
        column = width - _EDGE - 2 * padding(width)
        eyebrow = max(wrapped_lines(each, column - 7, _SMALL) for each in recipients)
        size = min(1.75, 0.08 * width)
        titles = size * (1.2 * wrapped_lines(heading, column, size * _SERIF, bold=True) + 0.5)
        texts = 1.5 * _SMALL * sum(wrapped_lines(text, column, _SMALL) for text in small)
        top = 0.25 + max(1.45, 1.5 * _SMALL * eyebrow) + titles
        return _EDGE + 2 * padding(width) + top + 0.5 * _SMALL + 1.25 + texts + sum(row.height(column) for row in rows)

    return estimate


class _Row(NamedTuple):
    """The texts of a row. `action` is the width of Donate, or of what a row has in its place."""

    title: str
    note: str
    totals: Sequence[str]
    action: float

    def height(self, column: float) -> float:
        title = 1.5 * wrapped_lines(self.title, column, bold=True)
        note = 1.5 * _NOTE * wrapped_lines(self.note, column, _NOTE) if self.note else 0
        return _ROW + title + note + max(self._total(total, column) for total in self.totals)

    def _total(self, total: str, column: float) -> float:
        """Return the height of a total and Donate: side by side, or one below the other if an amount would break."""
        beside = column - 0.75 - self.action
        if widest_word(total) > beside:
            return 1.5 * wrapped_lines(total, column) + _DONATE
        return max(_DONATE, 1.5 * wrapped_lines(total, beside))


def _row(campaign: Campaign, t: Translations, differs: tuple[bool, bool]) -> _Row:
    """Return the texts of a row. `differs`: its recipient, and the time of its total."""
    own = choose_translations(t.language, campaign)
    notes = [recipient_name(campaign), own.translate(_as_of_text(campaign), as_of=_DAY)]
    goal = own.format_money(campaign.goal)
    states = (text_width(own.translate(f"row.{state}"), _SMALL) for state in ("paused", "closed", "funded"))
    return _Row(
        campaign.text[own.language].title,
        " · ".join(note for note, is_shown in zip(notes, differs, strict=True) if is_shown),
        [f"{goal} {own.translate('card.goal', goal=goal)}", own.translate("card.goal_just_started", goal=goal)],
        max(2 + text_width(own.translate("card.donate"), bold=True), *states),
    )


def _as_of_text(campaign: Campaign) -> str:
    """Return the key of the text that says when the total changes."""
    if campaign.publication.immediate:
        return "card.as_of_immediate"
    return "card.as_of_daily" if campaign.publication.is_daily else "card.as_of"


def estimate_bar(campaign: Campaign, t: Translations, width: float) -> float:
    """Return the height of the layout `bar`, whether the campaign takes donations or a notice says why it does not."""
    is_wide = width - _EDGE >= _BAR_WIDTH
    column = width - _EDGE - 2 * padding(width) - _CLOSE
    title, goal = campaign.text[t.language].title, t.format_money(campaign.goal)
    donate = 2 + text_width(t.translate("card.donate"), bold=True)
    beside = column - 1 - donate if is_wide else column
    started = f"{t.translate('card.just_started')} {t.translate('card.goal_just_started', goal=goal)}"
    totals = (f"{goal} {t.translate('card.goal', goal=goal)}", started)
    total = 1.5 * max(wrapped_lines(each, beside, bold=True) for each in totals)
    ask = 1.2 * wrapped_lines(title, beside, _SERIF, bold=True) + 0.5 + total
    keys = ("status.paused", "status.closed", "status.funded_closed", "problem.campaign_hidden")
    notice = 1.5 * _SMALL * max(wrapped_lines(t.translate(key), column, _SMALL) for key in keys)
    closed = 1.2 * wrapped_lines(title, column, _SERIF, bold=True) + 0.5 + notice
    is_open = max(ask, _DONATE) if is_wide else ask + 0.5 + _DONATE
    return _EDGE + 2 * padding(width) + max(is_open, closed)


def stepped_length(height: Callable[[float], float], unit: str, widest: float, margin: float) -> str:
    """Return a CSS length that is at least the height at each width. It falls in steps, as lines of text do."""
    grid = [_NARROWEST + _GRID * at for at in range(round((widest - _NARROWEST) / _GRID) + 1)]
    falling = [*accumulate(map(height, reversed(grid)), max)]
    ends = {round(each, 1): width + _GRID for width, each in zip(grid, reversed(falling), strict=True)}
    *steps, (last, _) = _merge([*ends.items()])
    narrower = "".join(f",min({each + 0.1:.1f}em,({end + margin:g}em - 100{unit})*999)" for each, end in steps)
    return f"max({last + 0.1:.1f}em{narrower})"


def _merge(steps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `_STEPS` of the steps, each a height and the width where it ends. The others are raised."""
    while len(steps) > _STEPS:
        costs = [(a - b) * (end - start) for (a, start), (b, end) in pairwise(steps)]
        at = costs.index(min(costs))
        steps[at : at + 2] = [(steps[at][0], steps[at + 1][1])]
    return steps
