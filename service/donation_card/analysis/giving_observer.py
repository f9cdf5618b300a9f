"""Estimate how much the public total reveals about one donation to an observer who gives.

The observer has a budget and some days, and knows the day of the donation in advance. Before that day, each own gift is
the one that promises the best view of it: for example one that brings the sum to just below the next step. On the day
and after it, each own gift is the one after which the next public total tells most. The observer never sees the sum,
only the public totals, so what is known about it is a probability for each hidden state.

The result is the advantage, as in `disclosure_risk`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from donation_card.analysis.hidden_total import (
    QUANTA,
    DonationProcess,
    HiddenState,
    Period,
    Uniform,
    arrivals_of,
    dot,
    long_run,
    normal,
    reachable_states,
    transitions_of,
    with_donation,
)
from donation_card.domain.publication import DAY, PublicationPolicy

OWN_GIFTS = range(QUANTA + 1)
"""Own gifts of a day, in quanta."""
_PLANNED = OWN_GIFTS[::2]
"""Own gifts that the observer considers before the day of the donation. Fewer are faster."""

_LEAST_GAIN = 1e-6
"""Certainty that an own gift must add."""
_UNLIKELY = 1e-3
"""Probability of a change below which the observer does not plan for it."""

Signals = Sequence[Sequence[float]]
"""For each change of the public total, what it says about the donation in each hidden state."""


@dataclass(frozen=True, slots=True)
class GivingObserver:
    """`budget` is in minor units. The donation is made in the middle of the `days`."""

    budget: int
    days: int


def giving_advantages(
    policy: PublicationPolicy,
    process: DonationProcess,
    donation: int,
    observer: GivingObserver,
    rng: Uniform,
    *,
    samples: int,
) -> tuple[list[float], list[float]]:
    """Return the certainty of the observer in `samples` series, first in general, then where the next step is the goal.

    The means are the advantages. The goal is published as soon as it is reached.
    """
    game = _Game(policy, process, donation)
    periods = observer.days * DAY // policy.interval_seconds
    before, budget = periods // 2, observer.budget * QUANTA // policy.step
    usual, at_goal = (
        [game.play(start, before, periods - before - 1, budget, rng) for _ in range(samples)]
        for start in (game.start, game.start_at_goal)
    )
    return usual, at_goal


class _Game:
    """The hidden states, and what happens in a period for each own gift."""

    def __init__(self, policy: PublicationPolicy, process: DonationProcess, donation: int) -> None:
        arrivals = arrivals_of(policy, process.per_day * policy.interval_seconds / DAY, process.amounts)
        own = [with_donation(policy, arrivals, gift * policy.step // QUANTA) for gift in OWN_GIFTS]
        once = [with_donation(policy, each, donation) for each in own]
        transitions = transitions_of(policy)
        near_goal = [HiddenState(withheld, 0, before_goal=True) for withheld in range(QUANTA)]
        states = reachable_states(transitions, [*own, *once], near_goal)
        self.start = long_run(policy, process, Period(transitions, arrivals, states))
        share = dict(zip(states, self.start, strict=True))
        self.start_at_goal = normal(
            [share.get(state._replace(before_goal=False), 0.0) if state.before_goal else 0.0 for state in states]
        )
        self.without, self.donated = (
            {gift: Period(transitions, each, states) for gift, each in zip(OWN_GIFTS, periods, strict=True)}
            for periods in (own, once)
        )
        self.signals = {gift: _signals(self.without[gift], self.donated[gift]) for gift in OWN_GIFTS}

    def play(self, belief: list[float], before: int, after: int, budget: int, rng: Uniform) -> float:
        """Return the certainty of the observer at the end of one random series."""
        for _ in range(before):
            gift = _best(budget, partial(self._prospect, belief, budget), _PLANNED)
            budget -= gift
            belief = self.without[gift].observed(belief, 1, rng)
        gift = _best(budget, partial(self._view, belief))
        budget -= gift
        donated = rng() < 0.5
        both = [belief, belief]
        kernels = (self.without[gift], self.donated[gift])
        for _ in range(after + 1):
            change = kernels[donated].draw(both[donated], rng)
            both = [kernel.after(each, change) for kernel, each in zip(kernels, both, strict=True)]
            whole = sum(map(sum, both))
            both = [[share / whole for share in each] for each in both]
            gift = _best(budget, partial(self._difference, both))
            budget -= gift
            kernels = (self.without[gift], self.without[gift])
        return abs(sum(both[1]) - sum(both[0]))

    def _view(self, belief: Sequence[float], gift: int) -> float:
        """Return the certainty after the day of the donation, with this own gift on the same day."""
        return 0.5 * sum(abs(dot(belief, signal)) for signal in self.signals[gift])

    def _prospect(self, belief: list[float], budget: int, gift: int) -> float:
        """Return the best view that is expected after a day with this own gift."""
        period = self.without[gift]
        likely = [change for change in period.changes if dot(belief, period.likely[change]) > _UNLIKELY]
        afterwards = [period.after(belief, change) for change in likely]
        return sum(max(self._view(each, view) for view in _PLANNED if view <= budget - gift) for each in afterwards)

    def _difference(self, both: Sequence[list[float]], gift: int) -> float:
        """Return the certainty that is expected after a day with this own gift, when the donation was made before."""
        likely = self.without[gift].likely
        return sum(abs(dot(both[1], each) - dot(both[0], each)) for each in likely.values())


def _signals(without: Period, donated: Period) -> Signals:
    nothing = [0.0] * len(next(iter(without.likely.values())))
    return [
        [
            one - none
            for none, one in zip(without.likely.get(each, nothing), donated.likely.get(each, nothing), strict=True)
        ]
        for each in sorted({*without.changes, *donated.changes})
    ]


def _best(budget: int, value: Callable[[int], float], gifts: Sequence[int] = OWN_GIFTS) -> int:
    """Return the smallest own gift (quanta) with about the highest value."""
    values = {gift: value(gift) for gift in gifts if gift <= budget}
    return next(gift for gift, each in values.items() if each >= max(values.values()) - _LEAST_GAIN)
