"""Inspect an image file of the organiser without decoding its pixels.

The content decides about the format, and the name must agree with it.
"""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from donation_card.domain.picture import MAX_BYTES, MAX_SIDE, MIN_SIZE, Box, Picture, crop_around, whole

PIPELINE_VERSION = 1
"""A higher number changes every address: increase it when the same file becomes other pixels."""

MAX_WEBP_PIXELS = 16_000_000
"""Pillow holds a WebP file four times while it decodes it."""

_EXTENSIONS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_EXPORT = "a JPEG, PNG or WebP file: "
_REFUSED_FORMATS = {
    "PDF": "export the page as PNG",
    "SVG": "export it as PNG, 1280 pixels wide",
    "HEIC": "export it as JPEG",
    "AVIF": "export it as JPEG",
    "TIFF": "export it as JPEG",
    "GIF": "export it as PNG",
    "BMP": "export it as PNG",
}


class PictureRefused(Exception):
    """The file cannot be used. The arguments are the field (`file` or `cover[0]`), the given value and the allowed."""


def inspect(folder: Path, name: str, *, focus: tuple[float, float] | None = None, cover: Sequence[Box] = ()) -> Picture:
    """Return the picture that a file of the folder contains. Raise PictureRefused.

    With `focus` (fractions of width and height) only the part around it is shown, in the shape of the card.
    """
    path = locate(folder, name)
    data = read_file(path)
    width, height = _upright_size(data, PurePosixPath(name).suffix.lower())
    if focus is not None and (width < MIN_SIZE[0] or height < MIN_SIZE[1]):
        raise PictureRefused("file", f"{width} × {height} pixels", f"at least {MIN_SIZE[0]} × {MIN_SIZE[1]} pixels")
    for at, box in enumerate(cover):
        _check_box(at, box, width, height)
    crop = whole(width, height) if focus is None else crop_around(width, height, focus)
    return Picture(str(path), picture_hash(data, crop, cover), (width, height), crop, tuple(cover))


def picture_hash(data: bytes, crop: Box, cover: Sequence[Box]) -> str:
    """Return the name of everything that is made from these bytes in this way."""
    made = hashlib.blake2b(repr((PIPELINE_VERSION, crop, tuple(cover))).encode(), digest_size=16)
    made.update(data)
    return made.hexdigest()


def locate(folder: Path, name: str) -> Path:
    """Return the path of a file inside the folder. A symbolic link may point only to a file inside, too."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or "\\" in name or "\0" in name or not inside.parts:
        raise PictureRefused("file", f"the path {name[:60]!a}", "a file beside the campaign file, such as vitaly.jpg")
    if inside.suffix.lower() not in _EXTENSIONS:
        kind = next((each for each in _REFUSED_FORMATS if inside.suffix.lower()[1:] in each.lower()), None)
        hint = _REFUSED_FORMATS[kind] if kind and inside.suffix else "export it as JPEG or PNG"
        raise PictureRefused("file", f"a name that ends with {inside.suffix[:20]!a}", f"{_EXPORT}{hint}")
    path = folder / inside
    try:
        resolved = path.resolve(strict=True)
        outside = not resolved.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise PictureRefused("file", f"no file {name[:60]!a}", "a file beside the campaign file") from error
    if outside:
        raise PictureRefused("file", "a link to another folder", "a file in the folder of the campaign file")
    return path


def read_file(path: Path) -> bytes:
    """Return the content of a file of at most `MAX_BYTES`. Raise PictureRefused."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would block
            raise PictureRefused("file", "a folder or a device", "a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureRefused("file", error.strerror or "unreadable", "a file that this service may read") from error
    if len(data) > MAX_BYTES:
        raise PictureRefused("file", f"more than {MAX_BYTES // 1_000_000} MB", "a smaller file: export it as JPEG")
    return data


def content_format(data: bytes) -> str:
    """Return the format that the first bytes show, or an empty text."""
    head = data[:16]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return "AVIF" if head[8:11] == b"avi" else "HEIC"
    signatures = {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"%PDF": "PDF",
        b"GIF8": "GIF",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"BM": "BMP",
    }
    found = next((name for start, name in signatures.items() if head.startswith(start)), "")
    return found or ("SVG" if b"<svg" in data[:1_000].lower() else "")


def _upright_size(data: bytes, suffix: str) -> tuple[int, int]:
    """Return the width and the height as a viewer shows the image. Raise PictureRefused."""
    found = content_format(data)
    if found not in _EXTENSIONS.values():
        given, hint = (f"a {found} file", _REFUSED_FORMATS[found]) if found else ("no image", "export it as PNG")
        raise PictureRefused("file", given if data else "an empty file", f"{_EXPORT}{hint}")
    if _EXTENSIONS[suffix] != found:
        ends = " or ".join(each for each, name in _EXTENSIONS.items() if name == found)
        raise PictureRefused("file", f"a {found} file whose name ends with {suffix}", f"a name that ends with {ends}")
    if not _is_complete(data, found):
        raise PictureRefused("file", "a file whose end is missing", "a complete file: copy it again")
    from donation_card.adapters.pictures.rendering import read_header

    width, height, frames = read_header(data, found)
    if frames > 1:
        raise PictureRefused("file", f"an animation of {frames} images", f"{_EXPORT}export one image of it")
    if max(width, height) > MAX_SIDE:
        raise PictureRefused("file", f"{width} × {height} pixels", f"at most {MAX_SIDE} pixels a side")
    if found == "WEBP" and width * height > MAX_WEBP_PIXELS:
        most = f"at most {MAX_WEBP_PIXELS // 1_000_000} million pixels as WebP, or a JPEG file"
        raise PictureRefused("file", f"{width} × {height} pixels", most)
    return width, height


def _is_complete(data: bytes, found: str) -> bool:
    """Check that the end is there. Bytes after it are allowed, because they are not served."""
    if found == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 <= len(data)
    if found == "PNG":
        return b"IEND\xae\x42\x60\x82" in data
    at = 2  # skip what stands before the pixels: a thumbnail there has an end, too
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return data.rfind(b"\xff\xd9", at) > 0


def _check_box(at: int, box: Box, width: int, height: int) -> None:
    left, top, box_width, box_height = box
    fits = left >= 0 and top >= 0 and box_width > 0 and box_height > 0
    if not (fits and left + box_width <= width and top + box_height <= height):
        given = f"[{left}, {top}, {box_width}, {box_height}]"
        allowed = f"left, top, width and height inside of {width} × {height} pixels"
        raise PictureRefused(f"cover[{at}]", given, allowed)
