"""Campaigns: the public answers, made once when the published figure changes and kept in the worker's memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

from service.domain.campaign import Campaign
from service.domain.progress import Progress
from service.donations import Donations
from service.errors import FigureUnknown
from service.web import texts, view
from service.web.answers import Answer
from service.web.headers import SHARED, fresh, policy

_FRESH: Final = 30
"""Seconds; with as long again to renew it, no reader sees a text that is older than a minute."""

Render = Callable[..., str]


@dataclass(slots=True)
class Shelf:
    """What is ready to be sent about one campaign as it stands now; each language is made when first asked for."""

    campaign: Campaign
    figure: Progress | None
    open_now: bool
    cards: dict[str, Answer] = field(default_factory=dict)
    pages: dict[str, Answer] = field(default_factory=dict)

    def same(self, campaign: Campaign, figure: Progress | None, open_now: bool) -> bool:
        return self.campaign is campaign and self.figure == figure and self.open_now == open_now


class Board:
    """The shelves of all campaigns. `ready` maps a path to the progress answer that needs no routing at all."""

    def __init__(self, donations: Donations, render_page: Render, *, test: bool) -> None:
        self._donations, self._render_page, self._test = donations, render_page, test
        self._shelves: dict[str, Shelf] = {}
        self.ready: dict[str, Answer] = {}

    async def refresh(self, *, ask: bool = True) -> None:
        """Let every figure be decided if it is time; called about once a second.

        Without asking, where the ledger is known to be away, every figure is doubted at once: each question would wait.
        """
        campaigns = self._donations.visible()
        for campaign in campaigns:
            if ask:
                await self._donations.refresh(campaign)
            else:
                self._donations.doubt(campaign)
            self.shelf(campaign)
        gone = self._shelves.keys() - {campaign.id for campaign in campaigns}
        for campaign_id in gone:
            del self._shelves[campaign_id]
            self.ready.pop(_progress_path(campaign_id), None)

    def shelf(self, campaign: Campaign) -> Shelf:
        """The campaign's shelf, cleared if anything that readers see has changed."""
        figure, open_now = self._donations.shown(campaign), self._donations.accepts(campaign)
        shelf = self._shelves.get(campaign.id)
        if shelf is None or not shelf.same(campaign, figure, open_now):
            shelf = self._shelves[campaign.id] = Shelf(campaign, figure, open_now)
            path = _progress_path(campaign.id)
            if figure is None:
                self.ready.pop(path, None)
            else:
                headers = SHARED | fresh(5, live=campaign.publication.live, if_error=True)
                self.ready[path] = Answer(_json(view.progress(campaign, figure)), "application/json", headers)
        return shelf

    def progress(self, campaign: Campaign) -> Answer:
        """Raises FigureUnknown: unknown is not zero."""
        self.shelf(campaign)
        answer = self.ready.get(_progress_path(campaign.id))
        if answer is None:
            raise FigureUnknown
        return answer

    def card(self, campaign: Campaign, lang: str) -> Answer:
        shelf = self.shelf(campaign)
        if shelf.figure is None:
            raise FigureUnknown
        if lang not in shelf.cards:
            words = texts.texts(lang)
            drawn = view.card(campaign, shelf.figure, words, open_now=shelf.open_now, test=self._test)
            headers = SHARED | fresh(_FRESH, live=campaign.publication.live)
            shelf.cards[lang] = Answer(_json(drawn), "application/json", headers)
        return shelf.cards[lang]

    def page(self, campaign: Campaign, lang: str) -> Answer:
        shelf = self.shelf(campaign)
        if lang not in shelf.pages:
            html = self._render_page(campaign, shelf.figure, texts.texts(lang), open_now=shelf.open_now)
            live = campaign.publication.live or shelf.figure is None
            headers = fresh(_FRESH, live=live) | policy() | {"vary": "accept-language"}
            shelf.pages[lang] = Answer(html.encode(), "text/html; charset=utf-8", headers)
        return shelf.pages[lang]


class CampaignEndpoints:
    """`/v1/campaigns/…`."""

    def __init__(self, donations: Donations, board: Board) -> None:
        self.donations, self.board = donations, board

    async def show(self, request: Request) -> Any:
        campaign = self.donations.campaign(request.path_params["id"])
        wanted = texts.wanted(request.query_params.get("lang", ""))
        return self.board.card(campaign, campaign.language(wanted))

    async def progress(self, request: Request) -> Any:
        return self.board.progress(self.donations.campaign(request.path_params["id"]))


def language(request: Request, campaign: Campaign) -> str:
    """For pages: the one asked for, else the browser's, else the campaign's own. Raises `language_malformed`."""
    wanted = texts.wanted(request.query_params.get("lang", ""))
    return campaign.language(wanted or texts.accepted(request.headers.get("accept-language", "")))


def _progress_path(campaign_id: str) -> str:
    return f"/v1/campaigns/{campaign_id}/progress"


def _json(value: view.Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
