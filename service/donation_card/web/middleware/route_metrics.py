"""Measure how long requests take."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donation_card.observability.metrics import durations


class RouteMetricsMiddleware:
    """Pure ASGI middleware around one route: observe the duration, labelled with the route's template.

    The label is never the path, which can contain a session token.
    """

    def __init__(self, app: ASGIApp, route: str) -> None:
        self.app, self.route = app, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500
        scope.setdefault("state", {})["route"] = self.route

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            durations.labels(self.route, str(status)).observe(time.perf_counter() - started)
