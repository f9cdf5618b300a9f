"""The parts of `make torture`, each for a short while. A failure names the seed to repeat it with."""

import pytest

from tests.torture import PARTS, run

SHORT = {
    "kills": 0.05,
    "wipes": 0.05,
    "failovers": 0.02,
    "replies": 0.02,
    "hangs": 0.05,
    "outage": 0.05,
    "canaries": 0.015,
    "restarts": 0.05,
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_killed_emptied_hung_or_cut_off_loses_and_doubles_nothing(part):
    print(run(part, SHORT[part], seed=1))
