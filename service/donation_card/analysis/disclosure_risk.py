"""Estimate how much the series of public totals reveals about one donation.

The observer knows one line of a bank statement: an amount and a time. The observer also knows the publication policy,
the mean number of donations and their usual amounts, and reads every public total while donations of two steps come
before and after. The observer does not know the other donations.

The result is the advantage: the total variation distance between the series with the donation and the series without
it. 0 reveals nothing, 1 everything. A guess from the series is right with a chance of at most 50 % + advantage ÷ 2.

The distance is an expectation over random series. For each series, a forward filter computes the exact likelihood with
and without the donation. Its hidden state is the amount that is not published and the number of donations since the
last change. `domain.publication.next_published_total` decides in the simulation as it does in the service.
"""

import math
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from donation_card.domain.money import Money
from donation_card.domain.publication import DAY, PublicationPolicy, PublishedTotal, next_published_total
from donation_card.domain.totals import Totals

QUANTA = 20
"""Parts of a step to which amounts are rounded."""

TOLERANCE = 0.03
"""The advantage may exceed the bound by this: it is an estimate, and the observer sees later changes too."""

_OBSERVED, _UNOBSERVED, _MIN_PERIODS = 2.0, 6.0, 10
"""Length of the observation, and of the time before it, in steps; at least so many periods each."""

_NEVER = 1e-7
_PERCENT_OF_STEP = (5, 10, 25, 50, 75, 100)
"""Donations of the table, in percent of a step."""
_PER_DAY = {0.25: "1 in 4 days", 1: "1 a day", 4: "4 a day", 16: "16 a day"}


class HiddenState(NamedTuple):
    """The unpublished amount in quanta, and the donations since the last change, at most `min_donations`."""

    withheld: int
    since_change: int


@dataclass(frozen=True, slots=True)
class DonationProcess:
    """Donations as a Poisson process. `amounts`: minor units → share of the donations; the shares sum to 1."""

    per_day: float
    amounts: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Advantage:
    """`value` is from 0 to 1, `error` its standard error, `bound` is min(1, donation ÷ step)."""

    donation: int
    value: float
    error: float
    bound: float

    @property
    def within(self) -> bool:
        """Return True if the advantage is at most the bound and the tolerance, within two standard errors."""
        return self.value - 2 * self.error <= self.bound + TOLERANCE


Uniform = Callable[[], float]
"""Return a random number in [0, 1), as `random.Random(seed).random` does."""


def advantages(
    policy: PublicationPolicy, process: DonationProcess, donations: Iterable[int], rng: Uniform, *, samples: int
) -> list[Advantage]:
    """Estimate the advantage for each donation (minor units) from `samples` series.

    Raises ValueError for a policy that publishes at once: it reveals every donation.
    """
    if policy.immediate:
        raise ValueError("a total that is published at once reveals every donation")
    donations = list(donations)
    per_period = process.per_day * policy.interval_seconds / DAY
    plain = _arrivals(policy, per_period, process.amounts)
    with_donation = {donation: _with_donation(policy, plain, donation) for donation in donations}
    transitions = _transitions_of(policy)
    states = _reachable(transitions, [plain, *with_donation.values()])
    usual = _Period(transitions, plain, states)
    a_step = policy.step / (per_period * sum(amount * share for amount, share in process.amounts.items()))
    unseen, observed = (max(_MIN_PERIODS, math.ceil(steps * a_step)) for steps in (_UNOBSERVED, _OBSERVED))
    start = usual.unobserved([1.0] + [0.0] * (len(states) - 1), unseen)
    pasts = [usual.observed(start, observed, rng) for _ in range(samples)]
    found = []
    for donation, arrivals in with_donation.items():
        once = _Period(transitions, arrivals, states)
        found.append(_advantage(policy, donation, [_distance(past, usual, once, observed, rng) for past in pasts]))
    return found


