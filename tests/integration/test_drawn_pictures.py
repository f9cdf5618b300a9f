"""Test that the shipped pictures are what the script beside them draws."""

import runpy
from pathlib import Path

import pytest
from PIL import Image, ImageChops

FOLDER = Path("campaigns/pictures")
DRAWN = runpy.run_path(str(FOLDER / "draw.py"))["PICTURES"]


@pytest.mark.parametrize("path", DRAWN)
def test_shipped_picture_is_what_the_script_draws(path):
    drawn, shipped = DRAWN[path](), Image.open(FOLDER / path)
    assert (shipped.mode, shipped.size, shipped.info) == ("RGB", drawn.size, {})
    differences = [high for _, high in ImageChops.difference(drawn, shipped).getextrema()]
    assert max(differences) <= 2, "run make pictures"  # another release of Pillow may round otherwise
