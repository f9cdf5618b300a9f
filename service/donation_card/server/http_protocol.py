"""The wire: uvicorn's own HTTP protocol, with limits on how long, how large and how late, and one shortcut.

uvicorn leaves a connection alone that never finishes its request or never reads its answer, and httptools keeps a head
for as long as it comes (RFC 9110, 5.4, leaves the limit to the server). When a connection is closed, uvicorn tells only
the last of several requests on it; the others write to a closed socket, and that looks like an error of ours. And
between the socket and bytes that were made beforehand it puts a task and two messages.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

REQUEST_TIMEOUT: Final = 9.0
"""Seconds that a request may take to arrive, from its first byte to its last, and that a client may read nothing."""

MAX_HEADER_BYTES: Final = 32 * 1024
"""Bytes of a request's line and header fields together; browsers and proxies stay below 16 KB."""

KEEP_ALIVE: Final = 75
"""Seconds that an idle connection is kept: longer than a proxy keeps its own (nginx: 60), so that the proxy ends it."""

IDLE_DRAIN_TIMEOUT: Final = 1.0
"""Seconds that an idle connection is kept when the service stops: a request that is on its way already is answered."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. The application may know answers to reads by heart (`web.answers.Prepared`)."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._waiting_since: float | None = None  # for the rest of a request
        self._stalled_since: float | None = None  # for the client to read
        self._in_head, self._fed, self._chunk = False, 0, 0
        self._timeout_timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._timeout_timer = self.loop.call_later(REQUEST_TIMEOUT, self._check_timeouts)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timeout_timer is not None:
            self._timeout_timer.cancel()
        self._notify_disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._chunk = len(data)
        self._fed += self._chunk
        super().data_received(data)
        if self._in_head and self._fed > MAX_HEADER_BYTES:
            self._reject(b"431 Request Header Fields Too Large")

    def _check_timeouts(self) -> None:
        """Once in a while, so that a request costs no timer of its own."""
        now = self.loop.time()
        if self._stalled_since is not None and now - self._stalled_since >= REQUEST_TIMEOUT:
            self.transport.abort()
            return
        if self._waiting_since is not None and now - self._waiting_since >= REQUEST_TIMEOUT:
            self._reject(b"408 Request Timeout" if self._fed else b"")
            return
        since = min((each for each in (self._stalled_since, self._waiting_since) if each is not None), default=now)
        self._timeout_timer = self.loop.call_later(max(since + REQUEST_TIMEOUT - now, 0.01), self._check_timeouts)

    def _reject(self, status: bytes) -> None:
        if status and not self.transport.is_closing() and (self.cycle is None or not self.cycle.response_started):
            self._notify_disconnect()
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._notify_disconnect()
        super().send_400_response(msg)

    def _notify_disconnect(self) -> None:
        """Tell what is being answered that nobody waits for it any more."""
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    # ── one request ───────────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        self._waiting_since = self.loop.time()
        self._in_head, self._fed = True, self._chunk
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if (
            self._fed > MAX_HEADER_BYTES
            and len(self.url) + sum(len(a) + len(b) for a, b in self.headers) > MAX_HEADER_BYTES
        ):
            self.app = _head_too_large  # of this connection, which ends with it
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._waiting_since = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._draining:
            cycle.keep_alive = False
        known = getattr(app, "by_heart", None)
        answer = known(cycle.scope) if known and not self.flow.write_paused else None
        if answer is None:
            self._answering = cycle
            super()._start_asgi_task(cycle, app)
            return
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        date = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)
        self.transport.write(b"".join((answer[0], date, end, answer[1])))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # ── the reader, and the end ───────────────────────────────────────────────────────────────────────────────

    def pause_writing(self) -> None:
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = None
        super().resume_writing()

    def shutdown(self) -> None:
        self._draining = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(IDLE_DRAIN_TIMEOUT, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


async def _head_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
