"""Check that the search finds leak markers in every encoding; `tests.soak.leak_scenario` runs it on a service."""

import base64
import hashlib
import hmac
import random

import pytest

from tests.soak.stress import run
from tests.support.leak_markers import MARKERS, Donor, Search, encodings

DONOR = Donor(7, random.Random(7))
SEARCH = Search([DONOR], ["pi_3Qx"])
NOISE = bytes(random.Random(1).randbytes(50_000))


@pytest.mark.parametrize("kind", MARKERS)
def test_leak_marker_is_found_in_every_encoding(kind):
    for pattern, way in encodings(MARKERS[kind]).items():
        assert SEARCH.hits("here", NOISE + pattern + NOISE), way


@pytest.mark.parametrize("start", range(3))
def test_leak_marker_is_found_at_every_base64_offset(start):
    told = base64.b64encode(b"x" * start + DONOR.mail.encode() + b", and more")
    assert SEARCH.hits("here", told)


def test_unsalted_digest_is_found_and_salted_is_not():
    for value in DONOR.values():
        assert SEARCH.hits("here", b"who=" + hashlib.sha256(value.encode()).hexdigest().encode() + b";")
        salted = hmac.new(b"salt", value.encode(), "sha256").hexdigest()
        assert SEARCH.hits("here", salted.encode()) == []


def test_search_includes_test_cards_and_generated_values():
    assert len(SEARCH.hits("here", b"4242 4242 4242 4242, 4000000000000002 and pi_3Qx")) == 3


def test_random_bytes_give_no_finding():
    assert SEARCH.hits("here", NOISE) == []


def test_file_names_are_searched_too(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"{DONOR.card}.txt").write_bytes(b"nothing")
    (tmp_path / "b").write_bytes(NOISE + DONOR.card.encode())
    assert len(SEARCH.folder(tmp_path)) == 2
    assert SEARCH.folder(tmp_path, but=(tmp_path / "a",)) != []


def test_donations_leave_no_leak_marker_anywhere():
    """`python -m tests.soak.stress leak-markers` makes a thousand donations."""
    print(run("leak-markers", 0.012, seed=1))
