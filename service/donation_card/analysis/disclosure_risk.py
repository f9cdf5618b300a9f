"""Exposure: how much the public series tells somebody who holds one line of a bank statement, an amount and a time.

The gain is the total variation distance between the series with that gift and the series without it: 0 tells nothing,
1 everything; nobody who guesses from the series is right more often than 50 % + gain ÷ 2. The watcher is assumed to
know the rule, how many gifts come on average and of which amounts, and to see every figure while two steps' worth of
gifts come before, and two after; not to know which other gifts came. What is decided in each epoch is decided by
`publication.decide` itself, so a rule that leaks leaks here.

The distance is an expectation over series. Each is drawn, and its likelihood with and without the gift computed exactly
by a forward filter over what is hidden: the sum held back, and the gifts since the figure moved.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from operator import mul
from typing import Final, NamedTuple

from donation_card.domain.money import Money
from donation_card.domain.publication import DAY, PublicationPolicy, PublishedTotal, next_published_total
from donation_card.domain.totals import Totals

QUANTA: Final = 20
"""Amounts are rounded to so many parts of a step."""

TOLERANCE: Final = 0.03
"""What the gain may exceed the bound by: an estimate, and a watcher who sees later moves too."""

_OBSERVED, _UNOBSERVED, _MIN_PERIODS = 2.0, 6.0, 10
"""Steps' worth of epochs that are watched before and after the gift, and that pass before anybody watches; but at
least so many epochs."""

_NEVER: Final = 1e-7
_PERCENT_OF_STEP: Final = (5, 10, 25, 50, 75, 100)
"""Gifts of the table, in percent of a step."""
_PER_DAY: Final = {0.25: "1 in 4 days", 1: "1 a day", 4: "4 a day", 16: "16 a day"}


class HiddenState(NamedTuple):
    """What the figure does not show: the sum above it, in levels, and the gifts since it moved, up to `min_donations`."""

    withheld: int
    since_change: int


@dataclass(frozen=True, slots=True)
class DonationProcess:
    """`per_day` gifts on average, at any time (Poisson); `amounts`: minor units → how often (sums to 1)."""

    per_day: float
    amounts: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Advantage:
    """`value` from 0 to 1, `error` its standard error; `bound` is min(1, gift ÷ step)."""

    donation: int
    value: float
    error: float
    bound: float

    @property
    def within(self) -> bool:
        """Whether the gain is at most the bound and the margin, as far as so many draws can tell."""
        return self.value - 2 * self.error <= self.bound + TOLERANCE


Uniform = Callable[[], float]
"""A number from 0 to 1, 1 excluded, by chance: `random.Random(seed).random`, so that a table can be had again."""


def advantages(
    policy: PublicationPolicy, process: DonationProcess, donations: Iterable[int], rng: Uniform, *, samples: int
) -> list[Advantage]:
    """The watcher's gain about each of these gifts (minor units), estimated from so many series.

    Raises ValueError for a rule that publishes at once: every gift is seen, so that the gain is 1.
    """
    if policy.immediate:
        raise ValueError("a figure that is published at once tells every gift")
    donations = list(donations)
    per_epoch = process.per_day * policy.interval_seconds / DAY
    plain = _arrivals(policy, per_epoch, process.amounts)
    with_donation = {donation: _with_donation(policy, plain, donation) for donation in donations}
    decided = _transitions_of(policy)
    states = _reachable(decided, [plain, *with_donation.values()])
    usual = _Period(decided, plain, states)
    a_step = policy.step / (per_epoch * sum(amount * share for amount, share in process.amounts.items()))
    unseen, watched = (max(_MIN_PERIODS, math.ceil(steps * a_step)) for steps in (_UNOBSERVED, _OBSERVED))
    start = usual.unobserved([1.0] + [0.0] * (len(states) - 1), unseen)
    pasts = [usual.observed(start, watched, rng) for _ in range(samples)]
    found = []
    for donation, arrivals in with_donation.items():
        once = _Period(decided, arrivals, states)
        found.append(_advantage(policy, donation, [_distance(past, usual, once, watched, rng) for past in pasts]))
    return found


def report_lines(
    policy: PublicationPolicy, suggested: Sequence[int], currency: str, rng: Uniform, *, samples: int
) -> Iterator[str]:
    """The gains for gifts up to a step and from one in four days to many, in lines to be read. Raises ValueError."""
    usual = suggested[len(suggested) // 2]
    mixes = {
        "amounts as suggested, each as often as the others": {amount: 1 / len(suggested) for amount in suggested},
        f"everybody gives {Money(usual, currency)}, and the watcher knows it": {usual: 1.0},
    }
    donations = [max(1, policy.step * part // 100) for part in _PERCENT_OF_STEP]
    step = Money(policy.step, currency)
    yield f"every {policy.interval_seconds / 3600:g} h, step {step}, min_donations {policy.min_donations}"
    yield f"gain of a watcher: 0 none, 1 certainty; * above gift / step + {TOLERANCE}; ± is one standard error"
    for title, amounts in mixes.items():
        columns = [
            advantages(policy, DonationProcess(each, amounts), donations, rng, samples=samples) for each in _PER_DAY
        ]
        yield f"\n{title}"
        yield f"{'gift':>14}{'gift/step':>11}" + "".join(f"{each:>16}" for each in _PER_DAY.values())
        for donation, row in zip(donations, zip(*columns, strict=True), strict=True):
            cells = [f"{each.value:.2f} ± {each.error:.2f}{' ' if each.within else '*'}" for each in row]
            yield f"{Money(donation, currency)!s:>14}{row[0].bound:>11.2f}" + "".join(f"{cell:>16}" for cell in cells)


def _advantage(policy: PublicationPolicy, donation: int, distances: Sequence[float]) -> Advantage:
    mean = sum(distances) / len(distances)
    variance = sum((each - mean) ** 2 for each in distances) / len(distances)
    return Advantage(donation, mean, math.sqrt(variance / len(distances)), min(1.0, donation / policy.step))


# ── what comes in an epoch ────────────────────────────────────────────────────────────────────────────────────────

ArrivalDistribution = dict[HiddenState, float]


def _quanta(policy: PublicationPolicy, amount: int) -> int:
    return max(1, round(amount * QUANTA / policy.step))


def _arrivals(policy: PublicationPolicy, per_period: float, amounts: Mapping[int, float]) -> ArrivalDistribution:
    """The sum of an epoch's gifts and their number (as far as it matters) → how likely."""
    found: ArrivalDistribution = {}
    number, likely, sums = 0, math.exp(-per_period), {0: 1.0}
    while number <= per_period or likely > _NEVER:
        for total, share in sums.items():
            arrived = HiddenState(total, min(number, policy.min_donations))
            found[arrived] = found.get(arrived, 0.0) + likely * share
        more: dict[int, float] = {}
        for total, share in sums.items():
            for amount, often in amounts.items():
                sum_now = total + _quanta(policy, amount)
                more[sum_now] = more.get(sum_now, 0.0) + share * often
        number, sums = number + 1, more
        likely *= per_period / number
    return {arrived: likely for arrived, likely in found.items() if likely > _NEVER}


