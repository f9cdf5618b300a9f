"""The totals of a campaign and of one site together reveal at most the share of a donation in their joint step."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from donation_card.analysis import hidden_total
from donation_card.analysis.disclosure_risk import advantages, joint_advantages
from donation_card.analysis.giving_observer import GivingObserver, joint_giving_advantages
from donation_card.analysis.hidden_total import DonationProcess, HiddenState
from donation_card.analysis.joint_totals import QUANTA, JointSeries
from donation_card.cli.main import cli
from donation_card.domain.publication import PublicationPolicy
from hypothesis import given, settings, strategies as st

from tests.support.site_totals import campaign_with_site_totals

POLICY = PublicationPolicy(86_400, 200_00, 0, ZoneInfo("Europe/Vilnius"), threshold_key=b"any")
SUGGESTED = dict.fromkeys((10_00, 25_00, 35_00, 50_00), 0.25)
JOINT = JointSeries(POLICY, 500_00, 1.0)
SITE_QUANTA = 20
QUIET = DonationProcess(0.25, SUGGESTED)


def public_series(sums: list[int], step: int) -> dict[tuple[int, ...], float]:
    """Count the series of public totals over all thresholds of the first steps, each equally likely."""
    counted: Counter[tuple[int, ...]] = Counter()
    steps = max(sums) // step
    for thresholds in product(range(step), repeat=steps):
        at = [0, *(number * step + above for number, above in enumerate(thresholds, 1))]
        counted[tuple(max(number for number, reached in enumerate(at) if reached <= each) for each in sums)] += 1
    return {series: number / step**steps for series, number in counted.items()}


def joint_series(sums: list[int], of_site: list[int]) -> dict[tuple[tuple[int, ...], tuple[int, ...]], float]:
    """Return the probability of each pair of series. The thresholds of the two are independent."""
    pairs = product(public_series(sums, QUANTA).items(), public_series(of_site, SITE_QUANTA).items())
    return {(one, other): share * likely for (one, share), (other, likely) in pairs}


gifts = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(arrived=gifts)
def test_joint_chain_equals_all_possible_thresholds(arrived: list[tuple[int, int]]) -> None:
    """Each pair: what came from the site, and what came from elsewhere."""
    of_site = [sum(each for each, _ in arrived[: number + 1]) for number in range(len(arrived))]
    sums = [sum(map(sum, arrived[: number + 1])) for number in range(len(arrived))]
    transitions = JOINT.transitions()
    series: dict[tuple[tuple[int, ...], HiddenState], float] = {((), HiddenState(0, 0)): 1.0}
    for from_site, elsewhere in arrived:
        then: Counter[tuple[tuple[int, ...], HiddenState]] = Counter()
        for (changes, state), share in series.items():
            gift = HiddenState(from_site + elsewhere, 0, of_site=from_site)
            for likely, change, following in transitions(state, gift):
                then[(*changes, change), following] += share * likely
        series = dict(then)
    found: Counter[tuple[int, ...]] = Counter()
    for (changes, _), share in series.items():
        found[changes] += share
    wanted: Counter[tuple[int, ...]] = Counter()
    for (whole, site), share in joint_series(sums, of_site).items():
        steps = zip(pairwise((0, *whole)), pairwise((0, *site)), strict=True)
        changes = tuple(QUANTA * (b - a) + 1_000 * SITE_QUANTA * (d - c) for (a, b), (c, d) in steps)
        wanted[changes] += share
    assert found == pytest.approx(dict(wanted))


@settings(max_examples=40, deadline=None)
@given(elsewhere=st.integers(0, 20), of_site=st.integers(0, 30), donation=st.integers(1, QUANTA))
def test_day_of_a_donation_reveals_at_most_its_share_of_both_steps(elsewhere: int, of_site: int, donation: int) -> None:
    """Also to an observer who knows both sums before it."""
    without, donated = (joint_series([elsewhere + of_site + more], [of_site + more]) for more in (0, donation))
    distance = sum(abs(without.get(each, 0) - donated.get(each, 0)) for each in {*without, *donated}) / 2
    assert distance <= donation / QUANTA + donation / SITE_QUANTA + 1e-9


@pytest.mark.parametrize(("share", "per_day"), [(1.0, 0.25), (0.25, 1)])
def test_two_series_together_stay_within_their_bound(share: float, per_day: float) -> None:
    joint = replace(JOINT, site_share=share)
    found = joint_advantages(joint, DonationProcess(per_day, SUGGESTED), Random(1).random, samples=40)
    assert all(each.within for each in found), found
    assert [each.bound for each in found] == pytest.approx([7 / 40, 7 / 20, 7 / 10])
    assert [each.value for each in found] == sorted(each.value for each in found)


def test_two_series_reveal_more_than_one() -> None:
    (one,) = advantages(POLICY, QUIET, [100_00], Random(1).random, samples=80)
    both = joint_advantages(JOINT, QUIET, Random(1).random, samples=80)[-1]
    assert one.donation == both.donation == 100_00
    assert both.value - 2 * both.error > one.value + one.error


def test_observer_of_both_who_gives_sees_more() -> None:
    watches, gives = (
        joint_giving_advantages(JOINT, QUIET, 2, GivingObserver(budget, 4), Random(2).random, samples=4)
        for budget in (0, 500_00)
    )
    assert sum(watches) < sum(gives)


def test_amounts_are_rounded_to_the_right_mean() -> None:
    found = JOINT._gifts({10_00: 0.5, 60_00: 0.5})
    assert sum(found.values()) == pytest.approx(1)
    assert sum(quanta * share for (quanta, _), share in found.items()) == pytest.approx(35_00 / JOINT.unit)


def test_period_has_every_donation_of_the_site_in_both_sums() -> None:
    half = replace(JOINT, site_share=0.5)
    arrivals = half.arrivals(DonationProcess(2, SUGGESTED))
    assert sum(arrivals.values()) == pytest.approx(1, abs=1e-3)
    assert all(each.of_site <= each.withheld for each in arrivals)
    means = [sum(getattr(each, name) * share for each, share in arrivals.items()) for name in ("withheld", "of_site")]
    assert means[1] == pytest.approx(means[0] / 2, rel=1e-3)
    assert hidden_total.HiddenState(0, 0) in arrivals


def test_command_measures_each_step_of_a_site_total(tmp_path: Path) -> None:
    (tmp_path / "vitaly.toml").write_text(campaign_with_site_totals(), "utf-8")
    command = ["disclosure-risk", "vitaly", "--campaigns", str(tmp_path), "--samples", "2", "--budget", "0"]
    output = CliRunner().invoke(cli, command).output
    title = "the totals of the campaign (step 100.00 EUR) and of one site (step 250.00 EUR) together"
    assert output.count(title) == 1, "two sites with one step"
    assert "all other donations come from the site" in output
    rows = re.findall(r"(?m)^ +([\d.]+) EUR +([\d.]+) ", output.partition(title)[2])
    assert rows == [("12.50", "0.18"), ("25.00", "0.35"), ("50.00", "0.70")] * 2
