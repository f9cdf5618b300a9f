"""Refresh the public totals of the campaigns, and the responses that show them."""

import asyncio
from collections.abc import Sequence

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.public_progress import RETRY_INTERVAL, PublicProgress
from donation_card.application.refresh_schedule import RefreshSchedule
from donation_card.domain.campaign import Campaign
from donation_card.domain.totals import campaign_of
from donation_card.errors import Unavailable
from donation_card.web.campaign_responses import CampaignResponseCache

_CONCURRENT_QUERIES = 8
"""Campaigns that are queried at a time, so that a slow one delays no other."""


class CampaignRefresh:
    """Follow the campaign files and the store. An error of one campaign delays no other."""

    def __init__(self, campaigns: Campaigns, progress: PublicProgress, responses: CampaignResponseCache) -> None:
        self._campaigns, self._progress, self._responses = campaigns, progress, responses
        self._schedule = RefreshSchedule()
        self._followed: Sequence[Campaign] | None = None
        self._queried = True

    async def refresh(self, *, query: bool = True) -> bool:
        """Publish each total that is due, update the responses, and report their use to the metrics.

        The background task calls it every second. Without `query`, mark all totals stale instead: Redis is known to be
        unavailable, and each query would wait. Return True if every query was answered.
        """
        self._responses.count_reads()
        self.evict_hidden()
        if not query:
            stale = self._campaigns.all_visible() if self._queried else self._schedule.take(self._now())
            for campaign in stale:
                self._progress.mark_stale(campaign)
                self._update(campaign)
                self._schedule.plan(campaign.id, self._progress.next_refresh_at(campaign))
            self._queried = False
            return False
        if not self._queried:
            self._schedule.add_all()
        self._queried = True
        server_time = await self._read_touched()
        answers = [server_time is not None]
        due = iter(self._schedule.take(max(self._now(), server_time or 0)))

        async def work() -> None:
            for campaign in due:
                answers.append(await self._refresh(campaign))

        await asyncio.gather(*(work() for _ in range(_CONCURRENT_QUERIES)))
        return all(answers)

    def evict_hidden(self) -> None:
        """Remove the responses of campaigns that were hidden, removed or changed at once, without a query to Redis."""
        if self._followed is self._campaigns.all():
            return
        self._followed = self._campaigns.all()
        campaigns = self._campaigns.all_visible()
        self._responses.keep_only({campaign.id for campaign in campaigns})
        for campaign in self._schedule.follow(campaigns):
            self._update(campaign)

    async def query_at_once(self, campaign: Campaign) -> None:
        """Query a campaign that a reader asks for and that this worker has not queried yet."""
        unknown = self._progress.get(campaign) is None and not campaign.hidden
        if unknown and self._queried and self._schedule.claim(campaign.id):
            await self._refresh(campaign)

    async def _read_touched(self) -> int | None:
        """Read what changed since the last time. Return the time of the store, or None if it is unavailable."""
        try:
            account = await self._progress.account.get()
            touched = await self._progress.totals_store.touched(account, self._schedule.mark)
        except Unavailable:  # each query says why
            return None
        if self._schedule.read(touched):  # a sync helps what is stale or unknown
            self._schedule.add(map(campaign_of, self._progress.stale_totals()))
        return touched.now

    async def _refresh(self, campaign: Campaign) -> bool:
        answered = True
        try:
            answered = await self._progress.refresh(campaign)
        except Exception as error:  # the other campaigns go on
            self._progress.mark_failed(campaign, error)
        else:
            self._progress.mark_refreshed(campaign)
        self._update(campaign)
        retry_at = self._now() + RETRY_INTERVAL
        self._schedule.plan(campaign.id, self._progress.next_refresh_at(campaign) if answered else retry_at)
        return answered

    def _update(self, campaign: Campaign) -> None:
        try:
            self._responses.entry(campaign)
        except Exception as error:
            self._progress.mark_failed(campaign, error)

    def _now(self) -> float:
        return self._progress.clock().timestamp()
