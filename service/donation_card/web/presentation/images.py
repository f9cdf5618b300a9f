"""Draw the images of a campaign: badge and Open Graph image.

Pure: the card's finished text in, bytes out; the same text, the same bytes. The badge lives on other people's pages and
names the foundation alone. The module is imported for the first picture: most workers never draw one.
"""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont, ImageOps

from donation_card.web.presentation.documents import CampaignCard
from donation_card.web.presentation.site_total import SiteTotalTexts

_FONTS = Path(__file__).parent.parent / "fonts"
_SERIF, _SANS = "PTSerif-Bold.ttf", "PTSans-Regular.ttf"

# The card's colours, mixed (widget/palette.css): light, dark.
_INK = ("#16130e", "#ece9e5")
_SOFT = ("#655b44", "#a69a82")
_PAPER = ("#ffffff", "#121212")
_EDGE = ("#766a4f", "#968a6f")
_TRACK = ("#dbd7cd", "#353128")
_ACCENT = ("#0a6654", "#6ac7b5")
_BADGE_COLOURS = {".paper": _PAPER, "text": _INK, ".soft": _SOFT, ".line": _TRACK, ".full": _ACCENT}

_TEST_MODE_SHIFT = 5
"""Pixels by which a badge moves up, so that the test-mode text has room below it."""

FONT_WIDTH_MARGIN = 1.15
"""The factor by which the font of a reader may be wider than ours."""

_BOLD = 1.1
"""The factor by which a bold text is wider than a regular one."""


def badge_svg(card: CampaignCard) -> bytes:
    """Draw the badge, 360 × 96 pixels. Its texts are text, and its description says what the bar shows."""
    progress, goal = _amount_texts(card)
    said = ", ".join(filter(None, (card["eyebrow"], f"{progress} {goal}".strip(), card["test_mode_text"])))
    heading, kind = _heading(card)
    size = _fit_size(_SANS, 15, 328, FONT_WIDTH_MARGIN * _BOLD, heading)
    up = _TEST_MODE_SHIFT if card["test_mode_text"] else 0
    lines = [f'<text class="{kind}" x="16" y="{26 - up}" font-size="{size}" font-weight="650">{escape(heading)}</text>']
    if card["test_mode_text"]:
        small = _fit_size(_SANS, 10, 328, FONT_WIDTH_MARGIN, card["test_mode_text"])
        lines.append(f'<text class="soft" x="16" y="88" font-size="{small}">{escape(card["test_mode_text"])}</text>')
    if progress:
        room = 328 - _width(_SANS, 15, goal) * FONT_WIDTH_MARGIN - 8
        big = _fit_size(_SANS, 22, room, FONT_WIDTH_MARGIN * _BOLD, progress)
        lines.append(
            f'<text x="16" y="{54 - up}" font-size="{big}" font-weight="650">{escape(progress)}'
            f'<tspan class="soft" dx="8" font-size="15" font-weight="400">{escape(goal)}</tspan></text>'
        )
    if card["notice"] and not progress:
        size = _fit_size(_SANS, 15, 328, FONT_WIDTH_MARGIN, card["notice"])
        lines.append(f'<text x="16" y="{56 - up}" font-size="{size}">{escape(card["notice"])}</text>')
    bar = "".join(
        f'<rect class="{kind}" x="{x:.2f}" y="{68 - up}" width="{width:.2f}" height="10"/>'
        for kind, x, width in _segments(card, 16, 328, 2)
    )
    return _badge(card, card["labels"]["dialog_title"], said, lines, bar, up)


