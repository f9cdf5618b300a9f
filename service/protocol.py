"""The wire: uvicorn's own HTTP protocol, with two things that the fuzzer found missing in it (tests/fuzz/wire.py).

A limit on the head of a request: httptools keeps an unfinished header for as long as it comes (RFC 9110, 5.4, leaves
the limit to the server). And an end for what is being answered when its connection is closed: uvicorn tells only the
last of several requests on one connection; the others write to a closed socket, and that looks like an error of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LARGEST_HEAD: Final = 32 * 1024
"""Bytes of a request's line and headers together; the longest that is of use is a signature header of 4 KiB."""


class Protocol(HttpToolsProtocol):
    """Answers 400 to a head that is too large and closes the connection, before the application hears of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head, self._unfinished, self._size = True, 0, 0
        self._answering: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        self._unfinished += len(data)
        super().data_received(data)
        if self._in_head and self._unfinished > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("Headers too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._size = True, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grown(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grown(len(name) + len(value))

    def _grown(self, by: int) -> None:
        """A whole head may come in one piece. Raises what `data_received` answers with 400."""
        self._size += by
        if self._size > LARGEST_HEAD:
            raise httptools.HttpParserError

    def on_headers_complete(self) -> None:
        self._in_head, self._unfinished = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._unfinished = True, 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        self._give_up()
        super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
