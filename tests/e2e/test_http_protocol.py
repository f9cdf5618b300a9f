"""Test the HTTP protocol on a socket: limits of the head, lost connections, other protocols."""

import contextlib
import re
import socket
from pathlib import Path

import pytest
from donation_card.server.http_protocol import MAX_HEADER_BYTES

from tests.support.installation import processes


@pytest.fixture(scope="module")
def process(redis_url, tmp_path_factory):
    """Run the service as an operator does, and yield the process, its port and its log."""
    folder = tmp_path_factory.mktemp("served")
    with processes(redis_url, folder, Path("campaigns"), workers=1) as (installation, process):
        yield process, int(installation.service.rpartition(":")[2]), folder / "log"


@pytest.fixture
def served(process):
    return process[1:]


def memory(process, name):
    """Return the megabytes of a process and its children: `VmRSS` now, `VmHWM` at most."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in (process.pid, *children)]
    return sum(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) for status in statuses) / 1024


def told(port, *pieces):
    """Everything that comes back for these pieces, until the server is done with the connection or silent for 10 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(65_536):
                answer += more
        except (TimeoutError, ConnectionError):
            pass
        return answer


@pytest.mark.parametrize(
    "head", [b"x: " + b"a" * MAX_HEADER_BYTES, b"x: y\r\n" * (MAX_HEADER_BYTES // 2), b"x" * MAX_HEADER_BYTES + b": y"]
)
def test_head_too_large_is_refused_whole_or_in_pieces(served, head):
    port, _ = served
    whole = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + head
    assert told(port, whole + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    pieces = [whole[at : at + 1_000] for at in range(0, len(whole), 1_000)]
    assert told(port, *pieces)[:13] in {b"HTTP/1.1 431 ", b""}  # it never ends, and is cut off
    assert told(port, b"GET /" + b"a" * 2 * MAX_HEADER_BYTES).startswith(b"HTTP/1.1 431 ")


def test_long_body_does_not_count_as_head(served):
    port, _ = served
    body = b"x" * 3 * MAX_HEADER_BYTES
    head = b"POST /v1/checkout-sessions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    post = head + b"content-length: %d\r\n\r\n" % len(body)
    assert told(port, post + body).startswith(b"HTTP/1.1 413 ")
    small = b"POST /v1/stripe/webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40000\r\n\r\n" + b"x" * 40_000
    assert told(port, small * 3).count(b"HTTP/1.1 400 ") == 3


CHUNKED = (
    b"POST /v1/checkout-sessions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "overhead", [b"x: y\r\n", b"x-" + b"a" * 1_000, b"x: " + b"a" * 1_000], ids=["fields", "name", "value"]
)
def test_endless_trailers_are_refused(served, overhead):
    """RFC 9112, 7.1.2: trailers follow the last chunk."""
    port, _ = served
    body = CHUNKED + b"2\r\n{}\r\n0\r\n"
    assert b"form_token" in told(port, body + b"x: y\r\n\r\n")
    endless = [overhead] * (200_000 // len(overhead))
    assert told(port, body + overhead, *endless)[:13] in {b"HTTP/1.1 431 ", b""}


def test_endless_chunk_extension_is_refused(served):
    port, _ = served
    assert told(port, CHUNKED + b"2;x=", *[b"a" * 1_000] * 200)[:13] in {b"HTTP/1.1 431 ", b""}


def test_2000_pipelined_requests_are_all_answered(served):
    port, log = served
    request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    assert told(port, request * 2_000).count(b"HTTP/1.1 200 ") == 2_000
    assert "RecursionError" not in log.read_text()


def send_until_closed(port, head, piece, most):
    """Send a piece again and again until the server closes the connection. Return the bytes sent."""
    sent = 0
    place = "127.0.0.1", port
    with socket.create_connection(place, timeout=60) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(head)
        while sent < most:
            sent += connection.send(piece)
    return sent


def test_60_mb_of_trailers_and_2000_requests_need_20_mb(process):
    serving, port, _ = process
    request = b"GET /v1/campaigns/vitaly HTTP/1.1\r\nhost: localhost\r\n\r\n"
    trailers, piece = CHUNKED + b"2\r\n{}\r\n0\r\n", b"x: " + b"a" * 1_000 + b"\r\n"
    told(port, request * 20)
    send_until_closed(port, trailers, piece, 1_000_000)
    before = {name: memory(serving, name) for name in ("VmRSS", "VmHWM")}
    sent = 0
    while sent < 60_000_000:
        sent += send_until_closed(port, trailers, piece * 60, 60_000_000)
    assert told(port, request * 2_000).count(b"HTTP/1.1 200 ") == 2_000
    assert {name: memory(serving, name) - before[name] < 20 for name in before} == {"VmRSS": True, "VmHWM": True}


def test_lost_connection_logs_no_error(served):
    port, log = served
    asked = b"GET /c/vitaly/give HTTP/1.1\r\nhost: localhost\r\n\r\n"
    for _ in range(20):
        told(port, asked * 5 + b"\0 no HTTP\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(asked * 5)
    assert told(port, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200 "
    )
    assert '"unhandled_error"' not in log.read_text()
    assert "Exception in ASGI" not in log.read_text()


def test_only_http_is_spoken(served):
    port, _ = served
    upgrade = (
        b"GET /c/vitaly HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    assert not told(port, upgrade).startswith(b"HTTP/1.1 101")
    assert told(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert told(port, b"CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 4")
    assert b"evil" not in told(port, b"TRACE / HTTP/1.1\r\nhost: x\r\nx: evil\r\n\r\n")


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"content-length: +5\r\n",
        b"content-length: -5\r\n",
    ],
)
def test_ambiguous_request_length_is_refused(served, framing):
    """RFC 9112, 6.3 and 11.2: request smuggling."""
    port, _ = served
    smuggled = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = told(
        port, b"POST /v1/stripe/webhook HTTP/1.1\r\nhost: localhost\r\n" + framing + b"\r\n0\r\n\r\n" + smuggled
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"status":"ok"' not in answer
