"""The webhook: verify, translate, join, answer. 200 means applied; anything else makes Stripe send it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from donation_card.application.donations import Donations
from donation_card.application.ports.totals import ApplyResult
from donation_card.errors import DonationCardError, IgnoredEvent, Unavailable
from donation_card.observability.metrics import webhooks
from donation_card.web.http.headers import DEFAULT_SECURITY_HEADERS, NO_STORE, SecurityHeadersMiddleware
from donation_card.web.http.request_body import MAX_EVENT_BYTES, read_body

log = structlog.get_logger()

PATH: Final = "/v1/stripe/webhook"

_HEADERS: Final = {**DEFAULT_SECURITY_HEADERS, **NO_STORE}
_APPLIED_RESPONSES: Final = {joined: JSONResponse({"outcome": joined.value}, 200, _HEADERS) for joined in ApplyResult}


class WebhookEndpoint:
    """An ASGI application: what a framework does around an endpoint costs more than the join."""

    def __init__(self, donations: Donations, problem: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.donations, self.problem = donations, problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            joined = await self._receive(scope, receive)
        except IgnoredEvent as reason:
            webhooks.labels("ignored", reason.code).inc()
            log.info("event_ignored", reason=reason.code)
            answer = JSONResponse({"outcome": "ignored", "reason": reason.code}, 200, _HEADERS)
        except DonationCardError as error:
            webhooks.labels("unavailable" if isinstance(error, Unavailable) else "rejected", error.code).inc()
            scope["endpoint"] = type(self)
            await SecurityHeadersMiddleware(await self.problem(Request(scope), error))(scope, receive, send)
            return
        else:
            webhooks.labels(joined.value, "").inc()
            answer = _APPLIED_RESPONSES[joined]
        await answer(scope, receive, send)

    async def _receive(self, scope: Scope, receive: Receive) -> ApplyResult:
        body = await read_body(scope, receive, MAX_EVENT_BYTES)
        signature = next((value for name, value in scope["headers"] if name == b"stripe-signature"), b"")
        return await self.donations.handle_webhook(body, signature)
