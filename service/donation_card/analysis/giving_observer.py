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
    ArrivalDistribution,
    DonationProcess,
    HiddenState,
    Period,
    Transitions,
    Uniform,
    arrivals_of,
    dot,
    long_run,
    normal,
    reachable_states,
    transitions_of,
    with_donation,
)
from donation_card.analysis.joint_totals import JointSeries
from donation_card.domain.publication import DAY, PublicationPolicy

OWN_GIFTS = range(QUANTA + 1)
"""Own gifts of a day, in quanta."""

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
    arrivals = arrivals_of(policy, process.per_day * policy.interval_seconds / DAY, process.amounts)
    own = [with_donation(policy, arrivals, gift * policy.step // QUANTA) for gift in OWN_GIFTS]
    once = [with_donation(policy, each, donation) for each in own]
    near_goal = [HiddenState(withheld, 0, before_goal=True) for withheld in range(QUANTA)]
    game = _Game(transitions_of(policy), OWN_GIFTS, own, once, near_goal)
    start = long_run(policy, process, game.without[0])
    share = dict(zip(game.states, start, strict=True))
    start_at_goal = normal(
        [share.get(state._replace(before_goal=False), 0.0) if state.before_goal else 0.0 for state in game.states]
    )
    budget, days = observer.budget * QUANTA // policy.step, observer.days * DAY // policy.interval_seconds
    usual, at_goal = (
        [game.play(belief, days, budget, rng) for _ in range(samples)] for belief in (start, start_at_goal)
    )
    return usual, at_goal


def joint_giving_advantages(
    joint: JointSeries,
    process: DonationProcess,
    quanta: int,
    observer: GivingObserver,
    rng: Uniform,
    *,
    samples: int,
) -> list[float]:
    """Return the certainty of an observer who gives, and who sees the totals of the campaign and of one site.

    The observer chooses for each own gift if it comes from the site.
    """
    plain = joint.arrivals(process)
    costs, own = joint.own_gifts(plain)
    once = [joint.with_donation(each, quanta) for each in own]
    game = _Game(joint.transitions(), costs, own, once, planned=4)
    start = long_run(*joint.of_site(process), game.without[0])
    budget, days = int(observer.budget / joint.unit), observer.days * DAY // joint.campaign.interval_seconds
    return [game.play(start, days, budget, rng) for _ in range(samples)]


class _Game:
    """The hidden states, and what happens in a period for each own gift.

    `own` has the arrivals of a period with each own gift, the first of which is none, and `once` those with the
    donation too. `costs` has what each own gift takes from the budget.
    """

    def __init__(
        self,
        transitions: Transitions,
        costs: Sequence[int],
        own: Sequence[ArrivalDistribution],
        once: Sequence[ArrivalDistribution],
        begin: Sequence[HiddenState] = (),
        *,
        planned: int = 2,
    ) -> None:
        self.costs, self.gifts = costs, range(len(costs))
        self.planned = self.gifts[::planned]
        """Own gifts that the observer considers before the day of the donation. Fewer are faster."""
        self.states = reachable_states(transitions, [*own, *once], begin)
        self.without, self.donated = (
            [Period(transitions, each, self.states) for each in periods] for periods in (own, once)
        )
        self.signals = [_signals(*pair) for pair in zip(self.without, self.donated, strict=True)]

    def play(self, belief: list[float], periods: int, budget: int, rng: Uniform) -> float:
        """Return the certainty of the observer at the end of one random series. The donation comes in the middle."""
        before = periods // 2
        for _ in range(before):
            gift = self._best(budget, partial(self._prospect, belief, budget), self.planned)
            budget -= self.costs[gift]
            belief = self.without[gift].observed(belief, 1, rng)
        gift = self._best(budget, partial(self._view, belief), self.gifts)
        budget -= self.costs[gift]
        donated = rng() < 0.5
        both = [belief, belief]
        kernels = (self.without[gift], self.donated[gift])
        for _ in range(periods - before):
            change = kernels[donated].draw(both[donated], rng)
            both = [kernel.after(each, change) for kernel, each in zip(kernels, both, strict=True)]
            whole = sum(map(sum, both))
            both = [[share / whole for share in each] for each in both]
            gift = self._best(budget, partial(self._difference, both), self.gifts)
            budget -= self.costs[gift]
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
        left = budget - self.costs[gift]
        views = [view for view in self.planned if self.costs[view] <= left]
        return sum(max(self._view(each, view) for view in views) for each in afterwards)

    def _difference(self, both: Sequence[list[float]], gift: int) -> float:
        """Return the certainty that is expected after a day with this own gift, when the donation was made before."""
        likely = self.without[gift].likely
        return sum(abs(dot(both[1], each) - dot(both[0], each)) for each in likely.values())

    def _best(self, budget: int, value: Callable[[int], float], gifts: Sequence[int]) -> int:
        """Return the first of the own gifts with about the highest value."""
        values = {gift: value(gift) for gift in gifts if self.costs[gift] <= budget}
        return next(gift for gift, each in values.items() if each >= max(values.values()) - _LEAST_GAIN)


def _signals(without: Period, donated: Period) -> Signals:
    nothing = [0.0] * len(next(iter(without.likely.values())))
    return [
        [
            one - none
            for none, one in zip(without.likely.get(each, nothing), donated.likely.get(each, nothing), strict=True)
        ]
        for each in sorted({*without.changes, *donated.changes})
    ]
