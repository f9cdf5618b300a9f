"""Problems: the one place where an error becomes an answer.

A program gets `application/problem+json` (RFC 9457) with a stable code; a person gets a page; both get a sentence in
their language and are never shown what went on inside.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.domain.money import EXPONENTS, Money
from donation_card.errors import DonationCardError, Invalid, Refused
from donation_card.web.http.headers import NO_STORE, SAFE, Headers
from donation_card.web.pages.campaign import Pages
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.translations import Texts

log = structlog.get_logger()

_HTTP_CODES = {404: "page_unknown", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}


class Problems:
    """Exception handlers for Starlette."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    async def expected(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, DonationCardError)
        if not isinstance(error, Refused):
            log.warning("unavailable", endpoint=_endpoint(request), reason=str(error))
        return self.answer(request, error)

    async def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refused = Refused(_HTTP_CODES.get(error.status_code, "request_malformed"))
        refused.status = error.status_code
        return self.answer(request, refused, headers=dict(error.headers or {}))

    async def unexpected(self, request: Request, error: Exception) -> Response:
        log.error("internal", endpoint=_endpoint(request), exc_info=error)
        return self.answer(request, DonationCardError(), headers=SAFE)  # it is answered outside of `SafeByDefault`

    def answer(self, request: Request, error: DonationCardError, headers: Headers | None = None) -> Response:
        words = _language(request)
        problem = describe(error, words) | {"request_id": request.scope["request_id"]}
        wait = {"retry-after": str(error.evidence.get("retry_after", 5))} if error.status in {429, 503} else {}
        headers = {**NO_STORE, **wait, **(headers or {})}
        if _wants_page(request):
            return self.pages.problem(
                problem, words, retry_url=_retry(error, words), warned=_warned(error), headers=headers
            )
        if request.url.path.startswith(("/v1/campaigns/", "/oembed")):
            headers["access-control-allow-origin"] = "*"
        return JSONResponse(problem, error.status, headers, media_type="application/problem+json")


def describe(error: DonationCardError, words: Texts) -> dict[str, object]:
    """The members of a problem document. `evidence`: amounts in minor units."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": sentence(error, words),
    }
    evidence = {name: value for name, value in error.evidence.items() if name != "warn_banks_of"}  # for a page
    if "fallback_url" in evidence:
        problem["fallback_url"] = evidence.pop("fallback_url")
    if isinstance(error, Refused) and evidence:
        problem["evidence"] = evidence
    return problem


def sentence(error: DonationCardError, words: Texts) -> str:
    """What a person is told. Minor units beside a currency are written as money."""
    currency = error.evidence.get("currency")
    shown: dict[str, object] = {
        name: words.money(Money(value, str(currency))) if type(value) is int and currency in EXPONENTS else value
        for name, value in error.evidence.items()
    }
    return words.t(f"problem.{error.code}", **shown)


def _language(request: Request) -> Texts:
    """That of the body, once it was read; else of the address; else the browser's."""
    try:
        preferred = texts.wanted(getattr(request.state, "lang", "") or request.query_params.get("lang", ""))
    except Invalid:
        preferred = ()
    return texts.best(preferred or texts.accepted(request.headers.get("accept-language", "")))


def _wants_page(request: Request) -> bool:
    sent_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.url.path.startswith("/v1/") and not sent_form:
        return False
    return "text/html" in request.headers.get("accept", "")


def _endpoint(request: Request) -> str:
    """What was asked, for the log. Never the path: a donor's handle may be in it."""
    return getattr(request.scope.get("endpoint"), "__qualname__", "")


def _retry(error: DonationCardError, words: Texts) -> str | None:
    campaign = error.evidence.get("campaign")
    return f"/c/{campaign}/give?lang={words.language}" if campaign else None


def _warned(error: DonationCardError) -> tuple[str, ...]:
    """States whose banks a donor must not pay from, where another way to give is offered."""
    return tuple(filter(None, str(error.evidence.get("warn_banks_of", "")).split(",")))
