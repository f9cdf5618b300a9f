"""The arithmetic of the drill: the seconds in which donors have no way to give."""

from __future__ import annotations

import contextlib
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.soak import drill
from tests.soak.drill import LONGEST_WAIT, Attempts, repeat


@pytest.mark.parametrize(
    ("made", "lost"),
    [
        ([], 0),
        ([(0.0, True), (5.0, True)], 0),
        ([(2.0, False), (3.0, True)], 1),
        ([(2.0, False), (3.1, True)], 2),
        ([(2.0, False), (2.5, True), (7.0, False), (7.5, True)], 1),
        ([(9.0, False)], 1),
        ([(-5.0, False), (1.0, True)], 1),
        ([(-5.0, False), (-4.0, True)], 0),
    ],
)
def test_time_from_a_failed_attempt_to_the_next_is_lost(made: list[tuple[float, bool]], lost: int) -> None:
    assert Attempts(made).seconds_without(0.0, 10.0) == lost


@given(
    made=st.lists(st.tuples(st.integers(0, 40), st.booleans()), unique_by=lambda each: each[0]),
    since=st.integers(0, 20),
    until=st.integers(20, 40),
)
def test_lost_seconds_are_those_whose_last_attempt_failed(made: list[tuple[int, bool]], since: int, until: int) -> None:
    tried = {at: found for at, found in made if at <= until}
    state, lost = True, 0
    for second in range(until):
        state = tried.get(second, state)
        lost += second >= since and not state
    assert Attempts([(float(at), found) for at, found in sorted(tried.items())]).seconds_without(since, until) == lost


@pytest.mark.parametrize(("later", "found"), [(0.0, True), (LONGEST_WAIT + 1, False)])
def test_way_that_is_named_too_late_is_none(later: float, found: bool) -> None:
    donor: Any = SimpleNamespace(named_at=None)
    into, done = Attempts(), threading.Event()
    done.set()

    def attempt() -> bool:
        donor.named_at = time.monotonic() + later
        return True

    repeat(donor, attempt, into, done)
    assert [each for _, each in into.made] == [found]


@pytest.mark.parametrize(("cells", "status"), [("0000" + "9999", 0), ("0010" + "0000", 1)])
def test_drill_fails_if_a_campaign_with_ways_had_none(cells: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns that name no other way may have seconds without one: the row says how long."""
    monkeypatch.setattr(drill, "started", contextlib.nullcontext)
    monkeypatch.setattr(drill, "run", lambda *_: [["Redis is away", *cells]])
    assert drill.main(["Redis is away"]) == status
