"""How far a rebuild has read Stripe's lists. It is stored, so that another process can continue a killed rebuild."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from donation_card.application.ports.payments import Account, CheckoutSession, StripeRecord
from donation_card.application.ports.totals import Rebuild, RebuildPosition, TotalsStore
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log

STORED_EVERY = 1_000
"""Objects after which the position is stored and the lease renewed."""

REPORTED_EVERY = 10_000
"""Objects after which log and metric show the progress. A round number does not show a donation."""

_HOUR = 3_600


@dataclass(slots=True)
class RebuildProgress:
    """The progress of one run. `began` and `read_back_to` are as in `RebuildPosition`; None: no session was read."""

    store: TotalsStore
    account: Account
    owner: str
    rebuilds: Mapping[str, Rebuild]
    began: int
    read_back_to: int | None
    on_progress: Callable[[int], None]
    done: int = field(default=0, init=False)
    _generations: str = field(init=False)

    def __post_init__(self) -> None:
        self._generations = hash_of(self.rebuilds)

    async def noted(self, records: AsyncIterator[StripeRecord]) -> AsyncIterator[StripeRecord]:
        """Yield the records, newest session first. When the next one is asked for, the last one was applied."""
        async for record in records:
            yield record
            if isinstance(record, CheckoutSession) and record.campaign is not None:
                self.read_back_to = record.created // _HOUR * _HOUR + _HOUR

    async def count(self, *, complete: bool) -> None:
        """Count an object. Store the position while the rebuild is `complete`: no campaign was left out."""
        self.done += 1
        if self.done % STORED_EVERY == 0:
            self.on_progress(self.done)
            await self.store.lease(self.account, self.owner)
            if complete and self.read_back_to is not None:
                position = RebuildPosition(self.began, self.read_back_to, self._generations)
                await self.store.save_rebuild_position(self.account, position)
        if self.done % REPORTED_EVERY == 0:
            log.info(LogEvent.REBUILD_PROGRESS, objects=self.done)
            metrics.rebuild_objects.metric.set(self.done)

    def end(self) -> None:
        """Report that the rebuild reads no more."""
        self.on_progress(self.done)
        metrics.rebuild_objects.metric.set(0)


def hash_of(rebuilds: Mapping[str, Rebuild]) -> str:
    """Return a hash of the generations that a rebuild fills."""
    names = "\n".join(f"{name} {rebuild.generation}" for name, rebuild in sorted(rebuilds.items()))
    return hashlib.sha256(names.encode()).hexdigest()
