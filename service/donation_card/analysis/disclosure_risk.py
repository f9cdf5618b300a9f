"""Estimate how much the series of public totals reveals about one donation.

The observer knows one line of a bank statement: an amount and a time. The observer also knows the publication policy,
the mean number of donations and their usual amounts, and reads every public total while donations of two steps come
before and after. The observer does not know the other donations. `giving_observer` is about one who also gives.

The result is the advantage: the total variation distance between the series with the donation and the series without
it. 0 reveals nothing, 1 everything. A guess from the series is right with a chance of at most 50 % + advantage ÷ 2.

The distance is an expectation over random series. For each series, a forward filter over the states of `hidden_total`
computes the exact likelihood with and without the donation.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from donation_card.analysis.giving_observer import GivingObserver, giving_advantages, joint_giving_advantages
from donation_card.analysis.hidden_total import (
    ArrivalDistribution,
    DonationProcess,
    Period,
    Uniform,
    arrivals_of,
    long_run,
    normal,
    periods_of,
    reachable_states,
    states_after,
    transitions_of,
    with_donation,
    with_transfers,
)
from donation_card.analysis.joint_totals import JointSeries
from donation_card.domain.money import Money
from donation_card.domain.publication import DAY, PublicationPolicy

TOLERANCE = 0.03
"""The advantage may exceed the bound by this: it is an estimate, and the observer sees later changes too."""

_OBSERVED = 2.0
"""Steps of donations in the time of the observation, before the donation and after it."""

_PERCENT_OF_STEP = (5, 10, 25, 50, 75, 100)
"""Donations of the table, in percent of a step."""
_FEWER_PERCENT_OF_STEP = (5, 25, 50)
_PER_DAY_GIVING = {1: "1 a day", 0.25: "1 in 4 days", 0.0625: "1 in 16 days"}
_PER_DAY = {0.25: "1 in 4 days", 1: "1 a day", 4: "4 a day", 16: "16 a day"}
JOINT_DONATIONS = (1, 2, 4)
"""Donations of the tables about both totals, in quanta of `joint_totals`: an eighth, a quarter and half of a step."""
_PER_DAY_JOINT = {0.25: "1 in 4 days", 1: "1 a day"}
_SITE_SHARES = {1.0: "all other donations come from the site", 0.25: "one in four of the others comes from the site"}
_OTHERS = {0: "alone", 1: "with 1 other", 4: "with 4", 16: "with 16"}
"""Other transfers of the same import."""


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


def advantages(
    policy: PublicationPolicy, process: DonationProcess, donations: Iterable[int], rng: Uniform, *, samples: int
) -> list[Advantage]:
    """Estimate the advantage for each donation (minor units) from `samples` series.

    Raises ValueError for a policy that publishes at once: it reveals every donation.
    """
    plain = _payments_of_a_period(policy, process)
    with_each = {donation: with_donation(policy, plain, donation) for donation in donations}
    return _estimated(policy, process, plain, plain, with_each, rng, samples=samples)


def transfer_advantages(
    policy: PublicationPolicy,
    process: DonationProcess,
    donations: Iterable[int],
    others: int,
    rng: Uniform,
    *,
    samples: int,
) -> list[Advantage]:
    """Estimate the advantage for each donation by bank transfer, as `advantages` does for card payments.

    The observer knows in which period the statement was imported, and that `others` transfers came with it. One
    offline donation is the same, with the entries of the same edit as the others.
    """
    plain = _payments_of_a_period(policy, process)
    imported = with_transfers(policy, plain, process.amounts, others)
    with_each = {donation: with_transfers(policy, imported, {donation: 1.0}, 1) for donation in donations}
    return _estimated(policy, process, plain, imported, with_each, rng, samples=samples)


def joint_advantages(joint: JointSeries, process: DonationProcess, rng: Uniform, *, samples: int) -> list[Advantage]:
    """Estimate the advantage of an observer who sees the totals of the campaign and of one site.

    The donation came from the site, and the observer knows that. Its bound is that of the joint step.
    """
    transitions, plain = joint.transitions(), joint.arrivals(process)
    with_each = {quanta: joint.with_donation(plain, quanta) for quanta in JOINT_DONATIONS}
    states = reachable_states(transitions, [plain, *with_each.values()])
    usual = Period(transitions, plain, states)
    observed, start = periods_of(joint.campaign, process, _OBSERVED), long_run(*joint.of_site(process), usual)
    pasts = [usual.observed(start, observed, rng) for _ in range(samples)]
    found = []
    for quanta, arrivals in with_each.items():
        pair = usual, Period(transitions, arrivals, states)
        distances = [_distance(past, pair, usual, observed, rng) for past in pasts]
        found.append(_advantage(joint.joint_step, round(quanta * joint.unit), distances))
    return found


def _payments_of_a_period(policy: PublicationPolicy, process: DonationProcess) -> ArrivalDistribution:
    if policy.immediate:
        raise ValueError("a total that is published at once reveals every donation")
    return arrivals_of(policy, process.per_day * policy.interval_seconds / DAY, process.amounts)


def _estimated(
    policy: PublicationPolicy,
    process: DonationProcess,
    plain: ArrivalDistribution,
    without: ArrivalDistribution,
    with_each: Mapping[int, ArrivalDistribution],
    rng: Uniform,
    *,
    samples: int,
) -> list[Advantage]:
    """Compare a period with a donation and one without it. Before and after come `plain` ones: card payments only."""
    transitions = transitions_of(policy)
    before = reachable_states(transitions, [plain])
    # the transfers come once: if each period brought some, the withheld sum would have no bound
    after = states_after(transitions, [without, *with_each.values()], before)
    states = reachable_states(transitions, [plain], after)
    usual = Period(transitions, plain, states)
    once = usual if without is plain else Period(transitions, without, states, before)
    observed, start = periods_of(policy, process, _OBSERVED), long_run(policy, process, usual)
    pasts = [usual.observed(start, observed, rng) for _ in range(samples)]
    found = []
    for donation, arrivals in with_each.items():
        pair = once, Period(transitions, arrivals, states, before)
        found.append(_advantage(policy.step, donation, [_distance(past, pair, usual, observed, rng) for past in pasts]))
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
    yield "All sources are added first. Only their sum is published, in these steps and periods:"
    yield "  card payment      counts in the period of the payment"
    yield "  bank transfer     counts in the period of the import, with all others of the imported statements"
    yield "  offline donation  counts in the period in which the campaign file is changed; a listed one is public"
    yield "  spending          moves no total, and is public at once"
    yield f"advantage: 0 none, 1 certainty; * above donation / step + {TOLERANCE}; ± is one standard error"
    if largest_offline:
        yield f"largest offline donation that is not listed: {Money(largest_offline, currency)}"
    for title, amounts in mixes.items():
        columns = [
            advantages(policy, DonationProcess(each, amounts), donations, rng, samples=samples) for each in _PER_DAY
        ]
        yield f"\ncard payments: {title}"
        yield from _table(currency, _PER_DAY.values(), zip(*columns, strict=True))
    quiet = DonationProcess(min(_PER_DAY), next(iter(mixes.values())))
    donations = [max(1, policy.step * part // 100) for part in _FEWER_PERCENT_OF_STEP]
    columns = [transfer_advantages(policy, quiet, donations, each, rng, samples=samples) for each in _OTHERS]
    yield f"\nbank transfers and offline donations, with others of the same import; card payments {_PER_DAY[0.25]}"
    yield from _table(currency, _OTHERS.values(), zip(*columns, strict=True))


def giving_report_lines(
    policy: PublicationPolicy,
    suggested: Sequence[int],
    currency: str,
    observer: GivingObserver,
    rng: Uniform,
    *,
    samples: int,
) -> Iterator[str]:
    """Format the advantages of an observer who gives, first in general and then where the next step is the goal."""
    donations = [max(1, policy.step * part // 100) for part in _FEWER_PERCENT_OF_STEP]
    amounts = {amount: 1 / len(suggested) for amount in suggested}
    cells = [
        [
            [_advantage(policy.step, donation, each) for each in found]
            for per_day in _PER_DAY_GIVING
            for found in [
                giving_advantages(policy, DonationProcess(per_day, amounts), donation, observer, rng, samples=samples)
            ]
        ]
        for donation in donations
    ]
    yield f"\nan observer who gives when it helps, with {Money(observer.budget, currency)} and {observer.days} days"
    for case, title in enumerate(("", "the same, where the next step is the goal")):
        if title:
            yield f"\n{title}"
        yield from _table(currency, _PER_DAY_GIVING.values(), [[pair[case] for pair in row] for row in cells])


def joint_report_lines(
    joint: JointSeries,
    suggested: Sequence[int],
    currency: str,
    observer: GivingObserver,
    rng: Uniform,
    *,
    samples: int,
) -> Iterator[str]:
    """Format the advantages of observers of both totals: of one who watches, and of one who gives."""
    amounts = {amount: 1 / len(suggested) for amount in suggested}
    step, site_step = Money(joint.campaign.step, currency), Money(joint.site_step, currency)
    yield f"\nthe totals of the campaign (step {step}) and of one site (step {site_step}) together"
    yield f"the donation comes from the site; * above donation / joint step + {TOLERANCE}"
    for share, title in _SITE_SHARES.items():
        series = replace(joint, site_share=share)
        columns = [
            joint_advantages(series, DonationProcess(each, amounts), rng, samples=samples) for each in _PER_DAY_JOINT
        ]
        yield f"\n{title}"
        yield from _table(currency, _PER_DAY_JOINT.values(), zip(*columns, strict=True), "/ joint step")
    if not observer.budget:
        return
    fewer = -(-samples // 3)  # each of these series is slower still
    rows = [
        [
            _advantage(joint.joint_step, round(quanta * joint.unit), found)
            for per_day in _PER_DAY_GIVING
            for process in [DonationProcess(per_day, amounts)]
            for found in [joint_giving_advantages(joint, process, quanta, observer, rng, samples=fewer)]
        ]
        for quanta in JOINT_DONATIONS
    ]
    yield f"\nan observer of both who gives when it helps, with {Money(observer.budget, currency)}"
    yield from _table(currency, _PER_DAY_GIVING.values(), rows, "/ joint step")


def _table(
    currency: str, titles: Iterable[str], rows: Iterable[Sequence[Advantage]], bound: str = "/ step"
) -> Iterator[str]:
    yield f"{'donation':>14}{bound:>14}" + "".join(f"{title:>16}" for title in titles)
    for row in rows:
        cells = [f"{each.value:.2f} ± {each.error:.2f}{' ' if each.within else '*'}" for each in row]
        first = row[0]
        yield f"{Money(first.donation, currency)!s:>14}{first.bound:>14.2f}" + "".join(f"{cell:>16}" for cell in cells)


def _advantage(step: float, donation: int, distances: Sequence[float]) -> Advantage:
    mean = sum(distances) / len(distances)
    variance = sum((each - mean) ** 2 for each in distances) / len(distances)
    return Advantage(donation, mean, math.sqrt(variance / len(distances)), min(1.0, donation / step))


def _distance(past: list[float], first: tuple[Period, Period], usual: Period, periods: int, rng: Uniform) -> float:
    """Return |p₁ - p₀| ÷ (p₁ + p₀) of one series, drawn from either with equal chance. Its mean is the distance.

    The series begins with the `first` period, without the donation or with it. So many usual periods follow.
    """
    given = rng() < 0.5
    beliefs, shares = [past, past], [1.0, 1.0]
    for number in range(periods + 1):
        kernels = (usual, usual) if number else first
        change = kernels[given].draw(beliefs[given], rng)
        after = [kernel.after(belief, change) for kernel, belief in zip(kernels, beliefs, strict=True)]
        shares = normal([share * sum(belief) for share, belief in zip(shares, after, strict=True)])
        if not all(shares):
            break
        beliefs = [normal(belief) for belief in after]
    return abs(shares[1] - shares[0]) / sum(shares)
