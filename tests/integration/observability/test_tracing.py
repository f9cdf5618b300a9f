"""Test tracing: spans name a route, and nothing is sent without a collector."""

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.installation import running


@pytest.fixture
def collector():
    """Its address, and the bodies that it was sent."""
    received = []

    class Collecting(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()


def test_span_names_the_route_and_cached_read_has_none(redis_url, tmp_path, collector):
    url, received = collector
    with running(redis_url, tmp_path / "sandbox", settings_options={"otlp_endpoint": url}) as installation:
        installation.until_ready()
        order = installation.order("25").json()
        session_token = order["session_token"]
        followed = installation.client.get(f"/v1/checkout-sessions/{session_token}?lang=be")
        for _ in range(3):  # the first one prepares the response
            installation.progress()
        installation.client.get("/c/nobody?secret=7")
    assert {path for path, _, _ in received} == {"/v1/traces"}
    bodies = [unpacked(head, body) for _, head, body in received]
    told = [span for body in bodies for span in spans(body)]
    routes = {value(span, "http.route") for span in told}
    assert {"/v1/checkout-sessions", "/v1/checkout-sessions/{session_token}", "/c/{id}", "/readyz"} <= routes
    assert [value(span, "http.route") for span in told].count("/v1/campaigns/{id}/progress") == 1
    assert followed.headers["x-request-id"] in {value(span, "request_id") for span in told}
    assert {value(span, "http.response.status_code") for span in told if value(span, "http.route") == "/c/{id}"} == {
        404
    }
    for secret in (session_token, "nobody", "secret", "127.0.0.1", "python-httpx", "lang"):
        assert all(secret.encode() not in body for body in bodies), secret


def test_missing_collector_delays_nothing(redis_url, tmp_path):
    with running(
        redis_url, tmp_path / "sandbox", settings_options={"otlp_endpoint": "http://127.0.0.1:9"}
    ) as installation:
        installation.until_ready()
        assert installation.client.get("/c/vitaly").status_code == 200


def test_tracing_is_not_imported_without_collector():
    code = "import sys, donation_card.app, donation_card.cli.main; sys.exit('opentelemetry.exporter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def unpacked(head, body):
    return gzip.decompress(body) if head["content-encoding"] == "gzip" else body


def spans(body):
    request = ExportTraceServiceRequest.FromString(body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def value(span, key):
    found = next(attribute.value for attribute in span.attributes if attribute.key == key)
    return found.string_value or found.int_value
