"""Count the lines that a text takes in a column, as a browser breaks them, in a wide font (DejaVu Sans).

In most fonts letters are narrower, so that a text needs no more lines than this.
"""

from functools import lru_cache

_SPACE, _LETTER, _WIDE_LETTER = 0.35, 0.62, 0.69
"""The widths of bold characters in em: the average of a text, and a little more."""

_REGULAR = 0.92
"""How wide a regular character is, beside a bold one."""

_WIDE_LETTERS = frozenset("абвгдежзіийклмнопрстуфхцчшщьыъэюяўёїєґ")


def text_width(text: str, size: float = 1, *, bold: bool = False) -> float:
    """Return the width in em of a text in one line."""
    return size * _bold_width(text) * (1 if bold else _REGULAR)


@lru_cache(1000)
def _bold_width(text: str) -> float:
    return sum(
        _SPACE if char.isspace() else _WIDE_LETTER if char in _WIDE_LETTERS else _LETTER for char in text.lower()
    )


def widest_word(text: str, *, bold: bool = False) -> float:
    """Return the width of the widest part that does not break. A no-break space joins words."""
    return max(text_width(word, bold=bold) for word in text.split(" "))


def wrapped_lines(text: str, column: float, size: float = 1, *, bold: bool = False) -> int:
    """Return the number of lines. A word that is wider than the column breaks inside."""
    lines, used = 1, 0.0
    space = text_width(" ", size, bold=bold)
    for word in text.split(" "):
        width = text_width(word, size, bold=bold)
        if used and used + space + width > column:
            lines, used = lines + 1, 0.0
        more, rest = divmod(width, column)
        lines, used = lines + int(more), used + (space if used else 0) + rest
    return lines
