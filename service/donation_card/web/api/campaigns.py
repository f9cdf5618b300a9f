"""Campaigns: the public answers, made once when the published figure changes and kept in the worker's memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from donation_card.application.donations import Donations
from donation_card.domain.campaign import Campaign
from donation_card.domain.progress import Progress
from donation_card.errors import ProgressUnknown
from donation_card.web.http.cached_response import CachedResponse, request_target
from donation_card.web.http.headers import COOP_UNSAFE_NONE, PUBLIC_CORS, cache_control, content_security_policy
from donation_card.web.presentation import card as view
from donation_card.web.presentation import feed
from donation_card.web.presentation import images as pictures
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.documents import CampaignCard

if TYPE_CHECKING:
    from donation_card.web.pages.campaign import PageRenderer

_FRESH: Final = 30
"""Seconds; with as long again to renew it, no reader sees a text or a picture that is older than a minute."""

_READY: Final = 50
"""Spellings of a card's address, for each campaign, that are answered before routing: queries can be endless."""

_Key = TypeVar("_Key")

IMAGES: Final[Mapping[str, tuple[Callable[[CampaignCard], bytes], str]]] = {
    "badge.svg": (pictures.badge_svg, "image/svg+xml"),
    "badge.png": (pictures.badge_png, "image/png"),
    "share.png": (pictures.open_graph_png, "image/png"),
}


@dataclass(slots=True)
class CachedCampaign:
    """What is ready to be sent about one campaign as it stands now; each answer is made when first asked for."""

    campaign: Campaign
    progress: Progress | None
    accepting: bool
    responses: dict[tuple[str, str], CachedResponse] = field(default_factory=dict)
    """By what it is (card, page, badge.svg …) and language."""
    prerouted_paths: list[str] = field(default_factory=list)
    """What of it is answered before routing, by path and query."""

    def is_current(self, campaign: Campaign, progress: Progress | None, open_now: bool) -> bool:
        return self.campaign is campaign and self.progress == progress and self.accepting == open_now

    @property
    def revalidate(self) -> bool:
        """Whether each reader must ask again: the figure moves at any time, or is not known yet."""
        return self.campaign.publication.immediate or (self.progress is None and not self.campaign.hidden)


