"""Export the counters without the time of a donation: those of a period when the next one begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.domain.publication import current_period
from donation_card.observability.metrics import renew_snapshot


@dataclass(slots=True)
class CounterExport:
    """Decide which values of the counters `/metrics` may show.

    A counter has no campaign. So a donation is shown when the next period of every campaign has begun. Campaigns that
    publish at once have no period. If all of them do, each donation is shown at once.
    """

    campaigns: Campaigns
    clock: Callable[[], datetime]
    settled: int | None = field(default=None, init=False)
    """Donations until then (UTC seconds) may be shown. None: all."""
    _campaigns_then: Sequence[Campaign] | None = field(default=None, init=False)
    _begins_at: float = field(default=0, init=False)
    _ends_at: float = field(default=0, init=False)

    def renew_if_due(self) -> None:
        """Begin the new period before anything of it is counted."""
        if self.clock().timestamp() >= self._ends_at:
            self.renew()

    def renew(self) -> None:
        """Find the current periods. Keep the values of the counters if a longest one has just begun."""
        now, campaigns = self.clock(), self.campaigns.all()
        if self._campaigns_then is None and self.campaigns.unread():
            self.settled = 0  # a campaign that is not read yet can have the longest period
            return
        if campaigns is self._campaigns_then and self._begins_at <= now.timestamp() < self._ends_at:
            return
        self._campaigns_then = campaigns
        policies = {each.publication for each in campaigns if not each.publication.immediate}
        periods = {policy: current_period(policy, now) for policy in policies}
        self._begins_at = max((start for start, _ in periods.values()), default=0)
        self._ends_at = min((end for _, end in periods.values()), default=float("inf"))
        self.settled = min((start for start, _ in periods.values()), default=None)
        if self.settled is not None:
            longest = max(policy.interval_seconds for policy in policies)
            begun = max(start for policy, (start, _) in periods.items() if policy.interval_seconds == longest)
            renew_snapshot(begun, self.settled)
