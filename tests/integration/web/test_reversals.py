"""Test that refunds and disputes change the totals as the sandbox does."""

from __future__ import annotations

import random
import time
import uuid

import httpx
import pytest
from donation_card.domain.totals import Totals

from tests.integration.web.test_stripe_webhook import outcome, post
from tests.support.installation import SETTLES_LATER, eventually, running


def agrees(installation):
    """Return True if the totals equal the sandbox's sums after refunds and disputes."""
    held = installation.totals()
    return held is not None and (held.raised, held.payments) == installation.kept()


def delivered(installation):
    """Return True if every webhook was accepted."""
    return httpx.get(f"{installation.sandbox}/sandbox/deliveries").json()["pending"] == 0


def settled(installation):
    eventually(lambda: agrees(installation), "the totals equal the sandbox's")
    return installation.totals().raised


@pytest.mark.parametrize(
    ("amount", "first", "later", "left"),
    [
        (None, "succeeded", [], 0),
        (None, "succeeded", ["failed"], 4000),
        (1500, "pending", ["requires_action", "canceled"], 4000),
        (1500, "pending", ["succeeded"], 2500),
    ],
)
def test_refund_counts_until_it_fails(installation, amount, first, later, left):
    payment, before = installation.gift("40"), installation.kept()[0] - 4000
    refund = installation.operate("refunds", payment_intent=payment, amount=amount, status=first)
    for status in later:
        installation.operate(f"refunds/{refund['id']}", status=status)
    assert settled(installation) == before + left


def test_partial_refunds_add_up_to_at_most_the_payment(installation):
    payment, before = installation.gift("40"), installation.kept()[0] - 4000
    for amount in (1000, 500, 2500):
        installation.operate("refunds", payment_intent=payment, amount=amount)
    assert settled(installation) == before
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        installation.operate("refunds", payment_intent=payment, amount=1)


@pytest.mark.parametrize(
    ("first", "later", "left"),
    [
        ("warning_needs_response", [], 4000),
        ("warning_needs_response", ["warning_under_review", "warning_closed"], 4000),
        ("warning_needs_response", ["needs_response"], 2500),
        ("needs_response", ["under_review", "lost"], 2500),
        ("needs_response", ["under_review", "won"], 4000),
        ("needs_response", ["lost", "appeal_under_review", "won"], 4000),
        ("needs_response", ["lost", "appeal_under_review", "lost"], 2500),
    ],
)
@pytest.mark.parametrize("settled_in", ["", "usd"])
def test_dispute_counts_the_money_that_moved(installation, first, later, left, settled_in):
    payment, before = installation.gift("40"), installation.kept()[0] - 4000
    dispute = installation.operate(
        "disputes", payment_intent=payment, amount=1500, status=first, settlement_currency=settled_in
    )
    for status in later:
        installation.operate(f"disputes/{dispute['id']}", status=status)
    assert settled(installation) == before + left


def test_delayed_payment_counts_only_when_paid(installation):
    before = settled(installation)
    paid, failed = installation.gift("30", SETTLES_LATER), installation.gift("20", SETTLES_LATER)
    assert settled(installation) == before
    installation.operate("settle", payment_intent=paid, outcome="succeeded")
    installation.operate("settle", payment_intent=failed, outcome="failed")
    assert settled(installation) == before + 3000
    installation.operate("refunds", payment_intent=paid)
    assert settled(installation) == before


def refund_event(payment_intent, *, amount=500, status="succeeded", kind="refund.created", **changes):
    refund = {
        "id": f"re_{uuid.uuid4().hex}",
        "object": "refund",
        "amount": amount,
        "currency": "eur",
        "payment_intent": payment_intent,
        "status": status,
    } | changes
    return {"id": f"evt_{uuid.uuid4().hex}", "type": kind, "livemode": False, "data": {"object": refund}}


def take_back(installation, event):
    """A refund that the sandbox never made fails, so that both tell the same again."""
    event["data"]["object"]["status"] = "failed"
    assert outcome(post(installation, event)) == "applied"


def test_refund_in_several_events_counts_once(installation):
    payment = installation.gift("40")
    settled(installation)
    event = refund_event(payment)
    again = event | {"id": "evt_other", "type": "charge.refund.updated", "api_version": "2020-08-27"}
    assert [outcome(post(installation, each)) for each in (event, event, again)] == [
        "applied",
        "unchanged",
        "unchanged",
    ]
    back = refund_event(payment, status="failed", kind="refund.failed", id=event["data"]["object"]["id"])
    assert outcome(post(installation, back)) == "applied"
    assert outcome(post(installation, event)) == "unchanged"
    assert agrees(installation)


def test_refund_of_a_foreign_payment_is_ignored(installation):
    told = post(installation, refund_event(None)).json()
    assert told["reason"] == "other_product"


