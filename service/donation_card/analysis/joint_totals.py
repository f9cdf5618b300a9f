"""Estimate how much the totals of a campaign and of one of its sites reveal together about one donation.

The observer is that of `disclosure_risk`, who also knows that the donation came from the site. It is in both sums, so
each of the two series can show it. The thresholds of the two series are independent.

Both series are decided in the periods of the campaign. A site has longer periods. Its total then depends on the same
sums, so an observer sees only some of these totals, and learns no more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from donation_card.analysis.hidden_total import (
    ArrivalDistribution,
    DonationProcess,
    HiddenState,
    Transition,
    Transitions,
    transitions_of,
)
from donation_card.domain.publication import DAY, PublicationPolicy

QUANTA = 8
"""Parts of a step of the campaign. Fewer than for one series, because two have many more hidden states."""

_LABEL = 1_000
"""The change of both totals is one number: that of the campaign, and so many times that of the site."""

_NEVER = 1e-6


@dataclass(frozen=True, slots=True)
class JointSeries:
    """Two policies, and the share of the other donations that come from the site."""

    campaign: PublicationPolicy
    site_step: int
    site_share: float

    @property
    def unit(self) -> float:
        """Return minor units in one quantum."""
        return self.campaign.step / QUANTA

    @property
    def site_quanta(self) -> int:
        """Return the whole quanta in a step of the site. A part is left out: a smaller step reveals more."""
        return int(self.site_step / self.unit)

    @property
    def joint_step(self) -> float:
        """Return the step of which a donation has the same share as of both steps together."""
        return 1 / (1 / self.campaign.step + 1 / self.site_step)

    def transitions(self) -> Transitions:
        """Return the transitions of both series."""
        of_campaign = transitions_of(self.campaign, QUANTA)
        of_site = transitions_of(replace(self.campaign, min_donations=0), self.site_quanta)

        @cache
        def transitions(before: HiddenState, arrived: HiddenState) -> list[Transition]:
            site = of_site(HiddenState(before.of_site, 0), HiddenState(arrived.of_site, 0))
            return [
                (share * likely, change + _LABEL * moved, then._replace(of_site=rest.withheld))
                for share, change, then in of_campaign(before._replace(of_site=0), arrived._replace(of_site=0))
                for likely, moved, rest in site
            ]

        return transitions

    def of_site(self, process: DonationProcess) -> tuple[PublicationPolicy, DonationProcess]:
        """Return the policy and the donations of the site alone."""
        policy = replace(self.campaign, step=self.site_step, min_donations=0)
        return policy, replace(process, per_day=process.per_day * self.site_share)

    def arrivals(self, process: DonationProcess) -> ArrivalDistribution:
        """Return the probability of each pair of sums in one period."""
        per_period = process.per_day * self.campaign.interval_seconds / DAY
        gifts = self._gifts(process.amounts)
        found: ArrivalDistribution = {}
        number, likely, sums = 0, math.exp(-per_period), {(0, 0): 1.0}
        while number <= per_period or likely > _NEVER:
            counted = min(number, self.campaign.min_donations)
            for (whole, of_site), share in sums.items():
                state = HiddenState(whole, counted, of_site=of_site)
                found[state] = found.get(state, 0.0) + likely * share
            sums = _sums(sums, gifts)
            number += 1
            likely *= per_period / number
        return {arrived: likely for arrived, likely in found.items() if likely > _NEVER}

    def with_donation(
        self, arrivals: ArrivalDistribution, quanta: int, *, from_site: bool = True
    ) -> ArrivalDistribution:
        """Return the arrivals with one more donation, from the site or not. 0 is no donation."""
        most = self.campaign.min_donations
        return {
            HiddenState(
                each.withheld + quanta,
                min(each.since_change + bool(quanta), most),
                of_site=each.of_site + quanta * from_site,
            ): likely
            for each, likely in arrivals.items()
        }

    def own_gifts(self, arrivals: ArrivalDistribution) -> tuple[list[int], list[ArrivalDistribution]]:
        """Return what an observer can give in one period: the costs in quanta, and the arrivals with each gift.

        First come the gifts from the site, which are in both sums, and then those that are in the first sum alone.
        """
        from_site = [self.with_donation(arrivals, quanta) for quanta in range(QUANTA + 1)]
        direct = [self.with_donation(arrivals, quanta, from_site=False) for quanta in range(1, QUANTA + 1)]
        return [*range(QUANTA + 1), *range(1, QUANTA + 1)], from_site + direct

    def _gifts(self, amounts: Mapping[int, float]) -> dict[tuple[int, int], float]:
        """Return the pairs of quanta that one donation adds. A part of a quantum is rounded at random."""
        found: dict[tuple[int, int], float] = {}
        for amount, often in amounts.items():
            whole, part = divmod(amount / self.unit, 1)
            for quanta, share in ((int(whole), 1 - part), (int(whole) + 1, part)):
                for of_site, likely in ((quanta, self.site_share), (0, 1 - self.site_share)):
                    if share * likely:
                        found[quanta, of_site] = found.get((quanta, of_site), 0.0) + often * share * likely
        return found


def _sums(
    sums: Mapping[tuple[int, int], float], gifts: Mapping[tuple[int, int], float]
) -> dict[tuple[int, int], float]:
    """Return the sums after one more donation."""
    found: dict[tuple[int, int], float] = {}
    for (whole, of_site), share in sums.items():
        for (more, more_of_site), often in gifts.items():
            now = whole + more, of_site + more_of_site
            found[now] = found.get(now, 0.0) + share * often
    return found
