"""Make the public responses of each campaign, and keep them until something changes that readers see."""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.pictures import Pictures
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.progress import Progress
from donation_card.domain.publication import PublishedTotal
from donation_card.domain.site_total import SiteTotal
from donation_card.errors import NotFound, ProgressUnknown
from donation_card.memory import release_freed_memory
from donation_card.observability.metrics import cached_reads
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import (
    COOP_UNSAFE_NONE,
    IMAGE_CSP,
    NO_STORE,
    PUBLIC_CORS,
    Headers,
    cache_control,
    content_security_policy,
)
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.presentation import card as view, feed, spending
from donation_card.web.presentation.campaign_list import ListedCampaign
from donation_card.web.presentation.documents import CampaignCard
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.site_total import site_total_json, site_total_texts
from donation_card.web.presentation.translations import Translations, choose_translations

_MAX_AGE = 30
"""Seconds. A cache may send a response for twice as long, so texts and pictures are at most a minute old."""

_MAX_TARGETS = 50
"""Request targets of one campaign in the response cache. Clients can add any query."""

_MAX_SHARED = 50
"""Responses about several campaigns that are kept. A list of thousands has pages that few readers open."""

PAGE_SIZE = 24
"""Campaigns on one page of the list. It then has 60 to 70 kB before compression, and is made in 8 ms of CPU."""

IMAGES = {"badge.svg": "image/svg+xml", "badge.png": "image/png", "share.png": "image/png"}
"""Media type of each image, by the name in its URL."""


@dataclass(slots=True, eq=False)
class CachedCampaign:
    """The responses for one state of a campaign. Each is made when it is first requested."""

    campaign: Campaign
    progress: Progress | None
    status: Status
    sites: tuple[PublishedTotal | None, ...] = ()
    """The public totals of the campaign's `site_totals`, in their order."""
    responses: dict[tuple[str, str], CachedResponse] = field(default_factory=dict)
    """By kind (card, page, badge.svg, …) and language."""
    targets: list[str] = field(default_factory=list)
    """Its request targets in the response cache."""

    def is_current(
        self, campaign: Campaign, progress: Progress | None, status: Status, sites: tuple[PublishedTotal | None, ...]
    ) -> bool:
        """Return True if readers see the same as when the responses were made."""
        same = self.progress == progress and self.sites == sites
        return self.campaign is campaign and same and self.status is status

    @property
    def revalidate(self) -> bool:
        """Return True if the public total is unknown or can change at any time."""
        return self.campaign.publication.immediate or (self.progress is None and not self.campaign.hidden)


