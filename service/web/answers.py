"""Answers: bytes made once per change and sent many times, compressed and tagged beforehand.

An `Answer` is itself an ASGI application; a read of it allocates no request, no response and no Redis call.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import brotli
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.headers import SAFE, Headers, etag
from service.web.request_ids import RequestIds, named

_REFUSED: Final = re.compile(rb";\s*q=0(\.0*)?\s*$")

_WORTH_PACKING: Final = 500
"""Bytes; below this, packing saves nothing that a packet would notice."""


class Answer:
    """A complete 200 with its ETag, in every encoding that browsers ask for; 304 where the reader has it already."""

    __slots__ = ("body", "etag", "not_modified", "variants")

    def __init__(self, body: bytes, media_type: str, headers: Headers, *, quality: int = 5) -> None:
        self.body = body
        self.etag = etag(body).encode()
        vary = ", ".join(filter(None, (headers.get("vary"), "accept-encoding")))
        common = {**SAFE, **headers, "etag": etag(body), "vary": vary}
        packed = len(body) >= _WORTH_PACKING
        bodies = {b"": body}
        if packed:
            bodies |= {b"br": brotli.compress(body, quality=quality), b"gzip": gzip.compress(body, 9, mtime=0)}
        self.variants: dict[bytes, tuple[Message, Message]] = {
            encoding: (
                _start(200, {**common, "content-type": media_type, **_encoding(encoding, len(variant))}),
                {"type": "http.response.body", "body": variant},
            )
            for encoding, variant in bodies.items()
        }
        self.not_modified: tuple[Message, Message] = (
            _start(304, common),
            {"type": "http.response.body", "body": b""},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = self.to(scope)
        await send(start)
        await send(body)

    def to(self, scope: Scope) -> tuple[Message, Message]:
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


class Tally:
    """How many reads were answered before routing since it was last asked; a metric of its own would cost each more."""

    def __init__(self) -> None:
        self.reads = 0

    def taken(self) -> int:
        reads, self.reads = self.reads, 0
        return reads


class Prepared:
    """Pure ASGI middleware around all others: what needs no routing is answered here, reads and posts."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        answers: Mapping[str, Answer],
        posts: Mapping[str, ASGIApp],
        ids: RequestIds,
        tally: Tally,
    ) -> None:
        self.app, self.answers, self.posts, self.ids, self.tally = app, answers, posts, ids, tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if method == "GET" or method == "HEAD":  # uvicorn sends no body for a HEAD
            answer = self.answers.get(asked(scope))
            if answer is not None:
                self.tally.reads += 1
                start, body = answer.to(scope)
                await send(named(start, self.ids.of(scope)))
                await send(body)
                return
        app = self.posts.get(scope["path"], self.app) if method == "POST" else self.app
        await app(scope, receive, send)


def asked(scope: Scope) -> str:
    """The path, and where there is one the query as it was written."""
    path: str = scope["path"]
    return f"{path}?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else path


def _start(status: int, headers: Headers) -> Message:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


def _encoding(encoding: bytes, length: int) -> Headers:
    size = {"content-length": str(length)}
    return {**size, "content-encoding": encoding.decode()} if encoding else size
