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

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.tokens import Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.application.session_reader import SessionReader
from donation_card.domain.campaign import LANGUAGES, Campaign
from donation_card.domain.money import Money
from donation_card.domain.progress import Progress
from donation_card.errors import Invalid, NotFound
from donation_card.settings import Settings
from donation_card.web.api.campaigns import language_for
from donation_card.web.assets import Assets, current_release
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import (
    COOP_UNSAFE_NONE,
    NO_STORE,
    Headers,
    cache_control,
    content_security_policy,
    permissions_policy,
)
from donation_card.web.presentation import card as view
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.documents import (
    CampaignCard,
    CheckoutStatus,
    EmbedCode,
    GivingPage,
    Problem,
)
from donation_card.web.presentation.snippet import EMBED_KINDS, LAYOUTS, THEMES, Appearance
from donation_card.web.presentation.translations import Translations

_TEMPLATES: Final = Path(__file__).parent.parent / "templates"
_MAX_RETURN_URL: Final = 300
"""Characters; it travels, signed, in the address that Stripe returns to."""


class PageRenderer:
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

    def campaign(self, campaign: Campaign, progress: Progress | None, t: Translations, *, open_now: bool) -> str:
        card = view.card_json(campaign, progress, t, open_now=open_now, test=not self.settings.livemode)
        surplus, shortfall = view.surplus_texts(campaign, t)
        return self._render(
            "campaign.html",
            t,
            page_title=card["title"],
            card=card,
            recipient=campaign.recipient,
            give_url=f"/c/{campaign.id}/give?lang={t.language}",
            warning=view.bank_warning(campaign.warned_bank_countries, t),
            need_details={need.id: need.text[t.language].detail for need in campaign.needs},
            surplus=surplus,
            shortfall=shortfall,
            offline_donations=view.offline_donations(campaign, progress, t),
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}"),
            updates=view.updates(campaign, t),
            public_url=self.settings.public_url,
            canonical=f"{self.settings.public_url}/c/{campaign.id}?lang={t.language}",
        )

    def campaigns(self, cards: list[CampaignCard], t: Translations) -> str:
        """The open campaigns of this installation; a card may be in another language than the page."""
        return self._render(
            "campaigns.html",
            t,
            page_title=t.translate("page.campaigns"),
            cards=cards,
            languages=_languages(LANGUAGES, t, "/"),
        )

    def frame(self, campaign: Campaign, t: Translations, appearance: Appearance) -> Response:
        """The card alone, for a frame on another site. Sandboxed it is of no origin, so that ours is named, too."""
        ours, card = (self.settings.public_url,), current_release()
        body = self._render(
            "frame.html",
            t,
            page_title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            campaign=campaign,
            attributes=appearance.overrides,
            card_script=card,
        )
        scripts = (*self._named(*card), *self._ours("frame.js"))
        framing = ("'self'", *ours)
        headers = content_security_policy(
            script=scripts, style=ours, connect=ours, frame=framing, ancestors=self._framers(campaign)
        )
        headers |= COOP_UNSAFE_NONE | permissions_policy(
            allow_payment=True
        )  # on to the giving page, where that opens in place
        shared = {"cross-origin-resource-policy": "cross-origin", "vary": "accept-language"}
        return HTMLResponse(body, 200, cache_control(30, revalidate=False) | shared | headers)

    def embed_code_page(
        self, campaign: Campaign, t: Translations, code: EmbedCode, chosen: dict[str, str | bool]
    ) -> Response:
        body = self._render(
            "embed.html",
            t,
            page_title=t.translate("embed.title"),
            embed=code,
            chosen=chosen,
            choices={"kind": EMBED_KINDS, "theme": THEMES, "layout": LAYOUTS},
            spoken=[
                {"value": lang, "label": texts.translations_for(lang).translate("language")}
                for lang in campaign.languages
            ],
            frame_title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            robots="noindex",
        )
        headers = content_security_policy(script=self._ours("embed.js"), frame=("'self'",)) | {
            "vary": "accept, accept-language"
        }
        return HTMLResponse(body, 200, cache_control(300, revalidate=False) | headers)

    def give(
        self,
        campaign: Campaign,
        progress: Progress | None,
        t: Translations,
        token: str,
        *,
        open_now: bool,
        framed: bool = False,
        given: dict[str, str] | None = None,
        return_url: str = "",
        error: str = "",
        status: int = 200,
    ) -> Response:
        """Render the giving page. `given` is what the donor chose and typed before an `error`."""
        card = view.card_json(campaign, progress, t, open_now=open_now, test=not self.settings.livemode)
        giving, given = campaign.giving, given or {}
        hint = "give.custom_amount_hint_decimals" if giving.allow_minor_units else "give.custom_amount_hint"
        body = self._render(
            "give.html",
            t,
            page_title=t.translate("give.title"),
            card=card,
            purpose_line=t.translate(
                "give.recipient_and_purpose",
                recipient=campaign.recipient.short_name,
                purpose=campaign.text[t.language].purpose,
            ),
            warning=view.bank_warning(campaign.warned_bank_countries, t),
            token=token,
            action="/v1/checkout-sessions",
            framed=framed,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            return_url=return_url,
            return_site=_host(return_url),
            suggested=[{"value": _plain(money), "label": t.format_money(money)} for money in giving.suggested],
            custom_amount_hint=t.translate(
                hint, minimum=t.format_money(giving.minimum), maximum=t.format_money(giving.maximum)
            ),
            script_data=self._script_data(campaign, card, progress, t),
            details=view.donation_details(campaign, t),
            error=error,
            chosen=given.get("amount", ""),
            typed=given.get("custom_amount", ""),
            closed=None if open_now else card["notice"],
            fallback_url=campaign.fallback_url,
            share_url=f"{self.settings.public_url}/c/{campaign.id}",
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}/give"),
            robots="noindex",
        )
        return HTMLResponse(body, status, {**NO_STORE, **self._give_headers(campaign)})

    def thanks(self, campaign: Campaign, t: Translations, checkout: CheckoutStatus, return_url: str) -> Response:
        body = self._render(
            "thanks.html",
            t,
            page_title=checkout["title"],
            checkout=checkout,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            return_url=return_url,
            return_site=_host(return_url),
            give_url=f"/c/{campaign.id}/give?lang={t.language}",
            robots="noindex",
        )
        return HTMLResponse(body, 200, {**NO_STORE, **content_security_policy()})

    def problem(
        self,
        problem: Problem,
        t: Translations,
        *,
        retry_url: str | None,
        warned: tuple[str, ...] = (),
        headers: Headers,
    ) -> Response:
        """Render a problem. `warned`: countries whose banks a donor must not pay from."""
        body = self._render(
            "problem.html",
            t,
            page_title=t.translate("problem.title"),
            problem=problem,
            retry_url=retry_url,
            fallback_url=problem.get("fallback_url"),
            warning=view.bank_warning(warned, t),
            robots="noindex",
        )
        return HTMLResponse(body, problem["status"], {**headers, **content_security_policy()})

    def _script_data(
        self, campaign: Campaign, card: CampaignCard, progress: Progress | None, t: Translations
    ) -> GivingPage:
        return {
            "stripe": {
                "publishable_key": self.settings.stripe_publishable_key,
                "script_url": self.settings.stripe_script,
            },
            "amount_format": t.amount_format(campaign.currency),
            "minor_per_major": campaign.giving.minimum.minor_per_major,
            "allow_minor_units": campaign.giving.allow_minor_units,
            "emit_complete_event": campaign.emit_complete_event,
            "needs": [
                {"goal_fraction": need["goal_fraction"], "funded_fraction": need["funded_fraction"]}
                for need in card["needs"]
            ],
            "fundable_needs": view.fundable_needs(campaign, progress, t),
            "challenge_solver_url": self.assets.url("solve.js"),
            "texts": {
                "allocated_surplus": t.translate("give.allocated_surplus") if progress else "",  # unknown is not funded
                "continue": t.translate("give.continue"),
                "continue_with": t.translate("give.continue_with", amount="{amount}"),
                "paying": t.translate("give.paying", amount="{amount}"),
                "amount_missing": t.translate("problem.amount_missing"),
                "failed": t.translate("problem.payments_unavailable"),
                "challenge_running": t.translate("give.challenge_running"),
                "challenge_failed": t.translate("give.challenge_failed"),
            },
        }

    def _give_headers(self, campaign: Campaign) -> Headers:
        """Framed as the card is; a 303 to Stripe counts as a form target."""
        settings = self.settings
        framed = content_security_policy(
            script=(*self._ours("give.js"), *self._ours("solve.js"), *settings.stripe_origins("script")),
            connect=settings.stripe_origins("connect"),
            frame=settings.stripe_origins("frame"),
            image=settings.stripe_origins("img"),
            form=settings.stripe_origins("form"),
            ancestors=self._framers(campaign),
            trusted_types="default",  # give.js makes it; it admits the origin of Stripe's script and nothing else
        )
        opener = {"cross-origin-opener-policy": "same-origin-allow-popups"}  # a wallet's window answers the page
        return (
            framed | opener | permissions_policy(allow_payment=True) | {"cross-origin-resource-policy": "cross-origin"}
        )

    def _ours(self, name: str) -> tuple[str, str]:
        return self._named(self.assets.url(name), self.assets.integrity(name))

    def _named(self, address: str, integrity: str) -> tuple[str, str]:
        """One script as `script-src` names it: by its hash, and by the address that has the hash of the content in it.

        Not every browser of 2023 looks up the hash of a script that it loads; the address says the same to all of them.
        """
        return f"'{integrity}'", f"{self.settings.public_url}{address}"

    def _framers(self, campaign: Campaign) -> tuple[str, ...]:
        sites = tuple(f"https://{site}" for site in campaign.publisher_hosts) or ("https:",)
        demo = (self.settings.demo_article_origin,) if self.settings.demo_article_origin else ()
        return ("'self'", *sites, *demo)

    def _render(self, template: str, t: Translations, **values: Any) -> str:
        test_mode_text = None if self.settings.livemode else t.translate("card.test_mode")
        common = {"lang": t.language, "dir": t.dir, "t": t.translate, "test_mode_text": test_mode_text}
        defaults: dict[str, Any] = {"languages": [], "canonical": None, "robots": None}
        return self._environment.get_template(template).render({**defaults, **common, **values})


