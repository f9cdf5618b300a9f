"""Serve the metrics to Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import Metric
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from donation_card.application.counter_export import CounterExport
from donation_card.errors import NotFound
from donation_card.observability.metrics import render
from donation_card.web.http.bearer_auth import BearerAuth
from donation_card.web.http.headers import NO_STORE


class MetricsEndpoint:
    """`GET /metrics`. Without the operator's token it responds like an unknown address."""

    def __init__(
        self, operator: BearerAuth, collect_gauges: Callable[[], Iterable[Metric]], export: CounterExport
    ) -> None:
        self.operator, self.collect_gauges, self.export = operator, collect_gauges, export

    async def show(self, request: Request) -> Response:
        if not self.operator.is_authorized(request):
            raise NotFound
        self.export.renew_if_due()
        gauges = self.collect_gauges()  # only reads; the thread makes the metrics of thousands of campaigns
        body = await run_in_threadpool(render, gauges, self.export.settled)
        return Response(body, 200, NO_STORE, CONTENT_TYPE_LATEST)
