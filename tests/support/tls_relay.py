"""Put TLS in front of a server, with a certificate that can be exchanged for one that nobody trusts."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path
from typing import Self

from tests.support.proxy import certificate


class TlsRelay:
    """Relay `localhost:port` with TLS to a port without. `authority` is the file that trusts the right certificate."""

    def __init__(self, folder: Path, target: int) -> None:
        self._target = target
        self._contexts = {}
        for name in ("right", "other"):
            place = folder / name
            place.mkdir(parents=True)
            certificate(place, 1)
            self._contexts[name] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(place / "fullchain.pem", place / "privkey.pem")
        self.authority = folder / "right" / "fullchain.pem"
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.present("right")
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def present(self, name: str) -> None:
        """End all connections, and present this certificate to new ones."""
        asyncio.run_coroutine_threadsafe(self._listen(name), self._loop).result(10)

    async def _listen(self, name: str | None) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        if name:
            context = self._contexts[name]
            self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port, ssl=context)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
                ways = (_copy(reader, up_writer), _copy(up_reader, writer))
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._open.discard(writer)
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.transport.abort()
