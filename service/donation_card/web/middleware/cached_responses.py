"""Send public responses that are in the cache, without routing."""

from starlette.types import ASGIApp, Receive, Scope, Send

from donation_card.web.http.cached_response import request_target
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.middleware.request_id import RequestIds, with_request_id

_METHODS = frozenset({"GET", "HEAD"})


class CachedResponseMiddleware:
    """Pure ASGI middleware: answer GET and HEAD from the response cache, and pass everything else on.

    It stands before the other middleware. A cached response has its security headers already.
    """

    def __init__(self, app: ASGIApp, response_cache: ResponseCache, request_ids: RequestIds) -> None:
        self.app, self.response_cache, self.request_ids = app, response_cache, request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _METHODS:
            response = self.response_cache.get(request_target(scope))
            if response is not None:
                self.response_cache.hits += 1
                start, body = response.negotiate(scope["headers"])
                await send(with_request_id(start, self.request_ids.for_request(scope)))
                await send(body)
                return
        await self.app(scope, receive, send)
