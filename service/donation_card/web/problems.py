"""Convert errors to responses: `application/problem+json` (RFC 9457) for programs, a page for people.

Both contain a stable code and a sentence in the language of the reader, and no internal details.
"""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import MINOR_UNIT_EXPONENT, Money
from donation_card.errors import (
    ClientError,
    Conflict,
    DonationCardError,
    Forbidden,
    Invalid,
    NotFound,
    ProgressUnknown,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedFormat,
)
from donation_card.observability.log_events import LogEvent, log
from donation_card.web.http.headers import BEARER, NO_STORE, Headers
from donation_card.web.presentation.documents import Problem
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.translations import Translations, choose_translations, request_translations

_STATUS: dict[type[DonationCardError], int] = {
    ClientError: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    UnsupportedFormat: 501,
    Invalid: 400,
    TooLarge: 413,
    Conflict: 409,
    RateLimited: 429,
    Unavailable: 503,
    DonationCardError: 500,
}
"""A class that is not listed has the status of its base class (RFC 9110, RFC 6585)."""

_HTTP_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}

_DEFAULT_RETRY_AFTER = 5
"""Seconds."""


def http_status(error: DonationCardError) -> int:
    """Return the HTTP status for the class of the error."""
    return next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS)


class Problems:
    """Exception handlers for Starlette."""

    def __init__(self, pages: GivingPageRenderer, campaigns: Campaigns, progress: PublicProgress) -> None:
        self.pages, self.campaigns, self.progress = pages, campaigns, progress

    async def expected(self, request: Request, error: Exception) -> Response:
        """Respond to a DonationCardError."""
        assert isinstance(error, DonationCardError)
        if not isinstance(error, ClientError):
            log.warning(LogEvent.DEPENDENCY_UNAVAILABLE, endpoint=_endpoint(request), reason=str(error))
        headers = BEARER if isinstance(error, Unauthorized) else {}
        return self._response(request, error, http_status(error), headers)

    async def http(self, request: Request, error: Exception) -> Response:
        """Respond to an error of Starlette, such as a path without a route."""
        assert isinstance(error, HTTPException)
        problem = ClientError(_HTTP_CODES.get(error.status_code, "request_malformed"))
        return self._response(request, problem, error.status_code, dict(error.headers or {}))

    async def unexpected(self, request: Request, error: Exception) -> Response:
        """Respond to any other exception."""
        log.error(LogEvent.UNHANDLED_ERROR, endpoint=_endpoint(request), exc_info=error)
        return self._response(request, DonationCardError(), 500)

    def _response(
        self, request: Request, error: DonationCardError, status: int, headers: Headers | None = None
    ) -> Response:
        t, campaign = _language(request), self._campaign(error)
        if campaign:
            t = choose_translations(t.language, campaign)
        problem = problem_document(error, status, t, request.scope["request_id"])
        retry_after = str(error.params.get("retry_after", _DEFAULT_RETRY_AFTER))
        headers = {**NO_STORE, **({"retry-after": retry_after} if status in {429, 503} else {}), **(headers or {})}
        if _wants_page(request):
            ways = self.progress.ways_to_give(campaign) if campaign else ()
            return self.pages.problem(problem, t, campaign, ways, headers)
        if request.url.path.startswith(("/v1/campaigns/", "/oembed")):
            headers["access-control-allow-origin"] = "*"
        return JSONResponse(problem, status, headers, media_type="application/problem+json")

    def _campaign(self, error: DonationCardError) -> Campaign | None:
        """Return the campaign that an error names. Its page leads back to the form, and to other ways to give."""
        try:
            return self.campaigns.get(str(error.params.get("campaign", "")))
        except NotFound:
            return None


def problem_document(error: DonationCardError, status: int, t: Translations, request_id: str) -> Problem:
    """Return a problem document. Amounts in `params` are in minor units."""
    problem: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": localized_detail(error, t),
        "request_id": request_id,
    }
    params = dict(error.params)
    if "fallback_url" in params:
        problem["fallback_url"] = str(params.pop("fallback_url"))
    if isinstance(error, (ClientError, ProgressUnknown)) and params:
        problem["params"] = params
    return problem


def localized_detail(error: DonationCardError, t: Translations) -> str:
    """Return the sentence for people. A number is formatted as money if `params` names a currency."""
    currency = error.params.get("currency")
    shown: dict[str, object] = {
        name: t.format_money(Money(value, str(currency)))
        if type(value) is int and currency in MINOR_UNIT_EXPONENT
        else value
        for name, value in error.params.items()
    }
    return t.translate(f"problem.{error.code}", **shown)


def _language(request: Request) -> Translations:
    try:
        return request_translations(request)
    except Invalid:  # the error can be about the language itself
        return choose_translations("", accept_language=request.headers.get("accept-language", ""))


def _wants_page(request: Request) -> bool:
    sent_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.url.path.startswith("/v1/") and not sent_form:
        return False
    return "text/html" in request.headers.get("accept", "")


def _endpoint(request: Request) -> str:
    """Return the endpoint's name for the log. The path can contain a session token, so it is never logged."""
    return getattr(request.scope.get("endpoint"), "__qualname__", "")
