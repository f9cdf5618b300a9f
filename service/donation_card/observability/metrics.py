"""Metrics for Prometheus, counted by all workers together.

No metric is about one donation or one donor: there is no amount, no address and no path. Frequent readings of a counter
would show each donation when it arrives. So `render` shows a counter as it was when the current publication period
began, except counters of failures (`_FAILURES`).

Nothing happens on import. `configure_metrics()` joins a worker to the others; without it a process counts alone.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, partial
from itertools import count, product
from pathlib import Path
from typing import Generic, Self, TypeVar

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
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from donation_card import __version__
from donation_card.observability.snapshots import FileSnapshots, MemorySnapshots, Snapshots, renew

MULTIPROC_DIR_VAR = "PROMETHEUS_MULTIPROC_DIR"
"""The library's variable: the folder in which each worker keeps a file of its values."""

_PREFIX = "donation_card_"
_REGISTRY = CollectorRegistry()

_Metric = TypeVar("_Metric", Counter, Gauge)

_period_hooks: list[Callable[[], None]] = []
"""The hook of the application, called before anything is counted (`on_count`)."""


class _RenewsSnapshot(MetricWrapperBase):
    def labels(self, *values: str) -> Self:  # type: ignore[override]  # the library takes any value, and names too
        for hook in _period_hooks:
            hook()
        return super().labels(*values)


class _Counter(_RenewsSnapshot, Counter):
    """A counter that begins a new period before it counts."""


class _Histogram(_RenewsSnapshot, Histogram):
    """A histogram that begins a new period before it counts."""


def _counter(name: str, description: str, *labels: str) -> Counter:
    return _Counter(_PREFIX + name, description, labels, registry=_REGISTRY)


class Unlabelled(Generic[_Metric]):
    """A metric without labels. The library opens its file on creation, so `configure_metrics` creates it.

    A gauge shows the highest value of all workers (`max`), or of the living (`livemax`).
    """

    def __init__(self, kind: Callable[..., _Metric], name: str, description: str, **options: str) -> None:
        self._create: Callable[[], _Metric] = partial(kind, _PREFIX + name, description, registry=_REGISTRY, **options)

    @cached_property
    def metric(self) -> _Metric:
        return self._create()


webhooks = _counter(
    "webhooks", "Webhooks by outcome: applied, unchanged, ignored, rejected, unavailable.", "outcome", "reason"
)
updates = _counter("totals_updates", "Updates of the stored totals by source: webhook, donor, sync.", "source", "kind")
not_counted = _counter(
    "not_counted", "Events and objects of Stripe that are not counted, or need a person, by reason.", "reason"
)
NOT_COUNTED_REASONS = (
    "campaign_unknown",
    "event_malformed",
    "list_incomplete",
    "object_unreadable",
    "other_account",
    "other_mode",
    "other_product",
    "payment_incomplete",
    "payment_unknown",
    "reversal_without_payment",
    "status_unknown",
    "unhandled_type",
    "wrong_currency",
)
NOT_OURS = frozenset({"other_account", "other_mode", "other_product", "unhandled_type"})
"""Reasons that are no failure of ours. An endpoint that receives too many events has one with each donation."""
mismatches = _counter("reconciliation_mismatches", "Wrong totals that a daily rebuild found.", "campaign")
warned_bank_donations = _counter(
    "warned_bank_donations", "Donations from a bank in a country that the campaign warns about.", "campaign"
)
sessions = _counter("checkout_sessions", "Checkout sessions by event: created, failed, paid, expired.", "event")
limiter_decisions = _counter("limiter_decisions", "Decisions of the limits on new sessions.", "decision")
stripe_reads = _counter("stripe_reads", "Requests that read from Stripe, retries included.", "resource")
durations = _Histogram(
    _PREFIX + "request_duration_seconds",
    "From the head of a request to the end of its response, by route. Cached responses are not measured.",
    ("route", "status"),
    registry=_REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
attack_mode = Unlabelled(
    Gauge, "attack_mode", "1 while new sessions need a proof of work.", multiprocess_mode="livemax"
)
clock_difference = Unlabelled(
    Gauge,
    "clock_difference_seconds",
    "Difference between the clocks of a worker and of Redis, in steps of ten seconds.",
    multiprocess_mode="livemax",
)
future_instants = Unlabelled(
    Counter, "future_instants", "Stored instants more than five minutes ahead of now, which count as unknown."
)
rebuild_objects = Unlabelled(
    Gauge,
    "rebuild_objects",
    "Objects that the running rebuild has read, in steps of ten thousand.",
    multiprocess_mode="livemax",
)
malformed_requests = Unlabelled(Counter, "malformed_requests", "Requests that are no HTTP/1.1. They are not logged.")
cached_reads = Unlabelled(Counter, "cached_responses", "Responses from prepared bytes, before routing.")
_build_info = Gauge(
    _PREFIX + "build_info",
    "Always 1; the label is the release.",
    ("version",),
    registry=_REGISTRY,
    multiprocess_mode="max",
)

_FAILURES: Mapping[str, Callable[[Mapping[str, str]], bool]] = {
    "webhooks": lambda labels: labels["outcome"] in {"rejected", "unavailable"},
    "totals_updates": lambda labels: labels["source"] == "sync",
    "not_counted": lambda labels: labels["reason"] not in NOT_OURS,
    "reconciliation_mismatches": lambda _: True,
    "warned_bank_donations": lambda _: True,
    "checkout_sessions": lambda labels: labels["event"] == "failed",
    "limiter_decisions": lambda labels: labels["decision"] == "rejected",
    "request_duration_seconds": lambda labels: labels["status"].startswith("5"),
    "future_instants": lambda _: True,
    "malformed_requests": lambda _: True,
}
"""Counters that are exported at once, by their labels. All others wait for the next period: a donation raises them."""

_FROM_THE_START: Sequence[tuple[Counter, Iterable[tuple[str, ...]]]] = (
    (not_counted, ((reason,) for reason in NOT_COUNTED_REASONS)),
    (updates, product(("webhook", "donor", "sync"), ("payment", "refund", "dispute"))),
    (sessions, (("created",), ("failed",), ("paid",), ("expired",))),
    (webhooks, (("applied", ""), ("unchanged", ""))),
)
"""Labels that are exported from the start. Prometheus sees an increase only if the counter was there before."""


@cache
def configure_metrics() -> None:
    """Count together with the other workers, if there are any, and create the metrics that have a value from the start.

    Call it once in a process, before anything is counted.
    """
    if MULTIPROC_DIR_VAR in os.environ:
        number = _claim_number()
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]  # it has no types
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would show when the first donation came
    for each in (attack_mode, clock_difference, future_instants, malformed_requests, cached_reads):
        _ = each.metric
    for counter, labels in _FROM_THE_START:
        for values_of_labels in labels:
            counter.labels(*values_of_labels)
    _build_info.labels(__version__).set(1)


