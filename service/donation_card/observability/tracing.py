"""Tracing: a span for each routed request, where the operator asks for it; off, and not even imported, by default.

A span says which route, which status and how long, and the request's id. It holds no path, no query, no address and no
header: a donor's handle is in a path.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

SHUTDOWN_TIMEOUT: Final = 1.0
"""Seconds that the end of the process waits for the last spans to be taken."""

SpanRecorder = Callable[[str, str, int, str, int, int], None]
"""Takes method, route, status, the request's id, and begin and end in nanoseconds since 1970."""


def is_installed() -> bool:
    """Whether the extra `otel` is."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is not None


def configure_tracing(endpoint: str | None, version: str) -> tuple[SpanRecorder | None, Callable[[], None]]:
    """What to tell of each request, and what to call at the end; `endpoint`: an OTLP collector's address (HTTP).

    The library reads its other OTEL_… variables itself (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
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

    def record_span(method: str, route: str, status: int, request_id: str, began: int, ended: int) -> None:
        about = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "request_id": request_id,
        }
        span = tracer.start_span(f"{method} {route}", kind=SpanKind.SERVER, start_time=began, attributes=about)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(ended)

    def end() -> None:
        """Send what is left; a collector that is away keeps nobody from stopping."""
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(SHUTDOWN_TIMEOUT)

    return record_span, end
