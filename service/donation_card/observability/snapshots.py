"""Keep the values of the counters as they were when a publication period began.

Several workers share a folder. The snapshots of a worker stand beside its values there, in files of the same name:
`{start of the period}/counter_0.db`. So a new worker continues the snapshots of a dead one.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

_KINDS = ("histogram", "counter")
"""The kinds that have snapshots. The file of the counters is written last, so it marks a complete snapshot."""


class Snapshots(Protocol):
    """The snapshots of one process, by the time of each (UTC seconds)."""

    def times(self) -> list[int]: ...
    def take(self, at: int) -> None: ...
    def drop(self, at: int) -> None: ...
    def read(self, until: int) -> Iterable[Metric]:
        """Return the newest values until then, of all processes."""


def renew(snapshots: Snapshots, at: int, settled: int) -> None:
    """Take a snapshot at a time, unless there is one. Drop those that are no longer needed.

    `settled`: readers use the newest snapshot until then. One more is kept, because another process may read it.
    """
    if at not in snapshots.times():
        snapshots.take(at)
    times = snapshots.times()
    for each in [*sorted(each for each in times if each <= settled)[:-2], *(each for each in times if each > at)]:
        snapshots.drop(each)  # a later one is of a clock that was ahead


class MemorySnapshots:
    """The snapshots of a process that counts alone."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect
        self._taken: dict[int, list[Metric]] = {}

    def times(self) -> list[int]:
        return list(self._taken)

    def take(self, at: int) -> None:
        self._taken[at] = list(self._collect())

    def drop(self, at: int) -> None:
        del self._taken[at]

    def read(self, until: int) -> Iterable[Metric]:
        return self._taken[_newest(self._taken, until)] if self._taken else []


class FileSnapshots:
    """The snapshots of one of several workers. `number` is the number of its files."""

    def __init__(self, folder: Path, number: str) -> None:
        self._folder, self._number = folder, number

    def times(self) -> list[int]:
        return self._times_of(self._number)

    def take(self, at: int) -> None:
        folder = self._folder / str(at)
        folder.mkdir(exist_ok=True)
        for kind in _KINDS:
            name = f"{kind}_{self._number}.db"
            if (self._folder / name).exists():
                shutil.copyfile(self._folder / name, folder / f"{name}.new")
                os.replace(folder / f"{name}.new", folder / name)

    def drop(self, at: int) -> None:
        for kind in _KINDS:
            (self._folder / str(at) / f"{kind}_{self._number}.db").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another worker has files in it
            (self._folder / str(at)).rmdir()

    def read(self, until: int) -> Iterable[Metric]:
        numbers = {path.stem.partition("_")[2] for path in self._folder.glob("*/counter_*.db")}
        newest = {number: _newest(self._times_of(number), until) for number in numbers}
        files = [self._folder / str(at) / f"{kind}_{number}.db" for number, at in newest.items() for kind in _KINDS]
        metrics: Iterable[Metric] = MultiProcessCollector.merge([str(path) for path in files if path.exists()])  # type: ignore[no-untyped-call]  # it has no types
        return metrics

    def _times_of(self, number: str) -> list[int]:
        return [int(path.parent.name) for path in self._folder.glob(f"*/counter_{number}.db")]


def _newest(times: Iterable[int], until: int) -> int:
    """Return the newest time until then, or the oldest time if all are later."""
    return max((each for each in times if each <= until), default=min(times))
