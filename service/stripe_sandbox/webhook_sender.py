"""Send signed webhooks in the background until the endpoint answers 2xx."""

import asyncio
import hmac
import json
import logging
import time

import httpx

from stripe_sandbox.clock import Clock
from stripe_sandbox.delivery_queue import Delivery, DeliveryQueue
from stripe_sandbox.events import Events
from stripe_sandbox.faults import Faults
from stripe_sandbox.sandbox_settings import SandboxSettings
from stripe_sandbox.store import Store
from stripe_sandbox.webhook_endpoints import WebhookEndpoints

MAX_CONCURRENT = 8
MAX_SLEEP = 1.0  # seconds of real time

log = logging.getLogger(__name__)


class WebhookSender:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        queue: DeliveryQueue,
        events: Events,
        faults: Faults,
        endpoints: WebhookEndpoints,
        settings: SandboxSettings,
    ) -> None:
        self._store, self._clock, self._queue, self._events = store, clock, queue, events
        self._faults, self._endpoints, self._settings = faults, endpoints, settings
        self._in_flight: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Send due deliveries until cancelled. Deliveries that were not accepted by then stay in the store."""
        try:
            # Proxy variables of the environment do not apply: the endpoints are on this machine.
            async with httpx.AsyncClient(timeout=self._settings.delivery_timeout, trust_env=False) as client:
                while True:
                    for delivery in self._ready():
                        self._in_flight[delivery.number] = asyncio.create_task(self._deliver(client, delivery))
                    await self._queue.wait(MAX_SLEEP)
        finally:
            tasks = list(self._in_flight.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ready(self) -> list[Delivery]:
        due = [each for each in self._queue.due(2 * MAX_CONCURRENT) if each.number not in self._in_flight]
        return due[: MAX_CONCURRENT - len(self._in_flight)]

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            accepted = not self._faults.fails_attempt() and await self._send(client, delivery)
        except Exception:  # an event that cannot be sent must not stop the others
            log.exception("webhook_not_sent %s", delivery.event)
            accepted = False
        finally:
            del self._in_flight[delivery.number]
            self._queue.wake()
        with self._store.transaction():
            self._record_attempt(delivery, accepted)

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> bool:
        event = self._events.body(delivery.event)
        endpoint = self._endpoints.for_event(event["type"])
        if endpoint is None:  # the endpoint was deleted or disabled after the event was queued
            return False
        body = json.dumps(event, indent=2, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, endpoint.secret, int(time.time())),
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        try:
            response = await client.post(endpoint.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return response.is_success

    def _record_attempt(self, delivery: Delivery, accepted: bool) -> None:
        delays = self._settings.retry_delays
        if accepted:
            self._queue.update(delivery, "delivered")
            self._events.mark_delivered(delivery.event)
        elif delivery.attempts >= len(delays):
            self._queue.update(delivery, "failed")
        else:
            self._queue.update(delivery, "pending", self._clock.now() + delays[delivery.attempts])


def signature(body: bytes, secret: str, at: int) -> str:
    """Return the `Stripe-Signature` header: https://docs.stripe.com/webhooks#verify-manually.

    `at` is the real time, not the virtual clock: the receiver compares it with its own clock.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return f"t={at},v1={digest}"