def report_lines(
    policy: PublicationPolicy,
    suggested: Sequence[int],
    currency: str,
    rng: Uniform,
    *,
    samples: int,
    largest_offline: int = 0,
) -> Iterator[str]:
    """Format the advantages for several donations and donation rates as a table. Raises ValueError.

    `largest_offline` is the largest offline donation that is not listed. Offline money moves the same public total, so
    this donation has a row too. A whole step hides nothing, and the row of a larger donation is that of a step.
    """
    usual = suggested[len(suggested) // 2]
    mixes = {
        "the suggested amounts, all equally often": {amount: 1 / len(suggested) for amount in suggested},
        f"everybody gives {Money(usual, currency)}, and the observer knows it": {usual: 1.0},
    }
    donations = sorted(
        {max(1, policy.step * part // 100) for part in _PERCENT_OF_STEP}
        | ({min(largest_offline, policy.step)} if largest_offline else set())
    )
    step = Money(policy.step, currency)
    yield f"every {policy.interval_seconds / 3600:g} h, step {step}, min_donations {policy.min_donations}"
    yield f"advantage: 0 none, 1 certainty; * above donation / step + {TOLERANCE}; ± is one standard error"
    if largest_offline:
        yield f"largest offline donation that is not listed: {Money(largest_offline, currency)}"
    for title, amounts in mixes.items():
        columns = [
            advantages(policy, DonationProcess(each, amounts), donations, rng, samples=samples) for each in _PER_DAY
        ]
        yield f"\n{title}"
        yield f"{'donation':>14}{'/ step':>11}" + "".join(f"{each:>16}" for each in _PER_DAY.values())
        for donation, row in zip(donations, zip(*columns, strict=True), strict=True):
            cells = [f"{each.value:.2f} ± {each.error:.2f}{' ' if each.within else '*'}" for each in row]
            yield f"{Money(donation, currency)!s:>14}{row[0].bound:>11.2f}" + "".join(f"{cell:>16}" for cell in cells)


def _advantage(policy: PublicationPolicy, donation: int, distances: Sequence[float]) -> Advantage:
    mean = sum(distances) / len(distances)
    variance = sum((each - mean) ** 2 for each in distances) / len(distances)
    return Advantage(donation, mean, math.sqrt(variance / len(distances)), min(1.0, donation / policy.step))


# ── donations of a period ────────────────────────────────────────────────────────────────────────────────────────

ArrivalDistribution = dict[HiddenState, float]


def _quanta(policy: PublicationPolicy, amount: int) -> int:
    return max(1, round(amount * QUANTA / policy.step))


def _arrivals(policy: PublicationPolicy, per_period: float, amounts: Mapping[int, float]) -> ArrivalDistribution:
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


# ── decisions of a period ─────────────────────────────────────────────────────────────────────────────────────


Transitions = Callable[[HiddenState, HiddenState], tuple[int, HiddenState]]


def _transitions_of(policy: PublicationPolicy) -> Transitions:
    """Return the function (hidden state, arrivals) → (change of the public total, next hidden state)."""
    in_quanta, shown = replace(policy, step=QUANTA), PublishedTotal(0, 0, 0, 0)

    @cache
    def decided(raised: int, payments: int) -> tuple[int, HiddenState]:
        published = next_published_total(
            in_quanta, shown, Totals(raised, payments), period_start=1, offline=0, listed=0, ended=False
        )
        since = min(payments - published.payments_at_last_change, policy.min_donations)
        return published.raised, HiddenState(raised - published.raised, since)

    return lambda before, arrived: decided(
        before.withheld + arrived.withheld, before.since_change + arrived.since_change
    )


def _reachable(transitions: Transitions, periods: Sequence[ArrivalDistribution]) -> dict[HiddenState, int]:
    """Number all hidden states that can be reached from the empty one."""
    found = {HiddenState(0, 0): 0}
    waiting = list(found)
    for before in waiting:  # the list grows during the loop
        for arrivals in periods:
            for arrived in arrivals:
                _, then = transitions(before, arrived)
                if then not in found:
                    found[then] = len(found)
                    waiting.append(then)
    return found


class _Period:
    """A transition matrix over the hidden states for each possible change of the public total in one period."""

    def __init__(
        self, transitions: Transitions, arrivals: ArrivalDistribution, states: Mapping[HiddenState, int]
    ) -> None:
        columns: dict[int, list[list[float]]] = {}
        for before, row in states.items():
            for arrived, likely in arrivals.items():
                change, then = transitions(before, arrived)
                if change not in columns:
                    columns[change] = [[0.0] * len(states) for _ in states]
                columns[change][states[then]][row] += likely
        self.changes = sorted(columns)
        # None for columns of zeros, which are not worth a multiplication
        self.columns = {
            change: [column if any(column) else None for column in columns[change]] for change in self.changes
        }
        self.likely = {change: [sum(row) for row in zip(*columns[change], strict=True)] for change in self.changes}

    def after(self, belief: list[float], change: int) -> list[float]:
        """Return the belief after a change. Its sum is the probability of the change."""
        if change not in self.columns:
            return [0.0] * len(belief)
        return [sum(map(mul, belief, column)) if column else 0.0 for column in self.columns[change]]

    def unobserved(self, belief: list[float], periods: int) -> list[float]:
        for _ in range(periods):
            belief = [
                sum(parts) for parts in zip(*(self.after(belief, change) for change in self.changes), strict=True)
            ]
        return _normal(belief)

    def observed(self, belief: list[float], periods: int, rng: Uniform) -> list[float]:
        """Return the belief after a random series of so many periods."""
        for _ in range(periods):
            belief = _normal(self.after(belief, self.draw(belief, rng)))
        return belief

    def draw(self, belief: list[float], rng: Uniform) -> int:
        weights = list(accumulate(sum(map(mul, belief, self.likely[change])) for change in self.changes))
        return self.changes[min(bisect(weights, rng() * weights[-1]), len(weights) - 1)]


def _normal(belief: list[float]) -> list[float]:
    whole = sum(belief)
    return [share / whole for share in belief] if whole else belief


def _distance(past: list[float], without: _Period, with_donation: _Period, periods: int, rng: Uniform) -> float:
    """Return |p₁ - p₀| ÷ (p₁ + p₀) of one series, drawn from either with equal chance. Its mean is the distance."""
    given = rng() < 0.5
    beliefs, shares = [past, past], [1.0, 1.0]
    for number in range(periods + 1):
        kernels = (without, without if number else with_donation)
        change = kernels[given].draw(beliefs[given], rng)
        after = [kernel.after(belief, change) for kernel, belief in zip(kernels, beliefs, strict=True)]
        shares = _normal([share * sum(belief) for share, belief in zip(shares, after, strict=True)])
        if not all(shares):
            break
        beliefs = [_normal(belief) for belief in after]
    return abs(shares[1] - shares[0]) / sum(shares)
