"""The planted bugs still fit the code; `python -m tests.soak.mutants` shows that each one is caught."""

from pathlib import Path

import pytest

from tests.soak.mutants.__main__ import PROJECT, applies, catchers, patches


def test_there_are_enough_mutants():
    assert len(patches()) >= 15


@pytest.mark.parametrize("patch", patches().values(), ids=patches())
def test_mutant_applies_and_names_existing_tests(patch):
    assert applies(patch, PROJECT, "--check")
    assert all(Path(test).exists() for test in catchers(patch))
