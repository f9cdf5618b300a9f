"""Give each request an id, which its response, log lines, problem document and span carry."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address, ip_network

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"

_IDS_PER_CALL = 512
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class RequestIds:
    """Create request ids, or take the id that a trusted proxy sent.

    Ids are random: a counter would show how many requests others have sent. `trusted_proxies` has the format of
    `FORWARDED_ALLOW_IPS`.
    """

    def __init__(self, trusted_proxies: str) -> None:
        self._is_trusted = lru_cache(1_024)(_address_matcher(trusted_proxies))
        self._new_ids = _random_ids()

    def for_request(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == HEADER and scope["client"] and self._is_trusted(scope["client"][0]) and _PLAIN.fullmatch(value):
                return bytes(value)
        return next(self._new_ids)


class RequestIDMiddleware:
    """Pure ASGI middleware: bind the request id to the response and to all log lines."""

    def __init__(self, app: ASGIApp, request_ids: RequestIds) -> None:
        self.app, self.request_ids = app, request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self.request_ids.for_request(scope)
        scope["request_id"] = request_id.decode()
        structlog.contextvars.bind_contextvars(request_id=scope["request_id"])  # uvicorn gives each request a context

        async def send_with_id(message: Message) -> None:
            start = message["type"] == "http.response.start"
            await send(with_request_id(message, request_id) if start else message)

        await self.app(scope, receive, send_with_id)


def _random_ids() -> Iterator[bytes]:
    """Yield 16 hexadecimal digits at a time. One system call serves many requests."""
    while True:
        digits = secrets.token_hex(8 * _IDS_PER_CALL).encode()
        yield from (digits[start : start + 16] for start in range(0, len(digits), 16))


def with_request_id(start: Message, request_id: bytes) -> Message:
    """Return a copy of a response start with the header field `X-Request-ID`."""
    return {**start, "headers": [*start["headers"], (HEADER, request_id)]}


def _address_matcher(listed: str) -> Callable[[str], bool]:
    """Return a test for the listed addresses and networks, or for `*` or `none`."""
    if listed == "*":
        return lambda _: True
    networks = [ip_network(name.strip(), strict=False) for name in listed.split(",") if name != "none"]

    def matches(host: str) -> bool:
        with suppress(ValueError):  # a client at a unix socket has no address
            return any(ip_address(host) in network for network in networks)
        return False

    return matches
