"""Make images again from the pixels of an image file alone. Nothing else of the file reaches the result."""

import io
import warnings
from collections.abc import Iterable, Iterator

from PIL import Image, ImageCms

from donation_card.adapters.pictures.inspection import PictureRefused
from donation_card.domain.picture import MAX_SIDE, WIDTHS, Box, Picture

_COVER_COLOUR = (0, 0, 0)
_BACKGROUND = (255, 255, 255)
"""The colour behind transparent parts."""

_QUALITIES = (82, 76, 70, 62, 54, 46, 38, 30, 22, 14, 8, 4, 1)
"""The best one is used whose result is small enough. White noise needs about 10."""

_BAND_PIXELS = 1_000_000
"""Pixels that are converted at a time, so that a large image is not held twice."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the EXIF tag Orientation."""

_ORIENTATION = 0x0112

_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError)
"""Pillow raises any of these for a damaged file."""

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit of the side is lower


def read_header(data: bytes, found: str) -> tuple[int, int, int]:
    """Return the upright width and height, and the number of animated images. Raise PictureRefused."""
    try:
        image = _open(data, found)
        width, height = image.size
        frames = getattr(image, "n_frames", 1) if found != "JPEG" else 1  # a phone adds a depth map to a JPEG file
        turned = _orientation(image) >= 5
    except Image.DecompressionBombError as error:
        raise PictureRefused("file", "too many pixels", f"at most {MAX_SIDE} pixels a side") from error
    except _UNREADABLE as error:
        raise _broken(error) from error
    return (height, width, frames) if turned else (width, height, frames)


def render(data: bytes, picture: Picture, found: str) -> dict[str, bytes]:
    """Return every served image by its file name. Raise PictureRefused if the pixels cannot be read."""
    try:
        upright = _decode(data, picture, found)
        sized = {width: _resize(upright, picture, width) for width in picture.widths}
    except _UNREADABLE as error:
        raise _broken(error) from error
    return {
        picture.file_name(width, extension): _encode(image, extension, picture, width)
        for width, image in sized.items()
        for extension in picture.formats
    }


def _broken(error: BaseException) -> PictureRefused:
    return PictureRefused(
        "file", f"a damaged image ({error or type(error).__name__})"[:120], "an image: export it again"
    )


def _open(data: bytes, found: str) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[found])


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. Only what stands before the pixels counts."""
    if "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _UNREADABLE:
        return 1
    return value if value in _TURNS else 1


def _decode(data: bytes, picture: Picture, found: str) -> Image.Image:
    """Return the upright pixels in sRGB, with the covered parts painted. It can be smaller than the file."""
    with _open(data, found) as image:
        turn = _TURNS.get(_orientation(image))
        profile = image.info.get("icc_profile")
        scale = 2 * max(WIDTHS) / picture.crop[2]
        if found == "JPEG" and scale < 1 and not picture.cover:  # the decoder halves it, and needs less memory
            image.draft(None, (round(image.width * scale), round(image.height * scale)))
        image.load()
        plain = _plain(image, profile)
    if turn is not None:
        plain = plain.transpose(turn)
    _paint(plain, picture.cover)
    return plain


def _plain(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the pixels as sRGB without transparency, and without anything else of the image."""
    plain = Image.new("RGB", image.size)
    transform: ImageCms.ImageCmsTransform | None = None
    for box in _bands(image.size):
        band = _opaque(image.crop(box))
        if profile and (transform := transform or _to_srgb(profile, band.mode)):
            plain.paste(transform.apply(band), box)
        else:
            plain.paste(band.convert("RGB"), box)
    return plain


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from an ICC profile, or None if the profile does not fit the pixels."""
    try:
        return ImageCms.buildTransform(io.BytesIO(profile), ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, *_UNREADABLE):
        return None


def _opaque(band: Image.Image) -> Image.Image:
    """Return the pixels as L, RGB or CMYK, with the background behind transparent parts."""
    if band.mode in ("I", "F") or band.mode.startswith("I;16"):  # 16 bits a pixel
        return band.convert("I").point(lambda value: value / 256).convert("L")
    if band.has_transparency_data:
        coloured = band.convert("RGBA")
        flat = Image.new("RGB", band.size, _BACKGROUND)
        flat.paste(coloured, mask=coloured.getchannel("A"))
        return flat.convert("L") if band.mode in ("L", "LA") else flat
    return band if band.mode in ("L", "CMYK") else band.convert("RGB")


def _resize(upright: Image.Image, picture: Picture, width: int) -> Image.Image:
    """Return the served part in this width. Cover again, because other pixels were mixed in at the edges."""
    left, top, crop_width, crop_height = picture.crop
    x, y = upright.width / picture.size[0], upright.height / picture.size[1]
    box = (left * x, top * y, (left + crop_width) * x, (top + crop_height) * y)
    image = upright.resize((width, picture.height(width)), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    _paint(image, picture.covered(width))
    return image


def _paint(image: Image.Image, boxes: Iterable[Box]) -> None:
    for left, top, width, height in boxes:
        image.paste(_COVER_COLOUR, (left, top, left + width, top + height))


def _encode(image: Image.Image, extension: str, picture: Picture, width: int) -> bytes:
    """Return the file in the best quality that is small enough."""
    image.info.clear()
    options = {
        "webp": {"format": "WEBP", "method": 4},
        "jpg": {"format": "JPEG", "progressive": True, "optimize": True, "subsampling": 0 if picture.cover else 2},
    }[extension]
    for quality in _QUALITIES:
        out = io.BytesIO()
        try:
            image.save(out, quality=quality, **options)  # type: ignore[arg-type]
        except OSError:  # Pillow's buffer for an optimized JPEG file has one byte for a pixel
            continue
        if out.tell() <= picture.max_bytes(width):
            break
    return out.getvalue()
