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
from donation_card.errors import FigureUnknown
from donation_card.web.http.cached_response import Answer, asked
from donation_card.web.http.headers import OPENED_BY_ANYONE, SHARED, fresh, policy
from donation_card.web.presentation import card as view
from donation_card.web.presentation import feed
from donation_card.web.presentation import images as pictures
from donation_card.web.presentation import translations as texts

if TYPE_CHECKING:
    from donation_card.web.pages.campaign import Pages

_FRESH: Final = 30
"""Seconds; with as long again to renew it, no reader sees a text or a picture that is older than a minute."""

_READY: Final = 50
"""Spellings of a card's address, for each campaign, that are answered before routing: queries can be endless."""

_Key = TypeVar("_Key")

PICTURES: Final[Mapping[str, tuple[Callable[[view.Json], bytes], str]]] = {
    "badge.svg": (pictures.badge_svg, "image/svg+xml"),
    "badge.png": (pictures.badge_png, "image/png"),
    "share.png": (pictures.share_png, "image/png"),
}


@dataclass(slots=True)
class Shelf:
    """What is ready to be sent about one campaign as it stands now; each answer is made when first asked for."""

    campaign: Campaign
    figure: Progress | None
    open_now: bool
    made: dict[tuple[str, str], Answer] = field(default_factory=dict)
    """By what it is (card, page, badge.svg …) and language."""
    ready: list[str] = field(default_factory=list)
    """What of it is answered before routing, by path and query."""

    def same(self, campaign: Campaign, figure: Progress | None, open_now: bool) -> bool:
        return self.campaign is campaign and self.figure == figure and self.open_now == open_now

    @property
    def live(self) -> bool:
        """Whether each reader must ask again: the figure moves at any time, or is not known yet."""
        return self.campaign.publication.live or (self.figure is None and not self.campaign.hidden)


class Board:
    """The shelves of all campaigns. `ready`: by path, with its query if there is one, what needs no routing at all."""

    def __init__(self, donations: Donations, pages: Pages, ready: dict[str, Answer]) -> None:
        self._donations, self._pages = donations, pages
        self._shelves: dict[str, Shelf] = {}
        self._lists: dict[str, Answer] = {}
        self._drawing = asyncio.Lock()
        self.ready = ready

    async def refresh(self, *, ask: bool = True) -> None:
        """Let every figure be decided if it is time; called about once a second.

        Without asking, where the ledger is known to be away, every figure is doubted at once: each question would wait.
        """
        for campaign in self._donations.visible():
            if ask:
                await self._donations.refresh(campaign)
            else:
                self._donations.doubt(campaign)
            self.shelf(campaign)

    def settle(self) -> None:
        """Forget at once what campaign files say no longer, and ask for no figure: what is hidden must be gone."""
        campaigns = self._donations.visible()
        for campaign in campaigns:
            self.shelf(campaign)
        for campaign_id in self._shelves.keys() - {campaign.id for campaign in campaigns}:
            self._clear(self._shelves.pop(campaign_id))

    def shelf(self, campaign: Campaign) -> Shelf:
        """The campaign's shelf, cleared if anything that readers see has changed."""
        figure, open_now = self._donations.shown(campaign), self._donations.accepts(campaign)
        shelf = self._shelves.get(campaign.id)
        if shelf is None or not shelf.same(campaign, figure, open_now):
            if shelf is not None:
                self._clear(shelf)
            shelf = self._shelves[campaign.id] = Shelf(campaign, figure, open_now)
            self._lists.clear()
            if figure is not None:
                headers = SHARED | fresh(5, live=campaign.publication.live, if_error=True)
                answer = Answer(_json(view.progress(campaign, figure)), "application/json", headers)
                self._keep_ready(shelf, _progress_path(campaign.id), answer)
        return shelf

    def _keep_ready(self, shelf: Shelf, as_asked: str, answer: Answer) -> None:
        if len(shelf.ready) < _READY:
            shelf.ready.append(as_asked)
            self.ready[as_asked] = answer

    def _clear(self, shelf: Shelf) -> None:
        for as_asked in shelf.ready:
            self.ready.pop(as_asked, None)
        self._lists.clear()

    def progress(self, campaign: Campaign) -> Answer:
        """Raises FigureUnknown: unknown is not zero."""
        self.shelf(campaign)
        answer = self.ready.get(_progress_path(campaign.id))
        if answer is None:
            raise FigureUnknown
        return answer

    def card(self, campaign: Campaign, lang: str, as_asked: str) -> Answer:
        """Also of a hidden campaign: its neutral line. `as_asked`: the path and query, for the next time.

        Raises FigureUnknown.
        """
        shelf = self.shelf(campaign)
        if shelf.figure is None and not campaign.hidden:
            raise FigureUnknown

        def make() -> Answer:
            return Answer(_json(self._drawn(shelf, lang)), "application/json", SHARED | fresh(_FRESH, live=shelf.live))

        answer = _made(shelf.made, ("card", lang), make)
        self._keep_ready(shelf, as_asked, answer)
        return answer

    def page(self, campaign: Campaign, lang: str) -> Answer:
        shelf = self.shelf(campaign)

        def make() -> Answer:
            html = self._pages.campaign(campaign, shelf.figure, texts.texts(lang), open_now=shelf.open_now)
            return _page(html, live=shelf.live)

        return _made(shelf.made, ("page", lang), make)

    def list(self, lang: str) -> Answer:
        """The campaigns that take gifts; looked at again by each `refresh`, not by each reader."""

        def make() -> Answer:
            opened = [shelf for shelf in map(self.shelf, self._donations.visible()) if shelf.open_now]
            cards = [self._drawn(shelf, shelf.campaign.language((lang,))) for shelf in opened]
            return _page(self._pages.campaigns(cards, texts.texts(lang)), live=any(shelf.live for shelf in opened))

        return _made(self._lists, lang, make)

    def feed(self, campaign: Campaign, lang: str) -> Answer:
        def make() -> Answer:
            body = feed.atom(campaign, texts.texts(lang), self._pages.settings.public_url)
            return Answer(body, "application/atom+xml; charset=utf-8", SHARED | fresh(_FRESH, live=False))

        return _made(self.shelf(campaign).made, ("feed", lang), make)

    async def picture(self, campaign: Campaign, lang: str, name: str) -> Answer:
        """One of `PICTURES`, drawn in a thread, one at a time; of a hidden campaign a neutral one."""
        async with self._drawing:
            shelf = self.shelf(campaign)
            if (name, lang) not in shelf.made:
                draw, media_type = PICTURES[name]
                body = await run_in_threadpool(draw, self._drawn(shelf, lang))
                headers = SHARED | fresh(_FRESH, live=shelf.live) | {"content-security-policy": pictures.POLICY}
                shelf.made[name, lang] = Answer(body, media_type, headers)
            return shelf.made[name, lang]

    def _drawn(self, shelf: Shelf, lang: str) -> view.Json:
        test = not self._pages.settings.live
        return view.card(shelf.campaign, shelf.figure, texts.texts(lang), open_now=shelf.open_now, test=test)


