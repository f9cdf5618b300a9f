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

from donation_card.adapters.redis.connection import Script, connect
from donation_card.application.donations import SESSION_LIFETIME
from donation_card.application.ports import Account, Taken, Verdict
from donation_card.domain import attack_detection as attack
from donation_card.domain.attack_detection import SILENCE, Mode, Signals
from donation_card.domain.rate_limits import Bucket
from donation_card.errors import LedgerUnavailable

SPENT_FOR: Final = 65 * 60_000
"""Milliseconds that something stays spent: longer than a challenge can be solved for, and a form's token lives."""

KEPT_FOR: Final = SESSION_LIFETIME * 1_000
"""Milliseconds that a form's latest session is kept: as long as it can be paid."""

_RULE: Final = tuple(
    getattr(attack, name) for name in ("WINDOW", "LULL", "RISE", "CROWD", "TOP", "DECLINES", "EXPIRIES", "CALM")
)


class RedisLimits:
    """Implements `donation_card.application.ports.Limits` and `Forms`.

    `deadline` in seconds: a donor waits for it, and paying never needs Redis.
    """

    def __init__(self, url: str, *, deadline: float = 0.3, connections: int = 8) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(connections)
        self._redis = connect(url, connections=connections, deadline=deadline)

    async def take(
        self, account: Account, buckets: Sequence[Bucket], *, spend: str = "", signals: Signals = SILENCE
    ) -> Taken:
        key = _key(account, "limits")
        rates = (part for bucket in buckets for part in (bucket.name, bucket.rate.every, bucket.rate.burst))
        heard = (signals.declined, signals.expired, signals.paid, signals.crowded)
        once = (secrets.token_hex(8), SPENT_FOR if spend else 0)
        async with self._answered():
            keys = (key, _key(account, f"spent:{spend}") if spend else key)
            values = (*heard, *_RULE, *once, *rates)
            verdict, wait, level, forced = await self._redis.run(_script("limits"), keys, values)
        return Taken(Verdict(verdict), int(wait), Mode(int(level), forced))

    async def press(self, account: Account, form: str, order: str, most: int) -> str | None:
        answer, latest = await self._about(account, form, order, most, "")
        return latest if answer == "fine" else None

    async def opened(self, account: Account, form: str, sealed: str) -> str:
        return (await self._about(account, form, "", 0, sealed))[1]

    async def _about(self, account: Account, form: str, order: str, most: int, sealed: str) -> list[str]:
        key = _key(account, f"form:{form}")
        async with self._answered():
            return await self._redis.run(_script("form"), (key,), (order, most, sealed, KEPT_FOR))

    async def force(self, account: Account, forced: str) -> None:
        async with self._answered():
            await self._redis.command("HSET", _key(account, "limits"), "forced", forced)

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                await self._redis.close()

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, ValueError) as error:  # asyncio's TimeoutError is an OSError
            raise LedgerUnavailable(reason=type(error).__name__) from error


def _key(account: Account, name: str) -> str:
    """All in one slot of a cluster, which the braces name."""
    return f"donation-card:{{{account.id}/{account.mode}}}:{name}"


@cache
def _script(name: str) -> Script:
    return Script.of(files(__package__).joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8"))
