"""Answers: bytes made once per change and sent many times, compressed and tagged beforehand.

An `Answer` is itself an ASGI application; a read of it makes no request, no response and no Redis call.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

import brotli
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donation_card.web.http.headers import DEFAULT_SECURITY_HEADERS, Headers, etag
from donation_card.web.middleware.request_id import RequestIds, with_request_id

_REFUSED: Final = re.compile(rb";\s*q=0(\.0*)?\s*$")

_COMPRESSIBLE_TYPES: Final = 500
"""Bytes; below this, packing saves nothing that a packet would notice."""


class EncodedResponse(NamedTuple):
    """One form of an answer: as messages, and as the bytes that these become on the wire, up to the last field."""

    start: Message
    body: Message
    head: bytes

    @classmethod
    def of(cls, status: int, headers: Headers, body: bytes) -> EncodedResponse:
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(b"%b: %b" % field for field in fields)]
        return cls(
            {"type": "http.response.start", "status": status, "headers": fields},
            {"type": "http.response.body", "body": body},
            b"\r\n".join([*lines, b""]),
        )


class CachedResponse:
    """A complete 200 with its ETag, in every encoding that browsers ask for; 304 where the reader has it already."""

    __slots__ = ("body", "etag", "not_modified", "variants")

    def __init__(self, body: bytes, media_type: str, headers: Headers, *, quality: int = 5) -> None:
        self.body = body
        self.etag = etag(body).encode()
        vary = ", ".join(filter(None, (headers.get("vary"), "accept-encoding")))
        common = {**DEFAULT_SECURITY_HEADERS, **headers, "etag": etag(body), "vary": vary}
        packed = len(body) >= _COMPRESSIBLE_TYPES
        bodies = {b"": body}
        if packed:
            bodies |= {b"br": brotli.compress(body, quality=quality), b"gzip": gzip.compress(body, 9, mtime=0)}
        self.variants = {
            encoding: EncodedResponse.of(
                200, {**common, "content-type": media_type, **_encoding(encoding, len(variant))}, variant
            )
            for encoding, variant in bodies.items()
        }
        self.not_modified = EncodedResponse.of(304, common, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self.negotiate(scope)
        await send(chosen.start)
        await send(chosen.body)

    def negotiate(self, scope: Scope) -> EncodedResponse:
        """What this reader is sent."""
        chosen = self.variants[b""]
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                chosen = next((self.variants[each] for each in _accepted(value) if each in self.variants), chosen)
            elif name == b"if-none-match" and (self.etag in value or value == b"*"):
                return self.not_modified
        return chosen


@lru_cache(256)
def _accepted(header: bytes) -> tuple[bytes, ...]:
    """The encodings of ours that an `Accept-Encoding` takes, the better one first (RFC 9110, 12.5.3)."""
    refused = {part.partition(b";")[0].strip() for part in header.split(b",") if _REFUSED.search(part)}
    named = {part.partition(b";")[0].strip() for part in header.split(b",")} - refused
    return tuple(each for each in (b"br", b"gzip") if each in named)


class ReadCounter:
    """How many reads were answered before routing since it was last asked; a metric of its own would cost each more."""

    def __init__(self) -> None:
        self.reads = 0

    def drain(self) -> int:
        reads, self.reads = self.reads, 0
        return reads


class CachedResponseMiddleware:
    """Pure ASGI middleware around all others: what needs no routing is answered here, reads and posts."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        answers: Mapping[str, CachedResponse],
        posts: Mapping[str, ASGIApp],
        ids: RequestIds,
        tally: ReadCounter,
    ) -> None:
        self.app, self.answers, self.posts, self.ids, self.tally = app, answers, posts, ids, tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (chosen := self._chosen(scope)) is not None:
            await send(with_request_id(chosen.start, self.ids.for_request(scope)))
            await send(chosen.body)
            return
        app = self.posts.get(scope["path"], self.app) if scope.get("method") == "POST" else self.app
        await app(scope, receive, send)

    def raw_response(self, scope: Scope) -> tuple[bytes, bytes] | None:
        """The same for a server that has a use for it: the head, but for what the server adds, and the body."""
        if (chosen := self._chosen(scope)) is None:
            return None
        head = b"%bx-request-id: %b\r\n" % (chosen.head, self.ids.for_request(scope))
        return head, b"" if scope["method"] == "HEAD" else chosen.body["body"]

    def _chosen(self, scope: Scope) -> EncodedResponse | None:
        method = scope.get("method")
        if method != "GET" and method != "HEAD":
            return None
        answer = self.answers.get(request_target(scope))
        if answer is None:
            return None
        self.tally.reads += 1
        return answer.negotiate(scope)


def request_target(scope: Scope) -> str:
    """The path, and where there is one the query as it was written."""
    path: str = scope["path"]
    return f"{path}?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else path


def _encoding(encoding: bytes, length: int) -> Headers:
    size = {"content-length": str(length)}
    return {**size, "content-encoding": encoding.decode()} if encoding else size
