"""Simulate card testing: donors are served and attackers are limited."""

import pytest

from tests.soak.card_testing import SCENARIOS, run, table


@pytest.mark.parametrize("scenario", ["none", "patient", "forms", "cores-16"])
def test_99_percent_of_donors_are_served_during_an_attack(scenario):
    found = run(scenario, minutes=20, seed=7)
    print("\n".join(table({scenario: found})))
    assert found.good(SCENARIOS[scenario])
    assert found.donors["shared", "came"] > 50, "some donors come from the attackers' networks"
    assert (found.noticed_after is not None) == (scenario != "none")


def test_attack_status_ends_after_the_attack():
    found = run("patient", minutes=120, seed=7)
    assert found.levels[1] > 3_000
    assert found.off_at_the_end


def test_simulation_is_deterministic():
    assert run("patient", minutes=10, seed=3) == run("patient", minutes=10, seed=3)