def site_badge_svg(card: CampaignCard, texts: SiteTotalTexts) -> bytes:
    """Draw the badge of the total of one site, in the size of the campaign's badge. The card names the recipient."""
    up = _TEST_MODE_SHIFT if card["test_mode_text"] else 0
    rows = [
        ("soft", 26 - up, 15, _BOLD, ' font-weight="650"', texts.given_by),
        ("", 54 - up, 22, _BOLD, ' font-weight="650"', texts.amount),
        ("soft", 76 - up, 13, 1, "", texts.badge_note),
        ("soft", 88, 10, 1, "", card["test_mode_text"] or ""),
    ]
    lines = []
    for kind, at, size, wide, weight, text in rows:
        fitting = _fit_size(_SANS, size, 328, FONT_WIDTH_MARGIN * wide, text)
        lines.append(f'<text class="{kind}" x="16" y="{at}" font-size="{fitting}"{weight}>{escape(text)}</text>')
    return _badge(card, texts.title, ", ".join((card["eyebrow"], *texts.notes)), lines, "", up)


def _badge(card: CampaignCard, title: str, said: str, lines: list[str], bar: str, up: int) -> bytes:
    """Return an SVG of 360 × 96 pixels with a title, a description, lines of text and the parts of a bar."""
    light, dark = (
        "".join(f"{name}{{fill:{colours[mode]}}}" for name, colours in _BADGE_COLOURS.items())
        + f".paper{{stroke:{_EDGE[mode]}}}"
        for mode in (0, 1)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="96" viewBox="0 0 360 96" role="img"'
        f' lang="{card["lang"]}" font-family="system-ui,sans-serif" aria-labelledby="title desc">'
        f'<title id="title">{escape(title)}</title><desc id="desc">{escape(said)}</desc>'
        f"<style>text{{font-variant-numeric:lining-nums tabular-nums}}"
        f"{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"
        f'<clipPath id="round"><rect x="16" y="{68 - up}" width="328" height="10" rx="5"/></clipPath>'
        f'<rect class="paper" x=".5" y=".5" width="359" height="95" rx="11.5"/>{"".join(lines)}'
        f'<g clip-path="url(#round)">{bar}</g></svg>'
    ).encode()


def badge_png(card: CampaignCard) -> bytes:
    """Draw the badge at twice its size, for pages that accept no SVG."""
    picture, draw = _paper(720, 192)
    draw.rounded_rectangle((4, 4, 715, 187), 22, outline=_EDGE[0], width=2)
    heading, kind = _heading(card)
    progress, goal = _amount_texts(card)
    up = 2 * _TEST_MODE_SHIFT if card["test_mode_text"] else 0
    colour = (_ACCENT if kind == "full" else _SOFT)[0]
    _text(draw, (32, 52 - up), _SANS, _fit_size(_SANS, 30, 656, 1, heading), colour, heading)
    if progress:
        size = _fit_size(_SANS, 44, 656 - _width(_SANS, 30, goal) - 16, _BOLD, progress)
        _bold(draw, (32, 108 - up), size, progress)
        _text(draw, (32 + _width(_SANS, size, progress) + 20, 108 - up), _SANS, 30, _SOFT[0], goal)
    elif card["notice"]:
        _text(draw, (32, 112 - up), _SANS, _fit_size(_SANS, 30, 656, 1, card["notice"]), _INK[0], card["notice"])
    _bar(picture, card, (32, 136 - up, 656, 20))
    if card["test_mode_text"]:
        _text(
            draw,
            (32, 176),
            _SANS,
            _fit_size(_SANS, 20, 656, 1, card["test_mode_text"]),
            _SOFT[0],
            card["test_mode_text"],
        )
    return _png(picture)


