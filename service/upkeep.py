"""Upkeep: what a worker does on its own, once a second and every ten minutes, and what it knows of its own health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from starlette.applications import Starlette

from service.donations import Donations
from service.errors import LedgerUnavailable, Unavailable
from service.web.campaigns import Board

log = structlog.get_logger()

ROLL_INTERVAL: Final = 1.0
"""Seconds between two looks at the clock, the ledger and the campaign files."""

RECONCILE_INTERVAL: Final = 600.0
"""Seconds between two passes over what Stripe knows, where nothing asks for one sooner."""

RETRY_INTERVAL: Final = 2.0
"""Seconds between two passes at least."""


class Upkeep:
    """What a worker does on its own: read changed campaign files, roll the figures, reconcile with Stripe."""

    def __init__(self, donations: Donations, board: Board) -> None:
        self._donations, self._board = donations, board
        self._reconciled: str | None = "not reconciled with Stripe yet"
        self._ledger: str | None = "not asked yet"
        self._unsettled = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_forever(self._look, self._until_next_look)),
            asyncio.create_task(_forever(self._reconcile, self._until_next_pass)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._donations.ledger.close()
            await self._donations.payments.close()

    def reasons(self) -> dict[str, str | None]:
        return {
            "campaigns": self._donations.campaigns.refused(),
            "ledger": self._ledger,
            "figures": ", ".join(self._donations.unsettled()) or None,
            "reconcile": self._reconciled,
        }

    async def _look(self) -> None:
        self._donations.campaigns.reload()
        try:
            await self._donations.ledger.ping()
            self._ledger = None
        except LedgerUnavailable as error:
            self._ledger = str(error)
        await self._board.refresh()
        if self._donations.unsettled():
            self._unsettled.set()

    async def _until_next_look(self, _: bool) -> None:
        await asyncio.sleep(ROLL_INTERVAL)

    async def _reconcile(self) -> None:
        try:
            await self._donations.reconcile()
            self._reconciled = None
        except Unavailable as error:
            self._reconciled = str(error)
            raise

    async def _until_next_pass(self, ok: bool) -> None:
        """Ten minutes, or less where a figure waits for it: a new campaign, an emptied Redis, a pass that failed."""
        await asyncio.sleep(RETRY_INTERVAL)
        self._unsettled.clear()
        if ok:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECONCILE_INTERVAL):
                    await self._unsettled.wait()


async def _forever(work: Callable[[], Awaitable[None]], pause: Callable[[bool], Awaitable[None]]) -> None:
    """A worker that cannot do its upkeep still serves what it has: this survives everything but cancelling."""
    while True:
        try:
            await work()
            ok = True
        except Unavailable as error:
            log.warning("upkeep_postponed", work=work.__name__, reason=str(error))
            ok = False
        except Exception:
            log.exception("upkeep_failed", work=work.__name__)
            ok = False
        await pause(ok)
