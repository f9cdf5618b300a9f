"""Metrics: what the service counts for Prometheus, whichever of its workers did it.

Nothing here is about one gift or one donor: no amount, no address, no path. Times and counts say more than the public
figure does all the same, which is why `GET /metrics` is closed (`docs/operate.md`).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from donation_card import __version__

MULTIPROC_DIR_VAR: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: where workers keep their numbers, so that any of them can tell the sum."""


def _place() -> str:
    """The lowest number that no living worker holds; the kernel gives it back when a worker ends, however it ends.

    So a new worker goes on counting in the files of a dead one, and there are never more files than workers.
    """
    held = str(
        next(number for number in count() if _lock(f"{os.environ[MULTIPROC_DIR_VAR]}/{number}.lock") is not None)
    )
    mark_process_dead(held)  # type: ignore[no-untyped-call]  # what the one before measured; not what it counted
    return held  # the descriptor stays open, and with it the lock


def _lock(path: str) -> int | None:
    """The descriptor of the file, locked until it is closed; None where somebody else has it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


if MULTIPROC_DIR_VAR in os.environ:  # as the library itself decides, when it is imported
    _number = _place()
    values.ValueClass = values.MultiProcessValue(lambda: _number)  # type: ignore[no-untyped-call]

disable_created_metrics()  # type: ignore[no-untyped-call]  # instants of first gifts, which nobody needs
_REGISTRY: Final = CollectorRegistry()


def _counter(name: str, description: str, *labels: str) -> Counter:
    return Counter(f"donation_card_{name}", description, labels, registry=_REGISTRY)


def _gauge(name: str, description: str, *labels: str, of: Literal["max", "livemax"] = "max") -> Gauge:
    """The highest value of all workers there were is told, or of all that live."""
    return Gauge(f"donation_card_{name}", description, labels, registry=_REGISTRY, multiprocess_mode=of)


webhooks = _counter(
    "webhooks", "Events received, by outcome: applied, unchanged, ignored, bad, unavailable.", "outcome", "reason"
)
updates = _counter(
    "totals_updates", "States joined into the ledger, by who told of them: webhook, donor, pass.", "source", "kind"
)
mismatches = _counter("reconciliation_mismatches", "Ledgers that the daily check found built and wrong.", "campaign")
warned_bank_donations = _counter(
    "warned_bank_donations", "Gifts from a bank of a state that their campaign warns of.", "campaign"
)
sessions = _counter("checkout_sessions", "Checkout sessions: created, failed (Stripe did not), paid, expired.", "event")
limiter_decisions = _counter("limiter_decisions", "What the limits on asking decided.", "decision")
attack_mode = _gauge("attack_mode", "1 while new sessions ask for a proof of work.", of="livemax")
_LAST_WEBHOOK: Final = "donation_card_last_webhook_timestamp_seconds"
last_webhook = _gauge("last_webhook_timestamp_seconds", "When an event of Stripe's last arrived; 0: not yet.")
cached_reads = _counter("cached_responses", "Reads answered before routing, from bytes made beforehand.")
durations = Histogram(
    "donation_card_request_duration_seconds",
    "From the request's head to the end of its answer, by route; reads answered before routing are not measured.",
    ("route", "status"),
    registry=_REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_gauge("build_info", "Always 1; the label says which release runs.", "version").labels(__version__).set(1)


@contextmanager
def multiprocess_dir(workers: int) -> Iterator[None]:
    """A private folder for the numbers of several workers, gone afterwards; begin it before this module's workers."""
    if workers == 1:
        yield
        return
    memory = Path("/dev/shm")  # a full disk would end a worker that writes  # noqa: S108
    folder = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="donation-card-", dir=folder) as private:
        os.environ[MULTIPROC_DIR_VAR] = private
        yield


def render(gauges: Iterable[Metric]) -> bytes:
    """What all workers counted, and what the one that is asked knows besides, in Prometheus' text format."""
    return generate_latest(_counted()) + generate_latest(_Families(gauges))


def last_webhook_at() -> float:
    """UTC seconds, 0 where none came yet; whichever worker had it."""
    families = (family for family in _counted().collect() if family.name == _LAST_WEBHOOK)
    return next((family.samples[0].value for family in families), 0.0)


def _counted() -> Collector:
    if MULTIPROC_DIR_VAR not in os.environ:
        return _REGISTRY
    for path in Path(os.environ[MULTIPROC_DIR_VAR]).glob("*.lock"):
        if (descriptor := _lock(str(path))) is not None:  # nobody has it
            mark_process_dead(path.stem)  # type: ignore[no-untyped-call]
            os.close(descriptor)
    return MultiProcessCollector(None)  # type: ignore[no-untyped-call]


def gauge(name: str, description: str, label: str, values_by_label: Mapping[str, float]) -> Metric:
    """A value for each label, as it is at this moment; whatever is not held any more is not told either."""
    family = GaugeMetricFamily(f"donation_card_{name}", description, labels=[label])
    for of, value in values_by_label.items():
        family.add_metric([of], value)
    return family


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
