"""Run each part of `make stress` for a short time. A failure names its seed."""

import pytest

from tests.soak.stress import run

SHORT = {
    "kills": 0.01,
    "wipes": 0.03,
    "failovers": 0.02,
    "replies": 0.01,
    "hangs": 0.03,
    "outage": 0.05,
    "restarts": 0.02,
}


@pytest.mark.parametrize("part", SHORT)
def test_stress_parts_lose_and_double_nothing(part):
    print(run(part, SHORT[part], seed=1))
