"""A neighbour in the network of a donor learns almost nothing from the limits of that network."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from donation_card.application import client_limits
from donation_card.application.client_limits import PerNetworkLimiter
from donation_card.application.session_limits import CHALLENGES_PER_NETWORK, PER_NETWORK, WITHOUT_JS_PER_NETWORK
from donation_card.domain.rate_limits import Rate

NEIGHBOUR, DONOR = "11.0.1.1", "11.0.1.2"
CHANCE = 10
TRIALS = 4_000
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def dice(monkeypatch: pytest.MonkeyPatch) -> Iterator[random.Random]:
    """Charge one request in ten, with numbers that are the same in each run."""
    dice = random.Random(18)
    monkeypatch.setattr(client_limits, "CHARGED_ONE_IN", CHANCE)
    monkeypatch.setattr(client_limits.secrets, "randbelow", dice.randrange)
    return dice


def empty_slots_seen(rate: Rate, *, given: bool) -> int:
    """Return how many requests a neighbour gets through after keeping the network full, with a donor between or not."""
    limiter, now = PerNetworkLimiter(), 0
    while limiter.allow(NEIGHBOUR, "session", rate, now):
        pass
    while not limiter.allow(NEIGHBOUR, "session", rate, now):
        now += rate.interval_ms
    while limiter.allow(NEIGHBOUR, "session", rate, now):
        pass
    now += CHANCE * rate.interval_ms  # there is room for exactly one charged request
    if given:
        limiter.allow(DONOR, "session", rate, now)
    seen = 0
    while seen < 60 and limiter.allow(NEIGHBOUR, "session", rate, now):
        seen += 1
    return seen


@pytest.mark.parametrize("rate", [PER_NETWORK, CHALLENGES_PER_NETWORK, WITHOUT_JS_PER_NETWORK])
def test_neighbour_learns_of_a_gift_in_at_most_one_of_ten_cases(rate: Rate) -> None:
    quiet = [empty_slots_seen(rate, given=False) for _ in range(TRIALS)]
    given = [empty_slots_seen(rate, given=True) for _ in range(TRIALS)]
    # the best rule of a neighbour: few requests got through, so somebody gave
    advantage = max(sum(n <= few for n in given) - sum(n <= few for n in quiet) for few in range(60)) / TRIALS
    assert advantage <= 1 / CHANCE + 0.03, "four standard errors"


def test_network_has_its_rate_on_average() -> None:
    limiter, allowed = PerNetworkLimiter(), 0
    hours = 400
    for hour in range(hours):
        for second in range(0, 3_600, 10):
            allowed += limiter.allow(NEIGHBOUR, "session", PER_NETWORK, hour * HOUR_MS + second * 1_000)
    expected = hours * (PER_NETWORK.burst + HOUR_MS / PER_NETWORK.interval_ms)
    assert 0.8 < allowed / expected < 1.2, "each hour begins anew"


def test_new_salt_every_hour_discards_all_counts() -> None:
    limiter, once_a_week = PerNetworkLimiter(), Rate(7 * 24 * HOUR_MS, 1)
    while limiter.allow(DONOR, "session", once_a_week, now=0):
        pass
    assert not limiter.allow(DONOR, "session", once_a_week, now=HOUR_MS - 1)
    assert limiter.allow(DONOR, "session", once_a_week, now=HOUR_MS)
