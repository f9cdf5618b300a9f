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


CHARGED_ONE_IN = 10
"""One request of so many is charged, by chance, and then for all of them. A network has its rate on average.

If each were charged, a neighbour who uses up the rate would learn when somebody in the network gives. This way, a
request changes an answer to a neighbour in at most one of ten cases.
"""

UNKNOWN_NETWORK_FACTOR = 12
"""Networks for which all clients without a public address count together: visitors of an onion service, or everybody
behind a proxy that `FORWARDED_ALLOW_IPS` does not name."""


def charged_rate(rate: Rate) -> Rate:
    """Return the rate of the requests that are charged."""
    return Rate(rate.interval_ms * CHARGED_ONE_IN, -(-rate.burst // CHARGED_ONE_IN))


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
        is_charged = secrets.randbelow(CHARGED_ONE_IN) == 0
        return not self._counts.retry_after([Bucket(name, charged_rate(rate))], now, charge=is_charged)
