"""The state of this worker, for `/readyz` and `/metrics`."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from prometheus_client.core import Metric

from donation_card.application.checkout import Checkout
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.totals import SyncHistory
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.domain.campaign import Campaign
from donation_card.domain.lifetimes import STALE_AFTER
from donation_card.domain.progress import Progress
from donation_card.domain.totals import campaign_of
from donation_card.observability.metrics import gauge

_MOST_NAMED = 20
"""Campaigns that one reason names. At the start of a large installation every total is unknown."""


@dataclass(frozen=True, slots=True)
class Health:
    """`task_errors` returns the last error of the background tasks, for `totals` and `reconcile`."""

    campaigns: Campaigns
    progress: PublicProgress
    reconciliation: Reconciliation
    checkout: Checkout
    task_errors: Callable[[], Mapping[str, str | None]]
    clock: Callable[[], datetime]
    pages_error: Callable[[], str | None] = lambda: None
    """Return the reason why a page for the proxy could not be written, or None."""

    def reasons(self) -> dict[str, str | None]:
        """Return the reason why each component is not ready, or None if it is."""
        errors = self.task_errors()
        failed_syncs = _list_some([f"{name}: {reason}" for name, reason in self.reconciliation.failures.items()])
        return {
            "campaigns": self.campaigns.load_errors(),
            "totals": errors["totals"] or self.checkout.session_limits.write_error,
            "figures": _list_some(self.progress.stale_campaigns()),
            "reconcile": errors["reconcile"] or self._overdue() or failed_syncs,
            "payments": self.checkout.key_error,
        }

    def warnings(self) -> list[str]:
        """Return what an operator should look at. It is no reason to be unready."""
        spending = [each for each in self.campaigns.all_visible() if each.spendings]
        found = {
            each.id: each.overspending(progress.raised) for each in spending if (progress := self.progress.get(each))
        }
        overspent = [f"{name}: {warning}" for name, warning in found.items() if warning]
        pages_error = self.pages_error()
        unwritten = [f"FALLBACK_PAGES_DIR: {pages_error}"] if pages_error else []
        return [*overspent, *map(str, self.campaigns.image_faults()), *unwritten]

    def ages(self) -> dict[str, int | None]:
        """Return the seconds since the last complete sync began."""
        return {"reconcile": self._sync_age()}

    def gauges(self) -> Iterator[Metric]:
        """Read what this worker knows at this moment. The metrics are made while they are iterated, in any thread."""
        history = self.reconciliation.history or SyncHistory()
        started = {"sync": history.last_sync_at, "rebuild": history.last_rebuild_at}
        failing = self.progress.failures.keys() | set(map(campaign_of, self.reconciliation.failures))
        ready = {component: not reason for component, reason in self.reasons().items()}
        return _gauges(ready, started, self.progress.visible(), failing, self.campaigns.all())

    def _sync_age(self) -> int | None:
        history = self.reconciliation.history
        if history is None or history.last_sync_at is None:
            return None
        return max(0, round(self.clock().timestamp() - history.last_sync_at))

    def _overdue(self) -> str | None:
        age = self._sync_age()
        return f"the last sync began {age} s ago" if age is not None and age > STALE_AFTER else None


def _gauges(
    ready: Mapping[str, bool],
    started: Mapping[str, int | None],
    progress: Mapping[str, Progress],
    failing: Set[str],
    campaigns: Sequence[Campaign],
) -> Iterator[Metric]:
    """Yield each metric. Times are in UTC seconds."""
    decided = {name: each.as_of.timestamp() for name, each in progress.items()}
    due = {name: each.next_update_at.timestamp() for name, each in progress.items() if each.next_update_at}
    stale = {name: each.stale for name, each in progress.items()}
    failed = {name: name in failing for name in failing | {each.id for each in campaigns}}
    covered = {
        each.id: datetime.combine(imported.last_day + timedelta(days=1), time(), each.publication.timezone)
        for each in campaigns
        if each.bank_transfer and (imported := each.imported_transfers) and not each.hidden
    }
    statements = {name: at.timestamp() for name, at in covered.items()}
    yield gauge("component_ready", "1 while the component is ready, else 0.", "component", ready)
    yield gauge("publication_timestamp_seconds", "Start of the last publication period.", "campaign", decided)
    yield gauge("publication_next_timestamp_seconds", "Start of the next publication period.", "campaign", due)
    yield gauge("publication_stale", "1 while the public total cannot be confirmed.", "campaign", stale)
    yield gauge("campaign_failed", "1 while the refresh or the sync of the campaign fails.", "campaign", failed)
    yield gauge("bank_statement_timestamp_seconds", "End of the newest bank statement.", "campaign", statements)
    yield gauge(
        "reconciliation_timestamp_seconds",
        "Start of the last complete sync with Stripe and of the last full rebuild.",
        "type",
        {name: at for name, at in started.items() if at is not None},
    )


def _list_some(texts: Sequence[str]) -> str | None:
    """Return the first texts and the number of the others, or None if there is none."""
    more = [f"{len(texts) - _MOST_NAMED} more"] if len(texts) > _MOST_NAMED else []
    return ", ".join([*texts[:_MOST_NAMED], *more]) or None
