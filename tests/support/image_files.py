"""Write image files of every kind for tests: noisy, damaged, animated, with all metadata."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from donation_card.domain.campaign import LANGUAGES
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

MARKER = "LEAK-MARKER-7f3a"
"""A text that stands in each kind of metadata, and must be in no served byte."""


def noise(width: int, height: int, *, mode: str = "RGB", seed: int = 7) -> Image.Image:
    """Return white noise, which no encoder can make small."""
    random_bytes = random.Random(seed).randbytes(width * height * len(Image.new(mode, (1, 1)).getbands()))
    return Image.frombytes(mode, (width, height), random_bytes)


def photo(width: int, height: int, *, seed: int = 7) -> Image.Image:
    """Return what resembles a noisy photo: coarse and fine structures and the noise of a camera."""
    picture = Image.new("RGB", (width, height), (128, 120, 110))
    for part, strength in ((80, 0.5), (20, 0.3), (5, 0.15), (1, 0.08)):
        layer = noise(max(1, width // part), max(1, height // part), seed=seed + part)
        picture = Image.blend(picture, layer.resize((width, height), Image.Resampling.BICUBIC), strength)
    return picture


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _exif(marker: str) -> bytes:
    exif = Image.Exif()
    for tag in (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Artist, ExifTags.Base.Copyright):
        exif[tag] = marker
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSMapDatum] = marker
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + marker.encode()
    return exif.tobytes()


def _xmp(marker: str) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{marker}</dc:creator></x:xmpmeta>'.encode()


def _icc(marker: str) -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile + marker.encode()


def _jpeg_segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def jpeg_with_metadata(picture: Image.Image, marker: str = MARKER) -> bytes:
    """Return a JPEG file with EXIF, GPS, a thumbnail, ICC, XMP, IPTC, a comment, unknown segments and a tail."""
    text = marker.encode()
    data = encode(picture, "JPEG", quality=95, exif=_exif(marker), icc_profile=_icc(marker), comment=text)
    thumbnail = encode(Image.new("RGB", (16, 16)), "JPEG", comment=text)
    extra = (
        _jpeg_segment(0xE0, b"JFXX\0\x10" + thumbnail)
        + _jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _xmp(marker))
        + _jpeg_segment(
            0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(text) + 5) + b"\x1c\x02\x78\0" + text
        )
        + _jpeg_segment(0xE5, text)
        + _jpeg_segment(0xFE, text)
    )
    return data[:2] + extra + data[2:] + text


def png_with_metadata(picture: Image.Image, marker: str = MARKER) -> bytes:
    """Return a PNG file with EXIF, ICC, XMP, three kinds of text, a private chunk and a tail."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", marker)
    info.add_text("Comment", marker, zip=True)
    info.add_itxt("XML:com.adobe.xmp", _xmp(marker).decode())
    data = encode(picture, "PNG", pnginfo=info, exif=_exif(marker), icc_profile=_icc(marker), dpi=(300, 300))
    end = data.rindex(b"IEND") - 4
    text = marker.encode()
    return data[:end] + _png_chunk(b"prVt", text) + _png_chunk(b"tIME", bytes(7)) + data[end:] + text


def webp_with_metadata(picture: Image.Image, marker: str = MARKER) -> bytes:
    """Return a WebP file with EXIF, ICC, XMP, an unknown chunk and a tail."""
    data = encode(picture, "WEBP", quality=95, exif=_exif(marker), xmp=_xmp(marker), icc_profile=_icc(marker))
    text = marker.encode()
    chunk = b"NOTE" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:] + chunk + text


WITH_METADATA = {"jpg": jpeg_with_metadata, "png": png_with_metadata, "webp": webp_with_metadata}


def add_picture(folder: Path, campaign: str, *, more: str = "") -> None:
    """Give a campaign of a folder a picture, `{campaign}.jpg`, with a text in every language."""
    (folder / f"{campaign}.jpg").write_bytes(jpeg_with_metadata(photo(1280, 720)))
    path = folder / f"{campaign}.toml"
    text = path.read_text("utf-8")
    languages = [language for language in LANGUAGES if f"[text.{language}]" in text]
    alts = ", ".join(f'{language} = "A quiet, bright room ({language})"' for language in languages)
    text = re.sub(r"\n\[picture\].*?(?=\n\[|\Z)", "", text, flags=re.DOTALL)
    path.write_text(f'{text}\n[picture]\nfile = "{campaign}.jpg"\nalt = {{ {alts} }}\n{more}', "utf-8")


def segments(data: bytes) -> list[str]:
    """Return what a served file consists of: the markers of a JPEG file, or the chunks of a WebP file."""
    found, at = [], 2
    if data[:4] == b"RIFF":
        at = 12
        while at < len(data):
            found.append(data[at : at + 4].decode())
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            at += 8 + length + length % 2
        return found
    while data[at + 1] != 0xD9:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        found.append(f"{marker:02x}")
        at += 2 + length
        if marker == 0xDA:
            at = next(
                i for i in range(at, len(data)) if data[i] == 0xFF and not 0xD0 <= data[i + 1] <= 0xD7 and data[i + 1]
            )
    assert data[at:] == b"\xff\xd9", "nothing stands after the end"
    return found
