"""Scale: workers, campaigns, open connections, memory and the start."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.campaigns import campaigns
from bench.running import (
    PROGRESS,
    SECONDS,
    Row,
    compared,
    fetch,
    interleaved,
    requests_per_second,
    service_running,
    wrk,
)

ROUNDS = 3
OPEN = 10_000
SLOW_HEADS, SLOW_BODIES = 500, 200
STARTS = 3


def workers() -> Iterator[Row]:
    """By the clock, and sharing the processors with wrk: where there are two, there is room for two workers at most."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        running = {
            str(number): stack.enter_context(service_running(Path(folder) / str(number), workers=number))
            for number in (1, 2, 4)
        }
        rates: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(ROUNDS):
            for name, each in running.items():
                rates[name].append(requests_per_second(each.url + PROGRESS))
        for name in ("2", "4"):
            yield compared(f"progress read, {name} workers beside one", rates, name, "1")


def many_campaigns() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        running = {
            str(number): stack.enter_context(
                service_running(folder / f"of-{number}", campaigns=campaigns(folder / str(number), number))
            )
            for number in (1, 1_000)
        }
        rates = interleaved({name: (each.url + PROGRESS, [each]) for name, each in running.items()}, ROUNDS)
        yield compared("progress read, 1,000 campaigns beside one", rates, "1000", "1")
        memory = running["1000"].resident_megabytes()
        yield Row("worker's memory with 1,000 campaigns", f"{memory:.0f} MB", "", "")


def memory() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        for path in (PROGRESS, "/c/vitaly?lang=be", "/c/vitaly/give", "/c/vitaly/share.png"):
            fetch(service.url + path)
        asked = 0
        while asked < 10_000:
            asked += round(requests_per_second(service.url + PROGRESS) * SECONDS)
        yield Row("worker's memory after 10,000 requests", f"{service.resident_megabytes():.0f} MB", "", "", "110 MB")


def start() -> Iterator[Row]:
    """CPU from the command to the first answer, less what Python needs to import the same modules."""
    imports = [
        sys.executable,
        "-c",
        "import donation_card.cli.main, donation_card.app, donation_card.server.http_protocol, uvloop, httptools",
    ]
    loading, whole, waited = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STARTS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(imports, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            loading.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            with service_running(Path(folder) / str(number)) as service:
                whole.append(service.cpu_seconds())
                waited.append(service.answered)
    took, needed = statistics.median(whole), statistics.median(loading)
    share = f"{took - needed:.2f} s"
    yield Row("start until ready, CPU, beside imports alone", f"{took:.2f} s", f"{needed:.2f} s", share, "1 s")
    yield Row("start to the first answer, by the clock", f"{statistics.median(waited):.2f} s", "", "")


def connections() -> Iterator[Row]:
    """Reads while ten thousand hold connections that they have asked on once, and while some never end asking."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    number = min(OPEN, most - 500)
    others = {
        f"{number:,} idle connections": (hold, number, "3"),
        f"{SLOW_HEADS} slow heads and {SLOW_BODIES} slow bodies": (stall, SLOW_HEADS + SLOW_BODIES, "100 ms"),
    }
    without: list[tuple[float, float]] = []
    beside: dict[str, list[tuple[float, float]]] = {name: [] for name in others}
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        url = service.url + PROGRESS
        wrk(url)
        for _ in range(ROUNDS):
            without.append(latency(wrk(url, 5)))
            for name, (how, many, _) in others.items():
                with holding(how, service.url, many):
                    beside[name].append(latency(wrk(url, 5)))
    for name, (_, _, aim) in others.items():
        for place, share in enumerate(("p50", "p99")):
            ours, alone = ([pair[place] for pair in pairs] for pairs in (beside[name], without))
            ratio = statistics.median(one / other for one, other in zip(ours, alone, strict=True))
            yield Row(
                f"{share} of reads with {name}, beside none",
                f"{statistics.median(ours):.1f} ms",
                f"{statistics.median(alone):.1f} ms",
                f"{ratio:.2f}",
                aim if place else "",
            )


def latency(printed: str) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    found = (re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", printed) for share in (50, 99))
    return tuple(float(each[1]) * unit[each[2]] for each in found)


@contextlib.contextmanager
def holding(how: Callable[..., None], url: str, number: int) -> Iterator[None]:
    """A process of its own holds them, and lets go by itself after a minute."""
    context = multiprocessing.get_context("spawn")
    held, let_go = context.Event(), context.Event()
    process = context.Process(target=how, args=(url.removeprefix("http://"), number, held, let_go))
    process.start()
    try:
        assert held.wait(60), "the connections could not be opened"
        yield
    finally:
        let_go.set()
        process.join(60)


def hold(host: str, number: int, held: object, let_go: object) -> None:
    async def main() -> None:
        writers = []
        for start in range(0, number, 200):
            opened = await asyncio.gather(
                *(asyncio.open_connection(*host.split(":")) for _ in range(min(200, number - start)))
            )
            for _, writer in opened:
                writer.write(f"GET {PROGRESS} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in opened))
            writers += [writer for _, writer in opened]
        held.set()
        await asyncio.get_running_loop().run_in_executor(None, let_go.wait, 60)
        assert not any(writer.is_closing() for writer in writers)
        for writer in writers:
            writer.close()

    asyncio.run(main())


def stall(host: str, number: int, held: object, let_go: object) -> None:
    """Heads, and then bodies, that never end; the service hangs up on all of them in the end."""

    async def main() -> None:
        head = f"POST /v1/checkout-sessions HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000\r\n"
        body = f"{head}content-type: application/json\r\n\r\n{{"
        writers = []
        for begun in range(number):
            _, writer = await asyncio.open_connection(*host.split(":"))
            writer.write((head if begun < SLOW_HEADS else body).encode())
            writers.append(writer)
        held.set()
        await asyncio.get_running_loop().run_in_executor(None, let_go.wait, 60)
        for writer in writers:
            writer.close()

    asyncio.run(main())
