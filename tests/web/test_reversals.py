"""Refunds and disputes take their money out of the total, and put it back, to the cent: the sandbox is the oracle."""

from __future__ import annotations

import random
import time
import uuid

import httpx
import pytest
from donation_card.domain.totals import Totals

from tests.stack import SETTLES_LATER, eventually, running
from tests.web.test_webhook import outcome, post


def agrees(stack):
    """The ledger holds what the sandbox says was paid and is still here."""
    held = stack.totals()
    return held is not None and (held.raised, held.payments) == stack.kept()


def settled(stack):
    eventually(lambda: agrees(stack), "the ledger equals what the sandbox says")
    return stack.totals().raised


@pytest.mark.parametrize(
    ("amount", "first", "later", "left"),
    [
        (None, "succeeded", [], 0),
        (None, "succeeded", ["failed"], 4000),
        (1500, "pending", ["requires_action", "canceled"], 4000),
        (1500, "pending", ["succeeded"], 2500),
    ],
)
def test_a_refund_takes_its_amount_until_it_fails(stack, amount, first, later, left):
    payment, before = stack.gift("40"), stack.kept()[0] - 4000
    refund = stack.operate("refunds", payment_intent=payment, amount=amount, status=first)
    for status in later:
        stack.operate(f"refunds/{refund['id']}", status=status)
    assert settled(stack) == before + left


def test_several_partial_refunds_add_up_and_never_take_more_than_was_paid(stack):
    payment, before = stack.gift("40"), stack.kept()[0] - 4000
    for amount in (1000, 500, 2500):
        stack.operate("refunds", payment_intent=payment, amount=amount)
    assert settled(stack) == before
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        stack.operate("refunds", payment_intent=payment, amount=1)


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
def test_a_dispute_counts_what_moved_whatever_it_is_called(stack, first, later, left, settled_in):
    payment, before = stack.gift("40"), stack.kept()[0] - 4000
    dispute = stack.operate("disputes", payment_intent=payment, amount=1500, status=first, settled=settled_in)
    for status in later:
        stack.operate(f"disputes/{dispute['id']}", status=status)
    assert settled(stack) == before + left


def test_a_delayed_payment_counts_when_it_is_paid_and_never_if_it_fails(stack):
    before = settled(stack)
    paid, failed = stack.gift("30", SETTLES_LATER), stack.gift("20", SETTLES_LATER)
    assert settled(stack) == before
    stack.operate("settle", payment_intent=paid, outcome="succeeded")
    stack.operate("settle", payment_intent=failed, outcome="failed")
    assert settled(stack) == before + 3000
    stack.operate("refunds", payment_intent=paid)
    assert settled(stack) == before


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


def take_back(stack, event):
    """A refund that the sandbox never made fails, so that both tell the same again."""
    event["data"]["object"]["status"] = "failed"
    assert outcome(post(stack, event)) == "applied"


def test_one_refund_in_two_events_and_in_the_old_name_of_one_counts_once(stack):
    payment = stack.gift("40")
    settled(stack)
    event = refund_event(payment)
    again = event | {"id": "evt_other", "type": "charge.refund.updated", "api_version": "2020-08-27"}
    assert [outcome(post(stack, each)) for each in (event, event, again)] == ["applied", "unchanged", "unchanged"]
    back = refund_event(payment, status="failed", kind="refund.failed", id=event["data"]["object"]["id"])
    assert outcome(post(stack, back)) == "applied"
    assert outcome(post(stack, event)) == "unchanged"
    assert agrees(stack)


def test_a_refund_whose_payment_is_not_ours_or_unknown_is_ignored(stack):
    for payment in (None, "pi_of_another_shop"):
        told = post(stack, refund_event(payment)).json()
        assert told == {"outcome": "ignored", "reason": "other_product"}


def test_a_refund_in_a_state_nobody_knows_is_ignored_and_an_alarm(stack):
    told = post(stack, refund_event(stack.gift("40"), status="reversed")).json()
    assert told == {"outcome": "ignored", "reason": "status_unknown"}


def test_a_refund_in_another_currency_is_never_summed(stack):
    told = post(stack, refund_event(stack.gift("40"), currency="usd")).json()
    assert told == {"outcome": "ignored", "reason": "wrong_currency"}


