"""Keep the static pages that the proxy serves while the service does not answer: the ways to give without it.

Each campaign that takes gifts has one page in each of its languages. The pages hold no total, story, picture or form.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.page_folder import PageFolder
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.ways_to_give import WayToGive
from donation_card.observability.log_events import LogEvent, log
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.translations import translations_for

_CHECK_INTERVAL = 20.0
"""Seconds between two looks at the status of all campaigns. A public total that reaches the goal can close one."""

_SWEEP_INTERVAL = 300.0
"""Seconds between two comparisons of the folder with the campaigns."""

_TIME_SLICE = 0.05
"""Seconds of work at once. The pause after it is longer, so that thousands of pages delay no request."""


class FallbackPages:
    """Compare the campaigns with the folder. Every worker does, and writes only what differs.

    The methods block, so call them in a thread. Without a folder they do nothing.
    """

    def __init__(
        self, campaigns: Campaigns, progress: PublicProgress, renderer: PageRenderer, folder: PageFolder | None
    ) -> None:
        self._campaigns, self._progress = campaigns, progress
        self._renderer, self._folder = renderer, folder
        self._offered: dict[str, tuple[Campaign, tuple[WayToGive, ...]]] = {}
        """The campaigns that take gifts, with their ways."""
        self._waiting: dict[str, Campaign] = {}
        """The campaigns whose pages may differ from the folder. The last one is the next."""
        self._next_end: datetime | None = None
        self._next_check = self._next_sweep = 0.0
        """When the next look and the next comparison are due, in seconds of `time.monotonic`."""
        self._lock = threading.Lock()
        self.error: str | None = None
        """The reason why a page could not be written or removed, or None."""

    def remove_withdrawn(self) -> None:
        """Remove the pages of campaigns that take no gifts any more, and of campaigns whose ways changed.

        Call it as soon as a campaign file changed, before any other work.
        """
        if self._folder:
            with self._lock:
                self._attempt(self._compare, self._folder)

    def update(self) -> bool:
        """Write pages for a moment. Return True if more are waiting."""
        if self._folder is None:
            return False
        with self._lock:
            done = True
            ended = self._next_end is not None and self._progress.clock() >= self._next_end
            if ended or time.monotonic() >= self._next_check:
                done = self._attempt(self._compare, self._folder)
            done = self._attempt(self._write_some, self._folder) and done
            if done and not self._waiting:
                self.error = None
            return done and bool(self._waiting)

    def _attempt(self, work: Callable[[PageFolder], None], folder: PageFolder) -> bool:
        try:
            work(folder)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if self.error != reason:  # log the change, not every second of it
                log.warning(LogEvent.FALLBACK_PAGES_FAILED, reason=reason)
            self.error, self._next_sweep = reason, 0.0
            return False
        return True

    def _compare(self, folder: PageFolder) -> None:
        """Remove what is no longer offered, and note whose pages may have to be written."""
        self._next_check = time.monotonic() + _CHECK_INTERVAL
        before, self._offered = self._offered, self._read_ways()
        ends = [campaign.ends_at for campaign, _ in self._offered.values()]
        self._next_end = min(filter(None, ends), default=None)
        for campaign_id, (campaign, _) in self._offered.items():
            if campaign_id not in before or before[campaign_id][0] is not campaign:
                self._waiting.pop(campaign_id, None)
                self._waiting[campaign_id] = campaign  # the last one, so that an edit is written first
        for campaign_id, (_, ways) in before.items():
            if campaign_id not in self._offered:
                self._waiting.pop(campaign_id, None)
            elif self._offered[campaign_id][1] == ways:
                continue
            folder.remove(f"{campaign_id}.{language}" for language in LANGUAGES)
        if time.monotonic() >= self._next_sweep:
            self._sweep(folder)

    def _read_ways(self) -> dict[str, tuple[Campaign, tuple[WayToGive, ...]]]:
        found = ((each, self._progress.ways_to_give(each)) for each in self._campaigns.all_visible())
        return {campaign.id: (campaign, ways) for campaign, ways in found if ways}

    def _sweep(self, folder: PageFolder) -> None:
        """Remove the pages of vanished campaigns, and note pages that somebody deleted."""
        found = folder.names()
        owners = {name: each for each, _ in self._offered.values() for name in each.page_names}
        folder.remove(found - owners.keys())
        self._waiting |= {owners[name].id: owners[name] for name in owners.keys() - found}
        self._next_sweep = time.monotonic() + _SWEEP_INTERVAL

    def _write_some(self, folder: PageFolder) -> None:
        end = time.monotonic() + _TIME_SLICE
        while self._waiting and time.monotonic() < end:
            campaign_id, campaign = self._waiting.popitem()
            try:
                self._write(campaign, folder)
            except OSError:
                self._waiting[campaign_id] = campaign
                folder.remove(campaign.page_names)  # an old page can name an account that was withdrawn
                raise

    def _write(self, campaign: Campaign, folder: PageFolder) -> None:
        """Write the pages of a campaign. The mark at the end of a page says what it was made of."""
        _, ways = self._offered[campaign.id]
        mark = self._renderer.fallback_mark(campaign, ways)
        names = campaign.page_names
        if all(folder.last_line(name) == mark for name in names):
            return
        pages = {name: self._renderer.fallback(campaign, ways, translations_for(name[-2:])) for name in names}
        folder.write({name: f"{page}\n{mark}\n" for name, page in pages.items()})
