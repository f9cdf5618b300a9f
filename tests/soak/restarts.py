"""Send requests without pause while workers and instances are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
from donation_card.demo.embedded_valkey import EmbeddedValkey

from tests.support.installation import eventually, processes

ASKED = (
    *["/v1/campaigns/roof/progress"] * 7,
    "/v1/campaigns/roof?lang=be",
    "/c/roof?lang=en",
    "/c/roof/give",
)
READERS = 24


class Load:
    """Send requests on kept connections. A request without an answer goes to the other address, as proxies do."""

    def __init__(self, dice: random.Random, count: int) -> None:
        self.dice, self.count = dice, count
        self.addresses: list[str] = []
        self.answers: Counter[int | str] = Counter()
        self.lost: Counter[str] = Counter()  # how often an address did not answer and another one was asked
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)

    @property
    def done(self) -> bool:
        return self.answers.total() >= self.count or not self.thread.is_alive()

    async def run(self) -> None:
        await asyncio.gather(*(self.reader() for _ in range(READERS)))

    async def reader(self) -> None:
        kept: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        while self.answers.total() < self.count:
            path = self.dice.choice(ASKED)
            self.answers[await self.answered(path, kept)] += 1
        for _, writer in kept.values():
            writer.close()

    async def answered(
        self, path: str, kept: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    ) -> int | str:
        """Return the status, or "none" if no address answers."""
        for address in self.dice.sample(self.addresses, len(self.addresses)):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if address not in kept:
                    kept[address] = await asyncio.open_connection(*address.split(":"))
                status = await asyncio.wait_for(exchange(path, address, kept), 30)
                return status if status == 200 else f"{status} of {address} to {path}"
            kept.pop(address, None)
            self.lost[address] += 1
        return "none"


async def exchange(path: str, address: str, kept: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> int:
    reader, writer = kept[address]
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
    if b"connection: close" in head:
        kept.pop(address)[1].close()
    return int(head.split(b" ", 2)[1])


def restarts(folder: Path, dice: random.Random, count: int) -> str:
    """Send SIGHUP to one instance, and start and stop another, until `count` requests were answered."""
    from tests.soak.stress import campaign

    campaigns, load, done = campaign(folder), Load(dice, count), Counter[str]()
    (folder / "b").mkdir()
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        processes(valkey.url, folder, campaigns) as (installation, process),
    ):
        first = address(installation.service)
        load.addresses = [first]
        eventually(lambda: each_worker_knows(installation.service), "each worker has learnt the first figure")
        load.thread.start()
        while not load.done:
            replace_workers(process)
            done["SIGHUP"] += 1
            with processes(valkey.url, folder / "b", campaigns, workers=dice.choice([1, 2])) as (other, ending):
                eventually(lambda: each_worker_knows(other.service), "each worker has learnt the first figure")
                load.addresses = [first, address(other.service)]
                time.sleep(dice.uniform(0.5, 2))
                ending.send_signal(signal.SIGTERM)
                assert ending.wait(30) in {0, -signal.SIGTERM}
            load.addresses = [first]
            done["SIGTERM"] += 1
        load.thread.join(60)
        assert not load.thread.is_alive()
    assert set(load.answers) == {200}, load.answers
    assert not load.lost[first], "an instance that replaces its workers is never away"
    told = ", ".join(f"{number} × {name}" for name, number in done.items())
    return f"{load.answers.total():,} requests, {told}, 0 failed; {load.lost.total()} went to the other instance"


def each_worker_knows(url: str) -> bool:
    """Return True if twenty connections, each perhaps to another worker, get the progress."""
    return all(httpx.get(f"{url}{ASKED[0]}").status_code == 200 for _ in range(20))


def replace_workers(process: subprocess.Popen[bytes]) -> None:
    from tests.soak.stress import workers

    before = set(workers(process))

    def replaced() -> bool:
        return len(now := set(workers(process))) == 2 and not now & before

    for _ in range(3):  # a new worker that is not ready in time leaves the old one in its place: told again
        process.send_signal(signal.SIGHUP)
        with contextlib.suppress(AssertionError):
            eventually(replaced, "both are new", 150)
            return
    raise AssertionError("the workers were not replaced")


def address(url: str) -> str:
    place = httpx.URL(url)
    return f"127.0.0.1:{place.port}"
