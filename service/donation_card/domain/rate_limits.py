"""Rate limits by the generic cell rate algorithm. Times are arguments, in milliseconds.

Each bucket is one number, the theoretical arrival time (TAT; ATM Forum, Traffic Management 4.0, 1996).
`check_limits.lua` applies the same rule inside Redis, for all workers together.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from donation_card.domain.lifetimes import MAX_AHEAD


@dataclass(frozen=True, slots=True)
class Rate:
    """One event every `interval_ms`, and `burst` at once after a pause."""

    interval_ms: int
    burst: int

    def __post_init__(self) -> None:
        if self.interval_ms < 1 or self.burst < 1:
            raise ValueError("interval_ms and burst are at least 1")

    def split(self, parts: int) -> "Rate":
        """Return the share of one of several workers that count separately. It allows at least one event."""
        return Rate(self.interval_ms * parts, math.ceil(self.burst / parts))

    def multiply(self, factor: int) -> "Rate":
        """Return the rate of several clients together."""
        return Rate(max(1, self.interval_ms // factor), self.burst * factor)


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    rate: Rate


def retry_after_ms(rate: Rate, tat_ms: int, now: int) -> int:
    """Return the milliseconds until one more event is allowed, 0 if it is allowed now."""
    return max(0, tat_ms - now - (rate.burst - 1) * rate.interval_ms)


def acquire_all(buckets: Sequence[Bucket], tat_ms: Mapping[str, int], now: int) -> tuple[int, dict[str, int]]:
    """Charge all buckets or none. Return the milliseconds to wait and the new TATs."""
    full_at = {bucket.name: _stored_tat(bucket, tat_ms, now) for bucket in buckets}
    if longest := max((retry_after_ms(bucket.rate, full_at[bucket.name], now) for bucket in buckets), default=0):
        return longest, {}
    return 0, {bucket.name: max(full_at[bucket.name], now) + bucket.rate.interval_ms for bucket in buckets}


def _stored_tat(bucket: Bucket, tat_ms: Mapping[str, int], now: int) -> int:
    """Return the TAT of a bucket. It is limited if the clock was set back, and unknown (0) if it is far ahead."""
    tat, highest = tat_ms.get(bucket.name, 0), now + bucket.rate.burst * bucket.rate.interval_ms
    return 0 if tat > highest + MAX_AHEAD * 1_000 else min(tat, highest)


@dataclass(slots=True)
class BucketStore:
    """Keep the most recent `capacity` buckets in memory, about 200 bytes each."""

    capacity: int
    tat_ms: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def retry_after(self, buckets: Sequence[Bucket], now: int, *, charge: bool = True) -> int:
        """Charge all buckets, unless told not to, and return 0. Or return the milliseconds to wait."""
        longest, then = acquire_all(buckets, self.tat_ms, now)
        if charge:
            self.tat_ms.update(then)
        for bucket in buckets:
            if bucket.name in self.tat_ms:
                self.tat_ms.move_to_end(bucket.name)
        while len(self.tat_ms) > self.capacity:
            self.tat_ms.popitem(last=False)
        return longest


def network_prefix(address: str | None) -> bytes | None:
    """Return the network of a public address: 24 bits of IPv4, 48 bits of IPv6 (one site, RFC 6177).

    Return None for any other address. It can belong to a proxy that `FORWARDED_ALLOW_IPS` does not name.
    """
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    if not found.is_global:
        return None
    return found.packed[: 3 if found.version == 4 else 6]
