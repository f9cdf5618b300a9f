"""Checkout sessions: start one from the giving page's form, as JSON or as a plain form, and follow it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from donation_card.application.checkout import Checkout, PaymentPageOptions, StartCheckout
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import CheckoutSession, UiMode
from donation_card.application.ports.tokens import FormToken, SessionHandle, Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.application.session_limits import Client
from donation_card.application.session_reader import SessionReader
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money, parse_amount
from donation_card.errors import Invalid
from donation_card.web.http.headers import NO_STORE
from donation_card.web.http.request_body import MAX_FORM_BYTES, parse_form, read_body
from donation_card.web.http.return_url import validate_return_url
from donation_card.web.presentation import card as view
from donation_card.web.presentation import documents
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.request_language import page_language
from donation_card.web.presentation.translations import Translations
from donation_card.web.problems import http_status, localized_detail

CUSTOM_AMOUNT: Final = "custom"
"""Value of the form field `amount` if the donor typed an amount into `custom_amount`."""


class CheckoutRequest(BaseModel):
    """Parse the body of `POST /v1/checkout-sessions` (JSON)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    form_token: str = Field(min_length=1, max_length=600)
    amount: str = Field(min_length=1, max_length=40)
    ui_mode: Literal["embedded", "hosted"] = "embedded"
    replaces_session: str = Field(default="", max_length=600)
    lang: str = Field(default="", max_length=100)
    proof: str = Field(default="", max_length=2_000)


class CheckoutEndpoints:
    """`/v1/checkout-sessions`."""

    def __init__(
        self,
        checkout: Checkout,
        session_reader: SessionReader,
        campaigns: Campaigns,
        progress: PublicProgress,
        tokens: Tokens,
        pages: PageRenderer,
        public_url: str,
    ) -> None:
        self.checkout, self.session_reader, self.campaigns = checkout, session_reader, campaigns
        self.progress, self.tokens, self.pages, self.public_url = progress, tokens, pages, public_url

    async def create(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return await self._start_json(request)
        if kind == "application/x-www-form-urlencoded":
            return await self._start_form(request)
        raise HTTPException(415)

    async def _start_json(self, request: Request) -> Response:
        order = _parse_request(await read_body(request.scope, request.receive, MAX_FORM_BYTES))
        request.state.lang = order.lang  # a problem, too, is told in the language of the page
        token = self.tokens.read_form_token(order.form_token)
        campaign = self.campaigns.get_visible(token.campaign)
        t = _translations_for(campaign, order.lang)
        visitor = Client(
            client_address(request), has_javascript=True, proof=order.proof, form_hash=form_hash(order.form_token)
        )
        amount = parse_amount(order.amount, campaign.currency, allow_minor_units=campaign.giving.allow_minor_units)
        session = await self._open(campaign, t, token, amount, visitor, UiMode(order.ui_mode), order.replaces_session)
        session_token = self.tokens.issue_handle(SessionHandle(session.id, campaign.id, token.attempt_id))
        return JSONResponse(_session_json(session, amount, session_token, order.ui_mode), 201, NO_STORE)

    async def _start_form(self, request: Request) -> Response:
        """Without JavaScript: to the hosted page, or the form again with what is wrong and nothing lost."""
        given = parse_form(await read_body(request.scope, request.receive, MAX_FORM_BYTES))
        request.state.lang = given.get("lang", "")
        token = self.tokens.read_form_token(given.get("form_token", ""))
        campaign = self.campaigns.get_visible(token.campaign)
        t = _translations_for(campaign, given.get("lang", ""))
        visitor = Client(client_address(request), has_javascript=False)
        return_url = validate_return_url(campaign, given.get("return_url", ""))
        try:
            amount = _amount_from_form(given, campaign, t)
            earlier = given.get("replaces_session", "")
            session = await self._open(campaign, t, token, amount, visitor, UiMode.HOSTED, earlier, return_url)
        except Invalid as error:
            if not error.code.startswith("amount_"):
                raise
            return self.pages.give(
                campaign,
                self.progress.get(campaign),
                t,
                given["form_token"],
                open_now=self.progress.accepts_donations(campaign),
                given=given,
                return_url=return_url,
                error=localized_detail(error, t),
                status=http_status(error),
            )
        assert session.url is not None
        return RedirectResponse(session.url, 303, NO_STORE)

    async def _open(
        self,
        campaign: Campaign,
        t: Translations,
        token: FormToken,
        amount: Money,
        visitor: Client,
        ui_mode: UiMode,
        replaces_session: str,
        return_url: str = "",
    ) -> CheckoutSession:
        base = f"{self.public_url}/c/{campaign.id}"
        return_token = self.tokens.issue_return_token(campaign.id, token.attempt_id, return_url)
        query = f"&{urlencode({'return_url': return_url})}" if return_url else ""
        hosted = ui_mode is UiMode.HOSTED
        terms = PaymentPageOptions(
            ui_mode=ui_mode,
            description=t.translate("give.product"),
            locale=(campaign.stripe_locales or {}).get(t.language, t.language),
            # Stripe replaces the braces, but not encoded ones
            success_url=f"{base}/thanks?session_id={{CHECKOUT_SESSION_ID}}&return_token={return_token}&lang={t.language}"
            if hosted
            else None,
            cancel_url=f"{base}/give?lang={t.language}{query}" if hosted else None,
            submit_message=_submit_message(campaign, t),
        )
        earlier = self.tokens.read_handle(replaces_session) if replaces_session else None
        return await self.checkout.start(StartCheckout(token, amount, terms, visitor, earlier))

    async def status(self, request: Request) -> Response:
        handle = self.tokens.read_handle(request.path_params["session_token"])
        campaign = self.campaigns.get(handle.campaign)  # a hidden one too: what was paid is said
        t = texts.translations_for(page_language(request, campaign))
        session = await self.session_reader.get_status(handle.session_id, handle.campaign, handle.attempt_id)
        progress = self.progress.get(campaign)
        return JSONResponse(
            view.checkout_status_json(campaign, progress, t, session.status.value, session.amount), 200, NO_STORE
        )


def form_hash(token: str) -> str:
    """Return the hash of a form token. A proof of work is valid for the form with this hash only."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def client_address(request: Request) -> str | None:
    """The client's, as uvicorn says: a proxy is believed where `FORWARDED_ALLOW_IPS` names it, a header never."""
    return request.client.host if request.client else None


def _parse_request(body: bytes) -> CheckoutRequest:
    try:
        return CheckoutRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:60] or "body"
        raise Invalid(field=field, reason=first["msg"][:120]) from error


