"""References are found in any text, and mistyped ones are noticed."""

from __future__ import annotations

import string

import pytest
from donation_card.domain.bank_transfer import compact, make_reference
from donation_card.domain.transfer_matching import find_references, is_mistyped
from hypothesis import assume, given, strategies as st

REFERENCE = "RF565390075470"
OURS = {REFERENCE: "roof", "RF340000000042": "boat"}
LETTERS = string.ascii_letters.replace("R", "").replace("r", "")
words = st.text(LETTERS + " .,-+/?:()'", max_size=30)
spaces = st.lists(st.sampled_from(["", " ", "\u00a0", "\n", "\t", "\u200b"]), min_size=14, max_size=14)


@given(before=words, after=words, gaps=spaces, small=st.booleans())
def test_reference_is_found_between_any_words(before: str, after: str, gaps: list[str], small: bool) -> None:
    typed = "".join(character + gap for character, gap in zip(REFERENCE, gaps, strict=True))
    text = compact(f"{before}{typed.lower() if small else typed}{after}")
    assert find_references(text, OURS) == {REFERENCE}


@given(text=words)
def test_text_without_a_reference_has_none(text: str) -> None:
    assert find_references(compact(text), OURS) == set()
    assert not is_mistyped(compact(text), OURS)


@st.composite
def mistyped(draw: st.DrawFn) -> str:
    """Draw the reference with one or two digits that are wrong, missing, added or swapped with the next one."""
    typed = list(REFERENCE)
    kind = draw(st.sampled_from(["wrong", "missing", "added", "swapped"]))
    for _ in range(1 if kind == "swapped" else draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(typed) - 2))
        if kind == "wrong":
            typed[at] = draw(st.sampled_from(string.ascii_uppercase + string.digits))
        elif kind == "missing":
            del typed[at]
        elif kind == "added":
            typed.insert(at, draw(st.sampled_from(string.digits)))
        else:
            typed[at : at + 2] = reversed(typed[at : at + 2])
    return "".join(typed)


@given(before=words, after=words, typed=mistyped())
def test_up_to_two_typing_errors_are_noticed(before: str, after: str, typed: str) -> None:
    text = compact(f"{before} {typed} {after}")
    assume(REFERENCE not in text)
    assert find_references(text, OURS) == set()
    assert is_mistyped(text, OURS)


@pytest.mark.parametrize("separator", ["-", ".", "/", "_", "·"])
def test_reference_with_other_separators_is_noticed(separator: str) -> None:
    text = compact(separator.join(REFERENCE[at : at + 4] for at in range(0, len(REFERENCE), 4)))
    assert find_references(text, OURS) == set(), "only white space is removed"
    assert is_mistyped(text, OURS)


def test_ten_digits_without_the_beginning_are_noticed() -> None:
    assert is_mistyped("SPENDE5390075470DANKE", OURS)
    assert not is_mistyped("SPENDE5390075471DANKE", {"RF18": "short"})


@given(digits=st.lists(st.integers(0, 9), min_size=10, max_size=10))
def test_reference_of_others_is_not_mistyped(digits: list[int]) -> None:
    other = make_reference(digits)
    assume(sum(a != b for a, b in zip(other, REFERENCE, strict=True)) > 5)
    assume(sum(a != b for a, b in zip(other, "RF340000000042", strict=True)) > 5)
    assert find_references(other, OURS) == set()


def test_longest_reference_at_a_place_is_the_one() -> None:
    references = {"RF18539007547034": "roof", "RF1853900754703": "other"}
    assert find_references("XRF18539007547034X", references) == {"RF18539007547034"}
