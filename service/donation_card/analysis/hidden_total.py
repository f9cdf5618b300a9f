"""The public total as a hidden Markov chain: what an observer sees, and what moves it unseen.

The hidden state is the amount that is not published and the number of donations since the last change. Amounts are
rounded to parts of a step. `domain.publication.next_published_total` decides here as it does in the service. A secret
threshold is a random number from 0 to below a step. The state needs none: a threshold that was not reached yet is
above the sum of the last decision, and equally likely anywhere there.
"""

import math
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from operator import itemgetter, mul
from typing import NamedTuple

from donation_card.domain.publication import DAY, PublicationPolicy, PublishedTotal, next_published_total
from donation_card.domain.totals import Totals

QUANTA = 20
"""Parts of a step to which amounts are rounded."""

_NEVER = 1e-7
_UNOBSERVED, _MIN_PERIODS = 6.0, 10
"""Steps of donations before an observer begins to watch; at least so many periods."""


class HiddenState(NamedTuple):
    """The unpublished amount in quanta, and the donations since the last change, at most `min_donations`.

    `before_goal`: the next step is the goal, which has no secret threshold. `of_site` is what is not published
    in the total of the site, if there is one (`joint_totals`).
    """

    withheld: int
    since_change: int
    before_goal: bool = False
    of_site: int = 0


@dataclass(frozen=True, slots=True)
class DonationProcess:
    """Donations as a Poisson process. `amounts`: minor units → share of the donations; the shares sum to 1."""

    per_day: float
    amounts: Mapping[int, float]


Uniform = Callable[[], float]
"""Return a random number in [0, 1), as `random.Random(seed).random` does."""


# ── donations of a period ────────────────────────────────────────────────────────────────────────────────────────

ArrivalDistribution = dict[HiddenState, float]


def quanta_of(policy: PublicationPolicy, amount: int) -> int:
    return max(1, round(amount * QUANTA / policy.step))


def arrivals_of(policy: PublicationPolicy, per_period: float, amounts: Mapping[int, float]) -> ArrivalDistribution:
    """Return the probability of each sum and number of donations in one period."""
    found: ArrivalDistribution = {}
    number, likely, sums = 0, math.exp(-per_period), {0: 1.0}
    while number <= per_period or likely > _NEVER:
        for total, share in sums.items():
            arrived = HiddenState(total, min(number, policy.min_donations))
            found[arrived] = found.get(arrived, 0.0) + likely * share
        more: dict[int, float] = {}
        for total, share in sums.items():
            for amount, often in amounts.items():
                sum_now = total + quanta_of(policy, amount)
                more[sum_now] = more.get(sum_now, 0.0) + share * often
        number, sums = number + 1, more
        likely *= per_period / number
    return {arrived: likely for arrived, likely in found.items() if likely > _NEVER}


def with_donation(policy: PublicationPolicy, arrivals: ArrivalDistribution, donation: int) -> ArrivalDistribution:
    """Return the arrivals with one more donation (minor units). 0 is no donation."""
    return _with_one_of(policy, arrivals, {donation: 1.0}, payments=1) if donation else arrivals


def with_transfers(
    policy: PublicationPolicy, arrivals: ArrivalDistribution, amounts: Mapping[int, float], transfers: int
) -> ArrivalDistribution:
    """Return the arrivals of a period with an import of so many transfers. They do not count for `min_donations`."""
    for _ in range(transfers):
        arrivals = _with_one_of(policy, arrivals, amounts, payments=0)
    return arrivals


def _with_one_of(
    policy: PublicationPolicy, arrivals: ArrivalDistribution, amounts: Mapping[int, float], *, payments: int
) -> ArrivalDistribution:
    found: ArrivalDistribution = {}
    for arrived, likely in arrivals.items():
        since = min(arrived.since_change + payments, policy.min_donations)
        for amount, share in amounts.items():
            more = HiddenState(arrived.withheld + quanta_of(policy, amount), since)
            found[more] = found.get(more, 0.0) + likely * share
    return found


# ── decisions of a period ─────────────────────────────────────────────────────────────────────────────────────


Transition = tuple[float, int, HiddenState]
"""A probability, the change of the public total in quanta, and the next hidden state."""
Transitions = Callable[[HiddenState, HiddenState], Sequence[Transition]]


def transitions_of(policy: PublicationPolicy, quanta: int = QUANTA) -> Transitions:
    """Return the function (hidden state, arrivals) → its transitions, which are two at most.

    A step has so many `quanta`.

    Two, if the threshold of the last full step is secret: the sum has reached it, or not.
    """
    in_quanta, shown = replace(policy, step=quanta, threshold_key=b""), PublishedTotal(0, 0, 0, 0)

    @cache
    def decided(raised: int, payments: int, below_threshold: bool, before_goal: bool) -> tuple[int, HiddenState]:
        totals = Totals(raised - quanta * below_threshold, payments)
        published = next_published_total(in_quanta, shown, totals, period_start=1, offline=0, listed=0, ended=False)
        since = min(payments - published.payments_at_last_change, policy.min_donations)
        change = published.raised
        return change, HiddenState(raised - change, since, before_goal and not change)

    def transitions(before: HiddenState, arrived: HiddenState) -> list[Transition]:
        raised, payments = before.withheld + arrived.withheld, before.since_change + arrived.since_change
        below = _below_threshold(before, raised, policy.min_donations, quanta) if policy.threshold_key else 0.0
        likely = {True: below, False: 1 - below}
        return [
            (share, *decided(raised, payments, case, before.before_goal)) for case, share in likely.items() if share
        ]

    return transitions


