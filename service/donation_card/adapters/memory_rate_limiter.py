"""Limit checkout sessions in the memory of one worker, while Redis is unavailable."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from donation_card.application.ports.limits import LimitDecision, LimitResult
from donation_card.application.ports.payments import Account
from donation_card.domain.attack_detection import NO_SIGNALS, AttackState, AttackStatus, Signals, next_state
from donation_card.domain.rate_limits import Bucket, BucketStore

MAX_ENTRIES = 100_000
"""Buckets and consumed values that are stored: those of more than an hour at the highest rate."""


@dataclass(slots=True)
class MemoryRateLimiter:
    """Implement `ports.RateLimiter` for one worker. `now` returns milliseconds."""

    now: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    attack_state: AttackState = field(default_factory=AttackState)
    override: str = ""
    _buckets: BucketStore = field(default_factory=lambda: BucketStore(MAX_ENTRIES))
    _consumed: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        now = self.now()
        self.attack_state = next_state(self.attack_state, signals, now)
        status = AttackStatus(self.attack_state.level, self.override)
        if consume_once in self._consumed:
            return LimitResult(LimitDecision.REPLAYED, 0, status)
        if wait := self._buckets.retry_after(buckets, now):
            return LimitResult(LimitDecision.LIMITED, wait, status)
        if consume_once:
            self._consumed[consume_once] = None
            if len(self._consumed) > MAX_ENTRIES:
                self._consumed.popitem(last=False)
        return LimitResult(LimitDecision.ALLOWED, 0, status)

    async def set_override(self, account: Account, override: str) -> None:
        self.override = override

    async def close(self) -> None: ...
