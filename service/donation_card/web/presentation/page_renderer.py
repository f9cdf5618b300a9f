"""Render the HTML templates of the pages."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.responses import HTMLResponse, Response

from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import LANGUAGES, Campaign, Status
from donation_card.domain.money import Money
from donation_card.domain.progress import Progress
from donation_card.domain.publication import PublishedTotal
from donation_card.domain.site_total import SiteTotal
from donation_card.domain.ways_to_give import WayToGive
from donation_card.settings import Settings
from donation_card.web.assets import Assets, current_release, fallback_style
from donation_card.web.http.headers import (
    BEARER,
    COOP_UNSAFE_NONE,
    NO_STORE,
    Headers,
    cache_control,
    content_hash,
    content_security_policy,
    permissions_policy,
)
from donation_card.web.presentation import card as view, giving, spending
from donation_card.web.presentation.campaign_list import ListedCampaign, campaign_list_json
from donation_card.web.presentation.documents import (
    CampaignCard,
    CampaignList,
    CheckoutStatus,
    EmbedCode,
    GivingPage,
    Problem,
)
from donation_card.web.presentation.site_total import purpose_line, site_total_texts
from donation_card.web.presentation.snippet import EMBED_KINDS, LAYOUTS, THEMES, Appearance
from donation_card.web.presentation.translations import (
    LOCALES,
    Translations,
    choose_translations,
    translations_for,
)
from donation_card.web.presentation.ways import describe_ways, plain_amount, transfer_view

_TEMPLATES = Path(__file__).parent.parent / "templates"


class PageRenderer:
    """Render each template with the values that it needs. Templates receive finished texts."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self.settings = settings
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # an upgrade replaces the files under a running worker
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
        self._environment.globals |= {"asset": assets.urls.__getitem__, "integrity": assets.integrity.__getitem__}
        self._environment.globals["fallback_style"] = fallback_style()
        for name in self._environment.list_templates():
            self._environment.get_template(name)
        files = [*sorted(_TEMPLATES.iterdir()), *sorted(LOCALES.iterdir())]
        self._templates_hash = content_hash(b"".join(path.read_bytes() for path in files) + fallback_style().encode())
        self.assets = assets

    def card_json(self, campaign: Campaign, progress: Progress | None, t: Translations, status: Status) -> CampaignCard:
        return view.card_json(campaign, progress, t, status, test=not self.settings.livemode)

    def campaign_list_json(
        self, campaigns: Sequence[Campaign], listed: Sequence[ListedCampaign], t: Translations
    ) -> CampaignList:
        return campaign_list_json(campaigns, listed, t, test=not self.settings.livemode)

    def campaign(self, campaign: Campaign, progress: Progress | None, t: Translations, status: Status) -> str:
        card = self.card_json(campaign, progress, t, status)
        return self._render(
            "campaign.html",
            t,
            page_title=card["title"],
            card=card,
            recipient=campaign.recipient,
            give_url=f"/c/{campaign.id}/give?lang={t.language}",
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            need_details={need.id: need.text[t.language].detail for need in campaign.needs},
            details=giving.donation_details(campaign, t, as_of=card["progress"]["as_of_text"]),
            offline_donations=view.offline_donations(campaign, progress, t),
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}"),
            spending=spending.spending_json(campaign, t),
            report=spending.closing_report(campaign, progress, t) if progress and status is Status.CLOSED else [],
            updates=view.updates(campaign, t),
            canonical=f"{self.settings.public_url}/c/{campaign.id}?lang={t.language}",
            default_url=f"{self.settings.public_url}/c/{campaign.id}",
        )

    def campaigns(self, cards: list[CampaignCard], t: Translations, number: int, pages: int) -> str:
        """Render a page of the list of open campaigns. A card can have another language than the page."""
        queries = {each: f"&page={each}" if each > 1 else "" for each in (number - 1, number, number + 1)}
        urls = {each: f"/?lang={t.language}{query}" for each, query in queries.items()}
        heading, position = t.translate("page.campaigns"), t.translate("page.position", number=number, pages=pages)
        return self._render(
            "campaigns.html",
            t,
            page_title=f"{heading} · {position}" if number > 1 else heading,
            heading=heading,
            position=position if pages > 1 else None,
            previous_url=urls[number - 1] if number > 1 else None,
            next_url=urls[number + 1] if number < pages else None,
            cards=cards,
            languages=_languages(LANGUAGES, t, "/", queries[number]),
            canonical=self.settings.public_url + urls[number],
            default_url=f"{self.settings.public_url}/{queries[number].replace('&', '?')}",
        )

    def frame(
        self, campaign: Campaign, t: Translations, appearance: Appearance, others: Sequence[Campaign] = ()
    ) -> Response:
        """Render the card alone, for a frame on another site. Each of its campaigns must allow that site.

        A sandboxed frame has no origin, so the CSP also names the origin of the service.
        """
        ours, card = (self.settings.public_url,), current_release()
        body = self._render(
            "frame.html",
            t,
            page_title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            campaigns=[each.id for each in (campaign, *others)],
            attributes=appearance.overrides,
            card_script=card,
        )
        headers = content_security_policy(
            script=(*self._script_sources(*card), *self._asset_sources("frame.js")),
            style=ours,
            connect=ours,
            image=ours,
            frame=("'self'", *ours),
            ancestors=self._framers(campaign, *others),
        )
        shared = {"cross-origin-resource-policy": "cross-origin", "vary": "accept-language"} | COOP_UNSAFE_NONE
        payment = permissions_policy(allow_payment=True)  # for the donation page inside the frame
        return HTMLResponse(body, 200, cache_control(30, revalidate=False) | shared | payment | headers)

    def embed_code_page(
        self,
        campaign: Campaign,
        t: Translations,
        code: EmbedCode,
        chosen: dict[str, Any],
        offered: Sequence[Campaign],
    ) -> Response:
        """Render the code with its choices. The page names the other campaigns, so caches keep it as a card."""
        body = self._render(
            "embed.html",
            t,
            page_title=t.translate("embed.title"),
            embed=code,
            chosen=chosen,
            choices={"kind": EMBED_KINDS, "theme": THEMES, "layout": LAYOUTS},
            spoken=[
                {"value": lang, "label": translations_for(lang).translate("language")} for lang in campaign.languages
            ],
            others=[
                {"id": each.id, "title": each.text[texts.language].title, "lang": texts.language}
                for each in offered
                for texts in [choose_translations(t.language, each)]
            ],
            frame_title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            robots="noindex",
        )
        headers = content_security_policy(script=self._asset_sources("embed.js"), frame=("'self'",)) | {
            "vary": "accept, accept-language"
        }
        return HTMLResponse(body, 200, cache_control(30, revalidate=False) | headers)

    def give(
        self,
        campaign: Campaign,
        progress: Progress | None,
        t: Translations,
        status: Status,
        token: str,
        *,
        ways: Sequence[WayToGive],
        framed: bool = False,
        given: dict[str, str] | None = None,
        return_url: str = "",
        error: str = "",
        error_code: str = "",
        http_status: int = 200,
    ) -> Response:
        """Render the giving page. `given` is what the donor chose and typed before an `error`."""
        card = self.card_json(campaign, progress, t, status)
        rules, given = campaign.giving, given or {}
        hint = "give.custom_amount_hint_decimals" if rules.allow_minor_units else "give.custom_amount_hint"
        body = self._render(
            "give.html",
            t,
            page_title=t.translate("give.title"),
            card=card,
            purpose_line=purpose_line(campaign, t),
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            token=token,
            action=f"/v1/checkout-sessions?campaign={campaign.id}&lang={t.language}",  # for the proxy
            framed=framed,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            return_url=return_url,
            return_site=_host(return_url),
            suggested=[{"value": plain_amount(money), "label": t.format_money(money)} for money in rules.suggested],
            custom_amount_hint=t.translate(
                hint, minimum=t.format_money(rules.minimum), maximum=t.format_money(rules.maximum)
            ),
            script_data=self._script_data(campaign, progress, t),
            details=giving.donation_details(campaign, t, as_of=card["progress"]["as_of_text"], ways=len(ways)),
            ways=describe_ways(campaign, ways, t, test=not self.settings.livemode),
            way=given.get("way", ""),
            covers_fee=bool(given.get("cover_fee")),
            statement=t.translate("give.statement_descriptor", descriptor=campaign.recipient.statement_descriptor),
            effect=giving.effect_now(campaign, progress, t),
            error=error,
            needs_proof=error_code == "challenge_required",
            chosen=given.get("amount", ""),
            typed=given.get("custom_amount", ""),
            closed=None if ways else card["notice"],
            fallback_url=campaign.fallback_url,
            share_url=f"{self.settings.public_url}/c/{campaign.id}",
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}/give"),
            robots="noindex",
        )
        plain = re.sub(r"\n\s+", "\n", body)  # it has a token, so it is not compressed (BREACH)
        return HTMLResponse(plain, http_status, {**NO_STORE, **self._give_headers(campaign)})

    def transfer(self, campaign: Campaign, transfer: BankTransfer, amount: Money | None, t: Translations) -> Response:
        """Render one bank transfer. Its warning leaves out Stripe, which does not see it."""
        path, query = f"/c/{campaign.id}/transfer", f"&amount={plain_amount(amount)}" if amount else ""
        body = self._render(
            "transfer.html",
            t,
            page_title=t.translate("give.way.bank_transfer"),
            purpose_line=purpose_line(campaign, t),
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            transfer=transfer_view(campaign, transfer, amount, t, test=not self.settings.livemode),
            give_url=f"/c/{campaign.id}/give?lang={t.language}",
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=_languages(campaign.languages, t, path, query),
            robots="noindex",
        )
        policy = content_security_policy(script=self._asset_sources("copy.js"))
        return HTMLResponse(body, 200, {**NO_STORE, **policy})

    def site_total(self, campaign: Campaign, site: SiteTotal, total: PublishedTotal, t: Translations) -> str:
        """Render the total of one site. A page that needed a token has no links to other languages."""
        path, texts = f"/c/{campaign.id}/sites/{site.host}", site_total_texts(campaign, site, total, t)
        return self._render(
            "site.html",
            t,
            page_title=texts.title,
            purpose_line=purpose_line(campaign, t),
            total=texts,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=[] if site.token_sha256 else _languages(campaign.languages, t, path),
            robots="noindex" if site.token_sha256 else None,
        )

    def site_token_form(
        self, campaign: Campaign, site: SiteTotal, t: Translations, error: str, status: int
    ) -> Response:
        body = self._render(
            "site.html",
            t,
            page_title=t.translate("site.token_title", site=site.host),
            purpose_line=purpose_line(campaign, t),
            total=None,
            hint=t.translate("site.token_hint", recipient=campaign.recipient.short_name),
            error=error,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}/sites/{site.host}"),
            robots="noindex",
        )
        return HTMLResponse(
            body,
            status,
            {**NO_STORE, **(BEARER if status == HTTPStatus.UNAUTHORIZED else {}), **content_security_policy()},
        )

    def payment_link(self, campaign: Campaign, t: Translations, url: str) -> Response:
        """Render a link to Stripe's page, for an origin to which no form may lead."""
        body = self._render(
            "payment_link.html",
            t,
            page_title=t.translate("thanks.open.title"),
            payment_url=url,
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            robots="noindex",
        )
        return HTMLResponse(body, 200, {**NO_STORE, **content_security_policy()})

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
        campaign: Campaign | None,
        ways: Sequence[WayToGive],
        headers: Headers,
    ) -> Response:
        """Render a problem. If it concerns a campaign, the page leads back to the form, and to other ways to give."""
        body = self._render(
            "problem.html",
            t,
            page_title=t.translate(_problem_title(problem)),
            problem=problem,
            retry_url=f"/c/{campaign.id}/give?lang={t.language}" if campaign else None,
            fallback_url=problem.get("fallback_url"),
            ways=describe_ways(campaign, ways, t, test=not self.settings.livemode) if campaign else [],
            warning=giving.bank_warning(campaign.warned_bank_countries, t) if campaign else None,
            robots="noindex",
        )
        return HTMLResponse(body, problem["status"], {**headers, **content_security_policy()})

    def fallback(self, campaign: Campaign, ways: Sequence[WayToGive], t: Translations) -> str:
        """Render the page that the proxy sends while the service does not answer. It needs no other file."""
        return self._render(
            "fallback.html",
            t,
            page_title=campaign.text[t.language].title,
            purpose_line=purpose_line(campaign, t),
            recipient=giving.recipient_detail(campaign, t),
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            ways=describe_ways(campaign, ways, t, test=not self.settings.livemode),
            fallback_url=campaign.fallback_url,
            retry_url=f"/c/{campaign.id}/give?lang={t.language}",
            languages=_languages(campaign.languages, t, f"/c/{campaign.id}"),
            robots="noindex",
        )

    def fallback_thanks(self, t: Translations) -> str:
        """Render the page that the proxy sends instead of the thanks. It says nothing about a payment."""
        return self._render(
            "fallback_thanks.html", t, page_title=t.translate("fallback.thanks.title"), robots="noindex"
        )

    def fallback_mark(self, campaign: Campaign, ways: Sequence[WayToGive]) -> str:
        """Return a comment that is another one whenever `fallback` can render another page."""
        texts = [(language, text.title, text.purpose) for language, text in campaign.text.items()]
        terms = campaign.recipient, campaign.warned_bank_countries, campaign.fallback_url, self.settings.livemode
        made_of = repr((campaign.id, texts, terms, ways, self._templates_hash))
        return f"<!-- {content_hash(made_of.encode())} -->"

    def _script_data(self, campaign: Campaign, progress: Progress | None, t: Translations) -> GivingPage:
        fee = campaign.card_fee
        return {
            "stripe": {
                "publishable_key": self.settings.stripe_publishable_key,
                "script_url": self.settings.stripe_script,
                "script_origins": list(self.settings.stripe_origins("script")),
            },
            "amount_format": t.amount_format(campaign.currency),
            "minor_per_major": campaign.giving.minimum.minor_per_major,
            "allow_minor_units": campaign.giving.allow_minor_units,
            "emit_complete_event": campaign.emit_complete_event,
            "fundable_needs": giving.fundable_needs(campaign, progress, t),
            "card_fee_basis_points": fee.basis_points if fee else 0,
            "card_fee_fixed": fee.fixed.amount if fee else 0,
            "challenge_solver_url": self.assets.urls["solve.js"],
            "texts": giving.script_texts(campaign, progress, t),
        }

    def _give_headers(self, campaign: Campaign) -> Headers:
        """Return the headers of the donation page.

        Publishers frame it like the card. Browsers check redirects after a form against form-action.
        """
        settings = self.settings
        framed = content_security_policy(
            script=(
                *self._asset_sources("give.js"),
                *self._asset_sources("solve.js"),
                *self._asset_sources("copy.js"),
                *settings.stripe_origins("script"),
            ),
            connect=settings.stripe_origins("connect"),
            frame=settings.stripe_origins("frame"),
            image=settings.stripe_origins("img"),
            form=settings.stripe_origins("form"),
            ancestors=self._framers(campaign),
            trusted_types="default",  # give.js creates this policy; it allows scripts from Stripe's origin only
        )
        opener = {"cross-origin-opener-policy": "same-origin-allow-popups"}  # a wallet opens a window
        return (
            framed | opener | permissions_policy(allow_payment=True) | {"cross-origin-resource-policy": "cross-origin"}
        )

    def _asset_sources(self, name: str) -> tuple[str, str]:
        return self._script_sources(self.assets.urls[name], self.assets.integrity[name])

    def _script_sources(self, address: str, integrity: str) -> tuple[str, str]:
        """Return the sources of one script for `script-src`: its hash, and its URL, which contains the hash.

        Some browsers of 2023 do not compare the hash of an external script, but all compare the URL.
        """
        return f"'{integrity}'", f"{self.settings.public_url}{address}"

    def _framers(self, *campaigns: Campaign) -> tuple[str, ...]:
        """Return the sources of the pages that each of the campaigns lets frame it."""
        hosts = [set(each.publisher_hosts) for each in campaigns if each.publisher_hosts]
        sites = tuple(f"https://{site}" for site in sorted(set.intersection(*hosts))) if hosts else ("https:",)
        demo = (self.settings.demo_article_origin,) if self.settings.demo_article_origin else ()
        return ("'self'", *sites, *demo)

    def _render(self, template: str, t: Translations, **values: Any) -> str:
        test_mode_text = None if self.settings.livemode else t.translate("card.test_mode")
        common = {"lang": t.language, "dir": t.dir, "t": t.translate, "test_mode_text": test_mode_text}
        common["public_url"] = self.settings.public_url
        defaults: dict[str, Any] = {"languages": [], "canonical": None, "robots": None}
        return self._environment.get_template(template).render({**defaults, **common, **values})


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _languages(offered: Sequence[str], t: Translations, path: str, query: str = "") -> list[dict[str, str | bool]]:
    return [
        {
            "lang": other,
            "name": translations_for(other).translate("language"),
            "url": f"{path}?lang={other}{query}",
            "current": other == t.language,
        }
        for other in offered
    ]


def _problem_title(problem: Problem) -> str:
    """Return the key of a page's heading. A missing page is no failure."""
    if problem["status"] != HTTPStatus.NOT_FOUND:
        return "problem.title"
    return "problem.title_campaign" if problem["code"].startswith("campaign_") else "problem.title_page"
