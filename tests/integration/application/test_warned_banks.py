"""Test that a donation from a warned country is logged once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from donation_card.adapters.stripe.objects import parse_charge_country
from donation_card.application.ports.payments import ChargeCountry
from donation_card.application.reconciliation import REBUILD_INTERVAL, SYNC_INTERVAL
from donation_card.observability import metrics
from structlog.testing import capture_logs

from tests.support.harness import TotalsHarness
from tests.support.sandbox import sandbox_with

FROM_BELARUS = "4000 0011 2000 0005"
"""https://docs.stripe.com/testing#international-cards."""


@pytest.fixture
def harness(redis_url: str, sample_campaign: Path) -> Iterator[TotalsHarness]:
    file = sample_campaign / "roof.toml"
    file.write_text(file.read_text("utf-8").replace("_countries = []", '_countries = ["BY", "RU"]'), "utf-8")
    with sandbox_with(clock=time.time, seed=None) as sandbox:
        found = TotalsHarness(sandbox, redis_url, sample_campaign)
        found.pass_()  # the first one builds
        yield found


def pay(harness: TotalsHarness, number: str) -> None:
    harness.sandbox.pay(harness.sandbox.create(), number)


def counted() -> float:
    found = re.search(rb'warned_bank_donations_total\{campaign="roof"\} ([\d.]+)', metrics.render([]))
    return float(found[1]) if found else 0.0


def alarms(harness: TotalsHarness, *, after: float = SYNC_INTERVAL) -> list[dict]:
    harness.advance(after)
    with capture_logs() as lines:
        harness.pass_()
    return [line for line in lines if line["event"] == "warned_bank_country"]


def test_warned_donation_is_reported_once_by_sync(harness: TotalsHarness) -> None:
    before = counted()
    pay(harness, FROM_BELARUS)
    assert alarms(harness) == [{"event": "warned_bank_country", "campaign": "roof", "log_level": "error"}]
    assert counted() == before + 1
    assert alarms(harness) == []
    assert alarms(harness, after=REBUILD_INTERVAL) == [], "nor by the daily check"
    assert counted() == before + 1


def test_only_warned_donations_are_reported(harness: TotalsHarness) -> None:
    for number in (FROM_BELARUS, "4242 4242 4242 4242", FROM_BELARUS):
        pay(harness, number)
    assert len(alarms(harness)) == 2


def test_late_donation_is_reported_by_the_next_sync(harness: TotalsHarness) -> None:
    harness.advance(SYNC_INTERVAL)
    pay(harness, FROM_BELARUS)
    assert len(alarms(harness, after=0)) + len(alarms(harness)) == 1


def test_campaign_without_warning_reads_no_country(harness: TotalsHarness) -> None:
    file = harness.campaigns / "roof.toml"
    file.write_text(file.read_text("utf-8").replace('["BY", "RU"]', "[]"), "utf-8")
    pay(harness, FROM_BELARUS)
    assert alarms(harness) == []


def test_warned_country_check_costs_no_extra_request(harness: TotalsHarness) -> None:
    """Check the requests of a sync at the sandbox: three lists and the events."""
    asked: list[str] = []
    worker = harness.worker()
    pay(harness, FROM_BELARUS)
    client = worker.payments._client._requestor._get_http_client()  # what the official client sends with
    send = client.request_async

    async def told(method: str, url: str, *rest: object, **more: object) -> object:
        asked.append(url.removeprefix(harness.sandbox.url).partition("?")[0])
        return await send(method, url, *rest, **more)

    client.request_async = told
    harness.advance(SYNC_INTERVAL)
    harness.run(harness.sync(worker))
    assert sorted(asked) == ["/v1/account", "/v1/checkout/sessions", "/v1/disputes", "/v1/events", "/v1/refunds"]


def charge(kind: str, **details: object) -> dict:
    return {"latest_charge": {"created": 7, "payment_method_details": {"type": kind, kind: details}}}


@pytest.mark.parametrize(
    ("intent", "found"),
    [
        (charge("card", country="BY"), ChargeCountry("BY", 7)),
        (charge("sepa_debit", country="AT"), ChargeCountry("AT", 7)),
        (charge("link", country="BY"), ChargeCountry("BY", 7)),
        (charge("revolut_pay", funding={"type": "card", "card": {"country": "BY"}}), ChargeCountry("BY", 7)),
        (charge("amazon_pay", funding={"type": "card", "card": {"country": "RU"}}), ChargeCountry("RU", 7)),
        (charge("mobilepay", card={"country": "DK"}), ChargeCountry("DK", 7)),
        (charge("klarna", payer_details={"address": {"country": "BY"}}), ChargeCountry("BY", 7)),
        (charge("klarna", payer_details={"address": None}), None),
        (charge("klarna", payer_details=None), None),
        (charge("revolut_pay", funding={"type": None, "card": None}), None),
        (
            charge("card", country="DE", wallet={"visa_checkout": {"billing_address": {"country": "BY"}}}),
            ChargeCountry("DE", 7),
        ),
        (charge("card", country=None, wallet={"visa_checkout": {"billing_address": {"country": "BY"}}}), None),
        (charge("paypal"), None),
        (charge("card", country=None), None),
        ({"latest_charge": "ch_1"}, None),
        ({"latest_charge": None}, None),
        ({"latest_charge": {"payment_method_details": []}}, None),
        ("pi_1", None),
        (None, None),
    ],
)
def test_country_of_card_account_or_payer_is_found_wherever_stripe_has_it(
    intent: object, found: ChargeCountry | None
) -> None:
    assert parse_charge_country(intent) == found
