"""Record events and queue their webhook deliveries."""

import copy
from contextvars import ContextVar

from stripe_sandbox.clock import Clock
from stripe_sandbox.delivery_queue import DeliveryQueue
from stripe_sandbox.faults import Faults
from stripe_sandbox.objects import EVENT, Json, new_event
from stripe_sandbox.store import Store
from stripe_sandbox.webhook_endpoints import WebhookEndpoints

NO_REQUEST = {"id": None, "idempotency_key": None}

# The API request that is being executed. A payment in a browser has none.
current_request: ContextVar[Json] = ContextVar("current_request", default=NO_REQUEST)


class Events:
    def __init__(
        self, store: Store, clock: Clock, faults: Faults, endpoints: WebhookEndpoints, queue: DeliveryQueue
    ) -> None:
        self._store, self._clock, self._faults, self._endpoints, self._queue = store, clock, faults, endpoints, queue

    def record(self, type: str, subject: Json) -> None:
        """Store an event with a copy of its object. Call it inside the transaction that changes the object."""
        if self._faults.skips_recording():
            return
        deliver = self._endpoints.for_event(type) is not None
        delays = self._faults.delivery_delays() if deliver else []
        event = new_event(type, copy.deepcopy(subject), int(self._clock.now()), current_request.get(), int(deliver))
        self._store.add(event)
        for delay in delays:
            self._queue.add(event["id"], delay)

    def mark_delivered(self, id: str) -> None:
        event = self._store.require(EVENT, id, "id")
        event.body["pending_webhooks"] = 0
        self._store.save(event)

    def body(self, id: str) -> Json:
        return self._store.require(EVENT, id, "id").body
