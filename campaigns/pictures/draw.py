"""Draw the pictures of the shipped campaign and of the example in the demo.

They show no person, no flag and no place, so that nobody can be recognised. The receipts are invented.
Run `make pictures` after a change. The same script draws the same pixels.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

_PROJECT = Path(__file__).parents[2]
_FONTS = _PROJECT / "service/donation_card/web/fonts"
_SCALE = 3
"""Shapes are drawn larger and then reduced, so that their edges are smooth."""

Point = tuple[float, float]
Paint = str | tuple[str, str]
"""One colour, or the colours at the top and at the bottom of a shape."""


class Drawing:
    """Shapes in pixels of the finished picture. Paths are written as in SVG, with `M`, `L`, `C`, `Q` and `Z`."""

    def __init__(self, paint: Paint, size: tuple[int, int] = (1280, 720)) -> None:
        self.size = size
        self.image = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE))
        self._fill(Image.new("L", self.image.size, 255), paint, 1)

    def path(self, path: str, paint: Paint, *, opacity: float = 1, blur: float = 0, inside: str = "") -> None:
        """Fill a path, softened by `blur` pixels, and only where it is inside another path."""
        mask = self._mask(path)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * _SCALE))
        if inside:
            mask = Image.composite(mask, Image.new("L", mask.size), self._mask(inside))
        self._fill(mask, paint, opacity)

    def line(self, path: str, colour: str, width: float, *, opacity: float = 1) -> None:
        """Draw a line with round ends."""
        mask = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(mask)
        radius = width * _SCALE / 2
        for points in flatten(path):
            scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
            draw.line(scaled, fill=255, width=round(width * _SCALE), joint="curve")
            for x, y in scaled:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        self._fill(mask, colour, opacity)

    def text(self, x: float, y: float, text: str, size: int, *, anchor: str = "ls", bold: bool = False) -> None:
        font = ImageFont.truetype(_FONTS / "PTSans-Regular.ttf", size * _SCALE)
        width = _SCALE if bold else 0
        at = (x * _SCALE, y * _SCALE)
        ImageDraw.Draw(self.image).text(at, text, "#2b2823", font, anchor, stroke_width=width)

    def finished(self) -> Image.Image:
        return self.image.resize(self.size, Image.Resampling.LANCZOS)

    def _mask(self, path: str) -> Image.Image:
        mask = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(mask)
        for points in flatten(path):
            draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=255)
        return mask

    def _fill(self, mask: Image.Image, paint: Paint, opacity: float) -> None:
        box = mask.getbbox()
        if box is None:
            return
        size = box[2] - box[0], box[3] - box[1]
        top, bottom = (paint, paint) if isinstance(paint, str) else paint
        colours = Image.composite(
            Image.new("RGB", size, bottom), Image.new("RGB", size, top), Image.linear_gradient("L").resize(size)
        )
        self.image.paste(colours, box[:2], mask.crop(box).point([round(value * opacity) for value in range(256)]))


def flatten(path: str) -> list[list[Point]]:
    """Return the corners of each part of a path. A curve becomes 24 short lines."""
    parts: list[list[Point]] = []
    for command, numbers in re.findall(r"([MLCQZ])([^MLCQZ]*)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        points = list(zip(values[::2], values[1::2], strict=True))
        if command == "M":
            parts.append(points)
        elif command == "L":
            parts[-1] += points
        elif command != "Z":
            order = {"Q": 2, "C": 3}[command]
            for at in range(0, len(points), order):
                parts[-1] += _curve([parts[-1][-1], *points[at : at + order]])
    return parts


def _curve(points: Sequence[Point]) -> list[Point]:
    """Return points on a Bézier curve, by repeated interpolation (de Casteljau)."""
    found = []
    for step in range(1, 25):
        level, t = list(points), step / 24
        while len(level) > 1:
            level = [(x + (x2 - x) * t, y + (y2 - y) * t) for (x, y), (x2, y2) in pairwise(level)]
        found.append(level[0])
    return found


def box(x: float, y: float, width: float, height: float, radius: float = 0) -> str:
    """Return the path of a rectangle with round corners."""
    r, x2, y2 = radius, x + width, y + height
    return (
        f"M{x + r},{y} L{x2 - r},{y} Q{x2},{y} {x2},{y + r} L{x2},{y2 - r} Q{x2},{y2} {x2 - r},{y2}"
        f" L{x + r},{y2} Q{x},{y2} {x},{y2 - r} L{x},{y + r} Q{x},{y} {x + r},{y} Z"
    )


def oval(x: float, y: float, rx: float, ry: float) -> str:
    """Return the path of an ellipse around a point."""
    k = 0.5523
    return (
        f"M{x - rx},{y} C{x - rx},{y - k * ry} {x - k * rx},{y - ry} {x},{y - ry}"
        f" C{x + k * rx},{y - ry} {x + rx},{y - k * ry} {x + rx},{y}"
        f" C{x + rx},{y + k * ry} {x + k * rx},{y + ry} {x},{y + ry}"
        f" C{x - k * rx},{y + ry} {x - rx},{y + k * ry} {x - rx},{y} Z"
    )


def morning() -> Image.Image:
    """Draw a table at an open window in the morning: a plant, a cup and keys."""
    d = Drawing(("#efe4d0", "#e6d7bd"))
    d.path(oval(600, 260, 640, 400), "#fcf5e6", opacity=0.8, blur=80)
    _window(d)
    _curtain(d)
    d.path("M0,548 L1280,548 L1280,720 L0,720 Z", ("#c99c66", "#b3834f"))
    d.path("M0,548 L1280,548 L1280,557 L0,557 Z", "#e0b985")
    d.path("M400,557 L820,557 L980,720 L330,720 Z", "#f6deb0", opacity=0.6, blur=14)
    _plant(d)
    _cup(d)
    _keys(d)
    return d.finished()


def _window(d: Drawing) -> None:
    pane = box(372, 62, 456, 390)
    d.path(box(346, 46, 516, 430, 6), "#a8916a", opacity=0.35, blur=14)
    d.path(box(350, 40, 500, 430, 6), "#fbf6ea")
    d.path(pane, ("#f6d5a9", "#fdf1d9"))
    d.path(oval(690, 322, 170, 170), "#fff7e3", opacity=0.85, blur=40, inside=pane)
    d.path(oval(690, 322, 52, 52), "#fffbf2", inside=pane)
    d.path("M372,344 C452,296 540,326 620,314 C700,300 760,316 828,298 L828,452 L372,452 Z", "#bcc6b6", inside=pane)
    d.path("M372,386 C440,356 520,362 600,376 C690,392 760,364 828,352 L828,452 L372,452 Z", "#97ae9d", inside=pane)
    d.path("M372,424 C470,402 620,430 828,400 L828,452 L372,452 Z", "#729486", inside=pane)
    d.path(box(591, 62, 18, 390), "#fbf6ea")
    d.path("M850,50 L1000,92 L1000,498 L850,470 Z", "#a8916a", opacity=0.28, blur=12)
    d.path("M850,44 L986,84 L986,484 L850,466 Z", "#fbf6ea")
    d.path("M866,68 L968,98 L968,464 L866,450 Z", ("#f8e2c0", "#fdf4e2"))
    d.path("M866,330 C900,314 930,322 968,312 L968,464 L866,450 Z", "#bcc6b6", opacity=0.55)
    d.path("M866,68 L910,81 L866,260 Z", "#ffffff", opacity=0.35)
    d.path(box(326, 466, 546, 26, 5), "#fdf9ef")
    d.path(box(326, 490, 546, 8, 3), "#c9b48d", opacity=0.7)


def _curtain(d: Drawing) -> None:
    d.line("M238,26 L1010,26", "#a5875a", 10)
    cloth = "M262,26 L444,26 C440,150 404,262 372,352 C350,416 352,480 362,548 L268,548 C284,400 258,200 262,26 Z"
    d.path(cloth, "#8f7750", opacity=0.22, blur=12)
    d.path(cloth, ("#fffdf7", "#f5e9d2"))
    for x, sway, foot in ((300, 0, 290), (344, 14, 314), (392, 40, 338)):
        near = f"M{x},26 C{x + 4},160 {x - 14 - sway},300 {foot},548 L{foot + 12},548"
        d.path(
            f"{near} C{x + 6 - sway},300 {x + 20},160 {x + 14},26 Z", ("#f0e2c6", "#e3d0a9"), opacity=0.8, inside=cloth
        )


def _plant(d: Drawing) -> None:
    d.path(oval(196, 640, 122, 20), "#7d5527", opacity=0.35, blur=10)
    for stem, width in (
        ("M186,520 C182,440 176,380 150,318", 6),
        ("M190,520 C198,430 220,380 258,336", 6),
        ("M186,520 C170,470 130,440 96,424", 5),
    ):
        d.line(stem, "#5d7f6f", width)
    leaves = (
        ("M150,330 C104,300 98,240 128,196 C168,226 180,286 150,330 Z", "#4f7f70"),
        ("M252,342 C246,290 276,246 326,236 C336,288 306,334 252,342 Z", "#5f9080"),
        ("M100,428 C52,432 18,404 8,362 C58,350 98,380 100,428 Z", "#6f9d8b"),
        ("M176,420 C140,398 128,356 142,316 C176,340 190,380 176,420 Z", "#6f9d8b"),
        ("M204,430 C212,386 242,360 284,358 C284,400 252,430 204,430 Z", "#4f7f70"),
        ("M182,478 C150,470 128,444 128,410 C164,414 186,442 182,478 Z", "#5f9080"),
    )
    for leaf, colour in leaves:
        d.path(leaf, colour)
    for vein in (
        "M150,330 C148,290 140,240 128,204",
        "M252,342 C276,306 300,268 320,244",
        "M100,428 C76,402 44,380 14,366",
    ):
        d.line(vein, "#ffffff", 2, opacity=0.25)
    pot = "M106,500 L286,500 L266,628 Q262,644 244,644 L148,644 Q130,644 126,628 Z"
    d.path(pot, ("#8c98a3", "#737f8b"))
    d.path("M230,500 L286,500 L266,628 Q262,644 244,644 L222,644 Z", "#5e6a76", opacity=0.45)
    d.path(box(96, 486, 200, 34, 8), "#98a4ae")


def _cup(d: Drawing) -> None:
    d.path(oval(1062, 650, 150, 22), "#7d5527", opacity=0.35, blur=10)
    d.path(oval(1050, 640, 146, 22), "#f8efdd")
    d.path(oval(1050, 636, 146, 20), "#fffaf0")
    d.path(oval(1050, 634, 92, 11), "#d9c6a0", opacity=0.6)
    d.line("M1126,528 C1194,508 1200,594 1112,592", "#2d7f6b", 19)
    body = "M958,492 L1142,492 C1142,560 1122,628 1084,636 L1016,636 C978,628 958,560 958,492 Z"
    d.path(body, ("#2f8570", "#226a59"))
    d.path(
        "M1096,492 L1142,492 C1142,560 1122,628 1084,636 L1064,636 C1096,610 1104,560 1096,492 Z",
        "#174f42",
        opacity=0.4,
    )
    d.path("M980,506 C982,548 992,586 1008,606 C994,580 994,540 994,506 Z", "#ffffff", opacity=0.25)
    d.path(oval(1050, 492, 92, 17), "#3f9a84")
    d.path(oval(1050, 494, 80, 12), "#5c3d22")
    for steam in (
        "M1030,464 C1010,430 1048,404 1030,366 C1020,344 1030,324 1040,312",
        "M1074,466 C1056,436 1088,414 1074,384",
    ):
        d.line(steam, "#ffffff", 9, opacity=0.5)


def _keys(d: Drawing) -> None:
    d.path(oval(640, 672, 160, 13), "#7d5527", opacity=0.28, blur=9)
    d.line("M560,626 L764,622", "#6b7782", 14)
    d.path("M700,622 L700,650 L716,650 L716,640 L730,640 L730,656 L746,656 L746,622 Z", "#6b7782")
    d.path(oval(532, 628, 54, 33), "#6b7782")
    d.path(oval(516, 624, 20, 12), "#e9cf9d")
    d.line("M552,652 L738,688", "#525e69", 14)
    d.path("M676,676 L670,702 L686,706 L689,695 L703,698 L700,712 L716,716 L724,684 Z", "#525e69")
    d.path(oval(528, 652, 50, 29), "#525e69")
    d.path(oval(512, 651, 19, 10), "#e3c794")
    d.line("M506,630 C466,592 420,608 424,638 C428,670 482,672 508,648", "#8d99a3", 6)
    upper = "M434,640 L388,616 Q380,612 372,616 L318,642 Q308,647 314,656"
    d.path(f"{upper} L328,674 Q334,682 344,680 L406,664 Q414,662 418,656 Z", ("#2f8570", "#226a59"))
    d.path(oval(412, 642, 9, 6), "#e3c794")


def reading_room() -> Image.Image:
    """Draw a shelf of books, an armchair and a lamp in the evening."""
    d = Drawing(("#e9dcc4", "#dccbab"))
    d.path(oval(1010, 300, 420, 360), "#fdf1d2", opacity=0.85, blur=90)
    d.path("M0,604 L1280,604 L1280,720 L0,720 Z", ("#b98c5a", "#a4774a"))
    d.path("M0,604 L1280,604 L1280,612 L0,612 Z", "#d3aa77")
    d.path(oval(960, 664, 330, 38), "#8fa79b", opacity=0.9)
    d.path(oval(960, 662, 290, 30), "#a9bcae")
    _shelf(d)
    _lamp(d)
    _armchair(d)
    return d.finished()


def _shelf(d: Drawing) -> None:
    d.path(box(76, 70, 604, 556, 4), "#6f5432", opacity=0.35, blur=14)
    d.path(box(70, 60, 600, 560, 6), "#a87c4c")
    d.path(box(88, 78, 564, 524), ("#7d5c36", "#8a673e"))
    colours = ("#2f8570", "#f0e2c6", "#5e6a76", "#c9973f", "#8d99a3", "#7c6256", "#d9b98a", "#226a59")
    rows = (
        (238, ((0, 26, 122), (1, 22, 108), (2, 34, 130), (3, 24, 116), (0, 30, 104), (6, 22, 126), (4, 36, 112)), 100),
        (238, ((5, 28, 118), (1, 34, 126), (7, 24, 104), (2, 28, 120)), 470),
        (412, ((3, 34, 118), (6, 26, 128), (7, 30, 110), (1, 22, 124), (4, 28, 102)), 270),
        (412, ((2, 30, 124), (0, 36, 112), (5, 24, 128), (6, 30, 106)), 520),
        (586, ((4, 30, 116), (7, 26, 126), (1, 30, 106), (3, 24, 122), (2, 36, 112), (6, 26, 126), (0, 30, 118)), 100),
    )
    for foot, books, left in rows:
        x = float(left)
        for colour, width, height in books:
            d.path(box(x, foot - height, width, height, 3), colours[colour])
            d.path(box(x, foot - height + 18, width, 5), "#ffffff", opacity=0.3)
            d.path(box(x, foot - height + 28, width, 2), "#ffffff", opacity=0.3)
            d.path(box(x + width - 6, foot - height, 6, height, 2), "#000000", opacity=0.1)
            x += width + 3
    d.path("M404,238 L424,120 L450,124 L430,238 Z", "#c9973f")  # leans
    d.path(box(112, 384, 118, 28, 4), "#5e6a76")  # a pile
    d.path(box(122, 360, 100, 24, 4), "#d9b98a")
    d.path(box(116, 338, 96, 22, 4), "#2f8570")
    d.path("M420,532 L540,532 Q536,586 500,586 L460,586 Q424,586 420,532 Z", ("#f0e2c6", "#cdb893"))  # a bowl
    d.path(oval(480, 532, 60, 9), "#b9a47d")
    for board in (238, 412, 586):
        d.path(box(80, board, 580, 16), "#b98a57")
        d.path(box(80, board + 16, 580, 9), "#000000", opacity=0.14)


def _lamp(d: Drawing) -> None:
    d.path(oval(1140, 652, 74, 12), "#7d5527", opacity=0.4, blur=6)
    d.path(oval(1140, 646, 64, 11), "#5e6a76")
    d.line("M1140,250 L1140,644", "#5e6a76", 9)
    d.path("M1080,110 L1200,110 L1250,262 L1030,262 Z", "#fff3d0", opacity=0.9, blur=34)
    d.path("M1084,112 L1196,112 L1240,256 L1040,256 Z", ("#f7dfae", "#fdf1d2"))
    d.path("M1084,112 L1196,112 L1199,122 L1081,122 Z", "#e3c48b")
    d.path("M1044,246 L1236,246 L1240,256 L1040,256 Z", "#e3c48b")


def _armchair(d: Drawing) -> None:
    d.path(oval(910, 668, 200, 18), "#5b4526", opacity=0.35, blur=10)
    for x in (790, 1012):
        d.path(f"M{x},610 L{x + 22},610 L{x + 16},666 L{x + 6},666 Z", "#7d5c36")
    d.path("M792,330 Q794,284 842,284 L976,284 Q1024,284 1026,330 L1034,520 L784,520 Z", ("#73828e", "#62707c"))
    d.path("M812,344 Q814,306 850,306 L968,306 Q1004,306 1006,344 L1012,480 L806,480 Z", "#7f8d99", opacity=0.8)
    d.path(box(770, 500, 280, 118, 22), ("#5e6a76", "#525e69"))
    d.path(box(800, 478, 220, 56, 20), "#8795a0")
    d.path("M744,440 Q744,410 776,410 Q808,410 808,440 L808,618 L762,618 Q744,618 744,600 Z", ("#7d8b97", "#65727e"))
    d.path(
        "M1012,440 Q1012,410 1044,410 Q1076,410 1076,440 L1076,600 Q1076,618 1058,618 L1012,618 Z",
        ("#7d8b97", "#65727e"),
    )
    d.path(
        "M842,398 Q850,384 868,388 L958,404 Q974,408 972,424 L960,486 Q956,502 940,500 L856,488 Q838,486 838,470 Z",
        ("#3f9a84", "#2f8570"),
    )
    d.line("M852,408 L950,488", "#ffffff", 3, opacity=0.25)
    d.path(oval(700, 690, 70, 9), "#5b4526", opacity=0.3, blur=6)
    d.path(box(640, 668, 116, 22, 4), "#c9973f")
    d.path(box(652, 648, 96, 20, 4), "#2f8570")


def receipt(shop: str, day: str, lines: Sequence[tuple[str, str]], total: str) -> Image.Image:
    """Draw an invented receipt on a table. The campaign file covers the name, the card, the signature and the code."""
    d = Drawing(("#c99c66", "#b3834f"), (800, 1120))
    teeth = " ".join(f"L{660 - 40 * at},{1064 - 18 * (at % 2)}" for at in range(14))
    paper = f"M140,46 L660,46 {teeth} Z"
    d.path(paper, "#5b4526", opacity=0.45, blur=14)
    d.path(paper, ("#fffdf8", "#f7f2e8"))
    d.text(400, 124, shop, 38, anchor="ms", bold=True)
    d.text(400, 164, "Example Street 1, Exampletown", 24, anchor="ms")
    d.text(180, 232, day, 24)
    d.text(620, 232, "No. 000123", 24, anchor="rs")
    d.text(180, 272, "Customer: Robin Sample", 24)
    d.line("M180,296 L620,296", "#b8b1a2", 2)
    y = 296
    for name, price in lines:
        y += 48
        d.text(180, y, name, 26)
        d.text(620, y, price, 26, anchor="rs")
    d.line(f"M180,{y + 26} L620,{y + 26}", "#b8b1a2", 2)
    d.text(180, y + 82, "Total EUR", 34, bold=True)
    d.text(620, y + 82, total, 34, anchor="rs", bold=True)
    d.text(180, 704, "Paid by card **** **** **** 0000", 24)
    d.text(180, 760, "Signature", 24)
    d.line(
        "M320,764 C340,700 360,700 352,756 C350,780 384,700 404,742 C416,772 432,716 452,744 C470,766 500,738 540,730",
        "#3a4a63",
        4,
    )
    for at, width in enumerate((4, 8, 3, 6, 10, 4, 3, 8, 5, 4, 9, 3, 6, 4, 8, 3, 5, 10, 4, 6, 3, 8, 4, 5)):
        d.path(box(196 + at * 17, 820, width, 110), "#2b2823")
    d.text(400, 966, "0 000000 000123", 24, anchor="ms")
    d.text(400, 1020, "Example. This shop does not exist.", 22, anchor="ms")
    return d.finished()


_EXAMPLE = _PROJECT / "service/donation_card/demo/campaigns"

PICTURES: dict[Path, Callable[[], Image.Image]] = {
    Path(__file__).with_name("vitaly.png"): morning,
    _EXAMPLE / "reading-room.png": reading_room,
    _EXAMPLE / "receipt-timber.png": lambda: receipt(
        "Example Timber Yard",
        "14 October 2026",
        (("Spruce boards, 24", "312.00"), ("Brackets, 48", "76.80"), ("Screws and oil", "31.20")),
        "420.00",
    ),
    _EXAMPLE / "receipt-lamps.png": lambda: receipt(
        "Example Lamp Shop",
        "6 November 2026",
        (("Reading lamp, 4", "236.00"), ("Bulbs, 8", "44.00")),
        "280.00",
    ),
}


if __name__ == "__main__":
    for path, draw in PICTURES.items():
        draw().save(path, optimize=True)
