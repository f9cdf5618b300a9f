"""A campaign file names a picture beside it. The loader follows both files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import CampaignFiles, read_campaign
from donation_card.cli.main import cli
from donation_card.errors import ConfigurationError

from tests.support.image_files import encode, noise, photo

ROOF = Path("tests/support/roof.toml").read_text("utf-8")
ALT = 'alt = { en = "The roof of the school", de = "Das Dach der Schule" }\n'
PICTURE = f'\n[picture]\nfile = "roof.jpg"\n{ALT}'
JPEG = encode(photo(1280, 720), "JPEG")


def with_picture(folder: Path, table: str = PICTURE, data: bytes | None = JPEG, name: str = "roof.jpg") -> Path:
    path = folder / "roof.toml"
    path.write_text(ROOF + table, "utf-8")
    if data is not None:
        (folder / name).write_bytes(data)
    return path


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as editors do: the new one has another inode."""
    path.with_suffix(".new").write_bytes(data)
    os.replace(path.with_suffix(".new"), path)


def check(folder: Path) -> str:
    """Return the mistakes that the command names."""
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(folder)])
    assert done.exception is None or isinstance(done.exception, ConfigurationError)
    return str(done.exception or "")


def test_picture_has_a_text_in_each_language(sample_campaign: Path) -> None:
    picture = read_campaign(with_picture(sample_campaign)).picture
    assert picture
    assert (picture.alt, picture.credit) == ({"en": "The roof of the school", "de": "Das Dach der Schule"}, "")
    assert picture.image.crop == (0, 0, 1280, 720)
    assert not check(sample_campaign)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('\n[picture]\nfile = "roof.jpg"\nalt = { en = "The roof" }\n', 'picture.alt.de: given nothing'),
        ("\n[picture]\n" + ALT, "picture.file: given nothing"),
        ('\n[picture]\nfile = "roof.jpg"\n', "picture.alt: given nothing"),
        (PICTURE + "focus = [0.5]\n", "picture.focus: given a list of 1; allowed: two numbers from 0 to 1"),
        (PICTURE + "focus = [0.5, 1.5]\n", "picture.focus: given"),
        (PICTURE + "focus = [true, 1]\n", "picture.focus: given"),
        (PICTURE + 'focus = "top"\n', 'picture.focus: given "top"'),
        (PICTURE + "credit = 5\n", "picture.credit: given 5"),
        (PICTURE + 'cover = "x"\n', "picture.cover: given an unknown field"),
        (PICTURE.replace("roof.jpg", "../roof.jpg"), "picture.file: given the path '../roof.jpg'"),
        (PICTURE.replace("roof.jpg", "roof.pdf"), "picture.file: given a name that ends with '.pdf'; allowed: a JPE"),
        (PICTURE.replace("roof.jpg", "none.jpg"), "picture.file: given no file 'none.jpg'"),
    ],
)  # fmt: skip
def test_check_names_each_mistake(sample_campaign: Path, table: str, said: str) -> None:
    path = with_picture(sample_campaign, table)
    assert f"campaigns/roof.toml: {said}" in check(sample_campaign)
    with pytest.raises(ConfigurationError):
        read_campaign(path)


def test_check_reads_every_pixel(sample_campaign: Path) -> None:
    png = encode(photo(700, 400), "PNG")
    damaged = png[: len(png) // 2] + bytes(40) + png[len(png) // 2 + 40 :]
    with_picture(sample_campaign, PICTURE.replace(".jpg", ".png"), damaged, "roof.png")
    assert CampaignFiles(sample_campaign).image_faults() == []
    assert "roof.toml: picture.file: given a damaged image" in check(sample_campaign)


def test_all_mistakes_are_reported_together(sample_campaign: Path) -> None:
    with_picture(sample_campaign, PICTURE.replace("roof.jpg", "none.jpg") + "\n[[updates]]\ndate = 5\n")
    said = check(sample_campaign)
    assert "picture.file: given no file" in said
    assert "updates[0].date: given 5" in said


def test_focus_moves_the_part_that_is_shown(sample_campaign: Path) -> None:
    tall = encode(noise(640, 1000), "JPEG", quality=30)
    path = with_picture(sample_campaign, PICTURE + 'focus = [0, 1]\ncredit = "Ada"\n', tall)
    picture = read_campaign(path).picture
    assert picture
    assert (picture.image.crop, picture.credit) == ((0, 640, 640, 360), "Ada")


def test_unusable_picture_stops_no_service(sample_campaign: Path) -> None:
    with_picture(sample_campaign, data=None)
    files = CampaignFiles(sample_campaign)
    assert files.get("roof").picture is None
    assert files.load_errors() is None, "the service is ready"
    assert [str(fault) for fault in files.image_faults()] == [
        "campaigns/roof.toml: picture.file: given no file 'roof.jpg'; allowed: a file beside the campaign file"
    ]


def test_picture_is_followed_while_the_service_runs(sample_campaign: Path) -> None:
    with_picture(sample_campaign)
    files, path = CampaignFiles(sample_campaign), sample_campaign / "roof.jpg"

    def shown() -> str | None:
        files.reload()
        picture = files.get("roof").picture
        return picture.image.hash if picture else None

    first = shown()
    assert first
    replace_file(path, encode(photo(1280, 720, seed=9), "JPEG"))
    second = shown()
    assert second not in (None, first)
    path.write_bytes(JPEG[: len(JPEG) // 2])
    assert shown() is None, "a file that is still written is not shown"
    assert "a file whose end is missing" in str(files.image_faults())
    with path.open("ab") as file:
        file.write(JPEG[len(JPEG) // 2 :])
    assert shown() == first
    assert files.image_faults() == []
    path.unlink()
    assert shown() is None, "an organiser takes a picture back by deleting it"
    assert not files.reload(), "nothing more changes"


def test_kubernetes_volume_is_followed(sample_campaign: Path) -> None:
    for version, seed in (("..1", 7), ("..2", 9)):
        (sample_campaign / version).mkdir()
        (sample_campaign / version / "roof.jpg").write_bytes(encode(photo(640, 360, seed=seed), "JPEG"))
        (sample_campaign / version / "roof.toml").write_text(ROOF + PICTURE, "utf-8")
    (sample_campaign / "roof.toml").unlink()
    (sample_campaign / "..data").symlink_to("..1")
    for name in ("roof.toml", "roof.jpg"):
        (sample_campaign / name).symlink_to(f"..data/{name}")
    files = CampaignFiles(sample_campaign)
    first = files.get("roof").picture
    (sample_campaign / "..new").symlink_to("..2")
    os.replace(sample_campaign / "..new", sample_campaign / "..data")
    shutil.rmtree(sample_campaign / "..1")
    assert files.reload()
    second = files.get("roof").picture
    assert first
    assert second
    assert first.image.hash != second.image.hash


def test_mistake_in_the_file_keeps_the_last_picture(sample_campaign: Path) -> None:
    path = with_picture(sample_campaign)
    files = CampaignFiles(sample_campaign)
    path.write_text(ROOF + PICTURE + "focus = 5\n", "utf-8")
    assert not files.reload()
    assert files.get("roof").picture
    (sample_campaign / "roof.jpg").unlink()
    path.write_text(ROOF + PICTURE + "focus = [0, 0]\n", "utf-8")
    assert files.reload()
    assert files.get("roof").picture is None
