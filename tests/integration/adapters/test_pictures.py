"""Pictures are inspected, and made again from their pixels alone."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from donation_card.adapters.pictures import store as store_module
from donation_card.adapters.pictures.inspection import PictureRefused, inspect
from donation_card.adapters.pictures.store import PictureStore, make
from donation_card.domain.picture import Picture
from donation_card.errors import NotFound
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image, ImageCms, ImageDraw

from tests.support.image_files import MARKER, WITH_METADATA, decode, encode, noise, photo, segments

MIDDLE = (0.5, 0.5)
RED, GREEN, BLUE, WHITE = (230, 30, 30), (30, 180, 60), (30, 60, 220), (250, 250, 250)


def quarters(width: int = 1280, height: int = 720, mode: str = "RGB") -> Image.Image:
    """Return four colours, clockwise from the top left, so that each turn can be seen."""
    picture = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width // 2, 0, width, height // 2), GREEN)
    draw.rectangle((width // 2, height // 2, width, height), BLUE)
    draw.rectangle((0, height // 2, width // 2, height), WHITE)
    return picture.convert(mode)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the colours of the quarters, clockwise."""
    plain, (width, height) = image.convert("RGB"), image.size
    points = ((1, 1), (3, 1), (3, 3), (1, 3))
    found = [plain.getpixel((width * x // 4, height * y // 4)) for x, y in points]
    return [each for each in found if isinstance(each, tuple)]


def near(given: list[tuple[int, ...]], wanted: list[tuple[int, int, int]], most: int = 12) -> bool:
    return all(
        abs(a - b) <= most for one, other in zip(given, wanted, strict=True) for a, b in zip(one, other, strict=True)
    )


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(folder: Path, name: str, data: bytes | None = None, **options: object) -> str:
    if data is not None:
        written(folder, name, data)
    with pytest.raises(PictureRefused) as error:
        inspect(folder, name, **options)  # type: ignore[arg-type]
    return ": ".join(error.value.args)


def made(folder: Path, name: str, data: bytes, **options: object) -> dict[str, bytes]:
    written(folder, name, data)
    return make(inspect(folder, name, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WITH_METADATA)
@pytest.mark.parametrize("cover", [(), ((10, 10, 50, 50),)], ids=["plain", "covered"])
def test_no_metadata_reaches_a_served_file(
    tmp_path: Path, name: str, cover: tuple[tuple[int, int, int, int], ...]
) -> None:
    data = WITH_METADATA[name](photo(1400, 800))
    assert data.count(MARKER.encode()) >= 4, "the markers are in the file"
    results = made(tmp_path, f"vitaly.{name}", data, cover=cover)
    assert len(results) == (2 if cover else 4)
    for served, body in results.items():
        assert MARKER.encode() not in body
        image = decode(body)
        assert not image.getexif()
        assert image.info.keys() <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "progressive",
            "progression",
            "loop",
            "background",
            "timestamp",
            "duration",
        }
        parts = set(segments(body))
        assert parts <= ({"VP8 "} if served.endswith("webp") else {"e0", "db", "c2", "c4", "da"}), parts


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    turns = Image.Transpose
    # The file holds what a camera in that position stores: the inverse of what a viewer does.
    stored = {2: turns.FLIP_LEFT_RIGHT, 3: turns.ROTATE_180, 4: turns.FLIP_TOP_BOTTOM, 5: turns.TRANSPOSE}
    stored |= {6: turns.ROTATE_90, 7: turns.TRANSVERSE, 8: turns.ROTATE_270}
    picture = quarters(1300, 900)
    if orientation > 1:
        picture = picture.transpose(stored[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = {"JPEG": "a.jpg", "PNG": "a.png", "WEBP": "a.webp"}[kind]
    written(tmp_path, name, encode(picture, kind, exif=exif.tobytes()))
    picture_ = inspect(tmp_path, name, cover=((0, 0, 16, 16),))
    assert picture_.size == (1300, 900)
    for body in make(picture_).values():
        assert near(corners(decode(body)), [RED, GREEN, BLUE, WHITE])
        assert decode(body).convert("RGB").getpixel((3, 3)) == (0, 0, 0), "boxes are given as a viewer shows the file"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turned", [False, True])
def test_covered_box_is_one_colour_in_every_size(tmp_path: Path, kind: str, turned: bool) -> None:
    name = {"JPEG": "a.jpg", "PNG": "a.png", "WEBP": "a.webp"}[kind]
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    written(tmp_path, name, encode(noise(1400, 1100), kind, exif=exif.tobytes(), quality=100))
    random_number = random.Random(3)
    for _ in range(4):
        width, height = (1100, 1400) if turned else (1400, 1100)
        x, y = random_number.randrange(width - 30), random_number.randrange(height - 30)
        box = (x, y, random_number.randint(1, width - x), random_number.randint(1, height - y))
        picture = inspect(tmp_path, name, cover=(box,))
        for served, body in make(picture).items():
            image = decode(body).convert("RGB")
            assert len(body) <= picture.max_bytes(image.width)
            scale_x, scale_y = image.width / width, image.height / height
            part = image.crop(
                (
                    int(x * scale_x),
                    int(y * scale_y),
                    max(int(x * scale_x) + 1, round((x + box[2]) * scale_x)),
                    max(int(y * scale_y) + 1, round((y + box[3]) * scale_y)),
                )
            )
            ((_, colour),) = part.getcolors() or [(0, (255,))]
            assert max(colour) <= 4, served  # type: ignore[type-var]


def test_covered_pixels_have_no_effect_on_any_byte(tmp_path: Path) -> None:
    """Two receipts that differ in the covered part only become the same images."""
    box = (333, 222, 251, 67)
    plain = photo(1500, 1000)
    other = plain.copy()
    other.paste(noise(251, 67), (333, 222))
    first, second = (
        {
            key.partition("-")[2]: value
            for key, value in made(tmp_path, "a.png", encode(each, "PNG"), cover=(box,)).items()
        }
        for each in (plain, other)
    )
    assert first == second


@pytest.mark.parametrize("make_image", [photo, noise], ids=["photo", "noise"])
@pytest.mark.parametrize("size", [(640, 360), (2000, 1500), (777, 5000)])
def test_served_image_is_small_enough(
    tmp_path: Path, make_image: Callable[..., Image.Image], size: tuple[int, int]
) -> None:
    data = encode(make_image(*size), "JPEG", quality=70)
    results = made(tmp_path, "a.jpg", data, focus=MIDDLE)
    sizes = {name.rpartition("-")[2]: len(body) for name, body in results.items()}
    assert sizes["640.webp"] <= 45_000
    assert sizes["640.jpg"] <= 45_000
    assert max(sizes.values()) <= 4 * 45_000
    assert {decode(body).size for body in results.values()} >= {(640, 360)}


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "1", "RGBA", "LA", "PA", "I;16"])
def test_every_kind_of_pixels_becomes_srgb(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = quarters().convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    else:
        picture = quarters().convert({"PA": "P", "P": "RGB"}.get(mode, mode))
    name, options = ("a.jpg", {}) if mode == "CMYK" else ("a.png", {})
    if mode == "P":
        picture = picture.quantize(16)
    if mode == "PA":
        options = {"transparency": 0}
        picture = quarters().quantize(4)
    results = made(tmp_path, name, encode(picture, "JPEG" if name == "a.jpg" else "PNG", **options), focus=MIDDLE)
    wanted = quarters().convert("L" if mode in ("L", "LA", "I;16") else "1" if mode == "1" else "RGB").convert("RGB")
    if mode == "PA":
        transparent = picture.convert("RGB").getpixel((0, 0)), picture.getpixel((0, 0))
        assert transparent[1] != 0 or near(corners(decode(results[next(iter(results))]))[:1], [(255, 255, 255)])
        return
    for body in results.values():
        image = decode(body)
        assert image.mode == "RGB"
        assert mode == "1" or near(corners(image), corners(wanted), 14), mode  # type: ignore[arg-type]


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (1280, 720), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 640, 720))
    for body in made(tmp_path, "a.png", encode(picture, "PNG"), focus=MIDDLE).values():
        assert near(corners(decode(body)), [(0, 0, 200), (255, 255, 255), (255, 255, 255), (0, 0, 200)])


def test_colours_are_converted_from_their_profile(tmp_path: Path) -> None:
    lab = ImageCms.createProfile("LAB")
    swapped = Image.merge("RGB", quarters().split()[::-1])
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    results = made(tmp_path, "a.png", encode(quarters(), "PNG", icc_profile=profile), focus=MIDDLE)
    assert all(near(corners(decode(body)), [RED, GREEN, BLUE, WHITE]) for body in results.values()), "it does not fit"
    assert swapped.size == (1280, 720)


def test_first_image_of_a_phone_photo_is_used(tmp_path: Path) -> None:
    out = io.BytesIO()
    quarters().save(out, "MPO", save_all=True, append_images=[noise(64, 64)])
    for body in made(tmp_path, "a.jpg", out.getvalue(), focus=MIDDLE).values():
        assert near(corners(decode(body)), [RED, GREEN, BLUE, WHITE])


def test_progressive_jpeg_is_accepted(tmp_path: Path) -> None:
    assert made(tmp_path, "a.jpeg", encode(quarters(), "JPEG", progressive=True), focus=MIDDLE)


@pytest.mark.parametrize("size", [(1, 1), (1, 6000), (6000, 1), (3, 5000)])
def test_extreme_shapes_of_a_receipt_are_served(tmp_path: Path, size: tuple[int, int]) -> None:
    results = made(tmp_path, "a.png", encode(noise(*size), "PNG"), cover=((0, 0, 1, 1),))
    for body in results.values():
        assert decode(body).width <= 1280


def test_focus_chooses_the_part_that_is_shown(tmp_path: Path) -> None:
    picture = Image.new("RGB", (1280, 3000), RED)
    picture.paste(BLUE, (0, 2000, 1280, 3000))
    data = encode(picture, "PNG")
    top, bottom = (
        {decode(body).convert("RGB").getpixel((300, 180)) for body in made(tmp_path, "a.png", data, focus=at).values()}
        for at in ((0.5, 0.0), (0.5, 1.0))
    )
    assert all(near([each], [RED]) for each in top if isinstance(each, tuple))
    assert all(near([each], [BLUE]) for each in bottom if isinstance(each, tuple))


# ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────────

JPEG = encode(quarters(640, 360), "JPEG")
PNG = encode(quarters(640, 360), "PNG")
WEBP = encode(quarters(640, 360), "WEBP")
GIF = encode(quarters(64, 36), "GIF")


def animated(kind: str) -> bytes:
    frames = [noise(640, 360, seed=each) for each in (2, 3)]
    return encode(noise(640, 360), kind, save_all=True, append_images=frames)


def png_of(width: int, height: int) -> bytes:
    """Return a PNG file whose header claims a size. Its pixels are missing."""
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + PNG[33:]


REFUSED = {
    "a PDF": ("a.pdf", b"%PDF-1.7 ...", "export the page as PNG"),
    "an SVG": ("a.svg", b"<svg/>", "export it as PNG"),
    "a HEIC": ("a.heic", b"\0\0\0\x18ftypheic", "export it as JPEG"),
    "a GIF": ("a.gif", GIF, "export it as PNG"),
    "an AVIF": ("a.avif", b"\0\0\0\x18ftypavif", "export it as JPEG"),
    "a TIFF": ("a.tif", b"II*\0", "export it as JPEG"),
    "no extension": ("a", JPEG, "a name that ends with ''"),
    "a PDF named as PNG": ("a.png", b"%PDF-1.7 ...", "a PDF file: a JPEG, PNG or WebP file: export the page as PNG"),
    "an SVG named as JPEG": ("a.jpg", b'<?xml version="1.0"?><svg xmlns="x"/>', "a SVG file"),
    "a HEIC named as JPEG": ("a.jpg", b"\0\0\0\x18ftypheic", "a HEIC file"),
    "a JPEG named as PNG": ("a.png", JPEG, "a JPEG file whose name ends with .png"),
    "a PNG named as WebP": ("a.webp", PNG, "a PNG file whose name ends with .webp"),
    "a WebP named as JPEG": ("a.jpg", WEBP, "a name that ends with .webp"),
    "a page named as JPEG": ("a.jpg", b"<!doctype html><script>", "no image"),
    "an empty file": ("a.jpg", b"", "an empty file"),
    "too many bytes": ("a.jpg", JPEG[:-2] + bytes(5_000_000) + JPEG[-2:], "more than 5 MB"),
    "too wide": ("a.png", png_of(6001, 10), "6001 × 10 pixels: at most 6000"),
    "a bomb": ("a.png", png_of(60_000, 60_000), "too many pixels: at most 6000"),
    "a smaller bomb": ("a.png", png_of(10_000, 10_000), "at most 6000"),
    "an animated PNG": ("a.png", animated("PNG"), "an animation of 3 images"),
    "an animated WebP": ("a.webp", animated("WEBP"), "an animation of 3 images"),
    "a large WebP": ("a.webp", encode(Image.new("RGB", (6000, 3000)), "WEBP"), "at most 16 million pixels as WebP"),
    "half a JPEG": ("a.jpg", JPEG[: len(JPEG) // 2], "a file whose end is missing"),
    "half a PNG": ("a.png", PNG[: len(PNG) // 2], "a file whose end is missing"),
    "half a JPEG with a thumbnail": ("a.jpg", WITH_METADATA["jpg"](noise(640, 360))[:99_000], "whose end is missing"),
    "half a WebP": ("a.webp", WEBP[: len(WEBP) // 2], "a file whose end is missing"),
    "a head only": ("a.jpg", b"\xff\xd8\xff\xda\0\x02\xff\xd9", "a damaged image"),
    "too small": ("a.png", encode(Image.new("RGB", (639, 400)), "PNG"), "at least 640 × 360 pixels"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_file_is_refused_and_says_what_is_allowed(tmp_path: Path, case: str) -> None:
    import re

    name, data, said = REFUSED[case]
    message = refusal(tmp_path, name, data, focus=MIDDLE)
    assert message.startswith("file: ")
    assert re.search(said, message), message


def test_file_with_damaged_pixels_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "a.png", PNG[: len(PNG) // 2] + bytes(40) + PNG[len(PNG) // 2 + 40 :])
    picture = inspect(tmp_path, "a.png", focus=MIDDLE)
    with pytest.raises(PictureRefused, match="a damaged image"):
        make(picture)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jpg", "no file 'missing.jpg'"),
        ("folder.jpg", "a folder or a device"),
        ("pipe.jpg", "a folder or a device"),
        ("loop.jpg", "no file 'loop.jpg'"),
        ("outside.jpg", "a link to another folder"),
        ("dangling.jpg", "no file"),
        ("../secret.jpg", "the path '../secret.jpg'"),
        ("sub/../../secret.jpg", "the path"),
        ("/etc/passwd.jpg", "the path"),
        ("a\\b.jpg", "the path"),
        ("a\0.jpg", "the path"),
        ("", "the path ''"),
    ],
)
def test_path_that_leaves_the_folder_is_refused(tmp_path: Path, name: str, said: str) -> None:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    written(tmp_path, "secret.jpg", JPEG)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "dangling.jpg").symlink_to("nothing.jpg")
    assert said in refusal(folder, name)


def test_files_of_a_kubernetes_volume_are_accepted(tmp_path: Path) -> None:
    """A ConfigMap is mounted as links to `..data`, which is a link to a folder with a date."""
    dated = tmp_path / "..2026_11_27"
    dated.mkdir()
    written(dated, "a.jpg", JPEG)
    (tmp_path / "..data").symlink_to(dated.name)
    (tmp_path / "a.jpg").symlink_to("..data/a.jpg")
    assert inspect(tmp_path, "a.jpg", focus=MIDDLE).size == (640, 360)


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 641, 5), (0, 355, 5, 6), (5, 5, 0, 5), (700, 0, 5, 5)])
def test_box_outside_the_picture_is_refused(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    message = refusal(tmp_path, "a.jpg", JPEG, cover=((0, 0, 1, 1), box))
    assert message.startswith("cover[1]: ")
    assert "inside of 640 × 360" in message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_gets_past_a_clear_refusal(tmp_path: Path, data: st.DataObject) -> None:
    kind, body = data.draw(st.sampled_from([("jpg", JPEG), ("png", PNG), ("webp", WEBP)]))
    changed = bytearray(body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body)
    for at in data.draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=5)):
        changed[at : at + 1] = bytes([data.draw(st.integers(0, 255))]) if changed else b""
    written(tmp_path, f"a.{kind}", bytes(changed))
    with contextlib.suppress(PictureRefused):
        make(inspect(tmp_path, f"a.{kind}"))


# ── the folder of made images ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    written(tmp_path, "vitaly.jpg", WITH_METADATA["jpg"](photo(1300, 740)))
    return inspect(tmp_path, "vitaly.jpg", focus=MIDDLE)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def counted(picture: Picture) -> dict[str, bytes]:
        made.append(picture.hash)
        return make(picture)

    monkeypatch.setattr(store_module, "make", counted)
    return made


def test_images_are_made_once_and_survive_a_restart(tmp_path: Path, picture: Picture, count: list[str]) -> None:
    folder = tmp_path / "cache" / "pictures"

    async def read_all(*stores: PictureStore) -> list[bytes]:
        names = [(width, extension) for width in picture.widths for extension in picture.formats]
        return await asyncio.gather(*(each.read(picture, *name) for name in names for each in stores))

    first = asyncio.run(read_all(PictureStore(folder), PictureStore(folder), PictureStore(folder)))
    assert (len(first), len(set(first)), count) == (12, 4, [picture.hash])
    assert asyncio.run(read_all(PictureStore(folder))) == first[::3]
    assert count == [picture.hash]
    assert not any(MARKER.encode() in path.read_bytes() for path in folder.rglob("*"))
    shutil.rmtree(folder.parent)
    assert asyncio.run(read_all(PictureStore(folder))) == first[::3], "the same bytes again"
    assert len(count) == 2


def test_images_are_served_without_a_folder_to_write(tmp_path: Path, picture: Picture) -> None:
    written(tmp_path, "file", b"")
    body = asyncio.run(PictureStore(tmp_path / "file" / "cache").read(picture, 640, "webp"))
    assert decode(body).size == (640, 360)


def test_file_that_changed_is_not_served(tmp_path: Path, picture: Picture) -> None:
    written(tmp_path, "vitaly.jpg", JPEG)
    with pytest.raises(NotFound):
        asyncio.run(PictureStore(tmp_path / "cache").read(picture, 640, "webp"))


@pytest.mark.parametrize(
    ("width", "extension"), [(641, "webp"), (640, "png"), (640, "../a"), (0, "jpg"), (-640, "jpg")]
)
def test_no_other_image_is_made(tmp_path: Path, picture: Picture, width: int, extension: str) -> None:
    with pytest.raises(NotFound):
        asyncio.run(PictureStore(tmp_path / "cache").read(picture, width, extension))
    assert not (tmp_path / "cache").exists()


def test_images_of_other_pictures_are_removed(tmp_path: Path, picture: Picture) -> None:
    folder = tmp_path / "cache"
    store = PictureStore(folder)
    asyncio.run(store.read(picture, 640, "webp"))
    written(folder, ".picture-left", b"")
    os.utime(folder / ".picture-left", (0, 0))
    kept = {".lock", ".picture-now", "letter.jpg", ".profile"}
    for name in kept:
        written(folder, name, b"")
    store.remove_others([picture])
    assert {path.name for path in folder.iterdir()} == {*kept, *make(picture)}
    store.remove_others([])
    assert {path.name for path in folder.iterdir()} == kept, "nothing else is deleted in a folder that others use"
    PictureStore(tmp_path / "missing").remove_others([])


def test_same_file_and_cover_have_the_same_address(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        written(tmp_path, name, JPEG)
    first = inspect(tmp_path, "a.jpg")
    assert first.hash == inspect(tmp_path, "b.jpg").hash
    covered = inspect(tmp_path, "a.jpg", cover=((0, 0, 8, 8),))
    focused = inspect(tmp_path, "a.jpg", focus=MIDDLE)
    written(tmp_path, "a.jpg", JPEG + b"\0")
    assert len({first.hash, covered.hash, inspect(tmp_path, "a.jpg").hash}) == 3
    assert focused.hash == first.hash, "the whole picture has the shape of the card"


MEMORY = """
import asyncio, sys
from pathlib import Path
from donation_card.adapters.pictures.inspection import inspect
from donation_card.adapters.pictures.store import PictureStore
from tests.support.image_files import encode, photo

def resident():
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))

async def main(folder):
    data = encode(photo(1600, 1200).resize((4000, 3000)), "JPEG", quality=75)
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(data + b"%d" % number)
    images = [inspect(folder, f"{number}.jpg", focus=(0.5, 0.5)) for number in range(3)]
    store, before = PictureStore(folder / "cache"), resident()
    for image in images:
        await store.read(image, 640, "jpg")
    print(resident() - before)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_memory_of_large_photos_is_given_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    more = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert more < 40, "megabytes; without it, more than 100 stay"
