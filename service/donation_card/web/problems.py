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

from donation_card.domain.money import MINOR_UNIT_EXPONENT, Money
from donation_card.errors import ClientError, DonationCardError, Invalid
from donation_card.web.http.headers import DEFAULT_SECURITY_HEADERS, NO_STORE, Headers
from donation_card.web.pages.campaign import PageRenderer
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.translations import Translations

log = structlog.get_logger()

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}


class Problems:
    """Exception handlers for Starlette."""

    def __init__(self, pages: PageRenderer) -> None:
        self.pages = pages

    async def expected(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, DonationCardError)
        if not isinstance(error, ClientError):
            log.warning("dependency_unavailable", endpoint=_endpoint(request), reason=str(error))
        return self.response(request, error)

    async def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refused = ClientError(_HTTP_CODES.get(error.status_code, "request_malformed"))
        refused.status = error.status_code
        return self.response(request, refused, headers=dict(error.headers or {}))

    async def unexpected(self, request: Request, error: Exception) -> Response:
        log.error("unhandled_error", endpoint=_endpoint(request), exc_info=error)
        return self.response(
            request, DonationCardError(), headers=DEFAULT_SECURITY_HEADERS
        )  # it is answered outside of `SafeByDefault`

    def response(self, request: Request, error: DonationCardError, headers: Headers | None = None) -> Response:
        t = _language(request)
        problem = problem_document(error, t) | {"request_id": request.scope["request_id"]}
        wait = {"retry-after": str(error.params.get("retry_after", 5))} if error.status in {429, 503} else {}
        headers = {**NO_STORE, **wait, **(headers or {})}
        if _wants_page(request):
            return self.pages.problem(problem, t, retry_url=_retry(error, t), warned=_warned(error), headers=headers)
        if request.url.path.startswith(("/v1/campaigns/", "/oembed")):
            headers["access-control-allow-origin"] = "*"
        return JSONResponse(problem, error.status, headers, media_type="application/problem+json")


def problem_document(error: DonationCardError, translations: Translations) -> dict[str, object]:
    """The members of a problem document. `evidence`: amounts in minor units."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": localized_detail(error, translations),
    }
    evidence = {name: value for name, value in error.params.items() if name != "warn_banks_of"}  # for a page
    if "fallback_url" in evidence:
        problem["fallback_url"] = evidence.pop("fallback_url")
    if isinstance(error, ClientError) and evidence:
        problem["evidence"] = evidence
    return problem


def localized_detail(error: DonationCardError, t: Translations) -> str:
    """What a person is told. Minor units beside a currency are written as money."""
    currency = error.params.get("currency")
    shown: dict[str, object] = {
        name: t.format_money(Money(value, str(currency)))
        if type(value) is int and currency in MINOR_UNIT_EXPONENT
        else value
        for name, value in error.params.items()
    }
    return t.translate(f"problem.{error.code}", **shown)


def _language(request: Request) -> Translations:
    """That of the body, once it was read; else of the address; else the browser's."""
    try:
        preferred = texts.parse_lang_param(getattr(request.state, "lang", "") or request.query_params.get("lang", ""))
    except Invalid:
        preferred = ()
    return texts.best_match(preferred or texts.parse_accept_language(request.headers.get("accept-language", "")))


def _wants_page(request: Request) -> bool:
    sent_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.url.path.startswith("/v1/") and not sent_form:
        return False
    return "text/html" in request.headers.get("accept", "")


def _endpoint(request: Request) -> str:
    """What was asked, for the log. Never the path: a donor's handle may be in it."""
    return getattr(request.scope.get("endpoint"), "__qualname__", "")


def _retry(error: DonationCardError, t: Translations) -> str | None:
    campaign = error.params.get("campaign")
    return f"/c/{campaign}/give?lang={t.language}" if campaign else None


def _warned(error: DonationCardError) -> tuple[str, ...]:
    """States whose banks a donor must not pay from, where another way to give is offered."""
    return tuple(filter(None, str(error.params.get("warn_banks_of", "")).split(",")))
