"""Measure workers, campaigns, open connections, memory and the start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.campaigns import write_campaigns, write_pictures
from bench.running import (
    PROGRESS,
    SECONDS,
    Row,
    Server,
    compare,
    fetch,
    interleaved,
    requests_per_second,
    service_running,
    start_again,
    wrk,
)

ROUNDS = 3
OPEN = 10_000
SLOW_HEADERS, SLOW_BODIES = 500, 200
STARTS = 3
IDLE_SECONDS = 40


def workers() -> Iterator[Row]:
    """Compare numbers of workers by wall-clock time. wrk uses the same processors as the workers."""
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
            yield compare(f"progress read, {name} workers vs one", rates, name, "1")


def many_campaigns() -> Iterator[Row]:
    """Compare ten thousand campaigns and ten: the start, reads, and two workers to which nobody sends a request."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        few, many = (
            stack.enter_context(
                service_running(folder / f"of-{number}", campaigns=write_campaigns(folder / str(number), number))
            )
            for number in (10, 10_000)
        )
        cpu = [f"{each.cpu_seconds():.1f} s" for each in (many, few)]
        yield Row("first start until all is synchronised, CPU, 10,000 campaigns vs ten", *cpu, "")
        until_idle(many)
        starts = [start_again(each) for each in (many, few)]
        for what, values, aim in (
            ("start to the first response, wall-clock", [each.first_response for each in starts], "3 s"),
            ("start to the first response, CPU", [each.first_cpu for each in starts], ""),
            ("start until each campaign has a response, CPU", [each.complete_cpu for each in starts], "20 s"),
        ):
            yield Row(f"{what}, 10,000 campaigns vs ten", *(f"{each:.1f} s" for each in values), "", aim)
        for what, path in (("progress read", PROGRESS), ("first page of the list", "/?lang=en")):
            rates = interleaved({"few": (few.url + path, [few]), "many": (many.url + path, [many])}, ROUNDS)
            yield compare(f"{what}, 10,000 campaigns vs ten", rates, "many", "few")
        yield _idle(few, many)
        megabytes = [f"{each.resident_megabytes():.0f} MB" for each in (many, few)]
        yield Row("worker's memory, 10,000 campaigns vs ten", *megabytes, "", "250 MB")


def _idle(few: Server, many: Server) -> Row:
    rates: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        before = many.cpu_seconds(), few.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        used = many.cpu_seconds() - before[0], few.cpu_seconds() - before[1]
        rates.append((used[0] / IDLE_SECONDS, used[1] / IDLE_SECONDS))
    ratios = [one / other for one, other in rates]
    return Row(
        "idle worker, CPU, 10,000 campaigns vs ten",
        *(f"{statistics.median(each):.2%} of a core" for each in zip(*rates, strict=True)),
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        "1.5",
    )


def until_idle(service: Server) -> None:
    """Wait until the worker uses less than a tenth of a core."""
    before = service.cpu_seconds() - 1
    while (now := service.cpu_seconds()) - before >= 0.5:
        before = now
        time.sleep(5)


def pictures() -> Iterator[Row]:
    """Compare a thousand campaigns with a picture each and without: CPU until ready, and memory after 50 pictures."""
    cpu: dict[str, float] = {}
    megabytes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind in ("with", "without"):
            campaigns = write_campaigns(Path(name) / f"{kind}-files", 1_000)
            if kind == "with":
                write_pictures(campaigns)
            with service_running(Path(name) / kind, campaigns=campaigns) as service:
                cpu[kind] = service.cpu_seconds()
                for number in range(1, 51):
                    card = json.loads(fetch(f"{service.url}/v1/campaigns/another-{number}"))
                    if card["picture"] and kind == "with":
                        fetch(service.url + card["picture"]["url"])
                megabytes[kind] = service.resident_megabytes()
    for what, values, unit, aim in (
        ("start until ready, CPU, 1,000 campaigns", cpu, "s", "10 s"),
        ("worker's memory, 1,000 campaigns", megabytes, "MB", "60 MB more"),
    ):
        more = f"{values['with'] - values['without']:.1f} {unit} more"
        yield Row(f"{what} with pictures, vs without", *(f"{each:.1f} {unit}" for each in values.values()), more, aim)


