"""Request ids: every answer carries one, and so does every log line and every problem that came of the request.

They are random: a count would tell whoever asks twice how many others asked between.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from donation_card.observability.tracing import SpanRecorder

HEADER: Final = b"x-request-id"

_PLAIN: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_AT_ONCE: Final = 512
_LETTERS: Final = bytes.maketrans(b"0123456789", b"ghijkmnopq")
"""Without digits nobody takes one for a part of a card's number, neither a person nor a scanner of logs."""


class RequestIds:
    """Draws them. `proxies`: whose own ids are taken over if short and plain, as in `FORWARDED_ALLOW_IPS`."""

    def __init__(self, proxies: str) -> None:
        self._made = _made()
        self._trusted = lru_cache(1_024)(_among(proxies))

    def for_request(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == HEADER and scope["client"] and self._trusted(scope["client"][0]) and _PLAIN.fullmatch(value):
                return bytes(value)
        return next(self._made)


class RequestIDMiddleware:
    """Pure ASGI middleware: names a request in its answer, in every log line until then, and in its span."""

    def __init__(self, app: ASGIApp, ids: RequestIds, span: SpanRecorder | None = None) -> None:
        self.app, self.ids, self.span = app, ids, span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self.ids.for_request(scope)
        scope["request_id"] = request_id.decode()
        structlog.contextvars.bind_contextvars(request_id=scope["request_id"])  # a request has a context of its own

        began, status = time.time_ns(), 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, message = message["status"], with_request_id(message, request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        finally:
            if self.span is not None and (route := scope["state"].get("route")):
                self.span(scope["method"], route, status, scope["request_id"], began, time.time_ns())


def with_request_id(start: Message, request_id: bytes) -> Message:
    return {**start, "headers": [*start["headers"], (HEADER, request_id)]}


def _among(listed: str) -> Callable[[str], bool]:
    """Whether an address is one of those listed: addresses, networks, or `*`."""
    names = {name.strip() for name in listed.split(",")}
    networks = [ip_network(name, strict=False) for name in names if _address(name)]

    def trusted(host: str) -> bool:
        return "*" in names or (_address(host) and any(ip_address(host) in network for network in networks))

    return trusted


def _made() -> Iterator[bytes]:
    while True:
        drawn = secrets.token_hex(8 * _AT_ONCE).encode().translate(_LETTERS)
        yield from (drawn[at : at + 16] for at in range(0, len(drawn), 16))


def _address(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
