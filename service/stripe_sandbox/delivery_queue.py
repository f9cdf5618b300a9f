"""Queue webhook deliveries in the database, so that they survive a restart."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from stripe_sandbox.clock import Clock
from stripe_sandbox.store import Store


class Delivery(NamedTuple):
    number: int
    event: str
    attempts: int


class DeliveryQueue:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._changed = asyncio.Event()

    def add(self, event_id: str, delay: float) -> None:
        """Queue a delivery that is due in `delay` seconds of the virtual clock."""
        self._store.write("INSERT INTO deliveries (event, due) VALUES (?, ?)", [event_id, self._clock.now() + delay])
        self.wake()

    def wake(self) -> None:
        """End a running `wait`: a delivery was added, or the clock moved."""
        self._changed.set()

    def due(self, limit: int) -> list[Delivery]:
        """Return up to `limit` pending deliveries that are due, and reset the signal of `wake`."""
        self._changed.clear()
        rows = self._store.rows(
            "SELECT n, event, attempts FROM deliveries WHERE state = 'pending' AND due <= ? ORDER BY due, n LIMIT ?",
            [self._clock.now(), limit],
        )
        return [Delivery(*row) for row in rows]

    async def wait(self, longest: float) -> None:
        """Wait until the next delivery is due, `wake` is called, or `longest` seconds of real time have passed."""
        [[due]] = self._store.rows(
            "SELECT min(due) FROM deliveries WHERE state = 'pending' AND due > ?", [self._clock.now()]
        )
        seconds = longest if due is None else min(longest, max(0.001, due - self._clock.now()))
        # not wait_for: in Python 3.11 it can swallow a cancellation (https://github.com/python/cpython/issues/86296)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def update(self, delivery: Delivery, state: str, due: float = 0) -> None:
        """Count one attempt more and store its outcome: `delivered`, `failed`, or `pending` until `due`."""
        self._store.write(
            "UPDATE deliveries SET state = ?, attempts = ?, due = ? WHERE n = ?",
            [state, delivery.attempts + 1, due, delivery.number],
        )

    def counts(self) -> dict[str, int]:
        """Return the number of deliveries by state, and the number of attempts made for all of them."""
        found = dict(self._store.rows("SELECT state, count(*) FROM deliveries GROUP BY state"))
        [[attempts]] = self._store.rows("SELECT coalesce(sum(attempts), 0) FROM deliveries")
        return {state: found.get(state, 0) for state in ("pending", "delivered", "failed")} | {"attempts": attempts}
