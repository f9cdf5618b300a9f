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
def test_a_canary_is_found_however_it_is_written(kind):
    for pattern, way in encodings(MARKERS[kind]).items():
        assert SEARCH.hits("here", NOISE + pattern + NOISE), way


@pytest.mark.parametrize("start", range(3))
def test_in_base64_it_is_found_wherever_it_begins(start):
    told = base64.b64encode(b"x" * start + DONOR.mail.encode() + b", and more")
    assert SEARCH.hits("here", told)


def test_a_digest_without_salt_is_found_and_a_salted_one_is_not():
    for value in DONOR.values():
        assert SEARCH.hits("here", b"who=" + hashlib.sha256(value.encode()).hexdigest().encode() + b";")
        salted = hmac.new(b"salt", value.encode(), "sha256").hexdigest()
        assert SEARCH.hits("here", salted.encode()) == []


def test_every_test_card_and_every_value_made_on_the_way_is_looked_for():
    assert len(SEARCH.hits("here", b"4242 4242 4242 4242, 4000000000000002 and pi_3Qx")) == 3


def test_in_noise_nothing_is_found():
    assert SEARCH.hits("here", NOISE) == []


def test_files_are_searched_with_their_names(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"{DONOR.card}.txt").write_bytes(b"nothing")
    (tmp_path / "b").write_bytes(NOISE + DONOR.card.encode())
    assert len(SEARCH.folder(tmp_path)) == 2
    assert SEARCH.folder(tmp_path, but=(tmp_path / "a",)) != []


def test_of_some_gifts_no_canary_is_left_anywhere():
    """`python -m tests.soak.stress canaries` gives a thousand."""
    print(run("canaries", 0.012, seed=1))
