"""Upkeep: what a worker does on its own, once a second and every ten minutes, and what it knows of its own health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Final

import structlog
from prometheus_client.core import Metric
from starlette.applications import Starlette

from donation_card.application.donations import Donations
from donation_card.application.ports.totals import SyncHistory
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import SessionLimits
from donation_card.domain.lifetimes import STALE_AFTER
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable, Unavailable
from donation_card.observability.metrics import cached_reads, gauge, last_webhook_at
from donation_card.web.api.campaigns import CampaignResponseCache
from donation_card.web.http.cached_response import ReadCounter

log = structlog.get_logger()

REFRESH_INTERVAL: Final = 1.0
"""Seconds between two looks at the clock, the ledger and the campaign files."""

STARTUP_TIMEOUT: Final = 10.0
"""Seconds that a worker which starts may take to know its figures before it answers: a restart shows nobody a gap."""

ATTACK_STATUS_INTERVAL: Final = 1.0
"""Seconds between telling the other workers what was heard of declined cards, and learning what holds."""

SYNC_POLL_INTERVAL: Final = 2.0
"""Seconds between two looks whether a pass over what Stripe knows is due."""


class BackgroundTasks:
    """What a worker does on its own: read changed campaign files, roll the figures, reconcile with Stripe."""

    def __init__(
        self,
        donations: Donations,
        response_cache: CampaignResponseCache,
        session_limits: SessionLimits,
        tally: ReadCounter,
    ) -> None:
        self._donations, self._response_cache, self._session_limits, self._tally = (
            donations,
            response_cache,
            session_limits,
            tally,
        )
        self._reconciliation = Reconciliation(donations)
        self._sync_error: str | None = "not reconciled with Stripe yet"
        self._totals_error: str | None = "not asked yet"
        self._refreshed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_run_periodically(self._refresh_progress, REFRESH_INTERVAL)),
            asyncio.create_task(_run_periodically(self._reconcile, SYNC_POLL_INTERVAL)),
            asyncio.create_task(_run_periodically(self._sync_attack_status, ATTACK_STATUS_INTERVAL)),
        ]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STARTUP_TIMEOUT):
                    await self._refreshed.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._session_limits.limiter.close()
            await self._donations.totals_store.close()
            await self._donations.payments.close()

    def readiness(self) -> dict[str, str | None]:
        return {
            "campaigns": self._donations.campaigns.load_errors(),
            "totals": self._totals_error,
            "figures": ", ".join(self._donations.stale_campaigns()) or None,
            "reconcile": self._sync_error or self._overdue(),
        }

    def ages(self) -> dict[str, int | None]:
        """Seconds since the last complete pass began and since the last webhook came, whichever worker had it.

        A webhook comes with a gift, and passes come more often while gifts do: both tell when.
        """
        webhook_at = last_webhook_at()
        return {"reconcile": self._sync_age(), "webhook": self._since(webhook_at) if webhook_at else None}

    def _sync_age(self) -> int | None:
        history = self._reconciliation.history
        return None if history is None or history.last_sync_at is None else self._since(history.last_sync_at)

    def _overdue(self) -> str | None:
        age = self._sync_age()
        return f"the last pass began {age} s ago" if age is not None and age > STALE_AFTER else None

    def _since(self, instant: float) -> int:
        return max(0, round(self._donations.clock().timestamp() - instant))

    def gauges(self, reasons: Mapping[str, str | None]) -> Iterator[Metric]:
        """For Prometheus, as this worker knows it; instants are UTC seconds."""
        progress_by_campaign = self._donations.progress_by_campaign
        shown = {
            each.id: progress_by_campaign[each.id]
            for each in self._donations.visible()
            if each.id in progress_by_campaign
        }
        due = {name: progress.next_update_at.timestamp() for name, progress in shown.items() if progress.next_update_at}
        history = self._reconciliation.history or SyncHistory()
        ends = {"sync": history.last_sync_at, "rebuild": history.last_rebuild_at}
        yield gauge(
            "component_ready",
            "1 while the component is ready, else 0.",
            "component",
            {component: not reason for component, reason in reasons.items()},
        )
        yield gauge(
            "publication_timestamp_seconds",
            "When the public figure was decided.",
            "campaign",
            {name: progress.as_of.timestamp() for name, progress in shown.items()},
        )
        yield gauge("publication_next_timestamp_seconds", "When it is to be decided next.", "campaign", due)
        yield gauge(
            "publication_stale",
            "1 where the ledger does not answer for the figure.",
            "campaign",
            {name: progress.stale for name, progress in shown.items()},
        )
        yield gauge(
            "reconciliation_timestamp_seconds",
            "When the last complete pass over Stripe began, and the last rebuild, which is the daily check.",
            "type",
            {name: instant for name, instant in ends.items() if instant is not None},
        )

    async def _refresh_progress(self) -> None:
        cached_reads.inc(self._tally.drain())
        self._donations.campaigns.reload()
        self._response_cache.evict_hidden()
        try:
            await self._donations.totals_store.ping()
            self._totals_error = None
        except TotalsUnavailable as error:
            self._totals_error = str(error)
        await self._response_cache.refresh(query=self._totals_error is None)
        self._refreshed.set()

    async def _sync_attack_status(self) -> None:
        with contextlib.suppress(PaymentsUnavailable):  # `_reconcile` says so
            await self._session_limits.sync_attack_status()

    async def _reconcile(self) -> None:
        try:
            await self._reconciliation.run_if_due()
            history = self._reconciliation.history
            if history and history.last_sync_at is not None:  # by this worker or another one
                self._sync_error = None
        except Unavailable as error:
            self._sync_error = str(error)
            raise


async def _run_periodically(work: Callable[[], Awaitable[None]], pause: float) -> None:
    """A worker that cannot do its upkeep still serves what it has: this survives everything but cancelling."""
    while True:
        try:
            await work()
        except Unavailable as error:
            log.warning("background_task_delayed", task=work.__name__, reason=str(error))
        except Exception:
            log.exception("background_task_failed", task=work.__name__)
        await asyncio.sleep(pause)
