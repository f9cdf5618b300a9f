"""SecurityHeadersMiddleware and PublicURLMiddleware change headers of responses and requests."""

import asyncio

from donation_card.web.http.headers import DEFAULT_SECURITY_HEADERS
from donation_card.web.middleware.public_url import PublicURLMiddleware
from donation_card.web.middleware.security_headers import SecurityHeadersMiddleware


def test_missing_security_headers_are_added():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"origin")]})

    async def record(message):
        sent.append(message)

    asyncio.run(SecurityHeadersMiddleware(app)({"type": "http"}, None, record))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert headers == DEFAULT_SECURITY_HEADERS | {"referrer-policy": "origin"}


def test_the_host_of_the_request_is_replaced():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    scope = {"type": "http", "scheme": "http", "headers": [(b"host", b"evil.example"), (b"accept", b"*/*")]}
    asyncio.run(PublicURLMiddleware(app, "https://give.example.org")(scope, None, None))
    assert seen[0]["scheme"] == "https"
    assert seen[0]["headers"] == [(b"host", b"give.example.org"), (b"accept", b"*/*")]
