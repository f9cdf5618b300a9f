"""Upkeep: what a worker does on its own, once a second and every ten minutes, and what it knows of its own health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Final

import structlog
from prometheus_client.core import Metric
from starlette.applications import Starlette

from donation_card.adapters.redis.totals_store import STALE_AFTER
from donation_card.application.donations import Donations
from donation_card.application.ports import Rounds
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import Admission
from donation_card.errors import LedgerUnavailable, PaymentsUnavailable, Unavailable
from donation_card.observability.metrics import gauge, last_webhook_at, ready_reads
from donation_card.web.api.campaigns import Board
from donation_card.web.http.cached_response import Tally

log = structlog.get_logger()

ROLL_INTERVAL: Final = 1.0
"""Seconds between two looks at the clock, the ledger and the campaign files."""

FIRST_LOOK: Final = 10.0
"""Seconds that a worker which starts may take to know its figures before it answers: a restart shows nobody a gap."""

WATCH_INTERVAL: Final = 1.0
"""Seconds between telling the other workers what was heard of declined cards, and learning what holds."""

PASS_INTERVAL: Final = 2.0
"""Seconds between two looks whether a pass over what Stripe knows is due."""


class Upkeep:
    """What a worker does on its own: read changed campaign files, roll the figures, reconcile with Stripe."""

    def __init__(self, donations: Donations, board: Board, admission: Admission, tally: Tally) -> None:
        self._donations, self._board, self._admission, self._tally = donations, board, admission, tally
        self._reconciliation = Reconciliation(donations)
        self._reconciled: str | None = "not reconciled with Stripe yet"
        self._ledger: str | None = "not asked yet"
        self._looked = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_forever(self._look, ROLL_INTERVAL)),
            asyncio.create_task(_forever(self._reconcile, PASS_INTERVAL)),
            asyncio.create_task(_forever(self._watch, WATCH_INTERVAL)),
        ]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOOK):
                    await self._looked.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._admission.limits.close()
            await self._donations.ledger.close()
            await self._donations.payments.close()

    def reasons(self) -> dict[str, str | None]:
        return {
            "campaigns": self._donations.campaigns.refused(),
            "ledger": self._ledger,
            "figures": ", ".join(self._donations.unsettled()) or None,
            "reconcile": self._reconciled or self._overdue(),
        }

    def ages(self) -> dict[str, int | None]:
        """Seconds since the last complete pass began and since the last webhook came, whichever worker had it.

        A webhook comes with a gift, and passes come more often while gifts do: both tell when.
        """
        heard = last_webhook_at()
        return {"reconcile": self._age_of_pass(), "webhook": self._since(heard) if heard else None}

    def _age_of_pass(self) -> int | None:
        rounds = self._reconciliation.rounds
        return None if rounds is None or rounds.reconciled is None else self._since(rounds.reconciled)

    def _overdue(self) -> str | None:
        age = self._age_of_pass()
        return f"the last pass began {age} s ago" if age is not None and age > STALE_AFTER else None

    def _since(self, instant: float) -> int:
        return max(0, round(self._donations.clock().timestamp() - instant))

    def gauges(self, reasons: Mapping[str, str | None]) -> Iterator[Metric]:
        """For Prometheus, as this worker knows it; instants are UTC seconds."""
        figures = self._donations.figures
        shown = {each.id: figures[each.id] for each in self._donations.visible() if each.id in figures}
        due = {name: figure.next_change.timestamp() for name, figure in shown.items() if figure.next_change}
        rounds = self._reconciliation.rounds or Rounds()
        ends = {"pass": rounds.reconciled, "rebuild": rounds.rebuilt}
        yield gauge(
            "ready", "1 where the part can do its work.", "part", {part: not why for part, why in reasons.items()}
        )
        yield gauge(
            "publication_timestamp_seconds",
            "When the public figure was decided.",
            "campaign",
            {name: figure.as_of.timestamp() for name, figure in shown.items()},
        )
        yield gauge("publication_due_timestamp_seconds", "When it is to be decided next.", "campaign", due)
        yield gauge(
            "publication_stale",
            "1 where the ledger does not answer for the figure.",
            "campaign",
            {name: figure.stale for name, figure in shown.items()},
        )
        yield gauge(
            "reconcile_timestamp_seconds",
            "When the last complete pass over Stripe began, and the last rebuild, which is the daily check.",
            "round",
            {name: instant for name, instant in ends.items() if instant is not None},
        )

    async def _look(self) -> None:
        ready_reads.inc(self._tally.taken())
        self._donations.campaigns.reload()
        self._board.settle()
        try:
            await self._donations.ledger.ping()
            self._ledger = None
        except LedgerUnavailable as error:
            self._ledger = str(error)
        await self._board.refresh(ask=self._ledger is None)
        self._looked.set()

    async def _watch(self) -> None:
        with contextlib.suppress(PaymentsUnavailable):  # `_reconcile` says so
            await self._admission.look()

    async def _reconcile(self) -> None:
        try:
            await self._reconciliation.when_due()
            rounds = self._reconciliation.rounds
            if rounds and rounds.reconciled is not None:  # by this worker or another one
                self._reconciled = None
        except Unavailable as error:
            self._reconciled = str(error)
            raise


async def _forever(work: Callable[[], Awaitable[None]], pause: float) -> None:
    """A worker that cannot do its upkeep still serves what it has: this survives everything but cancelling."""
    while True:
        try:
            await work()
        except Unavailable as error:
            log.warning("upkeep_postponed", work=work.__name__, reason=str(error))
        except Exception:
            log.exception("upkeep_failed", work=work.__name__)
        await asyncio.sleep(pause)
