"""The parts of `make torture`, each for a short while (canaries: test_canaries). A failure names its seed."""

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
def test_what_is_killed_emptied_hung_or_cut_off_loses_and_doubles_nothing(part):
    print(run(part, SHORT[part], seed=1))