def _amount_from_form(given: dict[str, str], campaign: Campaign, t: Translations) -> Money:
    """The one amount a form means. Chosen and typed and different: the donor is asked, nothing is guessed."""
    chosen, typed = given.get("amount", ""), given.get("custom_amount", "").strip()

    def read_amount(text: str) -> Money:
        return parse_amount(text, campaign.currency, allow_minor_units=campaign.giving.allow_minor_units)

    if chosen in {"", CUSTOM_AMOUNT}:
        return read_amount(typed)
    amount = read_amount(chosen)
    if typed and read_amount(typed) != amount:
        raise Invalid("amount_conflict", chosen=t.format_money(amount), given=typed[:40])
    return amount


def _translations_for(campaign: Campaign, lang: str) -> Translations:
    return texts.translations_for(campaign.best_language(texts.parse_lang_param(lang)))


def _submit_message(campaign: Campaign, t: Translations) -> str | None:
    """The warning in our words on Stripe's page, which speaks neither Belarusian nor Ukrainian."""
    warning = view.bank_warning(campaign.warned_bank_countries, t)
    return f"{warning['title']} {warning['text']}" if warning else None


def _session_json(
    session: CheckoutSession, amount: Money, session_token: str, ui_mode: str
) -> documents.CheckoutSession:
    document: documents.CheckoutSession = {
        "session_token": session_token,
        "ui_mode": ui_mode,
        "amount": amount.amount,
        "currency": amount.currency,
        "expires_at": datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if ui_mode == "embedded":
        document["client_secret"] = session.client_secret or ""
    else:
        document["url"] = session.url or ""
    return document
