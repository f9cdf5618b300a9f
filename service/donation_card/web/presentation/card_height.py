"""Estimate the height of the card, so that the embed code can reserve it before the card loads.

The estimate follows widget/donation-card.css, for an open campaign in live mode. It counts the lines of each text by
the average width of a character in a wide font (DejaVu Sans), so that in most fonts the card needs less. All lengths
are in em of the card: 16 pixels at the default size of text.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.card import recipient_name, updates
from donation_card.web.presentation.rows_height import estimate_bar, padding, rows_estimate, stepped_length
from donation_card.web.presentation.spending import need_spending
from donation_card.web.presentation.translations import Translations

_WIDTHS = (17.5, 22.0, 28.0, 47.5)
"""The widths at which the estimate is exact. Between two of them the reserved height follows a line."""

_MEDIUM = (33.0, 40.0, 47.0)
"""Widths at which the picture stands beside the title."""

_WIDE = 48
"""From this width on, the list stands beside the rest. The card is then lower than at the last of the widths."""

_COLUMN = 36
"""The width of a narrow column of text in a large window."""

_LINK = 1.5
"""The embed code's link is one line high."""

TEST_MODE_HEIGHT = 2
"""The height of the line that says that no real money moves."""

_BESIDE = 32.5
"""Above this width, the picture stands beside the title. Below, it has the full width."""

_PICTURE = (14.25 + 1.4, 14.25 * 9 / 16 + 0.75)
"""The width and height of the picture beside the title, with its margins."""
_MAX_PICTURE_WIDTH = 21.0
"""The width of the picture where the list stands beside the rest."""

_SAFETY = 1.077
"""The factor for words that break earlier than the average says."""

_SMALL, _SMALL_LINE, _BOLD = 0.8125, 1.22, 1.15
_WIDE_LETTERS = frozenset("абвгдежзіийклмнопрстуфхцчшщьыэюяўёїєґ")


def estimate_height(campaign: Campaign, t: Translations, layout: str, width: float) -> float:
    """Return the height of a card of this layout and width."""
    if layout == "bar":
        return estimate_bar(campaign, t, width)
    sides = 2 * padding(width)
    column = width - sides
    request = _request(campaign, t, layout, column if layout != "card" or width < _WIDE else 0.48 * column)
    needs = _needs(campaign, t, column if width < _WIDE else 0.48 * column) if layout == "card" else 0
    top = 0.25 + max(1.45, _SMALL_LINE * _lines(recipient_name(campaign), column - 7, _SMALL))
    request += top
    if campaign.picture and layout == "card":
        request += _picture(campaign, t, width, top)
    body = request + needs if width < _WIDE else max(request, needs)
    return _SAFETY * (sides + body)


def _picture(campaign: Campaign, t: Translations, width: float, top: float) -> float:
    """Return the height that the picture adds to a card of this width."""
    column, title = width - 2 * padding(width), campaign.text[t.language].title
    if width < _BESIDE:
        return width * 9 / 16 + 1 - padding(width)
    if width >= _WIDE:
        return min(0.48 * column, _MAX_PICTURE_WIDTH) * 9 / 16 + 1
    beside, alone = (2.1 * _lines(title, each, 1.75 * 1.22) for each in (column - _PICTURE[0], column))
    return max(_PICTURE[1], top + 0.9 + beside) - (top + 0.9 + alone)


def _request(campaign: Campaign, t: Translations, layout: str, column: float) -> float:
    """Return the height from the title to the line below Donate."""
    text = campaign.text[t.language]
    need = max((f"{t.translate('card.now')} {need.text[t.language].title}" for need in campaign.needs), key=len)
    is_beside = column > 33
    now = 1.4 * (1 + _lines(need, column - 16 if is_beside else column, _BOLD))
    donate = 3.2 + 0.4 + _SMALL_LINE * _lines(t.translate("card.assurance"), column, _SMALL)
    if layout == "button":
        return donate + 0.6
    height = 0.9 + 2.1 * _lines(text.title, column, 1.75 * 1.22) + 5.5 + (donate if is_beside else donate + now + 0.75)
    return height + 1.5 * _lines(text.summary, column) if layout == "card" else height


