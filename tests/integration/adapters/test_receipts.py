"""A campaign file names a receipt beside it. The organiser covers a part of it, and has looked at the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import CampaignFiles, read_campaign
from donation_card.adapters.pictures.store import make
from donation_card.cli.main import cli
from donation_card.errors import ConfigurationError
from hypothesis import Phase, given, settings, strategies as st
from PIL import Image

from tests.support.image_files import MARKER, WITH_METADATA, decode, encode, noise, photo

ROOF = Path("tests/support/roof.toml").read_text("utf-8")
WIDTH, HEIGHT = 1600, 900
FILES = {"upright.jpg": encode(photo(WIDTH, HEIGHT), "JPEG"), "bill.pdf": b"%PDF-1.7", "moving.gif": b"GIF89a"}


def spent(receipt: str, date: str = '"2026-10"') -> str:
    text = '{ en = "Tiles", de = "Ziegel" }'
    return f'\n[[spent]]\nneed = "tiles"\ndate = {date}\namount = 5\ntext = {text}\nreceipt = {receipt}\n'


def written(folder: Path, *tables: str) -> Path:
    path = folder / "roof.toml"
    path.write_text(ROOF + "".join(tables), "utf-8")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return path


def receipt(cover: str = "[]", file: str = "upright.jpg", checked: str = ", checked = true") -> str:
    return f'{{ file = "{file}", cover = {cover}{checked} }}'


BAD = {
    "a text": ('"upright.jpg"', ".receipt", '"upright.jpg"', 'a table: { file = "receipt.jpg", cover = [], checked'),
    "true": ("true", ".receipt", "true", "a table: { file"),
    "no file": ("{ checked = true }", ".receipt.file", "nothing", "a text of 1"),
    "an unknown field": ('{ file = "a.jpg", alt = "x" }', ".receipt.alt", "an unknown field", "file, cover, checked"),
    "nobody looked": (receipt(checked=""), ".receipt.checked", "false", "true. Look at it first: no surname, address"),
    "checked is false": (receipt(checked=", checked = false"), ".receipt.checked", "false", "bar code or QR code"),
    "checked in a word": (receipt(checked=', checked = "yes"'), ".receipt.checked", '"yes"', "true or false"),
    "a PDF": (receipt(file="bill.pdf"), ".receipt.file", "'.pdf'", "export the page as PNG"),
    "a GIF": (receipt(file="moving.gif"), ".receipt.file", "'.gif'", "export it as PNG"),
    "another folder": (receipt(file="../upright.jpg"), ".receipt.file", "'../upright.jpg'", "beside the campaign file"),
    "no such file": (receipt(file="none.jpg"), ".receipt.file", "no file 'none.jpg'", "beside the campaign file"),
    "one box": (receipt("[1, 2, 3, 4]"), ".receipt.cover[0]", "1", "[left, top, width, height]"),
    "three numbers": (receipt("[[1, 2, 3]]"), ".receipt.cover[0]", "a list of 3", "[left, top, width, height]"),
    "a float": (receipt("[[1, 2, 3, 4.0]]"), ".receipt.cover[0]", "a list of 4", "whole numbers"),
    "a boolean": (receipt("[[1, 2, 3, true]]"), ".receipt.cover[0]", "a list of 4", "whole numbers"),
    "a text in a box": (receipt('[["1", 2, 3, 4]]'), ".receipt.cover[0]", "a list of 4", "whole numbers"),
    "negative": (receipt("[[-1, 2, 3, 4]]"), ".receipt.cover[0]", "a list of 4", "above 0"),
    "no width": (receipt("[[1, 2, 0, 4]]"), ".receipt.cover[0]", "a list of 4", "above 0"),
    "too far right": (receipt("[[0, 0, 5, 5], [1590, 2, 11, 4]]"), ".receipt.cover[1]", "[1590, 2, 11", "1600 × 900"),
    "too low": (receipt("[[1, 2, 3, 899]]"), ".receipt.cover[0]", "[1, 2, 3, 899]", "inside of 1600 × 900 pixels"),
    "a word": (receipt('"all"'), ".receipt.cover", '"all"', "[[left, top, width, height], …]"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_receipt_is_refused_with_its_place(what: str, tmp_path: Path) -> None:
    table, field, given_, allowed = BAD[what]
    with pytest.raises(ConfigurationError) as caught:
        read_campaign(written(tmp_path, spent(receipt()), spent(table)))
    fault = caught.value.faults[0]
    assert fault.field == f"spent[1]{field}"
    assert given_ in fault.given
    assert allowed in fault.allowed


def test_receipt_belongs_to_its_spending_whatever_the_order(tmp_path: Path) -> None:
    """The list is sorted by date, but the boxes of one receipt never cover another one."""
    dates = ('"2026-09"', '"2026-11"', '"2026-10"')
    tables = [spent(receipt(f"[[{at}, 0, 9, 9]]"), date) for at, date in enumerate(dates)]
    campaign = read_campaign(written(tmp_path, *tables))
    found = [(each.iso_date, each.receipt.cover) for each in campaign.spendings if each.receipt]
    assert found == [("2026-11", ((1, 0, 9, 9),)), ("2026-10", ((2, 0, 9, 9),)), ("2026-09", ((0, 0, 9, 9),))]


def test_receipt_that_cannot_be_read_is_left_out_later(tmp_path: Path) -> None:
    """A damaged file is a warning while the service runs: the spending is shown without it."""
    path = written(tmp_path, spent(receipt()))
    files = CampaignFiles(tmp_path)
    assert len(files.get("roof").receipts) == 1
    (tmp_path / "upright.jpg").unlink()
    assert files.reload()
    assert (files.get("roof").receipts, len(files.get("roof").spendings)) == ((), 1)
    assert "spent[0].receipt.file" in str(files.image_faults()[0])
    path.write_text(ROOF + spent(receipt()).replace("receipt =", "#"), "utf-8")
    files.reload()
    assert not files.image_faults()


BOXES = st.tuples(st.integers(0, 799), st.integers(0, 449), st.integers(1, 800), st.integers(1, 450))


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(boxes=st.lists(BOXES, min_size=1, max_size=4), orientation=st.sampled_from([1, 3, 6, 8]))
def test_each_box_is_one_colour_in_each_served_image(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[int, int, int, int]], orientation: int
) -> None:
    """The boxes count pixels as an editor shows them: after the EXIF orientation."""
    size = (WIDTH, HEIGHT) if orientation in (1, 3) else (HEIGHT, WIDTH)
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder = tmp_path_factory.mktemp("receipts")
    path = written(folder, spent(receipt(str([list(box) for box in boxes]))))
    (folder / "upright.jpg").write_bytes(encode(noise(*size), "JPEG", exif=exif))
    (picture,) = read_campaign(path).receipts
    served = make(picture)
    assert served
    for body in served.values():
        image = decode(body)
        wide, high = image.size
        for left, top, width, height in boxes:
            start = left * wide // WIDTH, top * high // HEIGHT
            end = -(-(left + width) * wide // WIDTH), -(-(top + height) * high // HEIGHT)
            colours = image.crop((*start, *end)).getextrema()
            assert all(lowest == highest < 8 for lowest, highest in colours), "black, but for the rounding of JPEG"


def test_check_writes_what_everybody_will_see(tmp_path: Path) -> None:
    """Also of a receipt that nobody has looked at: otherwise nobody could."""
    campaigns, seen = tmp_path / "campaigns", tmp_path / "new" / "seen"
    campaigns.mkdir()
    written(campaigns, spent(receipt("[[0, 0, 800, 900]]", checked="")), spent(receipt(file="bill.pdf")))
    (campaigns / "upright.jpg").write_bytes(WITH_METADATA["jpg"](photo(WIDTH, HEIGHT)))
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(campaigns), "--receipts", str(seen)])
    assert done.exit_code == 1
    assert "Look at it first" in str(done.exception)
    (written_file,) = seen.iterdir()
    assert f"{written_file}: this is what everybody will see" in done.output
    assert written_file.name == "roof-2026-10-0.jpg"
    image = decode(written_file.read_bytes())
    assert image.crop((0, 0, image.width // 2, image.height)).getextrema() == ((0, 0),) * 3
    assert MARKER.encode() not in written_file.read_bytes()
    (campaigns / "roof.toml").write_text(ROOF + spent(receipt("[[0, 0, 800, 900]]")), "utf-8")
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(campaigns), "--receipts", str(seen)])
    assert done.exit_code == 0
