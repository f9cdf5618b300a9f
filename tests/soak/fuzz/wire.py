"""Send changed requests over sockets to the service as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from donation_card.demo.embedded_valkey import EmbeddedValkey

from tests.soak.fuzz.requests import Request, good, mutated, raw
from tests.support.installation import Installation, processes

CONNECTIONS = 24
TOGETHER = 30
"""Framed requests on one connection before a raw one, which may end the connection."""

TIMEOUT = 120.0
"""Seconds in which a response must arrive, also on a busy machine."""

GRACE = 0.03
"""Seconds to wait for the response to a raw request, which may be incomplete and get none."""

UNAVAILABLE = {"progress_unknown", "totals_unavailable", "payments_unavailable", "payment_status_unknown"}
DELIBERATE = {501: {"format_not_supported", ""}, 503: {*UNAVAILABLE, "ready: false", ""}}
"""Status → codes that the service sends deliberately. A response to HEAD has no code."""

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.S)
_LENGTH = re.compile(rb"(?:^|\n)content-length: (\d+)", re.I)


@dataclass
class Seen:
    """Count the responses. `wrong` holds requests with an unintended response."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def handled(self) -> int:
        return sum(self.statuses.values())

    def note(self, status: int, body: bytes, request: bytes) -> None:
        if status < 500:
            self.statuses[str(status)] += 1
            return
        code = said(body)
        self.statuses[f"{status} {code}"] += 1
        if code not in DELIBERATE.get(status, ()):
            self.wrong.append((request, body))


def said(body: bytes) -> str:
    """Return the code of a problem or of an error page, or an empty string."""
    found = re.search(rb'(?:"code":|data-code=)"([a-z_]+)"', body)
    return found[1].decode() if found else "ready: false" if body.startswith(b'{"ready":false') else ""


async def one_answer(reader: asyncio.StreamReader, method: bytes) -> tuple[int, bytes]:
    """Read status and body. Raise IncompleteReadError if the connection was closed."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = _HEAD.match(head)
    assert found, head
    status, length = int(found[1]), _LENGTH.search(found[2])
    if method == b"HEAD" or status in {204, 304}:
        return status, b""
    assert length, head  # nothing of ours is sent in chunks
    return status, await reader.readexactly(int(length[1]))


async def one_connection(port: int, seeds: list[Request], dice: random.Random, seen: Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        batch = [mutated(dice.choice(seeds), dice, seeds) for _ in range(TOGETHER)]
        writer.write(b"".join(request.framed() for request in batch))
        for request in batch:
            try:
                async with asyncio.timeout(TIMEOUT):
                    status, body = await one_answer(reader, request.method)
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # refused earlier on this connection, and that is counted
            except TimeoutError as error:
                raise AssertionError(f"no answer in {TIMEOUT} s: {request.framed()!r}") from error
            seen.note(status, body, request.framed())
        await one_raw(reader, writer, raw(mutated(dice.choice(seeds), dice, seeds), dice), seen)
    finally:
        writer.transport.abort()


async def one_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes, seen: Seen) -> None:
    writer.write(wire)
    try:
        async with asyncio.timeout(GRACE):
            status, body = await one_answer(reader, wire.partition(b" ")[0])
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
        seen.statuses["no answer"] += 1
    else:
        seen.note(status, body, wire)


async def throw(port: int, seeds: list[Request], count: int, dice: random.Random) -> Seen:
    seen = Seen()

    async def thrower() -> None:
        while seen.handled < count and not seen.wrong:
            await one_connection(port, seeds, dice, seen)

    await asyncio.gather(*(thrower() for _ in range(CONNECTIONS)))
    return seen


@contextlib.contextmanager
def started_installation(workers: int = 2) -> Iterator[tuple[Installation, Path]]:
    """Run `donation-card serve` with Valkey and the sandbox. Yield the path of its log too."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        folder = Path(temporary)
        with (
            EmbeddedValkey(folder / "valkey") as valkey,
            processes(valkey.url, folder, Path("campaigns"), workers=workers) as (installation, process),
        ):
            yield installation, folder / "log"
            assert process.poll() is None, "the service has ended"


def run(count: int, seed: int) -> Seen:
    """Send `count` requests. Raise AssertionError with a request that got a 500, or with the log."""
    with started_installation() as (installation, log):
        port = int(installation.service.rpartition(":")[2])
        seen = asyncio.run(throw(port, good(installation), count, random.Random(seed)))
        assert not seen.wrong, f"seed {seed}: {seen.wrong[0]}"
        assert installation.client.get("/healthz").status_code == 200
        assert installation.client.get("/readyz").status_code == 200
        told = log.read_text(errors="replace")
        for bad in ("Traceback", '"unhandled_error"', "Exception in ASGI"):
            assert bad not in told, told[max(0, told.index(bad) - 2000) : told.index(bad) + 4000]
    return seen
