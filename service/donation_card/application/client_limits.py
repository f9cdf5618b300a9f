"""Networks: how often each one asks, in this worker's memory alone. No address, and no name made of one, leaves it.

A network is known by an HMAC under a random salt; every hour the salt and all counts are thrown away together, so that
not even a copy of this memory says who came earlier.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from donation_card.domain.rate_limits import Bucket, BucketStore, Rate, network_prefix

SALT_LIFETIME_MS: Final = 60 * 60_000
"""Milliseconds after which all is forgotten."""

MAX_NETWORKS: Final = 100_000
"""Networks that are counted at a time: about 20 MB in an attack."""


@dataclass(slots=True)
class PerNetworkLimiter:
    _since: int = 0
    _salt: bytes = b""
    _counts: BucketStore = field(default_factory=lambda: BucketStore(MAX_NETWORKS))

    def allow(self, address: str | None, action: str, rate: Rate, now: int) -> bool:
        """Whether the network of this address may once more; always where it names none. `now` in milliseconds."""
        found = network_prefix(address)
        if found is None:
            return True
        if not self._salt or now - self._since >= SALT_LIFETIME_MS:
            self._since, self._salt = now, secrets.token_bytes(32)
            self._counts = BucketStore(MAX_NETWORKS)
        name = hmac.digest(self._salt, action.encode() + found, hashlib.sha256).hex()[:32]
        return not self._counts.retry_after([Bucket(name, rate)], now)
