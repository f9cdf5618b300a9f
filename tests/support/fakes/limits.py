"""In-memory fakes of the ports that limit checkout sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.application.ports.limits import LimitResult
from donation_card.application.ports.payments import Account
from donation_card.domain.attack_detection import NO_SIGNALS, Signals
from donation_card.domain.rate_limits import Bucket
from donation_card.errors import TotalsUnavailable


class FakeRateLimiter:
    """Apply the limits of the domain in memory, separately for each account."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms, self.available = now_ms, True
        self._limiters: dict[Account, MemoryRateLimiter] = {}

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        return await self._of(account).acquire(account, buckets, consume_once=consume_once, signals=signals)

    async def set_override(self, account: Account, override: str) -> None:
        await self._of(account).set_override(account, override)

    async def close(self) -> None: ...

    def _of(self, account: Account) -> MemoryRateLimiter:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")
        return self._limiters.setdefault(account, MemoryRateLimiter(now=self.now_ms))


class FakeFormSessionStore:
    def __init__(self) -> None:
        self.available = True
        self._orders: dict[tuple[Account, str], set[str]] = defaultdict(set)
        self._sessions: dict[tuple[Account, str], str] = {}

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        self._check_available()
        orders = self._orders[account, form_hash]
        if order_key not in orders and len(orders) >= max_orders:
            return None
        orders.add(order_key)
        return self._sessions.get((account, form_hash), "")

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        self._check_available()
        previous = self._sessions.get((account, form_hash), "")
        self._sessions[account, form_hash] = encrypted_session
        return previous

    def _check_available(self) -> None:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")


class FakeChallenges:
    """Accept `solved:FORM_HASH:NUMBER` as a proof of the challenge with this number."""

    def __init__(self) -> None:
        self.levels: list[int] = []

    def issue(self, form_hash: str, level: int) -> dict[str, object]:
        self.levels.append(level)
        return {"challenge": f"{form_hash}:{len(self.levels)}", "level": level}

    def verify(self, proof: str, form_hash: str) -> str | None:
        kind, _, name = proof.partition(":")
        return name if kind == "solved" and name.startswith(f"{form_hash}:") else None
