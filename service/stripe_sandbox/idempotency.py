"""Idempotency keys as documented: https://docs.stripe.com/api/idempotent_requests.

An answer is kept once execution began, also when it was a 500; refusals before that are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError
from stripe_sandbox.forms import Tree
from stripe_sandbox.store import Store

KEPT_FOR = 24 * 3600
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    request_id: str
    replayed: bool = False


class Idempotency:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._running: set[str] = set()

    def replay(self, key: str, endpoint: str, params: Tree) -> Answer | None:
        """The stored answer. Raises ApiError when the key was used for something else, or is in use right now."""
        if len(key) > LONGEST_KEY:
            raise ApiError(f"Idempotency keys may only be up to {LONGEST_KEY} characters, but you gave {len(key)}.")
        if key in self._running:
            raise ApiError(
                "There is currently another in-progress request using this Idempotency Key (that probably means you "
                "submitted twice, and the other request is still going through). Please try again later.",
                code="idempotency_key_in_use",
                status=409,
            )
        self._store.write("DELETE FROM answers WHERE made <= ?", [self._clock.now() - KEPT_FOR])
        found = self._store.rows(
            "SELECT endpoint, fingerprint, status, body, request_id FROM answers WHERE key = ?", [key]
        )
        if not found:
            return None
        used_for, fingerprint, status, body, request_id = found[0]
        if (used_for, fingerprint) != (endpoint, _fingerprint(params)):
            same = "parameters" if used_for == endpoint else "endpoint"
            raise ApiError(
                f"Keys for idempotent requests can only be used with the same {same} they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        return Answer(status, body, request_id, replayed=True)

    @contextmanager
    def running(self, key: str | None) -> Iterator[None]:
        self._running.update([key] if key else [])
        try:
            yield
        finally:
            self._running.discard(key or "")

    def keep(self, key: str, endpoint: str, params: Tree, answer: Answer) -> None:
        values = [key, self._clock.now(), endpoint, _fingerprint(params), answer.status, answer.body, answer.request_id]
        self._store.write("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _fingerprint(params: Tree) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
