"""The counters that a donation raises are exported when the next period of every campaign has begun."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from donation_card.application import counter_export
from donation_card.application.counter_export import CounterExport
from donation_card.domain.publication import PublicationPolicy
from donation_card.observability.snapshots import MemorySnapshots, renew
from hypothesis import given, settings, strategies as st
from prometheus_client.core import CounterMetricFamily, Metric

from tests.support.fakes import FakeCampaigns, FakeClock
from tests.unit.application.conftest import NOW, ROOF

DAY, HOUR = 86_400, 3_600
intervals = st.sampled_from([300, HOUR, 6 * HOUR, 8 * HOUR, DAY])
offsets = st.integers(-11, 12)
"""Hours from UTC to local time. The zones of this name have no summer time."""


class Exported:
    """Count donations, and export them as the service does."""

    def __init__(self, policies: list[tuple[int, int]], start: int) -> None:
        self.clock, self.donations = FakeClock(start), 0
        zones = [ZoneInfo(f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT") for _, hours in policies]
        campaigns = [
            replace(ROOF, id=f"c{number}", publication=PublicationPolicy(interval, 1, 0, zone))
            for number, ((interval, _), zone) in enumerate(zip(policies, zones, strict=True))
        ]
        self.export = CounterExport(FakeCampaigns(*campaigns), self.clock)  # type: ignore[arg-type]
        self.snapshots = MemorySnapshots(lambda: [CounterMetricFamily("donations", "", value=self.donations)])

    def shown(self) -> float:
        self.export.renew_if_due()
        if self.export.settled is None:
            return self.donations
        (family,) = self.snapshots.read(self.export.settled)
        assert isinstance(family, Metric)
        return float(family.samples[0].value)


def period_start(at: float, interval: int, hours: int) -> float:
    local = at + hours * HOUR
    return local - local % interval - hours * HOUR


@settings(max_examples=40)
@given(
    st.lists(st.tuples(intervals, offsets), min_size=1, max_size=4),
    st.lists(st.integers(1, DAY), min_size=1, max_size=25),
)
def test_no_donation_is_exported_before_every_period_ended(policies: list[tuple[int, int]], pauses: list[int]) -> None:
    made: list[float] = []
    one_clock = len({hours for _, hours in policies}) == 1
    with pytest.MonkeyPatch.context() as patched:
        world = Exported(policies, NOW)
        patched.setattr(counter_export, "renew_snapshot", lambda *times: renew(world.snapshots, *times))
        for pause in pauses:
            world.clock.advance(pause)
            at = world.clock.at
            assert world.shown() <= bisect_left(made, min(period_start(at, *policy) for policy in policies))
            if one_clock and len(policies) == 1:
                assert world.shown() == bisect_left(made, period_start(at, *policies[0])), "and not later"
            made.append(at)
            world.export.renew_if_due()
            world.donations += 1
        world.clock.advance(2 * DAY)
        world.shown()
        world.clock.advance(2 * DAY)
        assert world.shown() == len(made)


def test_donations_of_immediate_campaigns_are_exported_at_once() -> None:
    world = Exported([(0, 0)], NOW)
    world.donations = 3
    assert world.shown() == 3


def test_immediate_campaign_waits_for_the_periods_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Exported([(0, 0), (DAY, 0)], NOW)
    monkeypatch.setattr(counter_export, "renew_snapshot", lambda *times: renew(world.snapshots, *times))
    assert world.shown() == 0
    world.donations = 3
    assert world.shown() == 0
    world.clock.at = datetime.fromtimestamp(NOW, UTC).replace(hour=0, minute=0, second=0).timestamp() + DAY
    assert world.shown() == 3


def test_nothing_is_exported_while_campaign_files_are_unread() -> None:
    campaigns = FakeCampaigns(replace(ROOF, publication=PublicationPolicy(0, 1, 0, ZoneInfo("UTC"))))
    campaigns.files_to_read = 1
    export = CounterExport(campaigns, FakeClock(NOW))  # type: ignore[arg-type]
    export.renew_if_due()
    assert export.settled == 0, "the unread campaign can have a period of a day"
    campaigns.files_to_read = 0
    export.renew_if_due()
    assert export.settled is None
