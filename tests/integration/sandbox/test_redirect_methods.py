"""Test payment methods that send the payer to a bank or wallet, and the configuration that switches them on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.support.sandbox import Sandbox, amount, embedded

CARD_AND_IDEAL = {"allowed_payment_method_types": ["card", "ideal"]}


def choose(sandbox: Sandbox, session: Any, method: str = "ideal") -> httpx.Response:
    return sandbox.http.post(session.url, data={"method": method, "email": "ada@example.org", "number": ""})


def configure(sandbox: Sandbox, **preferences: str) -> dict[str, Any]:
    [found] = sandbox.call("GET", "/v1/payment_method_configurations").json()["data"]
    data = {f"{name}[display_preference][preference]": value for name, value in preferences.items()}
    return dict(sandbox.call("POST", f"/v1/payment_method_configurations/{found['id']}", data=data).json())


@pytest.mark.parametrize("method", ["ideal", "paypal"])
def test_authorised_payment_is_paid(sandbox: Sandbox, method: str) -> None:
    session = sandbox.create()
    chosen = choose(sandbox, session, method)
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"/bank/{session.id}")
    assert 'value="approve"' in sandbox.http.get(f"/bank/{session.id}").text
    [payment] = sandbox.call("GET", "/v1/payment_intents").json()["data"]
    assert payment["next_action"]["redirect_to_url"]["url"] == f"{sandbox.url}/bank/{session.id}"
    answer = sandbox.http.post(f"/bank/{session.id}", data={"answer": "approve"})
    assert answer.headers["location"].startswith("https://card.example/thanks")
    assert sandbox.session(session.id)["payment_status"] == "paid"
    assert sandbox.event_types() == ["payment_intent.succeeded", "checkout.session.completed"]


def test_refused_payment_leads_back_with_a_message(sandbox: Sandbox) -> None:
    session = sandbox.create()
    choose(sandbox, session)
    answer = sandbox.http.post(f"/bank/{session.id}", data={"answer": "decline"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/pay/{session.id}")
    assert "was not authorised" in sandbox.http.get(session.url).text
    [event] = sandbox.call("GET", "/v1/events").json()["data"]
    error = event["data"]["object"]["last_payment_error"]
    assert (error["code"], error["payment_method"]["type"]) == ("payment_intent_authentication_failure", "ideal")
    sandbox.pay(session)
    assert sandbox.session(session.id)["payment_status"] == "paid"


def test_payer_can_go_back_from_the_bank_and_pay_by_card(sandbox: Sandbox) -> None:
    session = sandbox.create()
    choose(sandbox, session)
    assert 'name="number"' in sandbox.http.get(session.url).text
    sandbox.pay(session)
    assert sandbox.session(session.id)["payment_status"] == "paid"
    late = sandbox.http.post(f"/bank/{session.id}", data={"answer": "decline"})
    assert late.headers["location"].startswith("https://card.example/thanks")
    assert sandbox.event_types() == ["payment_intent.succeeded", "checkout.session.completed"]


def test_page_of_a_bank_that_nobody_chose_leads_to_the_payment(sandbox: Sandbox) -> None:
    session = sandbox.create()
    assert sandbox.http.get(f"/bank/{session.id}").headers["location"] == f"/pay/{session.id}"
    assert sandbox.http.get("/bank/cs_test_unknown").status_code == 404


def test_session_offers_the_allowed_methods_only(sandbox: Sandbox) -> None:
    assert sandbox.create(**CARD_AND_IDEAL).payment_method_types == ["card", "ideal"]
    assert sandbox.create().payment_method_types == ["card", "sepa_debit", "ideal", "paypal"]
    assert sandbox.create(**embedded()).payment_method_types == ["card", "sepa_debit"]


@pytest.mark.parametrize("method", ["paypal", "sepa_debit", "card", "gold"])
def test_method_that_the_session_does_not_allow_is_refused(sandbox: Sandbox, method: str) -> None:
    session = sandbox.create(**CARD_AND_IDEAL)
    refused = choose(sandbox, session, method)
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert refused.json()["error"]["param"] == "payment_method_data[type]"
    assert sandbox.session(session.id)["status"] == "open"


def test_session_without_any_method_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No valid payment method types"):
        sandbox.create(line_items=amount(2500, "usd"), allowed_payment_method_types=["ideal"])


def test_method_is_offered_while_it_is_on(sandbox: Sandbox) -> None:
    assert configure(sandbox, ideal="off", p24="on")["p24"]["available"] is True
    assert sandbox.create().payment_method_types == ["card", "sepa_debit", "p24", "paypal"]
