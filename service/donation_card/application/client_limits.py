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

from donation_card.domain.rate_limits import Bucket, Counts, Rate, network

FORGET: Final = 60 * 60_000
"""Milliseconds after which all is forgotten."""

REMEMBERED: Final = 100_000
"""Networks that are counted at a time: about 20 MB in an attack."""


@dataclass(slots=True)
class Networks:
    _since: int = 0
    _salt: bytes = b""
    _counts: Counts = field(default_factory=lambda: Counts(REMEMBERED))

    def take(self, address: str | None, use: str, rate: Rate, now: int) -> bool:
        """Whether the network of this address may once more; always where it names none. `now` in milliseconds."""
        found = network(address)
        if found is None:
            return True
        if not self._salt or now - self._since >= FORGET:
            self._since, self._salt = now, secrets.token_bytes(32)
            self._counts = Counts(REMEMBERED)
        name = hmac.digest(self._salt, use.encode() + found, hashlib.sha256).hex()[:32]
        return not self._counts.take([Bucket(name, rate)], now)
