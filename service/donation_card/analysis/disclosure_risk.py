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
from donation_card.domain.publication import DAY, Published, Rule, decide
from donation_card.domain.totals import Totals

LEVELS: Final = 20
"""Amounts are rounded to so many parts of a step."""

MARGIN: Final = 0.03
"""What the gain may exceed the bound by: an estimate, and a watcher who sees later moves too."""

_WATCHED, _UNSEEN, _EPOCHS = 2.0, 6.0, 10
"""Steps' worth of epochs that are watched before and after the gift, and that pass before anybody watches; but at
least so many epochs."""

_NEVER: Final = 1e-7
_PARTS: Final = (5, 10, 25, 50, 75, 100)
"""Gifts of the table, in percent of a step."""
_PER_DAY: Final = {0.25: "1 in 4 days", 1: "1 a day", 4: "4 a day", 16: "16 a day"}


class Hidden(NamedTuple):
    """What the figure does not show: the sum above it, in levels, and the gifts since it moved, up to `min_gifts`."""

    held: int
    since: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """`per_day` gifts on average, at any time (Poisson); `amounts`: minor units → how often (sums to 1)."""

    per_day: float
    amounts: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Gain:
    """`value` from 0 to 1, `error` its standard error; `bound` is min(1, gift ÷ step)."""

    gift: int
    value: float
    error: float
    bound: float

    @property
    def within(self) -> bool:
        """Whether the gain is at most the bound and the margin, as far as so many draws can tell."""
        return self.value - 2 * self.error <= self.bound + MARGIN


Chance = Callable[[], float]
"""A number from 0 to 1, 1 excluded, by chance: `random.Random(seed).random`, so that a table can be had again."""


def gains(rule: Rule, traffic: Traffic, gifts: Iterable[int], chance: Chance, *, draws: int) -> list[Gain]:
    """The watcher's gain about each of these gifts (minor units), estimated from so many series.

    Raises ValueError for a rule that publishes at once: every gift is seen, so that the gain is 1.
    """
    if rule.live:
        raise ValueError("a figure that is published at once tells every gift")
    gifts = list(gifts)
    per_epoch = traffic.per_day * rule.every / DAY
    plain = _arrivals(rule, per_epoch, traffic.amounts)
    with_gift = {gift: _with(rule, plain, gift) for gift in gifts}
    decided = _decided_by(rule)
    states = _reachable(decided, [plain, *with_gift.values()])
    usual = _Epoch(decided, plain, states)
    a_step = rule.step / (per_epoch * sum(amount * share for amount, share in traffic.amounts.items()))
    unseen, watched = (max(_EPOCHS, math.ceil(steps * a_step)) for steps in (_UNSEEN, _WATCHED))
    start = usual.unwatched([1.0] + [0.0] * (len(states) - 1), unseen)
    pasts = [usual.watched(start, watched, chance) for _ in range(draws)]
    found = []
    for gift, arrivals in with_gift.items():
        once = _Epoch(decided, arrivals, states)
        found.append(_gain(rule, gift, [_told(past, usual, once, watched, chance) for past in pasts]))
    return found


