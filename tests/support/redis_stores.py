"""Create the Redis adapters on a connection of their own."""

from __future__ import annotations

from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.rate_limiter import LIMITS_TIMEOUT, RedisRateLimiter
from donation_card.adapters.redis.totals_store import TOTALS_TIMEOUT, RedisTotalsStore


def totals_store(
    url: str, *, deadline: float = TOTALS_TIMEOUT, connections: int = 16, replicas: int = 0
) -> RedisTotalsStore:
    return RedisTotalsStore(create_connection(url, deadline=deadline, connections=connections, replicas=replicas))


def rate_limiter(url: str, *, deadline: float = LIMITS_TIMEOUT) -> RedisRateLimiter:
    return RedisRateLimiter(create_connection(url, deadline=deadline))
