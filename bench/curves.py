"""Measure how the cost grows with campaigns, gifts and open connections. Each curve is a plot of the benchmark page."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import scale, totals
from bench.campaigns import write_campaigns
from bench.running import PROGRESS, service_running, wrk

CAMPAIGNS = (1, 10, 100, 1_000, 10_000)
CONNECTIONS = (1, 100, 1_000, 10_000)
IDLE_SECONDS = 20
REBUILT = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Curve:
    """One cost at several sizes. `size` and `cost` are the labels of the axes, the cost with its unit."""

    name: str
    size: str
    cost: str
    points: Sequence[tuple[int, float]]


def by_campaigns() -> Iterator[Curve]:
    """Measure one worker: its CPU while nothing happens, its memory, and the CPU of its start."""
    idle: list[tuple[int, float]] = []
    memory: list[tuple[int, float]] = []
    start: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as name:
        for number in CAMPAIGNS:
            campaigns = write_campaigns(Path(name) / f"{number}-files", number)
            with service_running(Path(name) / str(number), campaigns=campaigns) as service:
                start.append((number, service.cpu_seconds()))
                scale.until_idle(service)
                before = service.cpu_seconds()
                time.sleep(IDLE_SECONDS)
                idle.append((number, (service.cpu_seconds() - before) / IDLE_SECONDS * 100))
                memory.append((number, service.resident_megabytes()))
    yield Curve("idle-by-campaigns", "campaigns", "CPU of an idle worker (% of a core)", idle)
    yield Curve("memory-by-campaigns", "campaigns", "memory of a worker (MB)", memory)
    yield Curve("start-by-campaigns", "campaigns", "CPU from the command to readiness (s)", start)


def by_gifts() -> Iterator[Curve]:
    """Measure one gift more in a campaign that has many already."""
    found = list(totals.applied())
    slower, memory = "cost of one gift more (ratio to an empty campaign)", "memory of Redis for each gift (bytes)"
    yield Curve("apply-by-gifts", "stored gifts", slower, [(each.gifts, each.ratio) for each in found])
    yield Curve("memory-by-gifts", "stored gifts", memory, [(each.gifts, each.bytes_each) for each in found])


def rebuild() -> Iterator[Curve]:
    """Measure `donation-card rebuild` with an empty Redis."""
    cpu: list[tuple[int, float]] = []
    memory: list[tuple[int, float]] = []
    for payments in REBUILT:
        seconds, megabytes = totals.rebuilt(payments)
        cpu.append((payments, seconds / payments * 1000))
        memory.append((payments, megabytes))
    yield Curve("rebuild-by-payments", "payments", "CPU of a rebuild for each payment (ms)", cpu)
    yield Curve("rebuild-memory-by-payments", "payments", "memory of a rebuild (MB)", memory)


def by_connections() -> Iterator[Curve]:
    """Measure reads of the progress while other connections stay open and idle."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    latencies: list[tuple[int, float]] = []
    memory: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as name, service_running(Path(name)) as service:
        for number in (min(each, maximum - 500) for each in CONNECTIONS):
            with scale.holding(scale.hold, service.url, number):
                _, p99 = scale.latency(wrk(service.url + PROGRESS))
                latencies.append((number, p99))
                memory.append((number, service.resident_megabytes()))
    yield Curve("reads-by-connections", "idle connections", "p99 of a read (ms)", latencies)
    yield Curve("memory-by-connections", "idle connections", "memory of the worker (MB)", memory)
