"""Test the arithmetic of the images that are made from a picture."""

from __future__ import annotations

from fractions import Fraction

from donation_card.domain.picture import Picture, crop_around, whole
from hypothesis import assume, given, strategies as st

SIDE = st.integers(1, 6000)
POINT = st.floats(0, 1, allow_nan=False)


@given(st.integers(640, 6000), st.integers(360, 6000), POINT, POINT)
def test_part_around_the_focus_is_as_large_as_possible(width: int, height: int, x: float, y: float) -> None:
    left, top, wide, high = crop_around(width, height, (x, y))
    assert 0 <= left <= left + wide <= width
    assert 0 <= top <= top + high <= height
    assert wide == width or high == height
    assert abs(Fraction(wide, high) - Fraction(16, 9)) <= Fraction(16, 9 * 300)
    for start, part, size, at in ((left, wide, width, x), (top, high, height, y)):
        middle = start + part / 2
        assert abs(middle - at * size) <= 1 or start in (0, size - part), "the focus is in the middle, or at an edge"


@given(SIDE, SIDE)
def test_served_images_are_never_enlarged(width: int, height: int) -> None:
    picture = Picture("", "", (width, height), whole(width, height))
    assert 1 <= len(picture.widths) <= 2
    assert max(picture.widths) == min(width, 1280)
    for each in picture.widths:
        assert abs(picture.height(each) - Fraction(height * each, width)) <= 1


@given(st.data(), SIDE, SIDE)
def test_covered_part_of_a_served_image_is_whole(data: st.DataObject, width: int, height: int) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    picture = Picture("", "", (width, height), whole(width, height), (box,))
    for served in picture.widths:
        assume(picture.height(served) > 0)
        ((x, y, wide, high),) = picture.covered(served)
        scale_x, scale_y = Fraction(served, width), Fraction(picture.height(served), height)
        assert x <= left * scale_x
        assert y <= top * scale_y
        assert x + wide >= min(served, (left + box[2]) * scale_x)
        assert y + high >= min(picture.height(served), (top + box[3]) * scale_y)
        assert x % 8 == y % 8 == 0
        assert (x + wide) % 8 == 0 or x + wide == served
        assert (y + high) % 8 == 0 or y + high == picture.height(served)


def test_covered_part_outside_the_crop_is_not_painted() -> None:
    picture = Picture("", "", (1000, 1000), (0, 200, 1000, 562), ((0, 0, 100, 100), (0, 150, 10, 98)))
    assert picture.covered(640) == [(0, 0, 8, 32)]
