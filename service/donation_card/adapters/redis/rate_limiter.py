"""Limit checkout sessions in Redis, for all workers together.

One script counts with the clock of Redis. Nothing about a person is stored.
"""

import secrets
from collections.abc import Sequence

from donation_card.adapters.redis.connection import RedisConnection, load_script
from donation_card.adapters.redis.keys import consumed_key, limits_key
from donation_card.application.ports.limits import LimitDecision, LimitResult
from donation_card.application.ports.payments import Account
from donation_card.domain import attack_detection as attack
from donation_card.domain.attack_detection import NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.rate_limits import Bucket

LIMITS_TIMEOUT = 0.3
"""Seconds that one operation may take. A donor waits for it, and a payment is possible without Redis."""

USED_PROOF_TTL_MS = 65 * 60_000
"""Milliseconds for which a consumed value is stored at least: longer than a challenge and a form token are valid."""

_THRESHOLDS = (
    attack.WINDOW_MS,
    attack.DEESCALATE_AFTER_MS,
    attack.ESCALATE_AFTER_MS,
    attack.REJECTED_PROOFS_THRESHOLD,
    attack.MAX_LEVEL,
    attack.DECLINE_THRESHOLD,
    attack.EXPIRY_THRESHOLD,
    attack.QUIET_WINDOWS_TO_END,
)


class RedisRateLimiter:
    """Implement `ports.RateLimiter`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._redis = connection

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        limits = limits_key(account)
        consumed = consumed_key(account, consume_once) if consume_once else limits
        args = (
            *(signals.declined, signals.expired, signals.proofs_rejected),
            *_THRESHOLDS,
            *(secrets.token_hex(8), USED_PROOF_TTL_MS if consume_once else 0),
            *(part for bucket in buckets for part in (bucket.name, bucket.rate.interval_ms, bucket.rate.burst)),
        )
        async with self._redis.within_deadline():
            decision, retry_after_ms, level, override = await self._redis.eval(
                load_script("check_limits"), (limits, consumed), args
            )
            return LimitResult(LimitDecision(decision), int(retry_after_ms), AttackStatus(int(level), override))

    async def set_override(self, account: Account, override: str) -> None:
        await self._redis.execute("HSET", limits_key(account), "override", override)

    async def close(self) -> None:
        """Close the connection, which the store of form sessions uses too."""
        await self._redis.close()