def _below_threshold(before: HiddenState, raised: int, min_donations: int, quanta: int) -> float:
    """Return the probability that the sum has not reached the secret threshold of its last full step."""
    number, above = divmod(raised, quanta)
    if not number or (number == 1 and before.before_goal):
        return 0.0
    decided_before = number == 1 and before.withheld >= quanta and before.since_change >= min_donations
    possible = 2 * quanta - 1 - before.withheld if decided_before else quanta
    return (quanta - 1 - above) / possible


def reachable_states(
    transitions: Transitions, periods: Sequence[ArrivalDistribution], start: Iterable[HiddenState] = ()
) -> dict[HiddenState, int]:
    """Number all hidden states that can be reached from the empty one, and from those in `start`."""
    found = {state: number for number, state in enumerate(dict.fromkeys([HiddenState(0, 0), *start]))}
    waiting = list(found)
    for before in waiting:  # the list grows during the loop
        for then in states_after(transitions, periods, [before]):
            if then not in found:
                found[then] = len(found)
                waiting.append(then)
    return found


def states_after(
    transitions: Transitions, periods: Sequence[ArrivalDistribution], begin: Iterable[HiddenState]
) -> set[HiddenState]:
    """Return the hidden states in which one of the periods can end that begins in one of these states."""
    return {
        then
        for before in begin
        for arrivals in periods
        for arrived in arrivals
        for _, _, then in transitions(before, arrived)
    }


class Period:
    """A transition matrix over the hidden states for each possible change of the public total in one period.

    The period can begin in each state of `begin`, by default in all.
    """

    def __init__(
        self,
        transitions: Transitions,
        arrivals: ArrivalDistribution,
        states: Mapping[HiddenState, int],
        begin: Iterable[HiddenState] = (),
    ) -> None:
        columns: dict[int, list[dict[int, float]]] = {}
        self.likely: dict[int, list[float]] = {}
        """The probability of each change in each state."""
        for before in begin or states:
            row = states[before]
            for arrived, likely in arrivals.items():
                for share, change, then in transitions(before, arrived):
                    if change not in columns:
                        columns[change] = [{} for _ in states]
                        self.likely[change] = [0.0] * len(states)
                    column = columns[change][states[then]]
                    column[row] = column.get(row, 0.0) + likely * share
                    self.likely[change][row] += likely * share
        self.changes = sorted(columns)
        self._columns = {change: list(map(_sparse, columns[change])) for change in self.changes}

    def after(self, belief: list[float], change: int) -> list[float]:
        """Return the belief after a change. Its sum is the probability of the change."""
        if change not in self._columns:
            return [0.0] * len(belief)
        return [dot(chosen(belief), column) if column else 0.0 for chosen, column in self._columns[change]]

    def unobserved(self, belief: list[float], periods: int) -> list[float]:
        for _ in range(periods):
            belief = [
                sum(parts) for parts in zip(*(self.after(belief, change) for change in self.changes), strict=True)
            ]
        return normal(belief)

    def observed(self, belief: list[float], periods: int, rng: Uniform) -> list[float]:
        """Return the belief after a random series of so many periods."""
        for _ in range(periods):
            belief = normal(self.after(belief, self.draw(belief, rng)))
        return belief

    def draw(self, belief: list[float], rng: Uniform) -> int:
        weights = list(accumulate(dot(belief, self.likely[change]) for change in self.changes))
        return self.changes[min(bisect(weights, rng() * weights[-1]), len(weights) - 1)]


def _sparse(column: Mapping[int, float]) -> tuple[Callable[[list[float]], Sequence[float]], Sequence[float]]:
    """Return the function that takes the rows of a column from a belief, and their values."""
    rows = list(column) if len(column) > 1 else [*column, 0, 0][:2]
    return itemgetter(*rows), [
        column[row] if at < len(column) else 0.0 for at, row in enumerate(rows)
    ] if column else []


def long_run(policy: PublicationPolicy, process: DonationProcess, usual: Period) -> list[float]:
    """Return the belief of an observer who begins to watch while the campaign is under way."""
    empty = [1.0] + [0.0] * (len(usual.likely[0]) - 1)
    return usual.unobserved(empty, periods_of(policy, process, _UNOBSERVED))


def periods_of(policy: PublicationPolicy, process: DonationProcess, steps: float) -> int:
    """Return the number of periods in which donations of so many steps come, at least `_MIN_PERIODS`."""
    mean = sum(amount * share for amount, share in process.amounts.items())
    per_period = process.per_day * policy.interval_seconds / DAY
    return max(_MIN_PERIODS, math.ceil(steps * policy.step / (per_period * mean)))


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(mul, one, other), 0.0)


def normal(belief: list[float]) -> list[float]:
    whole = sum(belief)
    return [share / whole for share in belief] if whole else belief