class PageEndpoints:
    """`/c/…`: parse, ask, render."""

    def __init__(
        self,
        session_reader: SessionReader,
        campaigns: Campaigns,
        progress: PublicProgress,
        tokens: Tokens,
        pages: PageRenderer,
        responses: CampaignResponseCache,
    ) -> None:
        self.session_reader, self.campaigns, self.progress = session_reader, campaigns, progress
        self.tokens, self.pages, self.responses = tokens, pages, responses

    async def campaign(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        return self.responses.page(campaign, language_for(request, campaign))

    async def campaign_list(self, request: Request) -> CachedResponse:
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        preferred = wanted or texts.parse_accept_language(request.headers.get("accept-language", ""))
        return self.responses.campaign_list(texts.best_match(preferred).language)

    async def give(self, request: Request) -> Response:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        return_url = validate_return_url(campaign, request.query_params.get("return_url", ""))
        t = texts.translations_for(language_for(request, campaign))
        token = self.tokens.issue_form_token(campaign.id, campaign.site_label(_referring_host(request)))
        open_now = self.progress.accepts_donations(campaign)
        framed = request.headers.get("sec-fetch-dest") == "iframe"  # https://www.w3.org/TR/fetch-metadata/
        progress = self.progress.get(campaign)
        return self.pages.give(campaign, progress, t, token, open_now=open_now, framed=framed, return_url=return_url)

    async def thanks(self, request: Request) -> Response:
        """Where the hosted page returns. The address alone proves nothing: Stripe is asked what became of it."""
        campaign = self.campaigns.get(request.path_params["id"])  # a hidden one too: what was paid is said
        t = texts.translations_for(language_for(request, campaign))
        named, nonce, return_url = self.tokens.read_return_token(request.query_params.get("return_token", ""))
        session_id = request.query_params.get("session_id", "")
        if named != campaign.id or not session_id.isascii() or not 0 < len(session_id) <= 255:
            raise NotFound("session_unknown")
        session = await self.session_reader.get_status(session_id, named, nonce)
        progress = self.progress.get(campaign)
        checkout = view.checkout_status_json(campaign, progress, t, session.status.value, session.amount)
        return self.pages.thanks(campaign, t, checkout, validate_return_url(campaign, return_url))


def validate_return_url(campaign: Campaign, url: str) -> str:
    """Return the URL if its site is listed in the campaign. Raise Invalid (`return_url_not_allowed`)."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Invalid("return_url_not_allowed", given=url[:100]) from error
    plain = url.isascii() and url.isprintable() and len(url) <= _MAX_RETURN_URL
    if not plain or "\\" in url or parts.scheme != "https" or parts.netloc not in campaign.publisher_hosts:
        raise Invalid("return_url_not_allowed", given=url[:100])
    return url


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _languages(offered: Sequence[str], t: Translations, path: str) -> list[dict[str, str | bool]]:
    return [
        {
            "lang": other,
            "name": texts.translations_for(other).translate("language"),
            "url": f"{path}?lang={other}",
            "current": other == t.language,
        }
        for other in offered
    ]


def _plain(money: Money) -> str:
    """The amount as a form field writes it: `25`, `2.50`."""
    digits = str(money).partition(" ")[0]
    return digits.partition(".")[0] if money.is_whole else digits


def _referring_host(request: Request) -> str | None:
    """The host that framed or linked us: the only thing we take from a Referer."""
    try:
        return urlsplit(request.headers.get("referer", "")).hostname
    except ValueError:
        return None
