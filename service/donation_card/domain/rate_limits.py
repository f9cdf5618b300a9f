"""Limits: how often something may happen, kept as one number each. Pure: the time is an argument, in milliseconds.

A bucket is the instant from which it would be full again (the “theoretical arrival time” of GCRA, ATM Forum, Traffic
Management 4.0, 1996). `limits.lua` applies the same rule inside Redis, where all workers share it.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """One more every `every` milliseconds, and `burst` at once after a rest."""

    interval_ms: int
    burst: int

    def __post_init__(self) -> None:
        if self.interval_ms < 1 or self.burst < 1:
            raise ValueError("every and burst are at least 1")

    def split(self, parts: int) -> Rate:
        """The part of one among several who count for themselves. Each may do at least one."""
        return Rate(self.interval_ms * parts, math.ceil(self.burst / parts))


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    rate: Rate


def retry_after_ms(rate: Rate, tat_ms: int, now: int) -> int:
    """Milliseconds until one more is allowed; 0: now."""
    return max(0, tat_ms - now - (rate.burst - 1) * rate.interval_ms)


def acquire_all(buckets: Sequence[Bucket], tat_ms: Mapping[str, int], now: int) -> tuple[int, dict[str, int]]:
    """One out of every bucket, or out of none: how long to wait for all of them, and what then holds."""
    full_at = {
        # a clock that was set back must not close a bucket for long
        bucket.name: min(tat_ms.get(bucket.name, 0), now + bucket.rate.burst * bucket.rate.interval_ms)
        for bucket in buckets
    }
    if longest := max((retry_after_ms(bucket.rate, full_at[bucket.name], now) for bucket in buckets), default=0):
        return longest, {}
    return 0, {bucket.name: max(full_at[bucket.name], now) + bucket.rate.interval_ms for bucket in buckets}


@dataclass(slots=True)
class BucketStore:
    """Buckets in memory, at most `most`: the ones unused for longest are forgotten first. Some 200 bytes each."""

    capacity: int
    tat_ms: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def retry_after(self, buckets: Sequence[Bucket], now: int) -> int:
        """Milliseconds to wait; 0: taken."""
        longest, then = acquire_all(buckets, self.tat_ms, now)
        self.tat_ms.update(then)
        for bucket in buckets:
            if bucket.name in self.tat_ms:
                self.tat_ms.move_to_end(bucket.name)
        while len(self.tat_ms) > self.capacity:
            self.tat_ms.popitem(last=False)
        return longest


def network_prefix(address: str | None) -> bytes | None:
    """The network that a public address lies in: 24 bits of IPv4, 48 of IPv6 (the most one site is given, RFC 6177).

    None: it names no donor's network. An address that is not public is the proxy's that `FORWARDED_ALLOW_IPS` does not
    name, or a test's; were it one network, everybody would share it.
    """
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    if not found.is_global:
        return None
    return found.packed[: 3 if found.version == 4 else 6]
