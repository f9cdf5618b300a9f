"""Measure how long requests take."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donation_card.observability.metrics import durations
from donation_card.observability.tracing import SpanRecorder


class RouteMetricsMiddleware:
    """Pure ASGI middleware around one route: observe the duration and record a span, both with the route's template.

    They never have the path, which can contain a session token.
    """

    def __init__(self, app: ASGIApp, route: str, record_span: SpanRecorder | None) -> None:
        self.app, self.route, self.record_span = app, route, record_span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, counter, status = time.time_ns(), time.perf_counter(), 500

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            duration = time.perf_counter() - counter
            durations.labels(self.route, str(status)).observe(duration)
            if self.record_span is not None:
                self.record_span(scope["method"], self.route, status, scope["request_id"], started, duration)
