"""The webhook: verify, translate, join, answer. 200 means applied; anything else makes Stripe send it again."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.donations import Donations
from service.errors import NotOurEvent
from service.web.bodies import EVENT_LIMIT, read
from service.web.headers import NO_STORE

log = structlog.get_logger()


class WebhookEndpoint:
    def __init__(self, donations: Donations) -> None:
        self.donations = donations

    async def receive(self, request: Request) -> Response:
        body = await read(request, EVENT_LIMIT)
        signature = request.headers.get("stripe-signature", "").encode("latin-1")
        try:
            joined = await self.donations.receive(body, signature)
        except NotOurEvent as reason:
            log.info("event_ignored", reason=reason.code)
            return JSONResponse({"outcome": "ignored", "reason": reason.code}, 200, NO_STORE)
        return JSONResponse({"outcome": joined.value}, 200, NO_STORE)
