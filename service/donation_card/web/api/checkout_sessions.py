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

from donation_card.application.checkout import Checkout, Terms
from donation_card.application.ports import CheckoutSession, FormToken, Handle, Shape
from donation_card.application.session_limits import Visitor
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money, parse_amount
from donation_card.errors import Invalid
from donation_card.web.api.campaigns import language
from donation_card.web.http.headers import NO_STORE
from donation_card.web.http.request_body import FORM_LIMIT, form, read
from donation_card.web.pages.campaign import Pages, way_back
from donation_card.web.presentation import card as view
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.translations import Texts
from donation_card.web.problems import sentence

_OWN: Final = "own"


class Order(BaseModel):
    """What the giving page asks for. A form's `own` is what the donor typed; JSON sends the amount alone."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: str = Field(min_length=1, max_length=600)
    amount: str = Field(min_length=1, max_length=40)
    shape: Literal["embedded", "hosted"] = "embedded"
    replaces: str = Field(default="", max_length=600)
    lang: str = Field(default="", max_length=100)
    proof: str = Field(default="", max_length=2_000)


class CheckoutEndpoints:
    """`/v1/checkout-sessions`."""

    def __init__(self, checkout: Checkout, pages: Pages, public_url: str) -> None:
        self.checkout, self.pages, self.public_url = checkout, pages, public_url
        self.donations, self.tokens = checkout.donations, checkout.tokens

    async def start(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return await self._start_json(request)
        if kind == "application/x-www-form-urlencoded":
            return await self._start_form(request)
        raise HTTPException(415)

    async def _start_json(self, request: Request) -> Response:
        order = _order(await read(request.scope, request.receive, FORM_LIMIT))
        request.state.lang = order.lang  # a problem, too, is told in the language of the page
        token = self.tokens.form(order.token)
        campaign = self.donations.campaign(token.campaign)
        words = _words(campaign, order.lang)
        visitor = Visitor(client_address(request), scripted=True, proof=order.proof, form=form_name(order.token))
        amount = parse_amount(order.amount, campaign.currency, decimals=campaign.giving.decimals)
        session = await self._open(campaign, words, token, amount, visitor, Shape(order.shape), order.replaces)
        handle = self.tokens.handle(Handle(session.id, campaign.id, token.nonce))
        return JSONResponse(_made(session, amount, handle, order.shape), 201, NO_STORE)

    async def _start_form(self, request: Request) -> Response:
        """Without JavaScript: to the hosted page, or the form again with what is wrong and nothing lost."""
        given = form(await read(request.scope, request.receive, FORM_LIMIT))
        request.state.lang = given.get("lang", "")
        token = self.tokens.form(given.get("token", ""))
        campaign = self.donations.campaign(token.campaign)
        words = _words(campaign, given.get("lang", ""))
        visitor = Visitor(client_address(request), scripted=False)
        back = way_back(campaign, given.get("back", ""))
        try:
            amount = _chosen(given, campaign, words)
            earlier = given.get("replaces", "")
            session = await self._open(campaign, words, token, amount, visitor, Shape.HOSTED, earlier, back)
        except Invalid as error:
            if not error.code.startswith("amount_"):
                raise
            return self.pages.give(
                campaign,
                self.donations.shown(campaign),
                words,
                given["token"],
                open_now=self.donations.accepts(campaign),
                given=given,
                back=back,
                error={"text": sentence(error, words), "field": "amount"},
                status=error.status,
            )
        assert session.url is not None
        return RedirectResponse(session.url, 303, NO_STORE)

    async def _open(
        self,
        campaign: Campaign,
        words: Texts,
        token: FormToken,
        amount: Money,
        visitor: Visitor,
        shape: Shape,
        replaces: str,
        back: str = "",
    ) -> CheckoutSession:
        base = f"{self.public_url}/c/{campaign.id}"
        returning = f"return={self.tokens.returning(campaign.id, token.nonce, back)}&lang={words.language}"
        named = f"&{urlencode({'back': back})}" if back else ""
        hosted = shape is Shape.HOSTED
        terms = Terms(
            shape=shape,
            description=words.t("give.product"),
            locale=(campaign.stripe_locales or {}).get(words.language, words.language),
            # Stripe fills the braces in; encoded they would stay
            success_url=f"{base}/thanks?session={{CHECKOUT_SESSION_ID}}&{returning}" if hosted else None,
            cancel_url=f"{base}/give?lang={words.language}{named}" if hosted else None,
            notice=_notice(campaign, words),
        )
        earlier = self.tokens.read_handle(replaces) if replaces else None
        return await self.checkout.start(token, amount, terms, visitor, replaces=earlier)

    async def follow(self, request: Request) -> Response:
        handle = self.tokens.read_handle(request.path_params["handle"])
        campaign = self.donations.campaigns.get(handle.campaign)  # a hidden one too: what was paid is said
        words = texts.texts(language(request, campaign))
        session = await self.checkout.follow(handle.session_id, handle.campaign, handle.nonce)
        figure = self.donations.shown(campaign)
        return JSONResponse(view.thanks(campaign, figure, words, session.status.value, session.amount), 200, NO_STORE)


def form_name(token: str) -> str:
    """What a proof of work is bound to: the form it was made for, without telling its token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def client_address(request: Request) -> str | None:
    """The client's, as uvicorn says: a proxy is believed where `FORWARDED_ALLOW_IPS` names it, a header never."""
    return request.client.host if request.client else None


def _order(body: bytes) -> Order:
    try:
        return Order.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:60] or "body"
        raise Invalid(field=field, reason=first["msg"][:120]) from error


def _chosen(given: dict[str, str], campaign: Campaign, words: Texts) -> Money:
    """The one amount a form means. Chosen and typed and different: the donor is asked, nothing is guessed."""
    chosen, typed = given.get("amount", ""), given.get("own", "").strip()

    def read_amount(text: str) -> Money:
        return parse_amount(text, campaign.currency, decimals=campaign.giving.decimals)

    if chosen in {"", _OWN}:
        return read_amount(typed)
    amount = read_amount(chosen)
    if typed and read_amount(typed) != amount:
        raise Invalid("amount_two_chosen", chosen=words.money(amount), given=typed[:40])
    return amount


def _words(campaign: Campaign, lang: str) -> Texts:
    return texts.texts(campaign.language(texts.wanted(lang)))


def _notice(campaign: Campaign, words: Texts) -> str | None:
    """The warning in our words on Stripe's page, which speaks neither Belarusian nor Ukrainian."""
    warning = view.warning(campaign.warn_banks_of, words)
    return f"{warning['title']} {warning['text']}" if warning else None


def _made(session: CheckoutSession, amount: Money, handle: str, shape: str) -> dict[str, object]:
    where = {"client_secret": session.client_secret} if shape == "embedded" else {"url": session.url}
    expires = datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "handle": handle,
        "shape": shape,
        "amount": amount.amount,
        "currency": amount.currency,
        "expires_at": expires,
        **where,
    }
