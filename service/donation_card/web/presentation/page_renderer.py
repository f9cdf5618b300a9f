"""Render the pages of campaigns, of sites, and of the embed code."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import HTMLResponse, Response

from donation_card.domain.campaign import LANGUAGES, Campaign, Status
from donation_card.domain.progress import Progress
from donation_card.domain.publication import PublishedTotal
from donation_card.domain.site_total import SiteTotal
from donation_card.web.assets import current_release
from donation_card.web.http.headers import (
    BEARER,
    COOP_UNSAFE_NONE,
    NO_STORE,
    cache_control,
    content_security_policy,
    permissions_policy,
)
from donation_card.web.presentation import card as view, giving, spending
from donation_card.web.presentation.campaign_list import ListedCampaign, campaign_list_json
from donation_card.web.presentation.documents import CampaignCard, CampaignList, EmbedCode
from donation_card.web.presentation.site_total import purpose_line, site_total_texts
from donation_card.web.presentation.snippet import EMBED_KINDS, LAYOUTS, THEMES, Appearance
from donation_card.web.presentation.templates import Templates, language_links
from donation_card.web.presentation.translations import Translations, choose_translations, translations_for


class PageRenderer:
    """Render the pages of campaigns, of sites and of the embed code."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self.settings = templates.settings

    def card_json(self, campaign: Campaign, progress: Progress | None, t: Translations, status: Status) -> CampaignCard:
        return view.card_json(campaign, progress, t, status, test=not self.settings.livemode)

    def campaign_list_json(
        self, campaigns: Sequence[Campaign], listed: Sequence[ListedCampaign], t: Translations
    ) -> CampaignList:
        return campaign_list_json(campaigns, listed, t, test=not self.settings.livemode)

    def campaign(self, campaign: Campaign, progress: Progress | None, t: Translations, status: Status) -> str:
        card = self.card_json(campaign, progress, t, status)
        return self._templates.render(
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
            languages=language_links(campaign.languages, t, f"/c/{campaign.id}"),
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
        return self._templates.render(
            "campaigns.html",
            t,
            page_title=f"{heading} · {position}" if number > 1 else heading,
            heading=heading,
            position=position if pages > 1 else None,
            previous_url=urls[number - 1] if number > 1 else None,
            next_url=urls[number + 1] if number < pages else None,
            cards=cards,
            languages=language_links(LANGUAGES, t, "/", queries[number]),
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
        body = self._templates.render(
            "frame.html",
            t,
            page_title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            campaigns=[each.id for each in (campaign, *others)],
            attributes=appearance.overrides,
            card_script=card,
        )
        headers = content_security_policy(
            script=(*self._templates.script_sources(*card), *self._templates.asset_sources("frame.js")),
            style=ours,
            connect=ours,
            image=ours,
            frame=("'self'", *ours),
            ancestors=self._templates.framers(campaign, *others),
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
        body = self._templates.render(
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
        headers = content_security_policy(script=self._templates.asset_sources("embed.js"), frame=("'self'",)) | {
            "vary": "accept, accept-language"
        }
        return HTMLResponse(body, 200, cache_control(30, revalidate=False) | headers)

    def site_total(self, campaign: Campaign, site: SiteTotal, total: PublishedTotal, t: Translations) -> str:
        """Render the total of one site. A page that needed a token has no links to other languages."""
        path, texts = f"/c/{campaign.id}/sites/{site.host}", site_total_texts(campaign, site, total, t)
        return self._templates.render(
            "site.html",
            t,
            page_title=texts.title,
            purpose_line=purpose_line(campaign, t),
            total=texts,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=[] if site.token_sha256 else language_links(campaign.languages, t, path),
            robots="noindex" if site.token_sha256 else None,
        )

    def site_token_form(
        self, campaign: Campaign, site: SiteTotal, t: Translations, error: str, status: int
    ) -> Response:
        body = self._templates.render(
            "site.html",
            t,
            page_title=t.translate("site.token_title", site=site.host),
            purpose_line=purpose_line(campaign, t),
            total=None,
            hint=t.translate("site.token_hint", recipient=campaign.recipient.short_name),
            error=error,
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=language_links(campaign.languages, t, f"/c/{campaign.id}/sites/{site.host}"),
            robots="noindex",
        )
        return HTMLResponse(
            body,
            status,
            {**NO_STORE, **(BEARER if status == HTTPStatus.UNAUTHORIZED else {}), **content_security_policy()},
        )
