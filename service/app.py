"""The composition root: `create_app(settings)` puts the real parts together; others come in by keyword."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import ChainMap
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from service.adapters.campaign_files import CampaignFiles
from service.adapters.redis_ledger import RedisLedger
from service.adapters.stripe_payments import StripePayments
from service.adapters.tokens import SignedTokens
from service.donations import Donations
from service.errors import DonationCardError, LedgerUnavailable, Unavailable
from service.logs import configure_logs
from service.ports import Campaigns, Ledger, Payments
from service.settings import Settings, from_environment
from service.web.answers import Prepared
from service.web.campaigns import Board
from service.web.headers import SafeByDefault
from service.web.pages import Pages
from service.web.problems import Problems
from service.web.routes import routes
from service.web.widget import Assets

log = structlog.get_logger()

ROLL_INTERVAL: Final = 1.0
"""Seconds between two looks at the clock, the ledger and the campaign files."""

RECONCILE_INTERVAL: Final = 600.0
"""Seconds between two passes over what Stripe knows, where nothing asks for one sooner."""

RETRY_INTERVAL: Final = 2.0
"""Seconds between two passes at least."""


def create_app(
    settings: Settings,
    *,
    campaigns: Campaigns | None = None,
    ledger: Ledger | None = None,
    payments: Payments | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Raises Misconfigured, with every fault, when a campaign file is wrong."""
    files = campaigns or CampaignFiles(settings.campaigns, publication_every=settings.publication_every)
    donations = Donations(
        campaigns=files,
        ledger=ledger or RedisLedger(settings.redis_url),
        payments=payments
        or StripePayments(
            settings.stripe_secret_key, settings.stripe_webhook_secrets, api_base=settings.stripe_api_base
        ),
        tokens=SignedTokens(settings.secret_keys),
        clock=clock,
    )
    assets = Assets()
    pages = Pages(settings, assets)
    board = Board(donations, pages.campaign, test=not settings.live)
    upkeep = Upkeep(donations, board)
    problems = Problems(pages)
    return Starlette(
        routes=routes(donations, board, pages, settings.public_url, upkeep.reasons),
        middleware=[
            Middleware(Prepared, answers=ChainMap(board.ready, assets.ready)),
            Middleware(SafeByDefault),
        ],
        exception_handlers={
            DonationCardError: problems.expected,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        lifespan=upkeep.lifespan,
    )


def worker() -> Starlette:
    """What `serve` runs in each worker process."""
    settings = from_environment(os.environ)
    configure_logs(settings.log_level)
    return create_app(settings)


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
