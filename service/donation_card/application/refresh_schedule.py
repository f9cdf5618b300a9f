"""Decide for which campaigns a worker queries the store, so that its work follows what changes.

A campaign is queried when a period begins or its status changes, when it was touched, and when the server was replaced.
A few others are queried in turn, so that each loss of a key is found, also one that no reply named.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from donation_card.application.ports.totals import Touched, TouchMark
from donation_card.domain.campaign import Campaign
from donation_card.domain.totals import campaign_of

IN_TURN = 10
"""Campaigns that are queried each time although nothing is known to have changed."""

AT_ONCE = 1_000
"""Campaigns that are queried each time at most. Those that were touched last come first."""


@dataclass(slots=True)
class RefreshSchedule:
    mark: TouchMark = field(default_factory=TouchMark, init=False)
    """The touches that this worker has seen."""
    _campaigns: Mapping[str, Campaign] = field(default_factory=dict, init=False)
    _waiting: dict[str, None] = field(default_factory=dict, init=False)
    """Campaigns to query. The last one comes first."""
    _planned: dict[str, float] = field(default_factory=dict, init=False)
    _heap: list[tuple[float, str]] = field(default_factory=list, init=False)
    _turn: list[str] = field(default_factory=list, init=False)

    def follow(self, campaigns: Sequence[Campaign]) -> list[Campaign]:
        """Replace the campaigns. Return those that are new or changed. They are due."""
        before, self._campaigns = self._campaigns, {each.id: each for each in campaigns}
        changed = [each for each in campaigns if before.get(each.id) is not each]
        self.add(each.id for each in reversed(changed))
        return changed

    def add(self, campaign_ids: Iterable[str]) -> None:
        """Query these campaigns next."""
        for campaign_id in campaign_ids:
            self._waiting.pop(campaign_id, None)
            self._waiting[campaign_id] = None

    def add_all(self) -> None:
        self.add(each for each in [*self._campaigns] if each not in self._waiting)

    def claim(self, campaign_id: str) -> bool:
        """Return True if the campaign is due or new. It is not due any more then."""
        is_due = campaign_id in self._waiting or campaign_id not in self._campaigns
        self._waiting.pop(campaign_id, None)
        return is_due

    def read(self, touched: Touched) -> bool:
        """Add what was touched. Return True if a sync was completed since.

        Add all campaigns if the server is another one, was emptied, or has fewer touches than before.
        """
        before, self.mark = self.mark, touched.mark
        same = (before.server, before.registry) == (self.mark.server, self.mark.registry)
        if not same or self.mark.number < before.number:
            self.add_all()
        self.add(map(campaign_of, touched.names))
        return before.last_sync_at != self.mark.last_sync_at

    def plan(self, campaign_id: str, at: float | None) -> None:
        """Query a campaign at a time (UTC seconds), or when something else asks for it."""
        if at is None:
            self._planned.pop(campaign_id, None)
        elif self._planned.get(campaign_id) != at:
            self._planned[campaign_id] = at
            heapq.heappush(self._heap, (at, campaign_id))

    def take(self, now: float) -> list[Campaign]:
        """Return the campaigns to query now."""
        while self._heap and self._heap[0][0] <= now:
            at, campaign_id = heapq.heappop(self._heap)
            if self._planned.get(campaign_id) == at:
                del self._planned[campaign_id]
                self._waiting.setdefault(campaign_id)
        taken: dict[str, None] = {}
        while self._waiting and len(taken) < AT_ONCE:
            taken[self._waiting.popitem()[0]] = None
        for _ in range(min(IN_TURN, len(self._campaigns))):
            self._turn = self._turn or [*self._campaigns][::-1]
            taken.setdefault(self._turn.pop())
        return [self._campaigns[each] for each in taken if each in self._campaigns]
