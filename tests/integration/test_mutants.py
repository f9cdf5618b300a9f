"""Check that the mutants apply; `python -m tests.soak.mutants` shows that each is detected."""

import pytest

from tests.soak.mutants.__main__ import PROJECT, applies, listed_tests, patches


@pytest.mark.parametrize("patch", patches().values(), ids=patches())
def test_mutant_applies_and_names_existing_tests(patch):
    assert applies(patch, PROJECT, "--check")
    assert all((PROJECT / test).exists() for test in listed_tests(patch))