@contextmanager
def multiprocess_dir(workers: int) -> Iterator[None]:
    """Provide a private folder for the values of several workers, and remove it at the end."""
    if workers == 1:
        yield
        return
    memory = Path("/dev/shm")  # on a full disk, writing to a mapped file kills the process  # noqa: S108
    folder = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="donation-card-", dir=folder) as private:
        os.environ[MULTIPROC_DIR_VAR] = private
        yield


def on_count(renew: Callable[[], None]) -> None:
    """Call `renew` before anything is counted. It calls `renew_snapshot` when a period has begun."""
    _period_hooks[:] = [renew]


def renew_snapshot(at: int, settled: int) -> None:
    """Keep the values of this process as they are now, at the start of a period. See `snapshots.renew`."""
    renew(_snapshots(), at, settled)


def render(gauges: Iterable[Metric], settled: int | None = None) -> bytes:
    """Return the values of all workers, and the gauges of this one, in the text format of Prometheus.

    `settled` (UTC seconds): show counters as they were then, except those of failures. None: show all as they are.
    """
    configure_metrics()
    counted: Iterable[Metric] = _all_workers().collect()
    if settled is not None:
        counted = _exported(counted, _snapshots().read(settled))
    return generate_latest(_Families([*counted, *gauges]))


def _exported(families: Iterable[Metric], snapshot: Iterable[Metric]) -> Iterator[Metric]:
    """Yield the families with the current values of failures, and all other values of the snapshot."""
    withheld = {family.name: family.samples for family in snapshot}
    for family in families:
        if family.type != "gauge":
            is_failure = _FAILURES.get(family.name.removeprefix(_PREFIX), _waits)
            failures = [sample for sample in family.samples if is_failure(sample.labels)]
            others = [sample for sample in withheld.get(family.name, ()) if not is_failure(sample.labels)]
            family.samples = failures + others
        yield family


def _waits(_: Mapping[str, str]) -> bool:
    return False


def gauge(name: str, description: str, label: str, values_by_label: Mapping[str, float]) -> Metric:
    """Return a gauge with its current values. A label that is gone leaves no value behind."""
    family = GaugeMetricFamily(_PREFIX + name, description, labels=[label])
    for value_of_label, value in values_by_label.items():
        family.add_metric([value_of_label], value)
    return family


@cache
def _snapshots() -> Snapshots:
    if MULTIPROC_DIR_VAR in os.environ:
        return FileSnapshots(Path(os.environ[MULTIPROC_DIR_VAR]), _claim_number())
    return MemorySnapshots(_REGISTRY.collect)


@cache
def _claim_number() -> str:
    """Return the lowest number that no living worker holds. The kernel releases it when the worker ends.

    A new worker so continues the files of a dead one, and there are never more files than workers.
    """
    folder = os.environ[MULTIPROC_DIR_VAR]
    number = str(next(number for number in count() if _lock(f"{folder}/{number}.lock") is not None))
    mark_process_dead(number)  # type: ignore[no-untyped-call]  # drops the old "livemax" gauges, keeps the counters
    return number  # the lock's descriptor stays open on purpose


def _lock(path: str) -> int | None:
    """Return a descriptor of the file, locked until it is closed; None if another process holds the lock."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _all_workers() -> Collector:
    if MULTIPROC_DIR_VAR not in os.environ:
        return _REGISTRY
    for path in Path(os.environ[MULTIPROC_DIR_VAR]).glob("*.lock"):
        if (descriptor := _lock(str(path))) is not None:  # its worker is dead
            mark_process_dead(path.stem)  # type: ignore[no-untyped-call]  # no types in the library
            os.close(descriptor)
    return MultiProcessCollector(None)  # type: ignore[no-untyped-call]  # no types in the library


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
