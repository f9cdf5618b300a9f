"""A worker reports what is ready, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from donation_card.application import health
from donation_card.application.health import Health
from donation_card.domain.bank_transfer import BankTransfer, ImportedTransfers
from donation_card.domain.campaign import Status
from donation_card.domain.lifetimes import STALE_AFTER
from donation_card.domain.money import Money
from donation_card.domain.spending import Spending
from donation_card.observability.metrics import gauge

from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio


@pytest.fixture
def errors() -> dict[str, str | None]:
    return {"totals": None, "reconcile": None}


@pytest.fixture
def report(worker: Worker, errors: dict[str, str | None]) -> Health:
    return Health(
        worker.campaigns, worker.progress, worker.reconciliation, worker.checkout, lambda: errors, worker.clock
    )


async def synchronise(worker: Worker) -> None:
    await worker.reconciliation.run()
    await worker.progress.refresh(ROOF)


def gauges(report: Health) -> dict[str, dict[str, float]]:
    return {
        family.name.removeprefix("donation_card_"): {
            next(iter(sample.labels.values())): sample.value for sample in family.samples
        }
        for family in report.gauges()
    }


async def test_metrics_are_made_while_they_are_iterated(
    worker: Worker, report: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of campaigns must not stop the event loop. The values are those of the moment of the call."""
    await synchronise(worker)
    made: list[str] = []
    monkeypatch.setattr(health, "gauge", lambda name, *rest: made.append(name) or gauge(name, *rest))
    metrics = report.gauges()
    assert made == []
    worker.progress.mark_stale(ROOF)
    found = {family.name.removeprefix("donation_card_"): family.samples for family in metrics}
    assert [*found] == made
    assert [sample.value for sample in found["publication_stale"]] == [0]


async def test_everything_is_ready_after_a_sync(worker: Worker, report: Health) -> None:
    await synchronise(worker)
    assert report.reasons() == dict.fromkeys(("campaigns", "totals", "figures", "reconcile", "payments"))
    assert report.ages() == {"reconcile": 0}


async def test_age_of_the_newest_bank_statement_is_a_metric(worker: Worker, report: Health) -> None:
    assert gauges(report)["bank_statement_timestamp_seconds"] == {}
    transfer = BankTransfer("Roofers", "LT601010012345678901", "", "RF18539007547034", False)
    imported = ImportedTransfers(Money(25_00, "EUR"), 1, date(2026, 11, 20))
    worker.campaigns.put(replace(ROOF, bank_transfer=transfer, imported_transfers=imported))
    midnight = datetime(2026, 11, 21, tzinfo=ROOF.publication.timezone).timestamp()
    assert gauges(report)["bank_statement_timestamp_seconds"] == {"roof": midnight}
    worker.campaigns.put(replace(ROOF, imported_transfers=imported))
    assert gauges(report)["bank_statement_timestamp_seconds"] == {}, "the campaign takes no transfers any more"


async def test_more_spent_than_published_is_a_warning_only(worker: Worker, report: Health) -> None:
    worker.at_stripe(paid_session(1, 25_00))
    await synchronise(worker)
    for spent, warnings in (
        (25_00, []),
        (25_01, ["roof: 25.01 EUR spent, 0.01 EUR more than the public total"]),
    ):
        spending = Spending("tiles", date(2026, 10, 1), True, Money(spent, "EUR"), {"en": "Tiles"})
        worker.campaigns.put(replace(ROOF, spendings=(spending,)))
        assert report.warnings() == warnings
        assert not any(report.reasons().values())
    worker.campaigns.put(replace(ROOF, spendings=(spending,), status=Status.HIDDEN))
    assert report.warnings() == []


async def test_errors_are_reported(worker: Worker, report: Health, errors: dict[str, str | None]) -> None:
    errors |= {"totals": "totals_unavailable", "reconcile": "payments_unavailable"}
    worker.campaigns.error = "roof.toml: goal: wrong"
    worker.checkout.key_error = "payments_unavailable reason='expired'"
    assert report.reasons() == {
        "campaigns": "roof.toml: goal: wrong",
        "totals": "totals_unavailable",
        "figures": "roof: unknown (EUR)",
        "reconcile": "payments_unavailable",
        "payments": "payments_unavailable reason='expired'",
    }
    assert report.ages() == {"reconcile": None}


async def test_old_sync_is_not_ready(worker: Worker, report: Health) -> None:
    await synchronise(worker)
    worker.clock.advance(STALE_AFTER)
    assert report.reasons()["reconcile"] is None
    worker.clock.advance(1)
    assert report.reasons()["reconcile"] == "the last sync began 7201 s ago"
    assert report.ages() == {"reconcile": 7201}


async def test_gauges_before_the_first_sync(report: Health) -> None:
    found = gauges(report)
    assert found["component_ready"] == {"campaigns": 1, "totals": 1, "figures": 0, "reconcile": 1, "payments": 1}
    assert found["publication_timestamp_seconds"] == found["reconciliation_timestamp_seconds"] == {}


async def test_gauges_after_a_sync(worker: Worker, report: Health) -> None:
    worker.campaigns.put(replace(ROOF, publication=replace(ROOF.publication, interval_seconds=3_600)))
    await worker.reconciliation.run()
    await worker.progress.refresh(worker.campaigns.get("roof"))
    found = gauges(report)
    assert found["publication_timestamp_seconds"] == {"roof": NOW}
    assert found["publication_next_timestamp_seconds"] == {"roof": NOW + 3_600}
    assert found["publication_stale"] == {"roof": 0}
    assert found["reconciliation_timestamp_seconds"] == {"sync": NOW, "rebuild": NOW}


async def test_failing_campaign_is_named(worker: Worker, report: Health) -> None:
    await synchronise(worker)
    assert gauges(report)["campaign_failed"] == {"roof": 0}
    worker.progress.mark_failed(ROOF, OverflowError())
    worker.reconciliation.failures["well"] = "totals_unavailable reason='damaged'"
    reasons = report.reasons()
    assert (reasons["figures"], reasons["reconcile"]) == (
        "roof: OverflowError",
        "well: totals_unavailable reason='damaged'",
    )
    assert gauges(report)["campaign_failed"] == {"roof": 1, "well": 1}


async def test_reason_names_some_of_many_campaigns(worker: Worker, report: Health) -> None:
    for number in range(30):
        worker.campaigns.put(replace(ROOF, id=f"c{number}"))
    reason = report.reasons()["figures"]
    assert reason
    named, more = reason.split(", ")[:-1], reason.split(", ")[-1]
    assert all(each.endswith(": unknown (EUR)") for each in named)
    assert (len(named), more) == (20, f"{len(worker.campaigns.all()) - 20} more")