def open_graph_png(card: CampaignCard, photo: bytes | None = None) -> bytes:
    """Draw the upper half of the card, 1200 × 630 pixels, as Open Graph recommends. A photo stands beside it."""
    picture, draw = _paper(1200, 630)
    left, wide = 80, 1040
    if photo:
        wide = 600
        picture.paste(_cover(photo, (440, 630)), (760, 0))
    _text(draw, (left, 106), _SANS, _fit_size(_SANS, 34, wide, 1, card["eyebrow"]), _SOFT[0], card["eyebrow"])
    hidden = card["status"] == "hidden"
    headline = (card["notice"] or "") if hidden else card["title"]
    sizes = (84, 76, 68, 60, 52, 44, 36)
    size, lines = _wrap(_SERIF, sizes[3:] if photo else sizes, wide, 3, headline)
    at = 130
    for line in lines:
        at += round(size * 1.16)
        _text(draw, (left, at), _SERIF, size, _INK[0], line)
    if not hidden:
        progress, goal = _amount_texts(card)
        if at < 300:
            _needs(draw, card, left, at + 72, wide)
        if progress:
            _bold(draw, (left, 478), 68, progress)
            end = left + _width(_SANS, 68, progress) + 24
            _text(draw, (end, 478), _SANS, _fit_size(_SANS, 38, left + wide - end, 1, goal), _SOFT[0], goal)
            _current_need(draw, card, left + wide, wide - (end - left) - _width(_SANS, 38, goal) - 48)
        _bar(picture, card, (left, 506, wide, 28))
        as_of = card["progress"]["as_of_text"]
        _text(draw, (left, 582), _SANS, _fit_size(_SANS, 28, wide, 1, as_of), _SOFT[0], as_of)
    if card["test_mode_text"]:
        _test_mode(draw, card["test_mode_text"], left + wide)
    return _png(picture, 256 if photo else 64)


# ── what is drawn ─────────────────────────────────────────────────────────────────────────────────────────────────


def _amount_texts(card: CampaignCard) -> tuple[str, str]:
    """Return the public total and the goal; two empty texts while the total is unknown or the campaign is hidden."""
    if card["status"] == "hidden":
        return "", ""
    return card["progress"]["raised_text"], card["progress"]["goal_text"]


def _heading(card: CampaignCard) -> tuple[str, str]:
    """Return the first line of a badge with its kind. A badge is a link, so it says what it does."""
    return (f"{card['labels']['dialog_title']} ›", "full") if card["status"] == "open" else (card["eyebrow"], "soft")


def _segments(card: CampaignCard, left: float, wide: float, gap: float) -> list[tuple[str, float, float]]:
    """Return (kind, x, width) of the parts of the bar: one track and one filling for each need."""
    found, room = [], wide - gap * (len(card["needs"]) - 1)
    x = left
    for need in card["needs"]:
        width = need["goal_fraction"] * room
        found += [("line", x, width), ("full", x, width * need["funded_fraction"])]
        x += width + gap
    return [each for each in found if each[2] > 0]


def _bar(picture: Image.Image, card: CampaignCard, box: tuple[int, int, int, int]) -> None:
    left, top, wide, tall = box
    if not card["needs"]:
        return
    fine = 4  # drawn larger and made smaller: round ends without steps
    bar, mask = Image.new("RGB", (wide * fine, tall * fine), _PAPER[0]), Image.new("L", (wide * fine, tall * fine))
    draw = ImageDraw.Draw(bar)
    for kind, x, width in _segments(card, 0, wide * fine, tall * fine / 6):
        draw.rectangle((x, 0, x + width - 1, tall * fine), fill=(_TRACK if kind == "line" else _ACCENT)[0])
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, wide * fine - 1, tall * fine - 1), tall * fine // 2, fill=255)
    small = (wide, tall)
    picture.paste(
        bar.resize(small, Image.Resampling.LANCZOS), (left, top), mask.resize(small, Image.Resampling.LANCZOS)
    )


