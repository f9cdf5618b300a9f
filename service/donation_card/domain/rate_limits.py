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

    every: int
    burst: int

    def __post_init__(self) -> None:
        if self.every < 1 or self.burst < 1:
            raise ValueError("every and burst are at least 1")

    def shared(self, among: int) -> Rate:
        """The part of one among several who count for themselves. Each may do at least one."""
        return Rate(self.every * among, math.ceil(self.burst / among))


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    rate: Rate


def wait(rate: Rate, full_at: int, now: int) -> int:
    """Milliseconds until one more is allowed; 0: now."""
    return max(0, full_at - now - (rate.burst - 1) * rate.every)


def take(buckets: Sequence[Bucket], held: Mapping[str, int], now: int) -> tuple[int, dict[str, int]]:
    """One out of every bucket, or out of none: how long to wait for all of them, and what then holds."""
    full_at = {
        # a clock that was set back must not close a bucket for long
        bucket.name: min(held.get(bucket.name, 0), now + bucket.rate.burst * bucket.rate.every)
        for bucket in buckets
    }
    if longest := max((wait(bucket.rate, full_at[bucket.name], now) for bucket in buckets), default=0):
        return longest, {}
    return 0, {bucket.name: max(full_at[bucket.name], now) + bucket.rate.every for bucket in buckets}


@dataclass(slots=True)
class Counts:
    """Buckets in memory, at most `most`: the ones unused for longest are forgotten first. Some 200 bytes each."""

    most: int
    full_at: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def take(self, buckets: Sequence[Bucket], now: int) -> int:
        """Milliseconds to wait; 0: taken."""
        longest, then = take(buckets, self.full_at, now)
        self.full_at.update(then)
        for bucket in buckets:
            if bucket.name in self.full_at:
                self.full_at.move_to_end(bucket.name)
        while len(self.full_at) > self.most:
            self.full_at.popitem(last=False)
        return longest


def network(address: str | None) -> bytes | None:
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
