"""Answers: bytes made once per change and sent many times, compressed and tagged beforehand.

An `Answer` is itself an ASGI application; a read of it allocates no request, no response and no Redis call.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Final

import brotli
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.headers import SAFE, Headers, etag

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
        start, body = self.variants[b""]
        known = False
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                for encoding in (b"br", b"gzip"):
                    if encoding in value and encoding in self.variants:
                        start, body = self.variants[encoding]
                        break
            elif name == b"if-none-match":
                known = self.etag in value or value == b"*"
        if known:
            start, body = self.not_modified
        await send(start)
        await send(body)


class Tally:
    """How many reads were answered before routing since it was last asked; a metric of its own would cost each more."""

    def __init__(self) -> None:
        self.reads = 0

    def taken(self) -> int:
        reads, self.reads = self.reads, 0
        return reads


class Prepared:
    """Pure ASGI middleware: what needs no routing is answered before it, `answers` to reads and `posts` to POST."""

    def __init__(self, app: ASGIApp, answers: Mapping[str, Answer], posts: Mapping[str, ASGIApp], tally: Tally) -> None:
        self.app, self.tally = app, tally
        self.by_method: dict[str, Mapping[str, ASGIApp]] = {
            "GET": answers,
            "HEAD": answers,  # uvicorn sends no body for it
            "POST": posts,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready = self.by_method.get(scope["method"]) if scope["type"] == "http" else None
        app = ready.get(scope["path"], self.app) if ready else self.app
        if app is not self.app:
            self.tally.reads += 1
        await app(scope, receive, send)


def _start(status: int, headers: Headers) -> Message:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


def _encoding(encoding: bytes, length: int) -> Headers:
    size = {"content-length": str(length)}
    return {**size, "content-encoding": encoding.decode()} if encoding else size
