"""Delivers events, signed as Stripe signs them, until the receiver answers 2xx; no donor waits for that."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

import httpx

from stripe_sandbox.clock import Clock
from stripe_sandbox.events import Events
from stripe_sandbox.faults import Faults
from stripe_sandbox.receivers import Receivers
from stripe_sandbox.settings import SandboxSettings
from stripe_sandbox.store import Store

AT_ONCE = 8
LONGEST_NAP = 1.0  # seconds of real time, because an operator may push the virtual clock meanwhile

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    n: int
    event: str
    attempts: int


class Webhooks:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        events: Events,
        faults: Faults,
        settings: SandboxSettings,
        receivers: Receivers,
    ) -> None:
        self._store, self._clock, self._events, self._faults, self._settings = store, clock, events, faults, settings
        self._receivers = receivers
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Works through what is due until it is cancelled. What was not delivered by then is in the store."""
        try:
            # proxies of the environment are for the internet; receivers of a sandbox are next door
            async with httpx.AsyncClient(timeout=self._settings.delivery_timeout, trust_env=False) as client:
                while True:
                    self._wake.clear()
                    for delivery in self._due():
                        self._in_flight[delivery.n] = asyncio.create_task(self._deliver(client, delivery))
                    await self._nap()
        finally:
            tasks = list(self._in_flight.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _due(self) -> list[Delivery]:
        rows = self._store.rows(
            "SELECT n, event, attempts FROM deliveries WHERE state = 'pending' AND due <= ? ORDER BY due, n LIMIT ?",
            [self._clock.now(), 2 * AT_ONCE],
        )
        waiting = [Delivery(*row) for row in rows if row[0] not in self._in_flight]
        return waiting[: AT_ONCE - len(self._in_flight)]

    async def _nap(self) -> None:
        [[due]] = self._store.rows(
            "SELECT min(due) FROM deliveries WHERE state = 'pending' AND due > ?", [self._clock.now()]
        )
        seconds = LONGEST_NAP if due is None else min(LONGEST_NAP, max(0.001, due - self._clock.now()))
        # not wait_for: in Python 3.11 it can swallow a cancellation (https://github.com/python/cpython/issues/86296)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            arrived = not self._faults.drops() and await self._send(client, delivery)
        except Exception:  # one event that cannot be sent must not stop the others
            log.exception("%s could not be sent", delivery.event)
            arrived = False
        finally:
            del self._in_flight[delivery.n]
            self.wake()
        with self._store.transaction():
            self._note(delivery, arrived)

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> bool:
        event = self._events.body(delivery.event)
        receiver = self._receivers.of(event["type"])
        if receiver is None:  # its endpoint was deleted or disabled meanwhile
            return False
        body = json.dumps(event, indent=2, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, receiver.secret, int(time.time())),
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        try:
            answer = await client.post(receiver.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.is_success

    def _note(self, delivery: Delivery, arrived: bool) -> None:
        attempts, delays = delivery.attempts + 1, self._settings.retry_delays
        if arrived:
            self._set(delivery, "delivered", attempts, 0)
            self._events.delivered(delivery.event)
        elif attempts > len(delays):
            self._set(delivery, "failed", attempts, 0)
        else:
            self._set(delivery, "pending", attempts, self._clock.now() + delays[attempts - 1])

    def _set(self, delivery: Delivery, state: str, attempts: int, due: float) -> None:
        self._store.write(
            "UPDATE deliveries SET state = ?, attempts = ?, due = ? WHERE n = ?", [state, attempts, due, delivery.n]
        )


def signature(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header: https://docs.stripe.com/webhooks#verify-manually.

    `at` is the real time, never the virtual: receivers compare it with their own clocks.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
