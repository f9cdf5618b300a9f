"""The virtual clock: the machine's time plus an offset that an operator can push forward, never back."""

from __future__ import annotations

from collections.abc import Callable

from stripe_sandbox.store import Store


class Clock:
    """The offset is kept in the store, so that a restart does not travel back before what was already made."""

    def __init__(self, source: Callable[[], float], store: Store) -> None:
        self._source = source
        self._store = store
        self._offset = float(store.setting("clock_offset", "0"))

    def now(self) -> float:
        """Unix time in seconds."""
        return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time runs forward only")
        self._offset += seconds
        self._store.set_setting("clock_offset", repr(self._offset))
