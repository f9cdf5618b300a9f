"""The public progress of each campaign, as this worker shows it."""

import hmac
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.totals import TotalsStore
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.progress import Progress, calculate_progress
from donation_card.domain.publication import PublicationPolicy, PublishedTotal, next_period_start
from donation_card.domain.site_total import SiteTotal
from donation_card.domain.ways_to_give import WayToGive, ways_to_give
from donation_card.errors import Unavailable
from donation_card.observability.log_events import LogEvent, log

RETRY_INTERVAL = 5
"""Seconds until a campaign whose refresh failed is queried again, at most."""

STALE_INTERVAL = 60
"""Seconds until a stale total is queried again, unless a sync helps sooner."""


@dataclass(slots=True)
class PublicProgress:
    """Keep the last known progress of each campaign. A campaign without progress is unknown, which is not zero."""

    account: StripeAccount
    campaigns: Campaigns
    totals_store: TotalsStore
    clock: Callable[[], datetime]
    publication_key: str = ""
    """The setting `PUBLICATION_KEY`."""
    uptime: Callable[[], float] = time.monotonic
    failures: dict[str, str] = field(default_factory=dict, init=False)
    """Campaign → the kind of the unexpected error of its last refresh."""
    _progress: dict[str, Progress] = field(default_factory=dict, init=False)
    """Name of the totals → progress. A campaign in a new currency so has none."""
    _site_totals: dict[tuple[str, str], PublishedTotal] = field(default_factory=dict, init=False)
    """Name of the totals, host → the public total of the site."""
    _rebuilding: set[str] = field(default_factory=set, init=False)
    """Names of totals for which the store had no public total."""
    _changes: int = field(default=0, init=False)
    """Grows when a total becomes stale, unknown, known or failed."""
    _stale: tuple[int, Sequence[Campaign], set[str]] | None = field(default=None, init=False)
    """The stale totals at a number of changes."""
    _uptime_at_start: float = field(init=False)
    _own_sync_at: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._uptime_at_start = self.uptime()

    def get(self, campaign: Campaign) -> Progress | None:
        """Return the progress, or None if it is unknown or the campaign is hidden."""
        return None if campaign.hidden else self._progress.get(campaign.totals_name)

    def site_total(self, campaign: Campaign, site: SiteTotal) -> PublishedTotal | None:
        """Return the public total of a site, or None if it is unknown or the campaign is hidden."""
        return None if campaign.hidden else self._site_totals.get((campaign.totals_name, site.host))

    def visible(self) -> dict[str, Progress]:
        """Return the known progress of each visible campaign, by its id."""
        progress = {campaign.id: self.get(campaign) for campaign in self.campaigns.all_visible()}
        return {campaign_id: each for campaign_id, each in progress.items() if each}

    def ways_to_give(self, campaign: Campaign) -> tuple[WayToGive, ...]:
        """Return the ways to give to the campaign now."""
        return ways_to_give(campaign, self.clock(), self._raised(campaign))

    def status(self, campaign: Campaign) -> Status:
        """Return the status of the campaign now. It accepts donations while the status is OPEN."""
        return campaign.status_at(self.clock(), self._raised(campaign))

    def _raised(self, campaign: Campaign) -> int | None:
        progress = self.get(campaign)
        return progress.raised.amount if progress else None

    def stale_campaigns(self) -> list[str]:
        """Return the campaigns whose progress is unknown, stale or not refreshed, such as `roof: unknown (EUR)`."""
        if not self.stale_totals() and not self.failures:
            return []
        progress = [(campaign, self.get(campaign)) for campaign in self.campaigns.all_visible()]
        reasons = {each.id: "stale" if known else f"unknown ({each.currency})" for each, known in progress}
        return [
            f"{campaign.id}: {self.failures.get(campaign.id, reasons[campaign.id])}"
            for campaign, each in progress
            if each is None or each.stale or campaign.id in self.failures
        ]

    def stale_totals(self) -> set[str]:
        """Return the names of the totals that a sync may help: their progress is unknown or stale."""
        known, campaigns = self._stale, self.campaigns.all()
        if known is None or known[0] != self._changes or known[1] is not campaigns:
            visible = [each for each in self.campaigns.all_visible() if each.id not in self.failures]
            progress = {campaign.totals_name: self.get(campaign) for campaign in visible}
            found = {name for name, each in progress.items() if each is None or each.stale}
            known = self._stale = self._changes, campaigns, found
        return known[2]

    def is_rebuilding(self, campaign: Campaign) -> bool:
        """Return True if the store has no public total, so that a rebuild is due: at first, or in a new currency."""
        return self.get(campaign) is None and campaign.totals_name in self._rebuilding

    def sync_required_since(self) -> int:
        """Return the time (UTC seconds) from which on a sync counts for this process: after its start.

        Redis can have been restored from a backup before the start, so an earlier sync proves nothing. Starts of syncs
        are whole seconds. So a sync of another worker counts from the first whole second after the start. The uptime
        finds the start also after the clock was corrected.
        """
        started_at = self.clock().timestamp() - (self.uptime() - self._uptime_at_start)
        required = math.floor(started_at) + 1
        return required if self._own_sync_at is None else min(required, self._own_sync_at)

    def confirm_sync(self, began: int) -> None:
        """Record that a sync of this process is complete, so that it may publish."""
        self._own_sync_at = began

    async def refresh(self, campaign: Campaign) -> bool:
        """Let the store decide each public total that is due: of the campaign, then of its sites.

        Mark the last ones stale if the store is unavailable.

        Return False if the store is unavailable.
        """
        answered = True
        now, last = self.clock(), self._progress.get(campaign.totals_name)
        try:
            published = await self._publish_if_due(campaign, now)
            sites = {each.host: await self._publish_if_due(campaign, now, each) for each in campaign.site_totals}
            if published is None:
                self._rebuilding.add(campaign.totals_name)
        except Unavailable as error:
            published, sites, answered = None, {}, False
            if last is None or not last.stale:  # log the change, not every second of it
                log.warning(LogEvent.PROGRESS_REFRESH_FAILED, campaign=campaign.id, reason=str(error))
        progress = published and _calculate_progress(campaign, published)
        if progress and (not progress.stale or last is None or progress.as_of > last.as_of):
            self._keep(campaign, progress)
        else:  # a restored backup of Redis can be older than the progress in memory
            self.mark_stale(campaign)
        for host, total in sites.items():
            self._keep_site_total((campaign.totals_name, host), total)
        return answered

    async def _publish_if_due(
        self, campaign: Campaign, now: datetime, site: SiteTotal | None = None
    ) -> PublishedTotal | None:
        """Decide one series. Offline money belongs to no site."""
        return await self.totals_store.publish_if_due(
            await self.account.get(),
            campaign.totals_name,
            self._policy(campaign, site),
            now=now,
            offline=0 if site else campaign.outside_stripe.amount,
            listed=0 if site else sum(each.amount.amount for each in campaign.listed_donations),
            ended=campaign.has_ended(now),
            synced_since=self.sync_required_since(),
            site=site.host if site else None,
        )

    def _policy(self, campaign: Campaign, site: SiteTotal | None) -> PublicationPolicy:
        """Return the publication policy of a series with its own secret thresholds."""
        series = f"{campaign.id}/{site.host}" if site else campaign.id
        key = hmac.digest(self.publication_key.encode(), series.encode(), "sha256")
        policy, goal = (site.publication, 0) if site else (campaign.publication, campaign.goal.amount)
        return replace(policy, threshold_key=key, goal=goal)

    def _keep_site_total(self, key: tuple[str, str], found: PublishedTotal | None) -> None:
        """Keep a public total that was decided. Of two stale ones, keep the newer."""
        last = self._site_totals.get(key)
        if found and (not found.stale or last is None or found.period_start > last.period_start):
            self._site_totals[key] = found
        elif last:
            self._site_totals[key] = replace(last, stale=True)

    def mark_failed(self, campaign: Campaign, error: Exception) -> None:
        """Mark the progress stale after an unexpected error, and log the error once."""
        reason = type(error).__name__
        if self.failures.get(campaign.id) != reason:
            log.error(LogEvent.CAMPAIGN_REFRESH_FAILED, campaign=campaign.id, reason=reason, exc_info=error)
            self._changes += 1
        self.failures[campaign.id] = reason
        self.mark_stale(campaign)

    def mark_refreshed(self, campaign: Campaign) -> None:
        if self.failures.pop(campaign.id, None):
            self._changes += 1

    def next_refresh_at(self, campaign: Campaign) -> float | None:
        """Return when the store must be queried again (UTC seconds): a period begins, or the campaign ends.

        None: not before something changes. An instant that is ahead of the clock is unknown, so it is due now.
        """
        now, progress = self.clock().timestamp(), self.get(campaign)
        if campaign.id in self.failures:
            return now + RETRY_INTERVAL
        instants = [campaign.ends_at.timestamp()] if campaign.ends_at and not campaign.has_ended(self.clock()) else []
        if progress is None or progress.stale:
            instants.append(now + STALE_INTERVAL)
        else:
            if progress.as_of.timestamp() > now + MAX_AHEAD:
                return now
            instants += [progress.next_update_at.timestamp()] if progress.next_update_at else []
            for site in campaign.site_totals:
                if decided := self.site_total(campaign, site):
                    since = datetime.fromtimestamp(decided.period_start, site.publication.timezone)
                    following = next_period_start(site.publication, since)
                    instants += [following.timestamp()] if following else []
        return min(instants, default=None)

    def _keep(self, campaign: Campaign, progress: Progress) -> None:
        last = self._progress.get(campaign.totals_name)
        if last is None or last.stale != progress.stale:
            self._changes += 1
        self._progress[campaign.totals_name] = progress

    def mark_stale(self, campaign: Campaign) -> None:
        """Keep the last known progress and mark it stale."""
        if (last := self._progress.get(campaign.totals_name)) is not None:
            self._keep(campaign, replace(last, stale=True))
        for site in campaign.site_totals:
            self._keep_site_total((campaign.totals_name, site.host), None)


def _calculate_progress(campaign: Campaign, published: PublishedTotal) -> Progress:
    as_of = datetime.fromtimestamp(published.period_start, campaign.publication.timezone)
    return calculate_progress(
        campaign,
        published.raised,
        listed=published.listed,
        as_of=as_of,
        next_update_at=next_period_start(campaign.publication, as_of),
        stale=published.stale,
    )
