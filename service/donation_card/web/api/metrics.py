"""Metrics, to whoever bears the operator's token; to everybody else there is nothing here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import Metric
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donation_card.errors import NotFound
from donation_card.observability.metrics import durations, render
from donation_card.web.api.health import BearerAuth
from donation_card.web.http.headers import NO_STORE


class MetricsEndpoint:
    """`known`: what this worker knows at this moment."""

    def __init__(self, operator: BearerAuth, collect_gauges: Callable[[], Iterable[Metric]]) -> None:
        self.operator, self.known = operator, collect_gauges

    async def show(self, request: Request) -> Response:
        if not self.operator.is_authorized(request):
            raise NotFound
        body = await run_in_threadpool(render, list(self.known()))
        return Response(body, 200, NO_STORE, CONTENT_TYPE_LATEST)


class RouteMetricsMiddleware:
    """Pure ASGI middleware around one route: how long it took, told by the route's template and never by the path."""

    def __init__(self, app: ASGIApp, route: str) -> None:
        self.app, self.route = app, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500
        scope.setdefault("state", {})["route"] = self.route

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            durations.labels(self.route, str(status)).observe(time.perf_counter() - began)
