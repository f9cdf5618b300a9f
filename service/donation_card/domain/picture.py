"""An image file of the organiser, and the arithmetic of the images that are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the upright image."""

MAX_BYTES = 5_000_000
MAX_SIDE = 6_000
ASPECT = (16, 9)
"""Width and height of the part of a campaign's picture that is shown."""

MIN_SIZE = (640, 360)
"""The least size of a campaign's picture."""

WIDTHS = (640, 1280)
"""The widths of the served images. An image is never enlarged."""

_MAX_BYTES_640 = 45_000
"""The most bytes of a served image of 640 × 360 pixels. Larger images have as many bytes for each pixel."""

_BLOCK = 8
"""A JPEG file stores squares of this side. A square of one colour has no effect on its neighbours."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file that passed the inspection. `hash` names its served images: it changes with anything visible."""

    path: str
    hash: str
    size: tuple[int, int]
    """The width and the height as a viewer shows the file."""
    crop: Box
    """The part that is served."""
    cover: tuple[Box, ...] = ()
    """The parts that are painted over."""

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(sorted({min(width, self.crop[2]) for width in WIDTHS}))

    @property
    def formats(self) -> tuple[str, ...]:
        """Return the formats, the smaller one first. Lossy WebP cannot keep a covered part in one colour."""
        return ("jpg",) if self.cover else ("webp", "jpg")

    def height(self, width: int) -> int:
        return max(1, round(width * self.crop[3] / self.crop[2]))

    def max_bytes(self, width: int) -> int:
        return max(1_000, _MAX_BYTES_640 * width * self.height(width) // (MIN_SIZE[0] * MIN_SIZE[1]))

    def file_name(self, width: int, extension: str) -> str:
        return f"{self.hash}-{width}.{extension}"

    def covered(self, width: int) -> list[Box]:
        """Return the covered parts of a served image, as whole squares of a JPEG file."""
        left, top, crop_width, crop_height = self.crop
        height = self.height(width)
        found = []
        for box in self.cover:
            x, x_end = _scaled(box[0] - left, box[2], width, crop_width)
            y, y_end = _scaled(box[1] - top, box[3], height, crop_height)
            if x < x_end and y < y_end:
                found.append((x, y, x_end - x, y_end - y))
        return found


@dataclass(frozen=True, slots=True)
class CampaignPicture:
    """The picture of a campaign. `alt` describes it to readers who do not see it, by language."""

    image: Picture
    alt: Mapping[str, str]
    credit: str = ""


def _scaled(start: int, length: int, size: int, of: int) -> tuple[int, int]:
    """Return the first pixel and the pixel after the last one, rounded outwards to whole squares."""
    first = start * size // of // _BLOCK * _BLOCK
    end = -(-(start + length) * size // of)
    return max(0, first), min(size, -(-end // _BLOCK) * _BLOCK)


def whole(width: int, height: int) -> Box:
    return 0, 0, width, height


def crop_around(width: int, height: int, focus: tuple[float, float]) -> Box:
    """Return the largest part with the shape `ASPECT`, as near to the focus as possible (fractions from 0 to 1)."""
    wide, high = ASPECT
    part_width = min(width, round(height * wide / high))
    part_height = min(height, round(width * high / wide))
    left, top = (
        min(max(round(at * size - part / 2), 0), size - part)
        for at, size, part in zip(focus, (width, height), (part_width, part_height), strict=True)
    )
    return left, top, part_width, part_height
