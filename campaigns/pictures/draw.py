"""Draw the pictures beside this file. They show no person, no flag and no place, so that nobody can be recognised.

Run `make pictures` after a change. The same script draws the same pixels.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (1280, 720)
_SCALE = 3
"""Shapes are drawn larger and then reduced, so that their edges are smooth."""

Point = tuple[float, float]
Paint = str | tuple[str, str]
"""One colour, or the colours at the top and at the bottom of a shape."""


class Drawing:
    """Shapes in pixels of the finished picture. Paths are written as in SVG, with `M`, `L`, `C`, `Q` and `Z`."""

    def __init__(self, paint: Paint) -> None:
        self.image = Image.new("RGB", (SIZE[0] * _SCALE, SIZE[1] * _SCALE))
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

    def finished(self) -> Image.Image:
        return self.image.resize(SIZE, Image.Resampling.LANCZOS)

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


PICTURES: dict[str, Callable[[], Image.Image]] = {"vitaly.png": morning}
"""By the path from this folder."""


if __name__ == "__main__":
    for path, draw in PICTURES.items():
        draw().save(Path(__file__).parent / path, optimize=True)