@pytest.mark.parametrize("amount", ["500", -500, 5.0, True, None, [], 10**30])
def test_a_refund_of_no_amount_is_refused_before_anything_is_written(stack, amount):
    payment = stack.gift("40")
    before = settled(stack)
    assert post(stack, refund_event(payment, amount=amount)).status_code == 400
    assert stack.totals().raised == before


@pytest.mark.parametrize("payment_intent", [5, [], True, {"id": 5}, 1.5])
def test_a_refund_whose_payment_is_no_id_is_refused(stack, payment_intent):
    assert post(stack, refund_event(payment_intent)).status_code == 400


@pytest.mark.parametrize("moved", [None, {}, [None], [{}], [{"amount": 1.5, "created": 1, "currency": "eur"}]])
def test_a_dispute_whose_movements_cannot_be_read_is_refused(stack, moved):
    event = refund_event(stack.gift("40"), kind="charge.dispute.updated", balance_transactions=moved)
    assert post(stack, event).status_code == 400


def test_while_the_payment_cannot_be_looked_up_the_event_is_asked_for_again(stack):
    event = refund_event(stack.gift("40"))
    settled(stack)
    stack.operate("faults", api={"kind": "500"})
    assert post(stack, event).status_code == 503
    assert outcome(post(stack, event)) == "applied"
    take_back(stack, event)


def test_a_payment_without_metadata_finds_its_campaign_by_its_session(stack):
    """As a Payment Link of the dashboard makes them."""
    params = {
        "mode": "payment",
        "success_url": "https://example.org/thanks",
        "metadata[campaign]": "vitaly",
        "line_items[0][quantity]": 1,
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": 3000,
        "line_items[0][price_data][product_data][name]": "Donation",
    }
    made = httpx.post(f"{stack.sandbox}/v1/checkout/sessions", data=params, auth=("sk_test_x", "")).json()
    stack.pay(made["url"])
    before = settled(stack)
    session = httpx.get(f"{stack.sandbox}/v1/checkout/sessions/{made['id']}", auth=("sk_test_x", "")).json()
    stack.operate("refunds", payment_intent=session["payment_intent"], amount=1000)
    assert settled(stack) == before - 1000


def test_money_that_goes_back_before_its_payment_is_seen_never_shows_less_than_nothing(redis_url, tmp_path):
    """The payment's own events are lost: its refund comes first, and the next pass finds the payment."""
    with running(redis_url, tmp_path) as stack:
        stack.until_ready()
        stack.operate("faults", webhooks={"lose": 1})
        payment = stack.gift("40")
        stack.operate("faults", webhooks={"lose": 0})
        stack.operate("refunds", payment_intent=payment, amount=1500)
        eventually(lambda: stack.totals() == Totals(-1500, 0), "the refund is joined")
        for _ in range(15):
            assert stack.progress()["raised"] in (0, 2500)  # 2500 where a pass came by meanwhile
            time.sleep(0.1)
    with running(redis_url, tmp_path) as stack:
        stack.until_ready()
        assert settled(stack) == 2500


def test_what_no_webhook_told_the_next_pass_finds(redis_url, tmp_path):
    """Events lost for good, doubled and reordered: a service that starts afterwards comes to the sandbox's totals."""
    dice = random.Random(3)
    faults = {"lose": 0.3, "duplicate": 1, "reorder": 1}
    with running(redis_url, tmp_path, sandbox_options={"seed": 3}) as stack:
        stack.until_ready()
        stack.operate("faults", webhooks=faults, seed=3)
        for _ in range(12):
            payment = stack.gift(str(dice.randint(5, 100)))
            match dice.choice(["keep", "refund", "fail", "lose", "win"]):
                case "refund":
                    stack.operate("refunds", payment_intent=payment, amount=dice.randint(1, 500))
                case "fail":
                    refund = stack.operate("refunds", payment_intent=payment)
                    stack.operate(f"refunds/{refund['id']}", status="failed")
                case "keep":
                    pass
                case end:
                    dispute = stack.operate("disputes", payment_intent=payment)
                    stack.operate(f"disputes/{dispute['id']}", status={"lose": "lost", "win": "won"}[end])
        told = stack.kept()
    with running(redis_url, tmp_path) as stack:
        stack.until_ready()
        assert stack.kept() == told
        settled(stack)
