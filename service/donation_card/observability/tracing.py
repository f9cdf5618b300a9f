"""Tracing: an OpenTelemetry span for each routed request. It is off by default, and its library is then not imported.

A span has method, route, status, duration and request id. It has no path, query, address or header, because the path
of a checkout session holds a donor's session token.
"""

import os
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

SHUTDOWN_TIMEOUT = 1.0
"""Seconds that the end of the process waits for the last spans."""

SpanRecorder = Callable[[str, str, int, str, int, float], None]
"""Takes method, route, status, request id, start in nanoseconds since 1970, and duration in seconds."""


def is_installed() -> bool:
    """Return True if the extra `otel` is installed."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is not None


def configure_tracing(endpoint: str | None, version: str) -> tuple[SpanRecorder | None, Callable[[], None]]:
    """Return a function that records a span, and one that sends the last spans.

    `endpoint`: address of an OTLP collector (HTTP); without it there is no recorder. The library reads its other
    variables itself (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
    """
    if endpoint is None:
        return None, lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode

    name = os.environ.get("OTEL_SERVICE_NAME", "donation-card")
    provider = TracerProvider(
        resource=Resource({"service.name": name, "service.version": version}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=5)))
    tracer: Any = provider.get_tracer("donation-card")

    def record_span(method: str, route: str, status: int, request_id: str, started: int, duration: float) -> None:
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "request_id": request_id,
        }
        span = tracer.start_span(f"{method} {route}", kind=SpanKind.SERVER, start_time=started, attributes=attributes)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(started + round(duration * 1e9))

    def shut_down() -> None:
        """Send the last spans, but do not wait long for a collector that does not answer."""
        thread = threading.Thread(target=provider.shutdown, daemon=True)
        thread.start()
        thread.join(SHUTDOWN_TIMEOUT)

    return record_span, shut_down
