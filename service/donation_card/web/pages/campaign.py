"""Pages: the campaign, the giving page, thanks and problems, rendered on the server and complete without JavaScript.

`Pages` renders; the endpoints below choose what. Templates get finished text and never compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from donation_card.application.checkout import Checkout
from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.money import Money
from donation_card.domain.progress import Progress
from donation_card.errors import Invalid, NotFound
from donation_card.settings import Settings
from donation_card.web.api.campaigns import Board, language
from donation_card.web.assets import Assets, pinned_card
from donation_card.web.http.cached_response import Answer
from donation_card.web.http.headers import NO_STORE, OPENED_BY_ANYONE, Headers, fresh, permissions, policy
from donation_card.web.presentation import card as view
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.snippet import KINDS, LAYOUTS, THEMES, Look
from donation_card.web.presentation.translations import Texts

_TEMPLATES: Final = Path(__file__).parent.parent / "templates"
_LONGEST_ADDRESS: Final = 300
"""Characters; it travels, signed, in the address that Stripe returns to."""


class Pages:
    """Our templates with what each of them needs."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self.settings = settings
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # an upgrade puts other files there, for other code
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"asset": assets.url, "integrity": assets.integrity}
        for name in self._environment.list_templates():
            self._environment.get_template(name)
        self.assets = assets

    def campaign(self, campaign: Campaign, figure: Progress | None, words: Texts, *, open_now: bool) -> str:
        card = view.card(campaign, figure, words, open_now=open_now, test=not self.settings.live)
        above, below = view.beyond(campaign, words)
        return self._render(
            "campaign.html",
            words,
            page_title=card["title"],
            card=card,
            recipient=campaign.recipient,
            give_url=f"/c/{campaign.id}/give?lang={words.language}",
            warning=view.warning(campaign.warn_banks_of, words),
            need_details={need.id: need.text[words.language].detail for need in campaign.needs},
            above=above,
            below=below,
            offline=view.offline_donations(campaign, figure, words),
            languages=_languages(campaign.languages, words, f"/c/{campaign.id}"),
            updates=view.updates(campaign, words),
            public_url=self.settings.public_url,
            canonical=f"{self.settings.public_url}/c/{campaign.id}?lang={words.language}",
        )

    def campaigns(self, cards: list[view.Json], words: Texts) -> str:
        """The open campaigns of this installation; a card may be in another language than the page."""
        return self._render(
            "campaigns.html",
            words,
            page_title=words.t("page.campaigns"),
            cards=cards,
            languages=_languages(LANGUAGES, words, "/"),
        )

    def frame(self, campaign: Campaign, words: Texts, look: Look) -> Response:
        """The card alone, for a frame on another site. Sandboxed it is of no origin, so that ours is named, too."""
        ours, card = (self.settings.public_url,), pinned_card()
        body = self._render(
            "frame.html",
            words,
            page_title=words.t("card.frame", recipient=campaign.recipient.short_name),
            campaign=campaign,
            looks=look.chosen,
            card_script=card,
        )
        scripts = (*self._named(*card), *self._ours("frame.js"))
        framing = ("'self'", *ours)
        headers = policy(script=scripts, style=ours, connect=ours, frame=framing, ancestors=self._framers(campaign))
        headers |= OPENED_BY_ANYONE | permissions(paying=True)  # on to the giving page, where that opens in place
        shared = {"cross-origin-resource-policy": "cross-origin", "vary": "accept-language"}
        return HTMLResponse(body, 200, fresh(30, live=False) | shared | headers)

    def generator(self, campaign: Campaign, words: Texts, printed: view.Json, chosen: view.Json) -> Response:
        body = self._render(
            "embed.html",
            words,
            page_title=words.t("embed.title"),
            printed=printed,
            chosen=chosen,
            choices={"kind": KINDS, "theme": THEMES, "layout": LAYOUTS},
            spoken=[{"value": lang, "label": texts.texts(lang).t("language")} for lang in campaign.languages],
            frame_title=words.t("card.frame", recipient=campaign.recipient.short_name),
            back_url=f"/c/{campaign.id}?lang={words.language}",
            robots="noindex",
        )
        headers = policy(script=self._ours("embed.js"), frame=("'self'",)) | {"vary": "accept, accept-language"}
        return HTMLResponse(body, 200, fresh(300, live=False) | headers)

    def give(
        self,
        campaign: Campaign,
        figure: Progress | None,
        words: Texts,
        token: str,
        *,
        open_now: bool,
        framed: bool = False,
        given: dict[str, str] | None = None,
        back: str = "",
        error: dict[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """`given`: what the donor had chosen and typed, so that an error loses nothing. `back`: see `way_back`."""
        card = view.card(campaign, figure, words, open_now=open_now, test=not self.settings.live)
        giving, given = campaign.giving, given or {}
        hint = "give.own_hint_decimals" if giving.decimals else "give.own_hint"
        body = self._render(
            "give.html",
            words,
            page_title=words.t("give.title"),
            card=card,
            purpose_line=words.t(
                "give.to",
                recipient=campaign.recipient.short_name,
                purpose=campaign.text[words.language].purpose,
            ),
            warning=view.warning(campaign.warn_banks_of, words),
            token=token,
            action="/v1/checkout-sessions",
            framed=framed,
            back_url=f"/c/{campaign.id}?lang={words.language}",
            back=back,
            back_site=_host(back),
            suggested=[{"value": _plain(money), "label": words.money(money)} for money in giving.suggested],
            own_hint=words.t(hint, minimum=words.money(giving.minimum), maximum=words.money(giving.maximum)),
            own_inputmode="decimal" if giving.decimals else "numeric",
            amount_format=words.amount_pattern(campaign.currency),
            unit=giving.minimum.unit,
            reach=view.reach(campaign, figure, words),
            reach_beyond=words.t("give.reaches_beyond") if figure else "",  # unknown is not funded
            needs_bar=card["needs"],
            details=view.details(campaign, words),
            error=error,
            chosen=given.get("amount", ""),
            typed=given.get("own", ""),
            stripe={"key": self.settings.stripe_publishable_key, "script": self.settings.stripe_script},
            closed=None if open_now else card["notice"],
            fallback_url=campaign.fallback_url,
            share_url=f"{self.settings.public_url}/c/{campaign.id}",
            languages=_languages(campaign.languages, words, f"/c/{campaign.id}/give"),
            robots="noindex",
        )
        return HTMLResponse(body, status, {**NO_STORE, **self._give_headers(campaign)})

    def thanks(self, campaign: Campaign, words: Texts, state: view.Json, back: str) -> Response:
        body = self._render(
            "thanks.html",
            words,
            page_title=state["title"],
            state=state,
            back_url=f"/c/{campaign.id}?lang={words.language}",
            back=back,
            back_site=_host(back),
            give_url=f"/c/{campaign.id}/give?lang={words.language}",
            robots="noindex",
        )
        return HTMLResponse(body, 200, {**NO_STORE, **policy()})

    def problem(
        self,
        problem: view.Json,
        words: Texts,
        *,
        retry_url: str | None,
        warned: tuple[str, ...] = (),
        headers: Headers,
    ) -> Response:
        """`warned`: states whose banks a donor must not pay from, where a way to pay is offered."""
        body = self._render(
            "problem.html",
            words,
            page_title=words.t("problem.title"),
            problem=problem,
            retry_url=retry_url,
            fallback_url=problem.get("fallback_url"),
            warning=view.warning(warned, words),
            robots="noindex",
        )
        return HTMLResponse(body, problem["status"], {**headers, **policy()})

    def _give_headers(self, campaign: Campaign) -> Headers:
        """Framed as the card is; a 303 to Stripe counts as a form target."""
        settings = self.settings
        framed = policy(
            script=(*self._ours("give.js"), *self._ours("solve.js"), *settings.stripe_origins("script")),
            connect=settings.stripe_origins("connect"),
            frame=settings.stripe_origins("frame"),
            image=settings.stripe_origins("img"),
            form=settings.stripe_origins("form"),
            ancestors=self._framers(campaign),
            trusted_types="default",  # give.js makes it; it admits the origin of Stripe's script and nothing else
        )
        opener = {"cross-origin-opener-policy": "same-origin-allow-popups"}  # a wallet's window answers the page
        return framed | opener | permissions(paying=True) | {"cross-origin-resource-policy": "cross-origin"}

    def _ours(self, name: str) -> tuple[str, str]:
        return self._named(self.assets.url(name), self.assets.integrity(name))

    def _named(self, address: str, integrity: str) -> tuple[str, str]:
        """One script as `script-src` names it: by its hash, and by the address that has the hash of the content in it.

        Not every browser of 2023 looks up the hash of a script that it loads; the address says the same to all of them.
        """
        return f"'{integrity}'", f"{self.settings.public_url}{address}"

    def _framers(self, campaign: Campaign) -> tuple[str, ...]:
        sites = tuple(f"https://{site}" for site in campaign.sites) or ("https:",)
        demo = (self.settings.article_origin,) if self.settings.article_origin else ()
        return ("'self'", *sites, *demo)

    def _render(self, template: str, words: Texts, **values: Any) -> str:
        ribbon = None if self.settings.live else words.t("card.ribbon")
        common = {"lang": words.language, "dir": words.dir, "t": words.t, "ribbon": ribbon}
        defaults: dict[str, Any] = {"languages": [], "canonical": None, "robots": None}
        return self._environment.get_template(template).render({**defaults, **common, **values})


class PageEndpoints:
    """`/c/…`: parse, ask, render."""

    def __init__(self, pages: Pages, checkout: Checkout, board: Board) -> None:
        self.pages, self.checkout, self.board = pages, checkout, board
        self.donations, self.tokens = checkout.donations, checkout.tokens

    async def campaign(self, request: Request) -> Answer:
        campaign = self.donations.campaign(request.path_params["id"])
        return self.board.page(campaign, language(request, campaign))

    async def campaigns(self, request: Request) -> Answer:
        wanted = texts.wanted(request.query_params.get("lang", ""))
        preferred = wanted or texts.accepted(request.headers.get("accept-language", ""))
        return self.board.list(texts.best(preferred).language)

    async def give(self, request: Request) -> Response:
        campaign = self.donations.campaign(request.path_params["id"])
        back = way_back(campaign, request.query_params.get("back", ""))
        words = texts.texts(language(request, campaign))
        token = self.tokens.mint(campaign.id, campaign.site(_referring_host(request)))
        open_now = self.donations.accepts(campaign)
        framed = request.headers.get("sec-fetch-dest") == "iframe"  # https://www.w3.org/TR/fetch-metadata/
        figure = self.donations.shown(campaign)
        return self.pages.give(campaign, figure, words, token, open_now=open_now, framed=framed, back=back)

    async def thanks(self, request: Request) -> Response:
        """Where the hosted page returns. The address alone proves nothing: Stripe is asked what became of it."""
        campaign = self.donations.campaigns.get(request.path_params["id"])  # a hidden one too: what was paid is said
        words = texts.texts(language(request, campaign))
        named, nonce, back = self.tokens.read_returning(request.query_params.get("return", ""))
        session_id = request.query_params.get("session", "")
        if named != campaign.id or not session_id.isascii() or not 0 < len(session_id) <= 255:
            raise NotFound("session_unknown")
        session = await self.checkout.follow(session_id, named, nonce)
        figure = self.donations.shown(campaign)
        state = view.thanks(campaign, figure, words, session.status.value, session.amount)
        return self.pages.thanks(campaign, words, state, way_back(campaign, back))


def way_back(campaign: Campaign, address: str) -> str:
    """The article a donor came from: only on a site that the campaign lists. Raises Invalid (`return_elsewhere`)."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise Invalid("return_elsewhere", given=address[:100]) from error
    plain = address.isascii() and address.isprintable() and len(address) <= _LONGEST_ADDRESS
    if not plain or "\\" in address or parts.scheme != "https" or parts.netloc not in campaign.sites:
        raise Invalid("return_elsewhere", given=address[:100])
    return address


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _languages(offered: Sequence[str], words: Texts, path: str) -> list[view.Json]:
    return [
        {
            "lang": other,
            "name": texts.texts(other).t("language"),
            "url": f"{path}?lang={other}",
            "current": other == words.language,
        }
        for other in offered
    ]


def _plain(money: Money) -> str:
    """The amount as a form field writes it: `25`, `2.50`."""
    digits = str(money).partition(" ")[0]
    return digits.partition(".")[0] if money.whole else digits


def _referring_host(request: Request) -> str | None:
    """The host that framed or linked us: the only thing we take from a Referer."""
    try:
        return urlsplit(request.headers.get("referer", "")).hostname
    except ValueError:
        return None
