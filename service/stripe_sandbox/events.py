"""Records that something happened, and puts its webhook deliveries in the queue."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar

from stripe_sandbox.clock import Clock
from stripe_sandbox.faults import Faults
from stripe_sandbox.objects import EVENT, Json, new_event
from stripe_sandbox.receivers import Receivers
from stripe_sandbox.store import Store, Stored

NO_REQUEST = {"id": None, "idempotency_key": None}

# The API call that is being executed, if any; what a donor's browser does has none.
current_request: ContextVar[Json] = ContextVar("current_request", default=NO_REQUEST)


class Events:
    def __init__(self, store: Store, clock: Clock, faults: Faults, receivers: Receivers) -> None:
        self._store, self._clock, self._faults, self._receivers = store, clock, faults, receivers
        self.on_record: Callable[[], None] = lambda: None

    def record(self, type: str, subject: Json) -> None:
        """Belongs into the transaction that made it true."""
        if self._faults.unmakes():
            return
        now = self._clock.now()
        deliver = self._receivers.of(type) is not None
        waits = self._faults.waits() if deliver else []
        event = new_event(type, copy.deepcopy(subject), int(now), current_request.get(), int(deliver))
        self._store.add(event)
        for wait in waits:
            self._store.write("INSERT INTO deliveries (event, due) VALUES (?, ?)", [event["id"], now + wait])
        self.on_record()

    def delivered(self, id: str) -> None:
        event = self._stored(id)
        event.body["pending_webhooks"] = 0
        self._store.save(event)

    def body(self, id: str) -> Json:
        return self._stored(id).body

    def _stored(self, id: str) -> Stored:
        event = self._store.get(EVENT, id)
        assert event, "a delivery is stored together with its event"
        return event