def memory() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        for path in (PROGRESS, "/c/vitaly?lang=be", "/c/vitaly/give", "/c/vitaly/share.png"):
            fetch(service.url + path)
        requests = 0
        while requests < 10_000:
            requests += round(requests_per_second(service.url + PROGRESS) * SECONDS)
        yield Row("worker's memory after 10,000 requests", f"{service.resident_megabytes():.0f} MB", "", "", "110 MB")


def start() -> Iterator[Row]:
    """Measure the CPU time from the command to readiness, without that of the imports."""
    imports = [
        sys.executable,
        "-c",
        "import donation_card.cli.main, donation_card.app, donation_card.server.http_protocol, uvloop, httptools",
    ]
    imports_cpu, start_cpu, first_response = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STARTS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(imports, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            imports_cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            with service_running(Path(folder) / str(number)) as service:
                start_cpu.append(service.cpu_seconds())
                first_response.append(service.first_response)
    measured, baseline = statistics.median(start_cpu), statistics.median(imports_cpu)
    what, difference = "start until ready, CPU, vs imports alone", f"{measured - baseline:.2f} s"
    yield Row(what, f"{measured:.2f} s", f"{baseline:.2f} s", difference, "1 s")
    yield Row("start to the first response, wall-clock", f"{statistics.median(first_response):.2f} s", "", "")


def connections() -> Iterator[Row]:
    """Measure reads during ten thousand idle connections, and during requests that never end."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    number = min(OPEN, maximum - 500)
    loads = {
        f"{number:,} idle connections": (hold, number, "3"),
        f"{SLOW_HEADERS} slow headers and {SLOW_BODIES} slow bodies": (stall, SLOW_HEADERS + SLOW_BODIES, "100 ms"),
    }
    baseline: list[tuple[float, float]] = []
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in loads}
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        url = service.url + PROGRESS
        wrk(url)
        for _ in range(ROUNDS):
            baseline.append(latency(wrk(url, 5)))
            for name, (open_connections, count, _) in loads.items():
                with holding(open_connections, service.url, count):
                    measured[name].append(latency(wrk(url, 5)))
    for name, (_, _, aim) in loads.items():
        for index, percentile in enumerate(("p50", "p99")):
            with_load, without = ([pair[index] for pair in pairs] for pairs in (measured[name], baseline))
            ratio = statistics.median(one / other for one, other in zip(with_load, without, strict=True))
            yield Row(
                f"{percentile} of reads with {name}, vs none",
                f"{statistics.median(with_load):.1f} ms",
                f"{statistics.median(without):.1f} ms",
                f"{ratio:.2f}",
                aim if index else "",
            )


def latency(printed: str) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    found = (re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", printed) for percent in (50, 99))
    return tuple(float(each[1]) * unit[each[2]] for each in found)


@contextlib.contextmanager
def holding(open_connections: Callable[..., None], url: str, count: int) -> Iterator[None]:
    """Open connections in another process. It closes them after the block, or after a minute."""
    context = multiprocessing.get_context("spawn")
    opened, close = context.Event(), context.Event()
    process = context.Process(target=open_connections, args=(url.removeprefix("http://"), count, opened, close))
    process.start()
    try:
        assert opened.wait(60), "the connections could not be opened"
        yield
    finally:
        close.set()
        process.join(60)


def hold(host: str, number: int, opened: object, close: object) -> None:
    async def main() -> None:
        writers = []
        for start in range(0, number, 200):
            connections = await asyncio.gather(
                *(asyncio.open_connection(*host.split(":")) for _ in range(min(200, number - start)))
            )
            for _, writer in connections:
                writer.write(f"GET {PROGRESS} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in connections))
            writers += [writer for _, writer in connections]
        opened.set()
        await asyncio.get_running_loop().run_in_executor(None, close.wait, 60)
        assert not any(writer.is_closing() for writer in writers)
        for writer in writers:
            writer.close()

    asyncio.run(main())


def stall(host: str, number: int, opened: object, close: object) -> None:
    """Send headers and bodies that never end, until the service closes the connections."""

    async def main() -> None:
        header = f"POST /v1/checkout-sessions HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000\r\n"
        body = f"{header}content-type: application/json\r\n\r\n{{"
        writers = []
        for index in range(number):
            _, writer = await asyncio.open_connection(*host.split(":"))
            writer.write((header if index < SLOW_HEADERS else body).encode())
            writers.append(writer)
        opened.set()
        await asyncio.get_running_loop().run_in_executor(None, close.wait, 60)
        for writer in writers:
            writer.close()

    asyncio.run(main())