def _needs(draw: ImageDraw.ImageDraw, card: CampaignCard, left: int, top: int, wide: int) -> None:
    """Draw up to four needs in two columns. Leave out what does not fit."""
    column = (wide - 48) // 2
    for at, need in enumerate(card["needs"][:4]):
        x, y = left + (at % 2) * (column + 48), top + (at // 2) * 48
        amount = _width(_SANS, 28, need["amount"])
        title = need["title"]
        if _width(_SANS, 28, title) + amount + 24 > column:
            continue
        colour = _SOFT[0] if need["status"] == "funded" else _INK[0]
        _text(draw, (x, y), _SANS, 28, colour, title)
        _text(draw, (x + column - amount, y), _SANS, 28, _SOFT[0], need["amount"])


def _current_need(draw: ImageDraw.ImageDraw, card: CampaignCard, right: float, wide: float) -> None:
    """Draw what gifts go to now and what it still lacks. Both lines end at `right`. Leave out what does not fit."""
    progress = card["progress"]
    lines = (f"{progress['current_label']} {progress['current_need']}", progress["missing_text"])
    if not progress["current_need"] or _width(_SANS, 28, lines[0]) > wide:
        return
    for text, at, colour in zip(lines, (440, 478), (_INK[0], _SOFT[0]), strict=True):
        _text(draw, (right - _width(_SANS, 28, text), at), _SANS, 28, colour, text)


def _cover(photo: bytes, size: tuple[int, int]) -> Image.Image:
    """Return the middle of a photo that fills the size."""
    with Image.open(io.BytesIO(photo), formats=["JPEG"]) as opened:
        return ImageOps.fit(opened, size)


def _test_mode(draw: ImageDraw.ImageDraw, text: str, right: int) -> None:
    _text(draw, (right - _width(_SANS, 22, text), 52), _SANS, 22, _SOFT[0], text)


# ── letters ───────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


def _width(name: str, size: int, text: str) -> float:
    return _font(name, size).getlength(text)


def _fit_size(name: str, size: int, wide: float, spare: float, text: str) -> int:
    """Return the largest font size up to `size` in which the text fits the width."""
    while size > 6 and _width(name, size, text) * spare > wide:
        size -= 1
    return size


def _wrap(name: str, sizes: tuple[int, ...], wide: int, most: int, text: str) -> tuple[int, list[str]]:
    """Return the lines in the first size that needs at most `most` lines. In the last size, return what fits."""
    for size in sizes:
        lines = _lines(name, size, wide, text)
        if len(lines) <= most and all(_width(name, size, line) <= wide for line in lines):
            return size, _balance(name, size, wide, lines)
    return size, [_truncate(name, size, wide, line) for line in lines[:most]]


def _lines(name: str, size: int, wide: float, text: str) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(name, size, longer) > wide:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _balance(name: str, size: int, wide: float, lines: list[str]) -> list[str]:
    """Return as many lines of nearly equal length, so that no word stands alone in the last."""
    found = lines
    while len(narrower := _lines(name, size, wide, " ".join(lines))) == len(lines) and wide > 0:
        found, wide = narrower, wide - size / 2
    return found


def _truncate(name: str, size: int, wide: int, line: str) -> str:
    """Return the line, or as much of it as fits before an ellipsis."""
    if _width(name, size, line) <= wide:
        return line
    return next(cut for end in range(len(line), -1, -1) if _width(name, size, cut := f"{line[:end].rstrip()}…") <= wide)


def _text(draw: ImageDraw.ImageDraw, at: tuple[float, float], name: str, size: int, colour: str, text: str) -> None:
    """Draw a text. Its baseline begins at `at`."""
    draw.text(at, text, font=_font(name, size), fill=colour, anchor="ls")


def _bold(draw: ImageDraw.ImageDraw, at: tuple[float, float], size: int, text: str) -> None:
    """Draw an amount in bold: the sans is shipped in its regular weight only."""
    draw.text(at, text, font=_font(_SANS, size), fill=_INK[0], anchor="ls", stroke_width=1, stroke_fill=_INK[0])


def _paper(wide: int, tall: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (wide, tall), _PAPER[0])
    return picture, ImageDraw.Draw(picture)


def _png(picture: Image.Image, colours: int = 64) -> bytes:
    """Encode the image. Text and bars need 64 colours."""
    out = io.BytesIO()
    picture.quantize(colours).save(out, "PNG", optimize=True)
    return out.getvalue()


SHARE_IMAGE = "share.png"


def draw(name: str, card: CampaignCard, photo: bytes | None) -> bytes:
    """Draw the image with this name. Only the share image shows the photo."""
    return open_graph_png(card, photo) if name == SHARE_IMAGE else DRAW[name](card)


DRAW: dict[str, Callable[[CampaignCard], bytes]] = {
    "badge.svg": badge_svg,
    "badge.png": badge_png,
    SHARE_IMAGE: open_graph_png,
}
"""The functions by the name of the image in its URL."""
