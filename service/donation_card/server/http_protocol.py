"""Limit the time and the size of HTTP requests on a connection.

uvicorn has no limits for a request that never ends, a client that never reads, the number of pipelined requests, or the
size of a header or trailer section (RFC 9110, 5.4, leaves the size to the server). When a connection with several
requests closes, uvicorn reports the disconnect to the last request only, and the others write to a closed socket.
"""

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from donation_card.observability.metrics import malformed_requests

REQUEST_TIMEOUT = 9.0
"""Seconds from the first to the last byte of a request, and seconds that a client may stop reading."""

MAX_HEADER_BYTES = 32 * 1024
"""Bytes of the request line and the header fields together, and of what is no body after them: chunk extensions and
trailers (RFC 9112, 7.1). Browsers and proxies stay below 16 KB."""

MAX_PIPELINED = 32
"""Requests of one connection that wait for their responses. The bytes after them are parsed later."""

MAX_UNPARSED_BYTES = 512 * 1024
"""Bytes that may wait for earlier responses. asyncio reads 256 KB at a time, also once more after a pause."""

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open. It is longer than nginx's 60, so that the proxy closes first."""

IDLE_DRAIN_TIMEOUT = 1.0
"""Seconds that an idle connection stays open during shutdown, for a request that is already on its way."""

_HEADER_END = b"\r\n\r\n"


class LimitedHttpProtocol(HttpToolsProtocol):
    """Close connections that exceed REQUEST_TIMEOUT or MAX_HEADER_BYTES. Delay requests above MAX_PIPELINED.

    Attributes of HttpToolsProtocol that this class uses: `app`, `cycle`, `flow`, `headers`, `loop`, `parser`, `scope`,
    `transport`, `url`.

    Methods that it extends: `connection_made`, `connection_lost`, `data_received`, `send_400_response`, `on_body`,
    `on_headers_complete`, `on_message_complete`, `on_response_complete`, `pause_writing`, `resume_writing`, `shutdown`.

    Attributes of RequestResponseCycle that it uses: `disconnected`, `keep_alive`, `message_event`, `response_complete`,
    `response_started`.

    Methods that run for each request call the base class by name, because `super()` costs more on Python 3.11.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._receiving_since: float | None = None
        self._stalled_since: float | None = None
        self._received_bytes = 0  # of the request that is arriving
        self._overhead_bytes = 0  # of it, since its beginning or the last byte of its body
        self._unparsed = bytearray()  # what arrived behind MAX_PIPELINED requests
        self._timed_scope: object = None  # of the request to which `_receiving_since` belongs
        self._received_scope: object = None  # of the last request that has arrived completely
        self._timeout_timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._earlier: list[RequestResponseCycle] = []  # pipelined requests before `self.cycle`

    # ── connection ────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._receiving_since = self.loop.time()
        self._timeout_timer = self.loop.call_later(REQUEST_TIMEOUT, self._check_timeouts)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timeout_timer is not None:
            self._timeout_timer.cancel()
        self._notify_disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._unparsed and data.count(_HEADER_END) <= 1:
            self._parse(data)
            return
        self._unparsed += data
        self._parse_unparsed()
        if len(self._unparsed) > MAX_UNPARSED_BYTES:
            self.transport.abort()

    def _parse_unparsed(self) -> None:
        """Parse the bytes of one header section at a time, until MAX_PIPELINED requests wait for their responses."""
        while self._unparsed and self.parser is not None and not self.transport.is_closing():
            if sum(not cycle.response_complete for cycle in self._earlier) >= MAX_PIPELINED - 1:
                self.flow.pause_reading()
                return
            end = self._unparsed.find(_HEADER_END)
            data = bytes(self._unparsed if end < 0 else self._unparsed[: end + len(_HEADER_END)])
            del self._unparsed[: len(data)]
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._received_bytes += len(data)
        self._overhead_bytes += len(data)
        HttpToolsProtocol.data_received(self, data)
        if self.scope is not None and self.scope is self._received_scope:
            self._receiving_since, self._received_bytes, self._overhead_bytes = None, 0, 0
            return
        if self.scope is not self._timed_scope:  # uvicorn makes a scope when a request begins
            self._timed_scope, self._receiving_since, self._received_bytes = self.scope, self.loop.time(), len(data)
        if self._overhead_bytes > MAX_HEADER_BYTES:
            self._reject(b"431 Request Header Fields Too Large")

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

    # ── request ───────────────────────────────────────────────────────────────────────────────────────────────

    def on_headers_complete(self) -> None:
        if (
            self._received_bytes > MAX_HEADER_BYTES  # with the bytes of a body, so the fields are counted only then
            and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES
        ):
            self.app = _respond_header_too_large  # the connection ends with this response
        if self.cycle is not None and not self.cycle.response_complete:
            self._earlier = [*(cycle for cycle in self._earlier if not cycle.response_complete), self.cycle]
        self._overhead_bytes = 0
        HttpToolsProtocol.on_headers_complete(self)
        if self._draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._overhead_bytes = 0
        HttpToolsProtocol.on_body(self, body)

    def on_response_complete(self) -> None:
        HttpToolsProtocol.on_response_complete(self)
        self._parse_unparsed()

    def on_message_complete(self) -> None:
        self._received_scope = self.scope
        HttpToolsProtocol.on_message_complete(self)

    def send_400_response(self, msg: str) -> None:
        malformed_requests.metric.inc()
        self._notify_disconnect()
        super().send_400_response(msg)

    # ── limits ────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_timeouts(self) -> None:
        """Close the connection if a limit has passed, else set the timer again. One timer serves all requests."""
        now = self.loop.time()
        if self._stalled_since is not None and now - self._stalled_since >= REQUEST_TIMEOUT:
            self.transport.abort()
            return
        if self._receiving_since is not None and now - self._receiving_since >= REQUEST_TIMEOUT:
            self._reject(b"408 Request Timeout" if self._received_bytes else b"")
            return
        since = min((each for each in (self._stalled_since, self._receiving_since) if each is not None), default=now)
        self._timeout_timer = self.loop.call_later(max(since + REQUEST_TIMEOUT - now, 0.01), self._check_timeouts)

    def _reject(self, status: bytes) -> None:
        if status and not self.transport.is_closing() and (self.cycle is None or not self.cycle.response_started):
            self._notify_disconnect()
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def _notify_disconnect(self) -> None:
        """Report the disconnect to every request without a complete response."""
        for cycle in (*self._earlier, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


async def _respond_header_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