def test_refund_of_a_payment_that_stripe_does_not_know_yet_is_sent_again(installation):
    for _ in range(2):
        assert post(installation, refund_event("pi_not_yet_known")).status_code == 503


@pytest.mark.parametrize("status", ["reversed", None])
def test_refund_with_unknown_status_reduces_the_total_until_it_fails(installation, status):
    event = refund_event(installation.gift("40"), status=status)
    before = settled(installation)
    assert outcome(post(installation, event)) == "applied"
    assert installation.totals().raised == before - 500
    take_back(installation, event)
    assert installation.totals().raised == before


def test_refund_in_another_currency_is_never_added(installation):
    told = post(installation, refund_event(installation.gift("40"), currency="usd")).json()
    assert told["reason"] == "wrong_currency"


@pytest.mark.parametrize("amount", ["500", -500, 5.0, True, None, [], 10**30])
def test_refund_without_amount_is_refused(installation, amount):
    payment = installation.gift("40")
    before = settled(installation)
    assert post(installation, refund_event(payment, amount=amount)).status_code == 400
    assert installation.totals().raised == before


@pytest.mark.parametrize("payment_intent", [5, [], True, {"id": 5}, 1.5])
def test_refund_with_malformed_payment_id_is_refused(installation, payment_intent):
    assert post(installation, refund_event(payment_intent)).status_code == 400


@pytest.mark.parametrize("moved", [None, {}, [None], [{}], [{"amount": 1.5, "created": 1, "currency": "eur"}]])
def test_dispute_with_unreadable_transactions_is_refused(installation, moved):
    event = refund_event(installation.gift("40"), kind="charge.dispute.updated", balance_transactions=moved)
    assert post(installation, event).status_code == 400


def test_event_gets_503_while_payment_lookup_fails(installation):
    event = refund_event(installation.gift("40"))
    settled(installation)
    installation.operate("faults", api={"kind": "500"})
    assert post(installation, event).status_code == 503
    assert outcome(post(installation, event)) == "applied"
    take_back(installation, event)


def test_payment_without_metadata_uses_its_session(installation):
    """Create a payment as a Payment Link of the dashboard does."""
    params = {
        "mode": "payment",
        "success_url": "https://example.org/thanks",
        "metadata[campaign]": "vitaly",
        "line_items[0][quantity]": 1,
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": 3000,
        "line_items[0][price_data][product_data][name]": "Donation",
    }
    made = httpx.post(f"{installation.sandbox}/v1/checkout/sessions", data=params, auth=("sk_test_x", "")).json()
    installation.pay(made["url"])
    before = settled(installation)
    session = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{made['id']}", auth=("sk_test_x", "")).json()
    installation.operate("refunds", payment_intent=session["payment_intent"], amount=1000)
    assert settled(installation) == before - 1000


def test_early_refund_never_shows_a_negative_total(redis_url, tmp_path):
    """The payment's own events are lost: its refund comes first and waits, and the next sync finds the payment."""
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        installation.operate("faults", webhooks={"never_sent_rate": 1})
        payment = installation.gift("40")
        installation.operate("faults", webhooks={"never_sent_rate": 0})
        installation.operate("refunds", payment_intent=payment, amount=1500)
        eventually(lambda: delivered(installation), "the refund is applied")
        for _ in range(15):
            assert installation.totals() in (Totals(0, 0), Totals(2500, 1))  # a sync may find the payment meanwhile
            assert installation.progress()["raised"] in (0, 2500)
            time.sleep(0.1)
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        assert settled(installation) == 2500


def test_next_sync_finds_reversal_without_webhook(redis_url, tmp_path):
    """Events lost for good, doubled and reordered: a service that starts afterwards comes to the sandbox's totals."""
    dice = random.Random(3)
    faults = {"never_sent_rate": 0.3, "extra_copies": 1, "max_jitter": 1}
    with running(redis_url, tmp_path, sandbox_options={"seed": 3}) as installation:
        installation.until_ready()
        installation.operate("faults", webhooks=faults, seed=3)
        for _ in range(12):
            payment = installation.gift(str(dice.randint(5, 100)))
            match dice.choice(["keep", "refund", "fail", "lose", "win"]):
                case "refund":
                    installation.operate("refunds", payment_intent=payment, amount=dice.randint(1, 500))
                case "fail":
                    refund = installation.operate("refunds", payment_intent=payment)
                    installation.operate(f"refunds/{refund['id']}", status="failed")
                case "keep":
                    pass
                case end:
                    dispute = installation.operate("disputes", payment_intent=payment)
                    installation.operate(f"disputes/{dispute['id']}", status={"lose": "lost", "win": "won"}[end])
        told = installation.kept()
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        assert installation.kept() == told
        settled(installation)