class CampaignResponseCache:
    """The shelves of all campaigns. `ready`: by path, with its query if there is one, what needs no routing at all."""

    def __init__(self, donations: Donations, pages: PageRenderer, ready: dict[str, CachedResponse]) -> None:
        self._donations, self._renderer = donations, pages
        self._entries: dict[str, CachedCampaign] = {}
        self._lists: dict[str, CachedResponse] = {}
        self._drawing = asyncio.Lock()
        self.ready = ready

    async def refresh(self, *, query: bool = True) -> None:
        """Let every figure be decided if it is time; called about once a second.

        Without asking, where the ledger is known to be away, every figure is doubted at once: each question would wait.
        """
        for campaign in self._donations.visible():
            if query:
                await self._donations.refresh(campaign)
            else:
                self._donations.mark_stale(campaign)
            self.entry(campaign)

    def evict_hidden(self) -> None:
        """Forget at once what campaign files say no longer, and ask for no figure: what is hidden must be gone."""
        campaigns = self._donations.visible()
        for campaign in campaigns:
            self.entry(campaign)
        for campaign_id in self._entries.keys() - {campaign.id for campaign in campaigns}:
            self._evict(self._entries.pop(campaign_id))

    def entry(self, campaign: Campaign) -> CachedCampaign:
        """The campaign's shelf, cleared if anything that readers see has changed."""
        progress, open_now = self._donations.public_progress(campaign), self._donations.accepts(campaign)
        entry = self._entries.get(campaign.id)
        if entry is None or not entry.is_current(campaign, progress, open_now):
            if entry is not None:
                self._evict(entry)
            entry = self._entries[campaign.id] = CachedCampaign(campaign, progress, open_now)
            self._lists.clear()
            if progress is not None:
                headers = PUBLIC_CORS | cache_control(5, revalidate=campaign.publication.immediate, stale_if_error=True)
                answer = CachedResponse(_json(view.progress_json(campaign, progress)), "application/json", headers)
                self._keep_ready(entry, _progress_path(campaign.id), answer)
        return entry

    def _keep_ready(self, entry: CachedCampaign, as_asked: str, answer: CachedResponse) -> None:
        if len(entry.prerouted_paths) < _READY:
            entry.prerouted_paths.append(as_asked)
            self.ready[as_asked] = answer

    def _evict(self, entry: CachedCampaign) -> None:
        for as_asked in entry.prerouted_paths:
            self.ready.pop(as_asked, None)
        self._lists.clear()

    def progress(self, campaign: Campaign) -> CachedResponse:
        """Raises FigureUnknown: unknown is not zero."""
        self.entry(campaign)
        answer = self.ready.get(_progress_path(campaign.id))
        if answer is None:
            raise ProgressUnknown
        return answer

    def card(self, campaign: Campaign, lang: str, as_asked: str) -> CachedResponse:
        """Also of a hidden campaign: its neutral line. `as_asked`: the path and query, for the next time.

        Raises FigureUnknown.
        """
        entry = self.entry(campaign)
        if entry.progress is None and not campaign.hidden:
            raise ProgressUnknown

        def make() -> CachedResponse:
            return CachedResponse(
                _json(self._card_json(entry, lang)),
                "application/json",
                PUBLIC_CORS | cache_control(_FRESH, revalidate=entry.revalidate),
            )

        answer = _made(entry.responses, ("card", lang), make)
        self._keep_ready(entry, as_asked, answer)
        return answer

    def page(self, campaign: Campaign, lang: str) -> CachedResponse:
        entry = self.entry(campaign)

        def make() -> CachedResponse:
            html = self._renderer.campaign(
                campaign, entry.progress, texts.translations_for(lang), open_now=entry.accepting
            )
            return _page(html, live=entry.revalidate)

        return _made(entry.responses, ("page", lang), make)

    def campaign_list(self, lang: str) -> CachedResponse:
        """The campaigns that take gifts; looked at again by each `refresh`, not by each reader."""

        def make() -> CachedResponse:
            opened = [entry for entry in map(self.entry, self._donations.visible()) if entry.accepting]
            cards = [self._card_json(entry, entry.campaign.best_language((lang,))) for entry in opened]
            return _page(
                self._renderer.campaigns(cards, texts.translations_for(lang)),
                live=any(entry.revalidate for entry in opened),
            )

        return _made(self._lists, lang, make)

    def feed(self, campaign: Campaign, lang: str) -> CachedResponse:
        def make() -> CachedResponse:
            body = feed.atom(campaign, texts.translations_for(lang), self._renderer.settings.public_url)
            return CachedResponse(
                body, "application/atom+xml; charset=utf-8", PUBLIC_CORS | cache_control(_FRESH, revalidate=False)
            )

        return _made(self.entry(campaign).responses, ("feed", lang), make)

    async def picture(self, campaign: Campaign, lang: str, name: str) -> CachedResponse:
        """One of `PICTURES`, drawn in a thread, one at a time; of a hidden campaign a neutral one."""
        async with self._drawing:
            entry = self.entry(campaign)
            if (name, lang) not in entry.responses:
                draw, media_type = IMAGES[name]
                body = await run_in_threadpool(draw, self._card_json(entry, lang))
                headers = (
                    PUBLIC_CORS
                    | cache_control(_FRESH, revalidate=entry.revalidate)
                    | {"content-security-policy": pictures.IMAGE_CSP}
                )
                entry.responses[name, lang] = CachedResponse(body, media_type, headers)
            return entry.responses[name, lang]

    def _card_json(self, entry: CachedCampaign, lang: str) -> CampaignCard:
        test = not self._renderer.settings.livemode
        return view.card_json(
            entry.campaign, entry.progress, texts.translations_for(lang), open_now=entry.accepting, test=test
        )


class CampaignEndpoints:
    """`/v1/campaigns/…`, and what is the same campaign in another form: pictures, the feed."""

    def __init__(self, donations: Donations, response_cache: CampaignResponseCache) -> None:
        self.donations, self.board = donations, response_cache

    async def show(self, request: Request) -> CachedResponse:
        campaign = self.donations.campaigns.get(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        return self.board.card(campaign, campaign.best_language(wanted), request_target(request.scope))

    async def progress(self, request: Request) -> CachedResponse:
        return self.board.progress(self.donations.campaign(request.path_params["id"]))

    async def picture(self, request: Request) -> CachedResponse:
        campaign = self.donations.campaigns.get(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        name = request.url.path.rpartition("/")[2]
        return await self.board.picture(campaign, campaign.best_language(wanted), name)

    async def feed(self, request: Request) -> CachedResponse:
        campaign = self.donations.campaign(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        return self.board.feed(campaign, campaign.best_language(wanted))


def language_for(request: Request, campaign: Campaign) -> str:
    """For pages: the one asked for, else the browser's, else the campaign's own. Raises `language_malformed`."""
    wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
    return campaign.best_language(wanted or texts.parse_accept_language(request.headers.get("accept-language", "")))


def _made(made: dict[_Key, CachedResponse], key: _Key, make: Callable[[], CachedResponse]) -> CachedResponse:
    if key not in made:
        made[key] = make()
    return made[key]


def _page(html: str, *, live: bool) -> CachedResponse:
    headers = (
        cache_control(_FRESH, revalidate=live)
        | content_security_policy()
        | COOP_UNSAFE_NONE
        | {"vary": "accept-language"}
    )
    return CachedResponse(html.encode(), "text/html; charset=utf-8", headers)


def _progress_path(campaign_id: str) -> str:
    return f"/v1/campaigns/{campaign_id}/progress"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