def table(rule: Rule, suggested: Sequence[int], currency: str, chance: Chance, *, draws: int) -> Iterator[str]:
    """The gains for gifts up to a step and from one in four days to many, in lines to be read. Raises ValueError."""
    usual = suggested[len(suggested) // 2]
    mixes = {
        "amounts as suggested, each as often as the others": {amount: 1 / len(suggested) for amount in suggested},
        f"everybody gives {Money(usual, currency)}, and the watcher knows it": {usual: 1.0},
    }
    gifts = [max(1, rule.step * part // 100) for part in _PARTS]
    yield f"every {rule.every / 3600:g} h, step {Money(rule.step, currency)}, min_gifts {rule.min_gifts}"
    yield f"gain of a watcher: 0 none, 1 certainty; * above gift / step + {MARGIN}; ± is one standard error"
    for title, amounts in mixes.items():
        columns = [gains(rule, Traffic(each, amounts), gifts, chance, draws=draws) for each in _PER_DAY]
        yield f"\n{title}"
        yield f"{'gift':>14}{'gift/step':>11}" + "".join(f"{each:>16}" for each in _PER_DAY.values())
        for gift, row in zip(gifts, zip(*columns, strict=True), strict=True):
            cells = [f"{each.value:.2f} ± {each.error:.2f}{' ' if each.within else '*'}" for each in row]
            yield f"{Money(gift, currency)!s:>14}{row[0].bound:>11.2f}" + "".join(f"{cell:>16}" for cell in cells)


def _gain(rule: Rule, gift: int, told: Sequence[float]) -> Gain:
    mean = sum(told) / len(told)
    variance = sum((each - mean) ** 2 for each in told) / len(told)
    return Gain(gift, mean, math.sqrt(variance / len(told)), min(1.0, gift / rule.step))


# ── what comes in an epoch ────────────────────────────────────────────────────────────────────────────────────────

Arrivals = dict[Hidden, float]


def _levels(rule: Rule, amount: int) -> int:
    return max(1, round(amount * LEVELS / rule.step))


def _arrivals(rule: Rule, per_epoch: float, amounts: Mapping[int, float]) -> Arrivals:
    """The sum of an epoch's gifts and their number (as far as it matters) → how likely."""
    found: Arrivals = {}
    number, likely, sums = 0, math.exp(-per_epoch), {0: 1.0}
    while number <= per_epoch or likely > _NEVER:
        for total, share in sums.items():
            arrived = Hidden(total, min(number, rule.min_gifts))
            found[arrived] = found.get(arrived, 0.0) + likely * share
        more: dict[int, float] = {}
        for total, share in sums.items():
            for amount, often in amounts.items():
                sum_now = total + _levels(rule, amount)
                more[sum_now] = more.get(sum_now, 0.0) + share * often
        number, sums = number + 1, more
        likely *= per_epoch / number
    return {arrived: likely for arrived, likely in found.items() if likely > _NEVER}


def _with(rule: Rule, arrivals: Arrivals, gift: int) -> Arrivals:
    found: Arrivals = {}
    for arrived, likely in arrivals.items():
        more = Hidden(arrived.held + _levels(rule, gift), min(arrived.since + 1, rule.min_gifts))
        found[more] = found.get(more, 0.0) + likely
    return found


# ── what an epoch makes of it ─────────────────────────────────────────────────────────────────────────────────────


Decided = Callable[[Hidden, Hidden], tuple[int, Hidden]]


def _decided_by(rule: Rule) -> Decided:
    """By how many levels the figure moves, and what is hidden then: as the real rule decides."""
    in_levels, shown = replace(rule, step=LEVELS), Published(0, 0, 0, 0)

    @cache
    def decided(raised: int, payments: int) -> tuple[int, Hidden]:
        figure = decide(in_levels, shown, Totals(raised, payments), epoch=1, offline=0, ended=False)
        since = min(payments - figure.payments_at_move, rule.min_gifts)
        return figure.online, Hidden(raised - figure.online, since)

    return lambda before, arrived: decided(before.held + arrived.held, before.since + arrived.since)


def _reachable(decided: Decided, epochs: Sequence[Arrivals]) -> dict[Hidden, int]:
    """Every hidden state that can come about, numbered from the first."""
    found = {Hidden(0, 0): 0}
    waiting = list(found)
    for before in waiting:  # grows meanwhile
        for arrivals in epochs:
            for arrived in arrivals:
                _, then = decided(before, arrived)
                if then not in found:
                    found[then] = len(found)
                    waiting.append(then)
    return found


class _Epoch:
    """One epoch as a filter sees it: for each move of the figure, how hidden states lead to hidden states."""

    def __init__(self, decided: Decided, arrivals: Arrivals, states: Mapping[Hidden, int]) -> None:
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

    def unwatched(self, belief: list[float], epochs: int) -> list[float]:
        for _ in range(epochs):
            belief = [sum(parts) for parts in zip(*(self.after(belief, move) for move in self.moves), strict=True)]
        return _normal(belief)

    def watched(self, belief: list[float], epochs: int, chance: Chance) -> list[float]:
        """What somebody believes who has watched so many epochs, as chance would have it."""
        for _ in range(epochs):
            belief = _normal(self.after(belief, self.draw(belief, chance)))
        return belief

    def draw(self, belief: list[float], chance: Chance) -> int:
        weights = list(accumulate(sum(map(mul, belief, self.likely[move])) for move in self.moves))
        return self.moves[min(bisect(weights, chance() * weights[-1]), len(weights) - 1)]


def _normal(belief: list[float]) -> list[float]:
    whole = sum(belief)
    return [share / whole for share in belief] if whole else belief


def _told(past: list[float], usual: _Epoch, with_gift: _Epoch, epochs: int, chance: Chance) -> float:
    """|p₁ - p₀| ÷ (p₁ + p₀) of one series, drawn from either with the same chance: on average the distance."""
    given = chance() < 0.5
    beliefs, shares = [past, past], [1.0, 1.0]
    for number in range(epochs + 1):
        first = number == 0
        kernels = (usual, with_gift if first else usual)
        move = kernels[given].draw(beliefs[given], chance)
        after = [kernel.after(belief, move) for kernel, belief in zip(kernels, beliefs, strict=True)]
        shares = _normal([share * sum(belief) for share, belief in zip(shares, after, strict=True)])
        if not all(shares):
            break
        beliefs = [_normal(belief) for belief in after]
    return abs(shares[1] - shares[0]) / sum(shares)
