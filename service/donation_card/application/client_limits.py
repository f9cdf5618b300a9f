"""Limits for each network, in the memory of this worker only.

A network is identified by an HMAC under a random salt. Every hour the salt and all counts are discarded together, so
that even a copy of this memory does not reveal earlier visitors.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from donation_card.domain.rate_limits import Bucket, BucketStore, Rate, network_prefix

SALT_LIFETIME_MS = 60 * 60_000
"""Milliseconds until all counts are discarded."""

MAX_NETWORKS = 100_000
"""Networks that are counted at a time. They need about 20 MB."""


UNKNOWN_NETWORK_FACTOR = 12
"""Networks for which all clients without a public address count together: visitors of an onion service, or everybody
behind a proxy that `FORWARDED_ALLOW_IPS` does not name."""


@dataclass(slots=True)
class PerNetworkLimiter:
    _since: int = 0
    _salt: bytes = b""
    _counts: BucketStore = field(default_factory=lambda: BucketStore(MAX_NETWORKS))

    def allow(self, address: str | None, action: str, rate: Rate, now: int) -> bool:
        """Return True if the network of this address may act once more. `now` is in milliseconds."""
        prefix = network_prefix(address)
        if prefix is None:
            prefix, rate = b"", rate.multiply(UNKNOWN_NETWORK_FACTOR)
        if not self._salt or now - self._since >= SALT_LIFETIME_MS:
            self._since, self._salt = now, secrets.token_bytes(32)
            self._counts = BucketStore(MAX_NETWORKS)
        name = hmac.digest(self._salt, action.encode() + prefix, "sha256").hex()[:32]
        return not self._counts.retry_after([Bucket(name, rate)], now)
