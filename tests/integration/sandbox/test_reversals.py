"""Test refunds and disputes, mostly through the official client."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.sandbox import Sandbox, amount


def paid(sandbox: Sandbox, cents: int = 2500) -> str:
    session = sandbox.create(line_items=amount(cents))
    sandbox.pay(session)
    return str(sandbox.session(session.id)["payment_intent"])


def test_official_client_creates_lists_and_reads_refunds(sandbox: Sandbox) -> None:
    payment, client = paid(sandbox), sandbox.client
    made = sandbox.run(client.v1.refunds.create_async({"payment_intent": payment, "amount": 1000}))
    assert (made.status, made.amount, made.currency, made.payment_intent) == ("succeeded", 1000, "eur", payment)
    listed = sandbox.run(client.v1.refunds.list_async({"expand": ["data.payment_intent"]}))
    assert [each.payment_intent.metadata["campaign"] for each in listed.data] == ["roof"]
    read = sandbox.run(client.v1.refunds.retrieve_async(made.id, {"expand": ["payment_intent"]}))
    assert read.payment_intent.id == payment
    assert sandbox.event_types()[-1] == "refund.created"


@pytest.mark.parametrize("wanted", [1501, 10**9])
def test_refund_above_the_rest_is_refused(sandbox: Sandbox, wanted: int) -> None:
    payment = paid(sandbox)
    sandbox.operate("refunds", payment_intent=payment, amount=1000)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        sandbox.run(sandbox.client.v1.refunds.create_async({"payment_intent": payment, "amount": wanted}))


def test_failed_refund_can_be_repeated(sandbox: Sandbox) -> None:
    payment = paid(sandbox)
    first = sandbox.operate("refunds", payment_intent=payment)
    assert sandbox.operate(f"refunds/{first['id']}", status="failed")["failure_reason"] == "unknown"
    assert sandbox.operate("refunds", payment_intent=payment)["amount"] == 2500


def test_unpaid_payment_cannot_be_refunded_or_disputed(sandbox: Sandbox) -> None:
    sandbox.pay(sandbox.create(), "4000000000000002")
    [payment] = sandbox.call("GET", "/v1/payment_intents").json()["data"]
    for path in ("refunds", "disputes"):
        answer = sandbox.http.post(f"/sandbox/{path}", json={"payment_intent": payment["id"]})
        assert (answer.status_code, "successful charge" in answer.text) == (400, True)


def moved(dispute: dict[str, Any]) -> list[int]:
    return [each["amount"] for each in dispute["balance_transactions"]]


def test_dispute_has_any_further_balance_transaction(sandbox: Sandbox) -> None:
    dispute = sandbox.operate("disputes", payment_intent=paid(sandbox), amount=1500, settlement_currency="usd")
    path = f"disputes/{dispute['id']}/balance-transactions"
    sandbox.operate(path, amount=-20)
    changed = sandbox.operate(path, amount=2250, reporting_category="dispute_reversal")
    assert [
        (each["amount"], each["currency"], each["reporting_category"]) for each in changed["balance_transactions"]
    ] == [(-4500, "usd", "dispute"), (-20, "usd", "dispute"), (2250, "usd", "dispute_reversal")]
    assert sandbox.event_types()[-2:] == ["charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"]


def test_dispute_appends_balance_transactions(sandbox: Sandbox) -> None:
    dispute = sandbox.operate("disputes", payment_intent=paid(sandbox), amount=1500, status="warning_needs_response")
    path, seen = f"disputes/{dispute['id']}", [moved(dispute)]
    for status in ("needs_response", "lost", "appeal_under_review", "won"):
        seen.append(moved(sandbox.operate(path, status=status)))
        assert [each["status"] for each in sandbox.call("GET", "/v1/disputes").json()["data"]] == [status]
    assert seen == [[], [-1500], [-1500], [-1500], [-1500, 1500]]
    [listed] = sandbox.run(sandbox.client.v1.disputes.list_async({})).data
    assert (listed.id, listed.status) == (dispute["id"], "won")
    assert sandbox.event_types()[-1] == "charge.dispute.funds_reinstated"


def test_dispute_in_another_currency_moves_other_amounts(sandbox: Sandbox) -> None:
    dispute = sandbox.operate("disputes", payment_intent=paid(sandbox), settlement_currency="usd")
    [transaction] = dispute["balance_transactions"]
    assert (transaction["currency"], dispute["currency"]) == ("usd", "eur")
    assert transaction["amount"] != -dispute["amount"]


@pytest.mark.parametrize("status", ["won", "refunded", ""])
def test_impossible_dispute_status_is_refused_with_choices(sandbox: Sandbox, status: str) -> None:
    dispute = sandbox.operate("disputes", payment_intent=paid(sandbox), status="warning_needs_response")
    answer = sandbox.http.post(f"/sandbox/disputes/{dispute['id']}", json={"status": status})
    assert answer.status_code == 400
    assert "warning_closed" in answer.json()["error"]


def test_totals_include_reversals(sandbox: Sandbox) -> None:
    refunded, disputed, warned, won = (paid(sandbox) for _ in range(4))
    sandbox.operate("refunds", payment_intent=refunded, amount=700)
    sandbox.operate("disputes", payment_intent=disputed, amount=900)
    sandbox.operate("disputes", payment_intent=warned, status="warning_needs_response")
    back = sandbox.operate("disputes", payment_intent=won)
    sandbox.operate(f"disputes/{back['id']}", status="won")
    told = sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"]["eur"]
    assert told == {"sum": 10_000, "count": 4, "refunded": 700, "disputed": 900}


def expanded(sandbox: Sandbox, payment: str) -> Any:
    [session] = sandbox.call(
        "GET", f"/v1/checkout/sessions?payment_intent={payment}&expand[]=data.payment_intent.latest_charge"
    ).json()["data"]
    return session


def test_dashboard_edits_metadata_and_the_charge_keeps_its_copy(sandbox: Sandbox) -> None:
    payment = paid(sandbox)
    sandbox.operate("metadata", id=payment, metadata={"campaign": "bells", "site": ""})
    session = expanded(sandbox, payment)
    assert session["payment_intent"]["metadata"] == {"campaign": "bells"}
    assert session["payment_intent"]["latest_charge"]["metadata"] == {"campaign": "roof", "site": "gazette"}
    assert session["metadata"] == {"campaign": "roof", "site": "gazette"}
    assert sandbox.event_types()[-1] == "checkout.session.completed"
    refund = sandbox.operate("refunds", payment_intent=payment)
    sandbox.operate("metadata", id=refund["id"], metadata={"campaign": "bells"})
    assert sandbox.event_types()[-1] == "refund.updated"


@pytest.mark.parametrize("metadata", [{"k" * 41: "v"}, {"campaign": "v" * 501}])
def test_dashboard_keeps_the_limits_of_metadata(sandbox: Sandbox, metadata: dict[str, str]) -> None:
    answer = sandbox.http.post("/sandbox/metadata", json={"id": paid(sandbox), "metadata": metadata})
    assert answer.status_code == 400


def test_object_gets_an_unknown_status_null_and_older_shape(sandbox: Sandbox) -> None:
    refund = sandbox.operate("refunds", payment_intent=paid(sandbox))
    changes = {"fields": {"status": "on_hold", "reason": None}, "without": ["metadata"], "event": "refund.updated"}
    changed = sandbox.operate("fields", id=refund["id"], **changes)
    assert (changed["status"], changed["reason"], "metadata" in changed) == ("on_hold", None, False)
    [event, *_] = sandbox.call("GET", "/v1/events").json()["data"]
    assert (event["type"], event["data"]["object"]) == ("refund.updated", changed)
    answer = sandbox.http.post("/sandbox/fields", json={"id": refund["id"], "fields": {"object": "gift"}})
    assert answer.status_code == 400
