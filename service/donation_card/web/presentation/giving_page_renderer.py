"""Render the pages that a donor sees from the choice of an amount to the thanks."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.money import Money
from donation_card.domain.progress import Progress
from donation_card.domain.ways_to_give import WayToGive
from donation_card.web.http.headers import (
    NO_STORE,
    Headers,
    content_hash,
    content_security_policy,
    permissions_policy,
)
from donation_card.web.presentation import card as view, giving
from donation_card.web.presentation.documents import CheckoutStatus, GivingPage, Problem
from donation_card.web.presentation.site_total import purpose_line
from donation_card.web.presentation.templates import Templates, language_links
from donation_card.web.presentation.translations import Translations
from donation_card.web.presentation.ways import describe_ways, plain_amount, transfer_view


class GivingPageRenderer:
    """Render the giving page, its errors and thanks, and the pages that name other ways to give."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self.settings = templates.settings

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
        card = view.card_json(campaign, progress, t, status, test=not self.settings.livemode)
        rules, given = campaign.giving, given or {}
        hint = "give.custom_amount_hint_decimals" if rules.allow_minor_units else "give.custom_amount_hint"
        body = self._templates.render(
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
            languages=language_links(campaign.languages, t, f"/c/{campaign.id}/give"),
            robots="noindex",
        )
        plain = re.sub(r"\n\s+", "\n", body)  # it has a token, so it is not compressed (BREACH)
        return HTMLResponse(plain, http_status, {**NO_STORE, **self._give_headers(campaign)})

    def transfer(self, campaign: Campaign, transfer: BankTransfer, amount: Money | None, t: Translations) -> Response:
        """Render one bank transfer. Its warning leaves out Stripe, which does not see it."""
        path, query = f"/c/{campaign.id}/transfer", f"&amount={plain_amount(amount)}" if amount else ""
        body = self._templates.render(
            "transfer.html",
            t,
            page_title=t.translate("give.way.bank_transfer"),
            purpose_line=purpose_line(campaign, t),
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            transfer=transfer_view(campaign, transfer, amount, t, test=not self.settings.livemode),
            give_url=f"/c/{campaign.id}/give?lang={t.language}",
            campaign_url=f"/c/{campaign.id}?lang={t.language}",
            languages=language_links(campaign.languages, t, path, query),
            robots="noindex",
        )
        policy = content_security_policy(script=self._templates.asset_sources("copy.js"))
        return HTMLResponse(body, 200, {**NO_STORE, **policy})

    def payment_link(self, campaign: Campaign, t: Translations, url: str) -> Response:
        """Render a link to Stripe's page, for an origin to which no form may lead."""
        body = self._templates.render(
            "payment_link.html",
            t,
            page_title=t.translate("thanks.open.title"),
            payment_url=url,
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            robots="noindex",
        )
        return HTMLResponse(body, 200, {**NO_STORE, **content_security_policy()})

    def thanks(self, campaign: Campaign, t: Translations, checkout: CheckoutStatus, return_url: str) -> Response:
        body = self._templates.render(
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
        body = self._templates.render(
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
        return self._templates.render(
            "fallback.html",
            t,
            page_title=campaign.text[t.language].title,
            purpose_line=purpose_line(campaign, t),
            recipient=giving.recipient_detail(campaign, t),
            warning=giving.bank_warning(campaign.warned_bank_countries, t),
            ways=describe_ways(campaign, ways, t, test=not self.settings.livemode),
            fallback_url=campaign.fallback_url,
            retry_url=f"/c/{campaign.id}/give?lang={t.language}",
            languages=language_links(campaign.languages, t, f"/c/{campaign.id}"),
            robots="noindex",
        )

    def fallback_thanks(self, t: Translations) -> str:
        """Render the page that the proxy sends instead of the thanks. It says nothing about a payment."""
        return self._templates.render(
            "fallback_thanks.html", t, page_title=t.translate("fallback.thanks.title"), robots="noindex"
        )

    def fallback_mark(self, campaign: Campaign, ways: Sequence[WayToGive]) -> str:
        """Return a comment that is another one whenever `fallback` can render another page."""
        texts = [(language, text.title, text.purpose) for language, text in campaign.text.items()]
        terms = campaign.recipient, campaign.warned_bank_countries, campaign.fallback_url, self.settings.livemode
        made_of = repr((campaign.id, texts, terms, ways, self._templates.files_hash))
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
            "challenge_solver_url": self._templates.assets.urls["solve.js"],
            "texts": giving.script_texts(campaign, progress, t),
        }

    def _give_headers(self, campaign: Campaign) -> Headers:
        """Return the headers of the donation page.

        Publishers frame it like the card. Browsers check redirects after a form against form-action.
        """
        settings = self.settings
        framed = content_security_policy(
            script=(
                *self._templates.asset_sources("give.js"),
                *self._templates.asset_sources("solve.js"),
                *self._templates.asset_sources("copy.js"),
                *settings.stripe_origins("script"),
            ),
            connect=settings.stripe_origins("connect"),
            frame=settings.stripe_origins("frame"),
            image=settings.stripe_origins("img"),
            form=settings.stripe_origins("form"),
            ancestors=self._templates.framers(campaign),
            trusted_types="default",  # give.js creates this policy; it allows scripts from Stripe's origin only
        )
        opener = {"cross-origin-opener-policy": "same-origin-allow-popups"}  # a wallet opens a window
        return (
            framed | opener | permissions_policy(allow_payment=True) | {"cross-origin-resource-policy": "cross-origin"}
        )


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _problem_title(problem: Problem) -> str:
    """Return the key of a page's heading. A missing page is no failure."""
    if problem["status"] != HTTPStatus.NOT_FOUND:
        return "problem.title"
    return "problem.title_campaign" if problem["code"].startswith("campaign_") else "problem.title_page"
