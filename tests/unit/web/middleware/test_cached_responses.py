"""CachedResponseMiddleware answers GET and HEAD from the cache, and passes everything else on."""

import asyncio

import pytest
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.middleware.cached_responses import CachedResponseMiddleware
from donation_card.web.middleware.request_id import RequestIds

BODY = b'{"raised":2500}' * 100


@pytest.fixture
def cache():
    cache = ResponseCache()
    cache.put("/progress", CachedResponse(BODY, "application/json", {"cache-control": "no-store"}))
    return cache


def send(cache, method="GET", path="/progress", query=b"", headers=(), kind="http"):
    """Return the messages that were sent, and True if the request was passed on."""
    sent, passed = [], []

    async def app(scope, receive, send):
        passed.append(scope)

    async def record(message):
        sent.append(message)

    middleware = CachedResponseMiddleware(app, cache, RequestIds("127.0.0.1"))
    scope = {"type": kind, "method": method, "path": path, "query_string": query, "headers": list(headers)}
    asyncio.run(middleware(scope | {"client": ("192.0.2.7", 1)}, None, record))
    return sent, bool(passed)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_cached_response_is_sent_with_a_request_id(cache, method):
    (start, body), passed = send(cache, method)
    assert not passed
    assert (start["status"], body["body"]) == (200, BODY)
    names = [name for name, _ in start["headers"]]
    assert names.count(b"x-request-id") == 1
    assert b"content-security-policy" in names
    assert cache.take_hits() == 1


@pytest.mark.parametrize(
    "request_", [{"method": "POST"}, {"path": "/other"}, {"query": b"lang=be"}, {"kind": "lifespan"}]
)
def test_any_other_request_is_passed_on(cache, request_):
    assert send(cache, **request_) == ([], True)
    assert cache.take_hits() == 0


def test_the_encoding_follows_accept_encoding(cache):
    (start, body), _ = send(cache, headers=[(b"accept-encoding", b"gzip, br;q=0.9")])
    assert (b"content-encoding", b"br") in start["headers"]
    assert len(body["body"]) < len(BODY)
    (start, _), _ = send(cache, headers=[(b"accept-encoding", b"gzip;q=0")])
    assert b"content-encoding" not in dict(start["headers"])


def test_the_etag_of_the_client_gets_304(cache):
    (start, _), _ = send(cache)
    etag = dict(start["headers"])[b"etag"]
    (start, body), _ = send(cache, headers=[(b"if-none-match", etag)])
    assert (start["status"], body["body"]) == (304, b"")


def test_two_responses_do_not_share_a_request_id(cache):
    ids = {dict(send(cache)[0][0]["headers"])[b"x-request-id"] for _ in range(20)}
    assert len(ids) == 20
