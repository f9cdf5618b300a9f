"""Keep the static pages that the proxy serves while the service does not answer: the ways to give without it.

Each campaign that takes gifts has one page in each of its languages. The pages hold no total, story, picture or form.
Donors who come from Stripe get one page for all campaigns, in each language.
"""

import contextlib
import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.page_folder import PageFolder
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.ways_to_give import WayToGive
from donation_card.errors import NotFound
from donation_card.observability.log_events import LogEvent, log
from donation_card.web.http.headers import content_hash
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.translations import translations_for

_IN_TURN = 100
"""Campaigns whose status is compared each second. A public total that reaches the goal can close one."""

_SWEEP_INTERVAL = 900.0
"""Seconds between two comparisons of the whole folder with all campaigns."""

_SWEEP_RETRY = 20.0
"""Seconds until a comparison that failed is tried again."""

_TIME_SLICE = 0.05
"""Seconds of CPU at once. The pause after it is longer, so that thousands of pages delay no request."""

_LONGEST_SLICE = 1.0
"""Seconds after which a slice ends on a slow disk."""

_THANKS = "-thanks"
"""The name of the page that is sent instead of the thanks of each campaign. The id of a campaign begins otherwise."""

Offer = tuple[Campaign, tuple[WayToGive, ...]]
"""A campaign that takes gifts, with its ways."""


