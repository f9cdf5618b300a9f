"""Provide the virtual clock: the real time plus an offset that only grows."""

from collections.abc import Callable

from stripe_sandbox.store import Store


class Clock:
    """Return the virtual time. The offset is stored, so that a restart does not go back in time."""

    def __init__(self, source: Callable[[], float], store: Store) -> None:
        self._source, self._store = source, store
        self._offset = float(store.setting("clock_offset", "0"))

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"seconds: given {seconds}; allowed: 0 or more")
        self._offset += seconds
        self._store.set_setting("clock_offset", repr(self._offset))