def _needs(campaign: Campaign, t: Translations, column: float) -> float:
    """Return the height of the list, the latest update, the story and the last line."""
    small = [t.translate("card.needs"), t.translate("card.as_of_daily", as_of="26 November"), *updates(campaign, t)[:1]]
    rows = sum(1.1 + 1.5 * _lines(need.text[t.language].title, column - 6.2) for need in campaign.needs)
    spendings = [need_spending(campaign, need, t) for need in campaign.needs]
    spent = [f"{each['spent_text']} · {each['receipts_text']}" for each in spendings if each["spent_text"]]
    rows += sum(0.875 * 1.5 * _lines(text, column - 2.2, 0.875) for text in spent)
    is_narrow = column < 30  # the current need takes one more line, because it is bold and has two amounts
    story = 3 if campaign.text[t.language].story else 0
    return 1.75 + rows + 1.5 * is_narrow + story + sum(_SMALL_LINE * _lines(text, column, _SMALL) for text in small)


def _lines(text: str, column: float, size: float = 1) -> float:
    """Return the average number of lines of a text. The last line is half empty, and words do not fill the others."""
    is_cyrillic = sum(letter in _WIDE_LETTERS for letter in text) > len(text) / 2
    width = len(text) * size * (0.565 if is_cyrillic else 0.51)
    return 1 if width <= column else width / (column - 1.2 * size) + 0.5


def reserved_height(campaign: Campaign, t: Translations, layout: str, others: Sequence[Campaign] = ()) -> str:
    """Return a CSS length for `padding-bottom` below the links of the embed code. It follows the width."""
    return _css_length((campaign, *others), t, layout, "%", -_LINK * (1 + len(others)), _WIDE)


def frame_height(campaign: Campaign, t: Translations, layout: str, others: Sequence[Campaign] = ()) -> str:
    """Return a CSS length for the height of a frame. It follows the window, which is wider than the column."""
    return _css_length((campaign, *others), t, layout, "vw", TEST_MODE_HEIGHT, _COLUMN, margin=2)


def _css_length(
    campaigns: Sequence[Campaign],
    t: Translations,
    layout: str,
    unit: str,
    more: float,
    widest: float,
    margin: float = 0,
) -> str:
    """Return the height without a picture, and what the picture adds: a part of a narrow column, else a constant."""
    campaign, *others = campaigns
    if others:
        estimate = rows_estimate(campaigns, t)
        return stepped_length(lambda width: estimate(width) + more, unit, widest, margin)
    if layout == "bar":
        return stepped_length(lambda width: estimate_bar(campaign, t, width) + more, unit, widest, margin)
    plain = replace(campaign, picture=None)
    base = _largest_line(lambda width: estimate_height(plain, t, layout, width) + more, unit, widest, margin)
    if campaign.picture is None or layout != "card":
        return base
    medium, wide = (
        max(estimate_height(campaign, t, layout, each) - estimate_height(plain, t, layout, each) for each in widths)
        for widths in (_MEDIUM, (_WIDE,))
    )
    narrow = f"clamp({medium:.1f}em,({_BESIDE + margin:g}em - 100{unit})*999,{_SAFETY * 56.25:.1f}{unit})"
    return f"calc({base} + max({narrow},min({wide:.1f}em,(100{unit} - {_WIDE + margin - 0.05:g}em)*999)))"


def _largest_line(height: Callable[[float], float], unit: str, widest: float, margin: float) -> str:
    """Return a line between each two of the widths. The largest of them is the height, because it falls ever slower."""
    lines = []
    for width, next_width in pairwise(_WIDTHS):
        slope = round((height(width) - height(next_width)) / (next_width - width), 2)
        if slope > 0:
            lines.append(f"{height(width) + slope * (width + margin):.1f}em - {100 * slope:.0f}{unit}")
    return f"max({','.join([*lines, f'{height(widest):.1f}em'])})"
