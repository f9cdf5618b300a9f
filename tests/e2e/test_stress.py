"""Run each part of `make stress` for a short time. A failure names its seed."""

import pytest

from tests.soak.stress import run

SHORT = {
    "kills": 0.02,
    "wipes": 0.05,
    "failovers": 0.02,
    "replies": 0.02,
    "hangs": 0.05,
    "outage": 0.05,
    "restarts": 0.05,
}


@pytest.mark.parametrize("part", SHORT)
def test_stress_parts_lose_and_double_nothing(part):
    print(run(part, SHORT[part], seed=1))
