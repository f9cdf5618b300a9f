"""Test that the shipped pictures and receipts are what the script draws."""

import runpy

import pytest
from PIL import Image, ImageChops

DRAWN = runpy.run_path("campaigns/pictures/draw.py")["PICTURES"]


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_shipped_picture_is_what_the_script_draws(path):
    drawn, shipped = DRAWN[path](), Image.open(path)
    assert (shipped.mode, shipped.size, shipped.info) == ("RGB", drawn.size, {})
    differences = [high for _, high in ImageChops.difference(drawn, shipped).getextrema()]
    assert max(differences) <= 2, "run make pictures"  # another release of Pillow may round otherwise
