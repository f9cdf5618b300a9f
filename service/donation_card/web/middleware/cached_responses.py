"""Send public responses that are in the cache, without routing."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from donation_card.observability.metrics import cached_reads
from donation_card.web.http.cached_response import request_target
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.middleware.request_id import RequestIds, with_request_id


class CachedResponseMiddleware:
    """Pure ASGI middleware: answer GET and HEAD from the response cache, and pass everything else on.

    It stands before the other middleware. A cached response has its security headers already.
    """

    def __init__(self, app: ASGIApp, response_cache: ResponseCache, request_ids: RequestIds) -> None:
        self.app, self.response_cache, self.request_ids = app, response_cache, request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        response = self.response_cache.get(request_target(scope))
        if response is None:
            await self.app(scope, receive, send)
            return
        encoded = response.negotiate(scope["headers"])
        cached_reads.inc()
        await send(with_request_id(encoded.start, self.request_ids.for_request(scope)))
        await send(encoded.body)