def _with_donation(policy: PublicationPolicy, arrivals: ArrivalDistribution, donation: int) -> ArrivalDistribution:
    found: ArrivalDistribution = {}
    for arrived, likely in arrivals.items():
        more = HiddenState(
            arrived.withheld + _quanta(policy, donation), min(arrived.since_change + 1, policy.min_donations)
        )
        found[more] = found.get(more, 0.0) + likely
    return found


# ── what an epoch makes of it ─────────────────────────────────────────────────────────────────────────────────────


Transitions = Callable[[HiddenState, HiddenState], tuple[int, HiddenState]]


def _transitions_of(policy: PublicationPolicy) -> Transitions:
    """By how many levels the figure moves, and what is hidden then: as the real rule decides."""
    in_levels, shown = replace(policy, step=QUANTA), PublishedTotal(0, 0, 0, 0)

    @cache
    def decided(raised: int, payments: int) -> tuple[int, HiddenState]:
        figure = next_published_total(
            in_levels, shown, Totals(raised, payments), period_start=1, offline=0, ended=False
        )
        since = min(payments - figure.payments_at_last_change, policy.min_donations)
        return figure.via_stripe, HiddenState(raised - figure.via_stripe, since)

    return lambda before, arrived: decided(
        before.withheld + arrived.withheld, before.since_change + arrived.since_change
    )


