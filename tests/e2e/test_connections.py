"""Test the limits of connections, and pipelined requests."""

import contextlib
import socket
import threading
import time

import httpx
import pytest
from donation_card.server.http_protocol import MAX_HEADER_BYTES, REQUEST_TIMEOUT

from tests.support.installation import CLOSED_WITHIN, accepted, connected, eventually, processes

PROGRESS = "/v1/campaigns/vitaly/progress"


def told(installation, sent, *, until_closed=True):
    """Send these bytes and return the response."""
    with connected(installation) as client:
        client.sendall(sent)
        received = b""
        while until_closed or received.count(b"\r\n\r\n") < 1:
            if not (more := client.recv(65_536)):
                break
            received += more
        return received


def test_slow_heads_and_bodies_are_closed_others_served(redis_url, tmp_path, sample_campaign):
    with processes(redis_url, tmp_path, sample_campaign, workers=1) as (installation, _):
        heads = [connected(installation) for _ in range(500)]
        bodies = [connected(installation) for _ in range(200)]
        for slow in bodies:
            slow.sendall(b"POST /v1/stripe/webhook HTTP/1.1\r\nhost: h\r\ncontent-length: 60000\r\n\r\n")
        stopping = threading.Event()
        drip = threading.Thread(target=dripping, args=(heads + bodies, b"x-a: b\r\n", stopping))
        began = time.monotonic()
        for slow in heads:
            slow.sendall(b"GET / HTTP/1.1\r\n")
        drip.start()
        try:
            while time.monotonic() - began < REQUEST_TIMEOUT - 2:
                assert installation.client.get("/v1/campaigns/roof/progress").status_code == 200
            for each in heads + bodies:
                each.settimeout(CLOSED_WITHIN)
                assert ended(each), "closed by the service"
        finally:
            stopping.set()
            drip.join(60)
        assert installation.client.get("/v1/campaigns/roof/progress").status_code == 200


def dripping(clients, drop, stopping):
    """A few bytes a second on each: never silent, never done."""
    while not stopping.wait(1):
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(drop)


def ended(client):
    try:
        while client.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def test_silent_connection_closes_and_partial_request_gets_408(installation):
    with connected(installation) as silent, connected(installation) as begun:
        begun.sendall(b"GET / HTTP/1.1\r\nhost: h\r\n")
        assert begun.recv(100).startswith(b"HTTP/1.1 408 ")
        assert silent.recv(100) == b""


def test_client_that_never_reads_is_closed(installation):
    card = b"GET /widget/v1/donation-card.js HTTP/1.1\r\nhost: h\r\n\r\n"
    with connected(installation) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(3 * CLOSED_WITHIN)  # for all that is sent
        with pytest.raises(ConnectionError):
            asking_for_ever(client, card * 50)


def asking_for_ever(client, requests):
    """Until both sides' buffers are full, and then until the other side has gone."""
    while True:
        client.sendall(requests)


def test_head_over_the_limit_is_refused_below_is_accepted(installation):
    def head(size):
        return b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-filler: " + b"x" * size

    assert told(installation, head(MAX_HEADER_BYTES - 200) + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert told(installation, head(MAX_HEADER_BYTES) + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert told(installation, head(MAX_HEADER_BYTES)).startswith(b"HTTP/1.1 431 "), "it need not end"


@pytest.mark.parametrize("headers", [{}, {"accept-encoding": "br"}, {"accept-encoding": "gzip, br;q=0"}])
@pytest.mark.parametrize("path", [PROGRESS, "/widget/v1/donation-card.js", "/v1/campaigns/vitaly?lang=be"])
def test_cached_response_equals_rendered_response(installation, path, headers):
    first = installation.client.get(path, headers=headers)
    again = installation.client.get(path, headers=headers)
    assert (again.status_code, again.content) == (200, first.content)
    varying = {"date", "x-request-id"}
    shown = {name: value for name, value in again.headers.items() if name not in varying}
    assert shown == {name: value for name, value in first.headers.items() if name not in varying}
    assert {"etag", "cache-control", "content-type", "date", "x-request-id"} <= again.headers.keys()
    head = installation.client.head(path, headers=headers)
    assert (head.content, head.headers["content-length"]) == (b"", again.headers["content-length"])
    unchanged = installation.client.get(path, headers=headers | {"if-none-match": again.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert "content-length" not in unchanged.headers


def test_pipelined_requests_are_answered_in_order(installation):
    one = f"GET {PROGRESS} HTTP/1.1\r\nhost: h\r\n".encode()
    routed = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n"
    last = one + b"connection: close\r\n\r\n"
    answers = told(installation, (one + b"\r\n") * 3 + routed + one + b"\r\n" + routed + last)
    kinds = [b'"ok"' in answer for answer in answers.split(b"HTTP/1.1 200 OK")[1:]]
    assert kinds == [False, False, False, True, False, True, False]
    assert answers.count(b"connection: close") == 1


def test_http_1_0_client_is_answered_and_closed(installation):
    answer = told(installation, f"GET {PROGRESS} HTTP/1.0\r\nhost: h\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


def test_body_of_a_get_request_is_discarded(installation):
    read = f"GET {PROGRESS} HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n".encode()
    answers = told(installation, read + b"\r\nGET /" + read + b"connection: close\r\n\r\nGET /")
    assert answers.count(b"HTTP/1.1 200 OK") == 2


def test_idle_connection_is_answered_during_shutdown(redis_url, tmp_path, sample_campaign):
    with (
        processes(redis_url, tmp_path, sample_campaign, workers=1) as (installation, process),
        accepted(installation) as idle,
    ):
        process.terminate()
        place = httpx.URL(installation.service)
        eventually(lambda: refused(place), "it takes no new connections")
        idle.sendall(b"GET /v1/campaigns/roof/progress HTTP/1.1\r\nhost: h\r\n\r\n")
        answer = idle.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
        process.wait(30)


def refused(place):
    try:
        socket.create_connection((place.host, place.port), 1).close()
    except OSError:
        return True
    return False
