"""The public totals reveal about one donation at most its share of a step."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.analysis import disclosure_risk, hidden_total
from donation_card.analysis.disclosure_risk import Advantage, advantages, transfer_advantages
from donation_card.analysis.giving_observer import GivingObserver, giving_advantages
from donation_card.analysis.hidden_total import QUANTA, DonationProcess, HiddenState
from donation_card.cli.main import cli
from donation_card.domain.publication import PublicationPolicy
from hypothesis import given, settings, strategies as st

from tests.support.shipped import VITALY_TEXT

VILNIUS = ZoneInfo("Europe/Vilnius")
VITALY = read_campaign(Path("campaigns/vitaly.toml"))
SUGGESTED = {money.amount: 1 / len(VITALY.giving.suggested) for money in VITALY.giving.suggested}


QUIET = DonationProcess(0.25, SUGGESTED)
"""One donation in four days."""
SECRET = replace(VITALY.publication, threshold_key=b"any")
"""The policy of the first campaign as the service applies it."""


def rule(*, min_donations: int = 0, hours: int = 6, step: int = 100_00) -> PublicationPolicy:
    return PublicationPolicy(hours * 3600, step, min_donations, VILNIUS)


@pytest.mark.parametrize("per_day", [0.3, 1, 4, 16])
def test_shipped_campaign_stays_within_its_risk_bound(per_day: float) -> None:
    found = advantages(
        SECRET,
        DonationProcess(per_day, SUGGESTED),
        [5_00, 25_00, 50_00, 100_00],
        Random(1).random,
        samples=80,
    )
    assert all(each.within for each in found), found
    assert all(each.error < 0.04 for each in found), "so few draws say something"
    assert [each.value for each in found] == sorted(each.value for each in found)


def test_minimum_donations_expose_small_donations() -> None:
    """Where a minimum of three donations holds the total back, even a small third one lets it change."""
    gated, free = (
        advantages(rule(min_donations=n), DonationProcess(4, SUGGESTED), [5_00], Random(2).random, samples=60)[0]
        for n in (3, 0)
    )
    assert free.within
    assert not gated.within
    assert VITALY.publication.min_donations == 0


def test_larger_step_and_longer_period_lower_the_risk() -> None:
    def told(changed: PublicationPolicy) -> float:
        return advantages(changed, DonationProcess(8, SUGGESTED), [25_00], Random(3).random, samples=100)[0].value

    assert told(rule(step=200_00)) < told(rule()) < told(rule(step=50_00))
    assert told(rule(hours=24)) < told(rule(hours=6))


def test_whole_step_in_a_quiet_campaign_is_detected() -> None:
    (found,) = advantages(rule(), DonationProcess(0.4, SUGGESTED), [100_00], Random(4).random, samples=40)
    assert found.value > 0.9


def test_same_seed_gives_the_same_numbers() -> None:
    one, again, other = (
        advantages(rule(), DonationProcess(8, SUGGESTED), [25_00], Random(n).random, samples=20) for n in (5, 5, 6)
    )
    assert one == again
    assert one != other


def test_immediate_total_discloses_everything() -> None:
    with pytest.raises(ValueError, match="at once"):
        advantages(
            PublicationPolicy(0, 1, 0, VILNIUS), DonationProcess(4, SUGGESTED), [5_00], Random(1).random, samples=2
        )


@pytest.mark.parametrize("min_donations", [0, 1, 3])
def test_transfers_without_a_payment_have_finitely_many_states(min_donations: int) -> None:
    process = DonationProcess(0.25, {10_00: 0.5, 50_00: 0.5})
    found = transfer_advantages(rule(min_donations=min_donations), process, [25_00], 4, Random(1).random, samples=2)
    assert 0 <= found[0].value <= 1


def test_command_prints_a_reproducible_table() -> None:
    def printed(*options: str) -> str:
        result = CliRunner().invoke(cli, ["disclosure-risk", "vitaly", "--samples", "3", "--budget", "0", *options])
        assert result.exit_code == 0, result.output
        return result.output

    assert printed() == printed()
    assert printed() != printed("--seed", "2")
    assert "every 24 h, step 200.00 EUR, min_donations 1" in printed(
        "--every", "1d", "--step", "200", "--min-donations", "1"
    )


@pytest.mark.parametrize(("amount", "row"), [("37.50", "37.50 EUR"), (250, "100.00 EUR")])
def test_table_has_a_row_for_an_offline_donation(tmp_path: Path, amount: object, row: str) -> None:
    text = VITALY_TEXT
    source = ", ".join(f'{lang} = "A fair"' for lang in VITALY.languages)
    entry = "\n[[offline]]\ndate = 2026-01-02\namount = {}\nlist = {}\nsource = {{ {} }}\n"
    shown = f'"{amount}"' if isinstance(amount, str) else amount
    (tmp_path / "vitaly.toml").write_text(
        text + entry.format(shown, "false", source) + entry.format(900, "true", source), "utf-8"
    )
    command = ["disclosure-risk", "vitaly", "--campaigns", str(tmp_path), "--samples", "2", "--budget", "0"]
    output = CliRunner().invoke(cli, command).output
    assert f"largest offline donation that is not listed: {float(amount):.2f} EUR" in output
    assert sum(line.lstrip().startswith(row) for line in output.splitlines()) == 2, "once in each table"


@pytest.mark.parametrize("every", ["7h", "0", "soon"])
def test_command_refuses_an_unmeasurable_rule(every: str) -> None:
    result = CliRunner().invoke(cli, ["disclosure-risk", "vitaly", "--every", every])
    assert result.exit_code == 2
    assert every in result.output or "at once" in result.output


def test_tolerance_allows_only_the_estimation_error() -> None:
    assert Advantage(25_00, 0.28, 0.0, 0.25).within
    assert not Advantage(25_00, 0.30, 0.005, 0.25).within


@pytest.mark.parametrize("min_donations", [0, 2])
def test_estimate_equals_exact_distance_of_three_periods(min_donations: int) -> None:
    found = rule(min_donations=min_donations)
    plain = hidden_total.arrivals_of(found, 0.8, {25_00: 0.6, 60_00: 0.4})
    once_more = hidden_total.with_donation(found, plain, 40_00)
    decided = hidden_total.transitions_of(found)
    states = hidden_total.reachable_states(decided, [plain, once_more])
    usual, with_gift = (hidden_total.Period(decided, arrivals, states) for arrivals in (plain, once_more))
    start = [0.0] * len(states)
    start[states[HiddenState(0, 0)]] = 1.0
    distance = 0.0
    for moves in product(sorted({*usual.changes, *with_gift.changes}), repeat=3):
        shares = []
        for first in (usual, with_gift):
            belief = start
            for kernel, move in zip((first, usual, usual), moves, strict=True):
                belief = kernel.after(belief, move)
            shares.append(sum(belief))
        distance += abs(shares[1] - shares[0]) / 2
    chance = Random(7).random
    told = [disclosure_risk._distance(start, (usual, with_gift), usual, 2, chance) for _ in range(1_500)]
    assert sum(told) / len(told) == pytest.approx(distance, abs=0.03)
    assert distance > 0.2


# ── bank transfers and offline donations ──────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(1, 3 * QUANTA),
    amounts=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True),
    others=st.integers(0, 4),
    donation=st.integers(1, QUANTA),
)
def test_transfer_reveals_at_most_its_share_of_a_step(
    before: int, amounts: list[int], others: int, donation: int
) -> None:
    """Compute what an import shows when the sum before it is known: step n with (rest + 1) of QUANTA thresholds."""
    counted: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    for mix in product(amounts, repeat=others):
        for shown, more in zip(counted, (0, donation), strict=True):
            number, rest = divmod(before + sum(mix) + more, QUANTA)
            reached = (rest + 1) / QUANTA if number else 1.0
            shown[number * QUANTA] += reached / len(amounts) ** others
            shown[(number - 1) * QUANTA] += (1 - reached) / len(amounts) ** others
    distance = sum(abs(counted[0][at] - counted[1][at]) for at in {*counted[0], *counted[1]}) / 2
    assert distance <= donation / QUANTA + 1e-9

    in_cents = SECRET.step // QUANTA
    usual = {amount * in_cents: 1 / len(amounts) for amount in amounts}
    transitions = hidden_total.transitions_of(SECRET)
    known = hidden_total.with_transfers(SECRET, {HiddenState(0, 0): 1.0}, {before * in_cents: 1.0}, 1)
    imported = hidden_total.with_transfers(SECRET, known, usual, others)
    with_one_more = hidden_total.with_transfers(SECRET, imported, {donation * in_cents: 1.0}, 1)
    for arrivals, shown in zip((imported, with_one_more), counted, strict=True):
        states = hidden_total.reachable_states(transitions, [arrivals])
        period = hidden_total.Period(transitions, arrivals, states)
        start = [1.0] + [0.0] * (len(states) - 1)
        found = {change: sum(period.after(start, change)) for change in period.changes}
        assert found == pytest.approx({at: shown[at] for at in found})
        assert sum(found.values()) == pytest.approx(1)


def test_transfer_reveals_less_the_more_come_with_it() -> None:
    alone, with_others = (
        transfer_advantages(SECRET, QUIET, [25_00, 50_00], others, Random(1).random, samples=80) for others in (0, 8)
    )
    assert all(each.within for each in (*alone, *with_others))
    for one, many in zip(alone, with_others, strict=True):
        assert many.value + 2 * many.error < one.value - 2 * one.error


def test_transfer_does_not_count_for_the_minimum_of_donations() -> None:
    """A minimum of five holds transfers back as long as cards do, so that one alone shows nothing that day."""
    alone = hidden_total.with_transfers(rule(min_donations=5), {HiddenState(0, 0): 1.0}, {100_00: 1.0}, 3)
    assert alone == {HiddenState(3 * QUANTA, 0): 1.0}


def test_command_says_how_each_source_counts() -> None:
    command = ["disclosure-risk", "vitaly", "--samples", "2", "--budget", "0"]
    output = CliRunner().invoke(cli, command).output
    assert re.findall(r"(?m)^  (card payment|bank transfer|offline donation|spending)  ", output) == [
        "card payment",
        "bank transfer",
        "offline donation",
        "spending",
    ]
    table = output.partition("\nbank transfers and offline donations, ")[2]
    assert re.findall(r"(?m)^ +([\d.]+) EUR ", table) == ["5.00", "25.00", "50.00"]
    assert "alone" in table


# ── secret thresholds, and an observer who gives ──────────────────────────────────────────────────────────────────


@settings(max_examples=25, deadline=None)
@given(arrived=st.lists(st.integers(0, 25), min_size=1, max_size=3))
def test_hidden_chain_equals_all_possible_thresholds(arrived: list[int]) -> None:
    """Count the series of public totals over all thresholds of the first three steps, each equally likely."""
    sums = [sum(arrived[: number + 1]) for number in range(len(arrived))]
    counted: Counter[tuple[int, ...]] = Counter()
    for thresholds in product(range(QUANTA), repeat=3):
        at = [0, *(number * QUANTA + above for number, above in enumerate(thresholds, 1))]
        shown = [max(number for number, threshold in enumerate(at) if threshold <= each) for each in sums]
        counted[tuple(QUANTA * (after - before) for before, after in pairwise([0, *shown]))] += 1
    transitions = hidden_total.transitions_of(replace(rule(), threshold_key=b"any"))
    series = {((), HiddenState(0, 0)): 1.0}
    for amount in arrived:
        then: Counter[tuple[tuple[int, ...], HiddenState]] = Counter()
        for (changes, state), share in series.items():
            for likely, change, following in transitions(state, HiddenState(amount, 0)):
                then[(*changes, change), following] += share * likely
        series = dict(then)
    found: Counter[tuple[int, ...]] = Counter()
    for (changes, _), share in series.items():
        found[changes] += share
    assert found == pytest.approx({changes: number / QUANTA**3 for changes, number in counted.items()})


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return statistics.fmean(values), statistics.pstdev(values) / len(values) ** 0.5


def test_secret_thresholds_protect_from_an_observer_who_gives() -> None:
    known, secret = (
        giving_advantages(policy, QUIET, 25_00, GivingObserver(500_00, 12), Random(1).random, samples=40)
        for policy in (VITALY.publication, SECRET)
    )
    (before, error), (now, error_now) = mean(known[0]), mean(secret[0])
    assert before + 2 * error > 0.71, "EUR 25 with steps that are published at a known sum"
    assert now - 2 * error_now < 0.45
    assert now + 4 * error_now < before
    assert mean(secret[1])[0] < 0.5, "at the goal too"


def test_observer_without_a_budget_sees_less() -> None:
    watches, gives = (
        mean(giving_advantages(SECRET, QUIET, 25_00, GivingObserver(budget, 12), Random(2).random, samples=20)[0])[0]
        for budget in (0, 500_00)
    )
    assert watches < gives


def test_command_has_tables_for_an_observer_who_gives() -> None:
    command = ["disclosure-risk", "vitaly", "--samples", "2", "--budget", "100", "--days", "2"]
    output = CliRunner().invoke(cli, command).output
    assert "an observer who gives when it helps, with 100.00 EUR and 2 days" in output
    assert "the same, where the next step is the goal" in output
    tables = output.partition("an observer who gives")[2]
    assert re.findall(r"(?m)^ +([\d.]+) EUR ", tables) == ["5.00", "25.00", "50.00"] * 2
    assert tables.count("1 a day") == tables.count("1 in 4 days") == tables.count("1 in 16 days") == 2