class FallbackPages:
    """Compare the campaigns with the folder. Every worker does, and writes only what differs.

    The methods block, so call them in a thread. Without a folder they do nothing.
    """

    def __init__(
        self, campaigns: Campaigns, progress: PublicProgress, renderer: GivingPageRenderer, folder: PageFolder | None
    ) -> None:
        self._campaigns, self._progress = campaigns, progress
        self._renderer, self._folder = renderer, folder
        self._offered: dict[str, Offer] = {}
        self._unchecked: dict[str, bool] = {each.id: False for each in campaigns.all()} if folder else {}
        """The campaigns that may not be offered as before. True: an edit, whose pages are written before others."""
        self._seen: set[str] = set()
        """The campaigns that were compared once. Pages of others can be those of an earlier process."""
        self._waiting: OrderedDict[str, None] = OrderedDict()
        """The campaigns whose pages may differ from the folder. The last one is the next."""
        self._ends: list[tuple[datetime, str]] = []
        self._turn: list[str] = []
        self._next_turn = self._next_sweep = 0.0
        """In seconds of `time.monotonic`."""
        self._lock = threading.Lock()
        self._is_interrupted = False
        """True while pages wait to be removed. Only the page that is being written comes before them."""
        self._was_loading = True
        """True if some of the last changes can be campaigns that were loaded for the first time."""
        self.error: str | None = None
        """The reason why a page could not be written or removed, or None."""

    def remove_withdrawn(self, changed: Iterable[str]) -> None:
        """Remove the pages of changed campaigns that take no gifts any more, or whose ways changed.

        Call it as soon as a campaign file changed, before any other work. Pages of edited campaigns are then written
        before all others, also before those of campaigns that are loaded for the first time.
        """
        if self._folder:
            self._is_interrupted = True
            with self._lock:
                self._is_interrupted = False
                self._unchecked |= dict.fromkeys(changed, not self._was_loading)
                self._was_loading = self._campaigns.unread() > 0
                self._attempt(self._check, self._folder)

    def update(self) -> bool:
        """Write pages for a moment. Return True if more are waiting."""
        if self._folder is None:
            return False
        with self._lock:
            self._add_due()
            done = self._attempt(self._check, self._folder)
            if time.monotonic() >= self._next_sweep and not self._campaigns.unread():
                done = self._attempt(self._sweep, self._folder) and done
            done = self._attempt(self._write_some, self._folder) and done
            if done and not self._waiting:
                self.error = None
            return done and bool(self._waiting)

    def _add_due(self) -> None:
        """Add the campaigns that have ended, and some in turn."""
        while self._ends and self._ends[0][0] <= self._progress.clock():
            self._unchecked.setdefault(heapq.heappop(self._ends)[1], False)
        if time.monotonic() >= self._next_turn:
            self._next_turn = time.monotonic() + 1
            self._turn = self._turn or [each.id for each in self._campaigns.all()]
            self._unchecked = dict.fromkeys(self._turn[:_IN_TURN], False) | self._unchecked
            del self._turn[:_IN_TURN]

    def _attempt(self, work: Callable[[PageFolder], None], folder: PageFolder) -> bool:
        try:
            work(folder)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if self.error != reason:  # log the change, not every second of it
                log.warning(LogEvent.FALLBACK_PAGES_FAILED, reason=reason)
            self.error = reason
            return False
        return True

    def _check(self, folder: PageFolder) -> None:
        """Remove what is no longer offered, and note whose pages may have to be written. A failure is tried again."""
        unchecked, self._unchecked = self._unchecked, {}
        failure: OSError | None = None
        for campaign_id, is_edit in unchecked.items():
            try:
                self._compare(campaign_id, folder, is_edit)
            except OSError as error:
                self._unchecked[campaign_id], failure = is_edit, error
        if failure:
            raise failure

    def _compare(self, campaign_id: str, folder: PageFolder, is_edit: bool) -> None:
        before, offer = self._offered.get(campaign_id), self._read_offer(campaign_id)
        is_first = campaign_id not in self._seen
        if (offer is None and is_first) or (before and (offer is None or offer[1] != before[1])):
            self._waiting.pop(campaign_id, None)
            folder.remove(f"{campaign_id}.{language}" for language in LANGUAGES)
        self._seen.add(campaign_id)
        self._offered.pop(campaign_id, None)
        if offer:
            self._offered[campaign_id] = offer
            if before is None or before[0] is not offer[0]:
                self._waiting[campaign_id] = None
                self._waiting.move_to_end(campaign_id, last=is_edit or not is_first)
                if offer[0].ends_at:
                    heapq.heappush(self._ends, (offer[0].ends_at, campaign_id))

    def _read_offer(self, campaign_id: str) -> Offer | None:
        with contextlib.suppress(NotFound):
            campaign = self._campaigns.get_visible(campaign_id)
            if ways := self._progress.ways_to_give(campaign):
                return campaign, ways
        return None

    def _sweep(self, folder: PageFolder) -> None:
        """Look at each campaign, remove the pages of vanished ones, and note or write pages that are missing."""
        self._next_sweep = time.monotonic() + _SWEEP_RETRY
        self._unchecked = dict.fromkeys((each.id for each in self._campaigns.all()), False) | self._unchecked
        self._check(folder)
        found = folder.names()
        owned = {name for campaign, _ in self._offered.values() for name in campaign.page_names}
        for campaign_id in {name.partition(".")[0] for name in owned - found}:
            self._waiting.setdefault(campaign_id)
        try:
            folder.remove(name for name in found - owned if name.partition(".")[0] != _THANKS)
        finally:
            self._write_thanks(folder)
        self._next_sweep = time.monotonic() + _SWEEP_INTERVAL

    def _write_thanks(self, folder: PageFolder) -> None:
        for language in LANGUAGES:
            page, name = self._renderer.fallback_thanks(translations_for(language)), f"{_THANKS}.{language}"
            mark = f"<!-- {content_hash(page.encode())} -->"
            if folder.last_line(name) != mark:
                folder.write({name: f"{page}\n{mark}\n"})

    def _write_some(self, folder: PageFolder) -> None:
        end, latest = time.thread_time() + _TIME_SLICE, time.monotonic() + _LONGEST_SLICE
        while self._waiting:
            campaign_id = next(reversed(self._waiting))
            campaign, ways = self._offered[campaign_id]
            try:
                for name, page in self._differing_pages(campaign, ways, folder):
                    folder.write({name: page})
                    if not self._campaigns.is_current(campaign_id):  # another worker can have removed this page
                        folder.remove([name])
                        self._waiting.move_to_end(campaign_id, last=False)
                        return
                    if self._is_interrupted or time.thread_time() >= end or time.monotonic() >= latest:
                        return
            except OSError:
                self._give_up(campaign, folder)
                raise
            del self._waiting[campaign_id]

    def _differing_pages(
        self, campaign: Campaign, ways: tuple[WayToGive, ...], folder: PageFolder
    ) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of each page to write. The mark at its end says what it was made of."""
        mark = self._renderer.fallback_mark(campaign, ways)
        for name in campaign.page_names:
            if folder.last_line(name) != mark:
                yield name, f"{self._renderer.fallback(campaign, ways, translations_for(name[-2:]))}\n{mark}\n"

    def _give_up(self, campaign: Campaign, folder: PageFolder) -> None:
        """Remove the pages that could not be written: an old one can name an account that was withdrawn.

        If that fails too, the fault is of this campaign alone, and the others go on.
        """
        try:
            folder.remove(campaign.page_names)
        except OSError:
            self._waiting.move_to_end(campaign.id, last=False)
            raise
