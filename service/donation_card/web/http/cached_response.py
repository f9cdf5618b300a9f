"""Encode a response once and send it many times."""

import gzip
import re
from collections.abc import Iterable
from functools import lru_cache

import brotli
from starlette.types import Message, Receive, Scope, Send

from donation_card.web.http.headers import DEFAULT_SECURITY_HEADERS, Headers, etag

_REFUSED = re.compile(rb";\s*q=0(\.0*)?\s*$")

_MIN_COMPRESSED_BYTES = 500
"""A smaller body fits into one packet with or without compression."""


EncodedResponse = tuple[Message, Message]
"""One encoding of a response, as the two ASGI messages that send it."""


class CachedResponse:
    """A 200 response with its ETag as identity, gzip and brotli, and the 304 response for the same ETag.

    It is an ASGI application, so an endpoint can return it.
    """

    __slots__ = ("body", "encodings", "etag", "not_modified")

    def __init__(self, body: bytes, media_type: str, headers: Headers, *, quality: int | None = 5) -> None:
        """`quality` is that of brotli, None for a body that is compressed already."""
        self.body = body
        self.etag = etag(body).encode()
        vary = ", ".join(filter(None, (headers.get("vary"), "accept-encoding")))
        common = {**DEFAULT_SECURITY_HEADERS, **headers, "etag": etag(body), "vary": vary}
        bodies = {b"": body}
        if quality is not None and len(body) >= _MIN_COMPRESSED_BYTES:
            bodies |= {b"br": brotli.compress(body, quality=quality), b"gzip": gzip.compress(body, 9, mtime=0)}
        self.encodings = {
            encoding: _encode(
                200, {**common, "content-type": media_type, **_content_headers(encoding, len(encoded))}, encoded
            )
            for encoding, encoded in bodies.items()
        }
        self.not_modified = _encode(304, common, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.negotiate(scope["headers"]):
            await send(message)

    def negotiate(self, request_headers: Iterable[tuple[bytes, bytes]]) -> EncodedResponse:
        """Choose the encoding by Accept-Encoding, or the 304 response by If-None-Match."""
        chosen = self.encodings[b""]
        for name, value in request_headers:
            if name == b"accept-encoding":
                chosen = next((self.encodings[each] for each in _accepted(value) if each in self.encodings), chosen)
            elif name == b"if-none-match" and (self.etag in value or value == b"*"):
                return self.not_modified
        return chosen


def _encode(status: int, headers: Headers, body: bytes) -> EncodedResponse:
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return (
        {"type": "http.response.start", "status": status, "headers": fields},
        {"type": "http.response.body", "body": body},
    )


def request_target(scope: Scope) -> str:
    """Return the path, and the query as it was sent."""
    path: str = scope["path"]
    return f"{path}?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else path


@lru_cache(256)
def _accepted(header: bytes) -> tuple[bytes, ...]:
    """Return the encodings that an `Accept-Encoding` allows, the smaller one first (RFC 9110, 12.5.3)."""
    refused = {part.partition(b";")[0].strip() for part in header.split(b",") if _REFUSED.search(part)}
    named = {part.partition(b";")[0].strip() for part in header.split(b",")} - refused
    return tuple(each for each in (b"br", b"gzip") if each in named)


def _content_headers(encoding: bytes, length: int) -> Headers:
    size = {"content-length": str(length)}
    return {**size, "content-encoding": encoding.decode()} if encoding else size