class CampaignEndpoints:
    """`/v1/campaigns/…`, and what is the same campaign in another form: pictures, the feed."""

    def __init__(self, donations: Donations, board: Board) -> None:
        self.donations, self.board = donations, board

    async def show(self, request: Request) -> Answer:
        campaign = self.donations.campaigns.get(request.path_params["id"])
        wanted = texts.wanted(request.query_params.get("lang", ""))
        return self.board.card(campaign, campaign.language(wanted), asked(request.scope))

    async def progress(self, request: Request) -> Answer:
        return self.board.progress(self.donations.campaign(request.path_params["id"]))

    async def picture(self, request: Request) -> Answer:
        campaign = self.donations.campaigns.get(request.path_params["id"])
        wanted = texts.wanted(request.query_params.get("lang", ""))
        name = request.url.path.rpartition("/")[2]
        return await self.board.picture(campaign, campaign.language(wanted), name)

    async def feed(self, request: Request) -> Answer:
        campaign = self.donations.campaign(request.path_params["id"])
        wanted = texts.wanted(request.query_params.get("lang", ""))
        return self.board.feed(campaign, campaign.language(wanted))


def language(request: Request, campaign: Campaign) -> str:
    """For pages: the one asked for, else the browser's, else the campaign's own. Raises `language_malformed`."""
    wanted = texts.wanted(request.query_params.get("lang", ""))
    return campaign.language(wanted or texts.accepted(request.headers.get("accept-language", "")))


def _made(made: dict[_Key, Answer], key: _Key, make: Callable[[], Answer]) -> Answer:
    if key not in made:
        made[key] = make()
    return made[key]


def _page(html: str, *, live: bool) -> Answer:
    headers = fresh(_FRESH, live=live) | policy() | OPENED_BY_ANYONE | {"vary": "accept-language"}
    return Answer(html.encode(), "text/html; charset=utf-8", headers)


def _progress_path(campaign_id: str) -> str:
    return f"/v1/campaigns/{campaign_id}/progress"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
