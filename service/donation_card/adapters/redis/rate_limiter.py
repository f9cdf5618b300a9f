"""Limits in Redis: shared by all workers, by its clock, in one script. Who asks is not known here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Final

from redis.exceptions import RedisError

from donation_card.adapters.redis.connection import Script, create_connection
from donation_card.application.ports.limits import LimitDecision, LimitResult
from donation_card.application.ports.payments import Account
from donation_card.domain import attack_detection as attack
from donation_card.domain.attack_detection import NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.lifetimes import SESSION_LIFETIME
from donation_card.domain.rate_limits import Bucket
from donation_card.errors import TotalsUnavailable

USED_PROOF_TTL_MS: Final = 65 * 60_000
"""Milliseconds that something stays spent: longer than a challenge can be solved for, and a form's token lives."""

FORM_SESSION_TTL_MS: Final = SESSION_LIFETIME * 1_000
"""Milliseconds that a form's latest session is kept: as long as it can be paid."""

_THRESHOLDS: Final = (
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
    """Implements `donation_card.application.ports.Limits` and `Forms`.

    `deadline` in seconds: a donor waits for it, and paying never needs Redis.
    """

    def __init__(self, url: str, *, deadline: float = 0.3, connections: int = 8) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(connections)
        self._redis = create_connection(url, connections=connections, deadline=deadline)

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        key = _key(account, "limits")
        rates = (part for bucket in buckets for part in (bucket.name, bucket.rate.interval_ms, bucket.rate.burst))
        heard = (signals.declined, signals.expired, signals.paid, signals.proofs_rejected)
        once = (secrets.token_hex(8), USED_PROOF_TTL_MS if consume_once else 0)
        async with self._mapped_errors():
            keys = (key, _key(account, f"spent:{consume_once}") if consume_once else key)
            values = (*heard, *_THRESHOLDS, *once, *rates)
            verdict, wait, level, forced = await self._redis.eval(_script("limits"), keys, values)
        return LimitResult(LimitDecision(verdict), int(wait), AttackStatus(int(level), forced))

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        answer, latest = await self._run_form_script(account, form_hash, order_key, max_orders, "")
        return latest if answer == "fine" else None

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        return (await self._run_form_script(account, form_hash, "", 0, encrypted_session))[1]

    async def _run_form_script(self, account: Account, form: str, order: str, most: int, sealed: str) -> list[str]:
        key = _key(account, f"form:{form}")
        async with self._mapped_errors():
            return await self._redis.eval(_script("form"), (key,), (order, most, sealed, FORM_SESSION_TTL_MS))

    async def set_override(self, account: Account, override: str) -> None:
        async with self._mapped_errors():
            await self._redis.execute("HSET", _key(account, "limits"), "forced", override)

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                await self._redis.close()

    @asynccontextmanager
    async def _mapped_errors(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, ValueError) as error:  # asyncio's TimeoutError is an OSError
            raise TotalsUnavailable(reason=type(error).__name__) from error


def _key(account: Account, name: str) -> str:
    """All in one slot of a cluster, which the braces name."""
    return f"donation-card:{{{account.id}/{account.environment}}}:{name}"


@cache
def _script(name: str) -> Script:
    return Script.from_source(files(__package__).joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8"))