def _reachable(transitions: Transitions, periods: Sequence[ArrivalDistribution]) -> dict[HiddenState, int]:
    """Every hidden state that can come about, numbered from the first."""
    found = {HiddenState(0, 0): 0}
    waiting = list(found)
    for before in waiting:  # grows meanwhile
        for arrivals in periods:
            for arrived in arrivals:
                _, then = transitions(before, arrived)
                if then not in found:
                    found[then] = len(found)
                    waiting.append(then)
    return found


class _Period:
    """One epoch as a filter sees it: for each move of the figure, how hidden states lead to hidden states."""

    def __init__(self, decided: Transitions, arrivals: ArrivalDistribution, states: Mapping[HiddenState, int]) -> None:
        columns: dict[int, list[list[float]]] = {}
        for before, row in states.items():
            for arrived, likely in arrivals.items():
                move, then = decided(before, arrived)
                if move not in columns:
                    columns[move] = [[0.0] * len(states) for _ in states]
                columns[move][states[then]][row] += likely
        self.moves = sorted(columns)
        # columns of nothing stay out of the sums
        self.columns = {move: [column if any(column) else None for column in columns[move]] for move in self.moves}
        self.likely = {move: [sum(row) for row in zip(*columns[move], strict=True)] for move in self.moves}

    def after(self, belief: list[float], move: int) -> list[float]:
        """Not normalized: its sum is how likely the move was."""
        if move not in self.columns:
            return [0.0] * len(belief)
        return [sum(map(mul, belief, column)) if column else 0.0 for column in self.columns[move]]

    def unobserved(self, belief: list[float], periods: int) -> list[float]:
        for _ in range(periods):
            belief = [sum(parts) for parts in zip(*(self.after(belief, move) for move in self.moves), strict=True)]
        return _normal(belief)

    def observed(self, belief: list[float], periods: int, rng: Uniform) -> list[float]:
        """What somebody believes who has watched so many epochs, as chance would have it."""
        for _ in range(periods):
            belief = _normal(self.after(belief, self.draw(belief, rng)))
        return belief

    def draw(self, belief: list[float], rng: Uniform) -> int:
        weights = list(accumulate(sum(map(mul, belief, self.likely[move])) for move in self.moves))
        return self.moves[min(bisect(weights, rng() * weights[-1]), len(weights) - 1)]


def _normal(belief: list[float]) -> list[float]:
    whole = sum(belief)
    return [share / whole for share in belief] if whole else belief


def _distance(past: list[float], without: _Period, with_donation: _Period, periods: int, rng: Uniform) -> float:
    """|p₁ - p₀| ÷ (p₁ + p₀) of one series, drawn from either with the same chance: on average the distance."""
    given = rng() < 0.5
    beliefs, shares = [past, past], [1.0, 1.0]
    for number in range(periods + 1):
        first = number == 0
        kernels = (without, with_donation if first else without)
        move = kernels[given].draw(beliefs[given], rng)
        after = [kernel.after(belief, move) for kernel, belief in zip(kernels, beliefs, strict=True)]
        shares = _normal([share * sum(belief) for share, belief in zip(shares, after, strict=True)])
        if not all(shares):
            break
        beliefs = [_normal(belief) for belief in after]
    return abs(shares[1] - shares[0]) / sum(shares)
