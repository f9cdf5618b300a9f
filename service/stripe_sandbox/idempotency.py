"""Replay responses to repeated idempotency keys: https://docs.stripe.com/api/idempotent_requests.

A response is stored if the request was executed, also if it failed with 500. Requests refused before that are not.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.clock import Clock
from stripe_sandbox.form_encoding import ParamTree
from stripe_sandbox.store import Store

RETENTION = 24 * 3600
MAX_KEY_LENGTH = 255


class ApiResponse(NamedTuple):
    status: int
    body: bytes
    request_id: str
    replayed: bool = False


class Idempotency:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._running: set[str] = set()

    def replay(self, key: str, endpoint: str, params: ParamTree) -> ApiResponse | None:
        """Return the stored response. Raise ApiError if the key was used for another request, or is in use now."""
        if len(key) > MAX_KEY_LENGTH:
            raise ApiError(f"Idempotency keys may only be up to {MAX_KEY_LENGTH} characters, but you gave {len(key)}.")
        if key in self._running:
            raise ApiError(
                "There is currently another in-progress request using this Idempotency Key (that probably means you "
                "submitted twice, and the other request is still going through). Please try again later.",
                code="idempotency_key_in_use",
                status=409,
            )
        self._store.write("DELETE FROM idempotent_responses WHERE created_at <= ?", [self._clock.now() - RETENTION])
        found = self._store.rows(
            "SELECT endpoint, fingerprint, status, body, request_id FROM idempotent_responses WHERE key = ?", [key]
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
        return ApiResponse(status, body, request_id, replayed=True)

    @contextmanager
    def running(self, key: str | None) -> Iterator[None]:
        """Mark the key as in use."""
        self._running.update([key] if key else [])
        try:
            yield
        finally:
            self._running.discard(key or "")

    def store_response(self, key: str, endpoint: str, params: ParamTree, response: ApiResponse) -> None:
        values = [
            key,
            self._clock.now(),
            endpoint,
            _fingerprint(params),
            response.status,
            response.body,
            response.request_id,
        ]
        self._store.write("INSERT INTO idempotent_responses VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _fingerprint(params: ParamTree) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