class CampaignResponseCache:
    """Make the responses of all campaigns, and evict them when anything changes that readers see.

    Progress and cards are also put into the response cache, which is read before routing.
    """

    def __init__(
        self,
        campaigns: Campaigns,
        progress: PublicProgress,
        pages: PageRenderer,
        response_cache: ResponseCache,
        pictures: Pictures,
    ) -> None:
        self._campaigns, self._progress = campaigns, progress
        self._renderer, self._response_cache, self._pictures = pages, response_cache, pictures
        self._entries: dict[str, CachedCampaign] = {}
        self._shared: dict[tuple[str, str], tuple[Sequence[CachedCampaign], CachedResponse]] = {}
        """By name and language: the entries that a response shows, and the response. The one used last is last."""
        self._several: dict[str, Set[str]] = {}
        """Request targets of cards of several campaigns in the response cache, with the ids of their campaigns."""
        self._open: tuple[Sequence[Campaign], Sequence[str], Sequence[Campaign]] | None = None
        """The campaigns and failures that were searched, and those campaigns that accept donations."""
        self._drawing = asyncio.Lock()

    def count_reads(self) -> None:
        """Report to the metrics how often the response cache was used since the last time."""
        cached_reads.metric.inc(self._response_cache.take_hits())

    def keep_only(self, campaign_ids: Set[str]) -> None:
        """Evict the responses of all other campaigns."""
        for campaign_id in self._entries.keys() - campaign_ids:
            self._evict(campaign_id)

    def entry(self, campaign: Campaign) -> CachedCampaign:
        """Return the campaign's entry. Replace it by an empty one if anything has changed that readers see."""
        progress, status = self._progress.get(campaign), self._progress.status(campaign)
        sites = tuple(self._progress.site_total(campaign, each) for each in campaign.site_totals)
        entry = self._entries.get(campaign.id)
        if entry is None or not entry.is_current(campaign, progress, status, sites):
            if entry is None or entry.status is not status:
                self._open = None
            self._evict(campaign.id)
            entry = self._entries[campaign.id] = CachedCampaign(campaign, progress, status, sites)
        return entry

    def _put(self, entry: CachedCampaign, target: str, response: CachedResponse) -> None:
        if len(entry.targets) < _MAX_TARGETS:
            entry.targets.append(target)
            self._response_cache.put(target, response)

    def _evict(self, campaign_id: str) -> None:
        """Evict what shows a campaign. A card of several can lack a new campaign, so that evicts all of them."""
        entry = self._entries.pop(campaign_id, None)
        self._evict_several([target for target, ids in self._several.items() if entry is None or campaign_id in ids])
        if entry:
            self._response_cache.evict(entry.targets)

    def _evict_several(self, targets: Collection[str]) -> None:
        self._response_cache.evict(targets)
        for target in targets:
            del self._several[target]

    def _get_or_make_shared(
        self, key: tuple[str, str], entries: Sequence[CachedCampaign], make: Callable[[], CachedResponse]
    ) -> CachedResponse:
        """Return a response that shows these entries. It is made again when one of them was replaced."""
        found = self._shared.pop(key, None)
        response = found[1] if found and found[0] == entries else make()
        self._shared[key] = entries, response
        if len(self._shared) > _MAX_SHARED:
            del self._shared[next(iter(self._shared))]
        return response

    def progress(self, campaign: Campaign) -> CachedResponse:
        """Return the progress. Raise ProgressUnknown if no public total is known."""
        entry = self.entry(campaign)
        if entry.progress is None:
            raise self._unknown(campaign)
        headers = PUBLIC_CORS | cache_control(5, revalidate=campaign.publication.immediate, stale_if_error=True)
        body = _json(view.progress_json(campaign, entry.progress))
        response = CachedResponse(body, "application/json", headers)
        self._put(entry, f"/v1/campaigns/{campaign.id}/progress", response)
        return response

    def card(self, campaign: Campaign, t: Translations, target: str) -> CachedResponse:
        """Return the card, or the neutral card of a hidden campaign. The next request of `target` needs no routing.

        A card without a total says that it is being rebuilt. Raise ProgressUnknown if not even that is known.
        """
        entry = self.entry(campaign)
        if entry.progress is None and not campaign.hidden and not self._progress.is_rebuilding(campaign):
            raise self._unknown(campaign)

        def make() -> CachedResponse:
            return CachedResponse(
                _json(self._card_json(entry, t)),
                "application/json",
                PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=entry.revalidate),
            )

        response = _get_or_make(entry.responses, ("card", t.language), make)
        self._put(entry, target, response)
        return response

    def several(self, campaigns: Sequence[Campaign], t: Translations, target: str) -> CachedResponse:
        """Return one card of several campaigns. The next request of `target` needs no routing.

        Hidden campaigns, and those that cannot be refreshed, are left out. Raise ProgressUnknown if no total is known.
        """
        visible = [each for each in campaigns if not each.hidden]
        entries = [self.entry(each) for each in visible if each.id not in self._progress.failures]
        if visible and not any(each.progress or self._progress.is_rebuilding(each.campaign) for each in entries):
            raise self._unknown(visible[0])

        def make() -> CachedResponse:
            listed = [ListedCampaign(each.campaign, each.progress, each.status) for each in entries]
            headers = PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=any(each.revalidate for each in entries))
            body = _json(self._renderer.campaign_list_json(campaigns, listed, t))
            return CachedResponse(body, "application/json", headers)

        ids = [each.id for each in campaigns]
        response = self._get_or_make_shared((f"ids={','.join(ids)}", t.language), entries, make)
        self._several[target] = {*ids}
        self._response_cache.put(target, response)
        if len(self._several) > _MAX_SHARED:
            self._evict_several([next(iter(self._several))])
        return response

    def spending(self, campaign: Campaign, t: Translations) -> CachedResponse:
        entry = self.entry(campaign)

        def make() -> CachedResponse:
            headers = PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=entry.revalidate)
            return CachedResponse(_json(spending.spending_json(campaign, t)), "application/json", headers)

        return _get_or_make(entry.responses, ("spending", t.language), make)

    def _unknown(self, campaign: Campaign) -> ProgressUnknown:
        return ProgressUnknown(reason="rebuilding" if self._progress.is_rebuilding(campaign) else "unavailable")

    def page(self, campaign: Campaign, t: Translations) -> CachedResponse:
        entry = self.entry(campaign)

        def make() -> CachedResponse:
            html = self._renderer.campaign(campaign, entry.progress, t, entry.status)
            return _page(html, revalidate=entry.revalidate)

        return _get_or_make(entry.responses, ("page", t.language), make)

    def campaign_list(self, number: int, t: Translations) -> CachedResponse:
        """Return a page of the list of campaigns that accept donations. Raise NotFound if there is no such page."""
        campaigns = self._open_campaigns()
        pages = max(1, math.ceil(len(campaigns) / PAGE_SIZE))
        if not 1 <= number <= pages:
            raise NotFound
        entries = [self.entry(each) for each in campaigns[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]]

        def make() -> CachedResponse:
            cards = [self._card_json(entry, choose_translations(t.language, entry.campaign)) for entry in entries]
            html = self._renderer.campaigns(cards, t, number, pages)
            return _page(html, revalidate=any(entry.revalidate for entry in entries))

        return self._get_or_make_shared((f"page {number} of {pages}", t.language), entries, make)

    def _open_campaigns(self) -> Sequence[Campaign]:
        """Return the campaigns that accept donations, in their order. Search again only if one can have changed."""
        campaigns, failures = self._campaigns.all(), [*self._progress.failures]
        if self._open is None or self._open[0] is not campaigns or self._open[1] != failures:
            refreshed = [each for each in self._campaigns.all_visible() if each.id not in self._progress.failures]
            found = [each for each in refreshed if self.entry(each).status is Status.OPEN]
            self._open = campaigns, failures, found
        return self._open[2]

    def feed(self, campaign: Campaign, t: Translations) -> CachedResponse:
        def make() -> CachedResponse:
            body = feed.atom(campaign, t, self._renderer.settings.public_url)
            return CachedResponse(
                body, "application/atom+xml; charset=utf-8", PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=False)
            )

        return _get_or_make(self.entry(campaign).responses, ("feed", t.language), make)

    async def picture(self, campaign: Campaign, t: Translations, name: str) -> CachedResponse:
        """Return one of IMAGES, neutral for a hidden campaign. One thread at a time draws."""
        from donation_card.web.presentation import images  # Pillow needs memory, and most workers draw nothing

        async with self._drawing:
            entry = self.entry(campaign)
            if (name, t.language) not in entry.responses:
                photo = await self._photo(campaign) if name == images.SHARE_IMAGE else None
                body = await run_in_threadpool(images.draw, name, self._card_json(entry, t), photo)
                await run_in_threadpool(release_freed_memory)
                headers = PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=entry.revalidate) | IMAGE_CSP
                entry.responses[name, t.language] = CachedResponse(body, IMAGES[name], headers)
            return entry.responses[name, t.language]

    def site_page(self, campaign: Campaign, site: SiteTotal, t: Translations) -> CachedResponse:
        """Return the page of a site's total. Raise ProgressUnknown if the total is unknown."""
        total = self._site_total(campaign, site)

        def make() -> CachedResponse:
            html = self._renderer.site_total(campaign, site, total, t)
            return _page(html, revalidate=False, closed=site.token_sha256 is not None)

        return _get_or_make(self.entry(campaign).responses, (f"page of {site.host}", t.language), make)

    def site_total(self, campaign: Campaign, site: SiteTotal) -> CachedResponse:
        """Return a site's total in numbers. Raise ProgressUnknown if it is unknown."""
        total = self._site_total(campaign, site)

        def make() -> CachedResponse:
            return CachedResponse(_json(site_total_json(campaign, site, total)), "application/json", _sharing(site))

        return _get_or_make(self.entry(campaign).responses, (f"total of {site.host}", ""), make)

    async def site_badge(self, campaign: Campaign, site: SiteTotal, t: Translations) -> CachedResponse:
        """Return the badge of a site's total. Raise ProgressUnknown if it is unknown."""
        from donation_card.web.presentation import images  # as in `picture`

        responses, total = self.entry(campaign).responses, self._site_total(campaign, site)

        def make() -> CachedResponse:
            said = site_total_texts(campaign, site, total, t)
            card = self._renderer.card_json(campaign, None, t, self._progress.status(campaign))
            return CachedResponse(images.site_badge_svg(card, said), "image/svg+xml", _sharing(site) | IMAGE_CSP)

        async with self._drawing:
            return await run_in_threadpool(_get_or_make, responses, (f"badge of {site.host}", t.language), make)

    def _site_total(self, campaign: Campaign, site: SiteTotal) -> PublishedTotal:
        total = self._progress.site_total(campaign, site)
        if total is None:
            raise self._unknown(campaign)
        return total

    async def _photo(self, campaign: Campaign) -> bytes | None:
        """Return the campaign's picture, or None if it has none that can be read."""
        if campaign.picture is None or campaign.hidden:
            return None
        image = campaign.picture.image
        with contextlib.suppress(NotFound):
            return await self._pictures.read(image, max(image.widths), "jpg")
        return None

    def _card_json(self, entry: CachedCampaign, t: Translations) -> CampaignCard:
        return self._renderer.card_json(entry.campaign, entry.progress, t, entry.status)


def _get_or_make(
    responses: dict[tuple[str, str], CachedResponse], key: tuple[str, str], make: Callable[[], CachedResponse]
) -> CachedResponse:
    if key not in responses:
        responses[key] = make()
    return responses[key]


def _sharing(site: SiteTotal) -> Headers:
    """Return the header fields for caching and sharing. Nobody keeps a total that needs a token."""
    return NO_STORE if site.token_sha256 else PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=False)


def _page(html: str, *, revalidate: bool, closed: bool = False) -> CachedResponse:
    headers = (
        (NO_STORE if closed else cache_control(_MAX_AGE, revalidate=revalidate))
        | content_security_policy()
        | COOP_UNSAFE_NONE
        | {"vary": "accept-language"}
    )
    return CachedResponse(html.encode(), "text/html; charset=utf-8", headers)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
