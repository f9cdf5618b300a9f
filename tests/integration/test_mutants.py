"""The planted bugs still fit the code; `python -m tests.soak.mutants` shows that each one is caught."""

from pathlib import Path

import pytest

from tests.soak.mutants.__main__ import PROJECT, applies, catchers, patches


def test_there_are_enough_of_them():
    assert len(patches()) >= 15


@pytest.mark.parametrize("patch", patches().values(), ids=patches())
def test_a_planted_bug_still_fits_and_names_who_catches_it(patch):
    assert applies(patch, PROJECT, "--check")
    assert all(Path(test).exists() for test in catchers(patch))
