"""The periodic work of a worker: refresh public totals, synchronise with Stripe, share the attack status."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from donation_card.application.counter_export import CounterExport
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.pictures import Pictures
from donation_card.application.ports.totals import TotalsStore
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import SessionLimits
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable, Unavailable
from donation_card.memory import release_freed_memory
from donation_card.observability.log_events import LogEvent, log
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.fallback_pages import FallbackPages

REFRESH_INTERVAL = 1.0
"""Seconds between two refreshes of campaign files and public totals."""

ATTACK_STATUS_INTERVAL = 1.0
"""Seconds between two exchanges of the attack status with the other workers."""

LOAD_PAUSE = 0.005
"""Seconds between two parts of the work on thousands of campaign files. Requests come first."""

FALLBACK_PAUSE = 0.15
"""Seconds between two parts of the work on thousands of static pages. Requests come first."""

SYNC_POLL_INTERVAL = 2.0
"""Seconds between two checks if a sync with Stripe is due."""

MAX_SYNC_RETRY = 120.0
"""Seconds until a failed sync is repeated, at most. The pause doubles with each failure, because reads are budgeted."""

STARTUP_TIMEOUT = 10.0
"""Seconds that a new worker waits for its public totals before it accepts requests."""


class BackgroundTasks:
    def __init__(
        self,
        campaigns: Campaigns,
        totals_store: TotalsStore,
        reconciliation: Reconciliation,
        session_limits: SessionLimits,
        campaign_refresh: CampaignRefresh,
        export: CounterExport,
        pictures: Pictures,
        fallback_pages: FallbackPages,
    ) -> None:
        self._campaigns, self._totals_store = campaigns, totals_store
        self._reconciliation, self._session_limits = reconciliation, session_limits
        self._campaign_refresh = campaign_refresh
        self._export, self._pictures, self._fallback_pages = export, pictures, fallback_pages
        self._pictures_are_current = False
        self._sync_error: str | None = "not synchronised with Stripe yet"
        self._totals_error: str | None = "not queried yet"
        self._refreshed = asyncio.Event()
        self._failed_syncs, self._retry_sync_at = 0, 0.0

    def errors(self) -> Mapping[str, str | None]:
        """Return the last error of each dependency, or None."""
        return {"totals": self._totals_error, "reconcile": self._sync_error}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the tasks, and begin when the public totals are known or `STARTUP_TIMEOUT` is over."""
        tasks = [
            asyncio.create_task(_run_periodically(self._refresh_progress, REFRESH_INTERVAL)),
            asyncio.create_task(_run_periodically(self._synchronise, SYNC_POLL_INTERVAL)),
            asyncio.create_task(_run_periodically(self._sync_attack_status, ATTACK_STATUS_INTERVAL)),
            asyncio.create_task(_run_periodically(self._write_fallback_pages, REFRESH_INTERVAL)),
        ]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STARTUP_TIMEOUT):
                    await self._refreshed.wait()
            tasks.append(asyncio.create_task(_run_periodically(self._load_campaigns, REFRESH_INTERVAL)))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh_progress(self) -> None:
        changed = self._campaigns.reload()
        if changed:
            await asyncio.to_thread(self._fallback_pages.remove_withdrawn, changed)
        self._pictures_are_current = self._pictures_are_current and not changed
        if not self._pictures_are_current and not self._campaigns.unread():
            await asyncio.to_thread(self._pictures.remove_others, self._campaigns.shown_images().values())
            self._pictures_are_current = True
        self._export.renew()
        self._campaign_refresh.evict_hidden()
        try:
            await self._totals_store.ping()
            self._totals_error = None
        except TotalsUnavailable as error:
            self._totals_error = str(error)
        if await self._campaign_refresh.refresh(query=self._totals_error is None):
            self._refreshed.set()

    async def _load_campaigns(self) -> None:
        loaded = False
        while self._campaigns.load_more():
            loaded = True
            await asyncio.sleep(LOAD_PAUSE)
        if loaded:
            await asyncio.to_thread(release_freed_memory)

    async def _write_fallback_pages(self) -> None:
        more = True
        while more:
            more = await asyncio.to_thread(self._fallback_pages.update)
            await asyncio.sleep(FALLBACK_PAUSE if more else 0)

    async def _sync_attack_status(self) -> None:
        with contextlib.suppress(PaymentsUnavailable):  # `_synchronise` logs it
            await self._session_limits.sync_attack_status()

    async def _synchronise(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._retry_sync_at or self._campaigns.unread():  # one sync for all campaigns
            return
        try:
            await self._reconciliation.run_if_due()
        except TotalsUnavailable as error:  # Redis is asked all the time, so that a lost total returns at once
            self._sync_error = str(error)
            raise
        except Exception as error:
            self._sync_error = str(error) if isinstance(error, Unavailable) else type(error).__name__
            self._failed_syncs += 1
            self._retry_sync_at = now + min(SYNC_POLL_INTERVAL * 2 ** min(self._failed_syncs, 9), MAX_SYNC_RETRY)
            raise
        self._failed_syncs = 0
        history = self._reconciliation.history
        if history and history.last_sync_at is not None:  # by this worker or another one
            self._sync_error = None


async def _run_periodically(work: Callable[[], Awaitable[None]], interval: float) -> None:
    """Repeat the work until it is cancelled. Log its errors, because the worker still serves what it has."""
    while True:
        try:
            await work()
        except Unavailable as error:
            log.warning(LogEvent.BACKGROUND_TASK_DELAYED, task=work.__name__, reason=str(error))
        except Exception:
            log.exception(LogEvent.BACKGROUND_TASK_FAILED, task=work.__name__)
        await asyncio.sleep(interval)
