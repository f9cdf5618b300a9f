"""Test webhook endpoints, prices, payment links and payment method domains."""

import re
from typing import Any

import pytest
import stripe

from tests.support.sandbox import Inbox, Sandbox, sandbox_with


def make(sandbox: Sandbox, path: str, **data: Any) -> Any:
    answer = sandbox.call("POST", f"/v1/{path}", data=data)
    return answer.json() | {"status_code": answer.status_code}


def price(sandbox: Sandbox, **changes: str) -> str:
    asked = {"custom_unit_amount[enabled]": "true", "custom_unit_amount[minimum]": "200", "currency": "eur"}
    return str(make(sandbox, "prices", **(asked | {"product_data[name]": "Donation"} | changes))["id"])


def link(sandbox: Sandbox, **more: str) -> Any:
    items = {"line_items[0][price]": price(sandbox), "line_items[0][quantity]": "1"}
    return make(sandbox, "payment_links", **items, **{"metadata[campaign]": "roof"}, **more)


PRIVATE = [
    "http://localhost:8000/w",
    "http://127.0.0.1/w",
    "https://10.0.0.7/w",
    "https://[::1]/w",
    "https://give.local/w",
]


@pytest.mark.parametrize("url", [*PRIVATE, "https://give/w", "https://169.254.1.1/w"])
def test_private_webhook_address_is_refused_in_stripes_words(shared: Sandbox, url: str) -> None:
    error = make(shared, "webhook_endpoints", **{"url": url, "enabled_events[0]": "*"})["error"]
    assert (error["code"], error["param"]) == ("url_invalid", "url")
    assert error["message"].startswith("Invalid URL: URL must be publicly accessible.")


@pytest.mark.parametrize("url", ["https://give.example.org/w", "https://8.8.8.8/w"])
def test_public_webhook_address_is_accepted(sandbox: Sandbox, url: str) -> None:
    assert make(sandbox, "webhook_endpoints", **{"url": url, "enabled_events[0]": "*"})["status_code"] == 200


def test_endpoint_shows_its_secret_once(inbox: Inbox) -> None:
    with sandbox_with(allow_private_webhooks=True) as sandbox:
        _create_and_disable_endpoint(sandbox, inbox)


def _create_and_disable_endpoint(sandbox: Sandbox, inbox: Inbox) -> None:
    params = {"url": inbox.url, "enabled_events[0]": "checkout.session.completed"}
    made = make(sandbox, "webhook_endpoints", **params, api_version=stripe.api_version)
    assert made["secret"].startswith("whsec_")
    shown = sandbox.call("GET", "/v1/webhook_endpoints").json()["data"]
    assert [(one["id"], one["api_version"], one.get("secret")) for one in shown] == [
        (made["id"], stripe.api_version, None)
    ]
    sandbox.pay(sandbox.create())
    [event] = inbox.wait_for(1)
    assert event["type"] == "checkout.session.completed"
    stripe.WebhookSignature.verify_header(*_text(inbox), made["secret"], tolerance=300)
    make(sandbox, f"webhook_endpoints/{made['id']}", disabled="true")
    sandbox.pay(sandbox.create())
    assert sandbox.call("GET", "/v1/events?limit=1").json()["data"][0]["pending_webhooks"] == 0
    assert sandbox.call("DELETE", f"/v1/webhook_endpoints/{made['id']}").json()["deleted"] is True


def _text(inbox: Inbox) -> tuple[str, str]:
    body, signature = inbox.received[0]
    return body.decode(), signature


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("webhook_endpoints", {"url": "https://a.example"}, "enabled_events"),
        ("webhook_endpoints", {"url": "https://a.example", "enabled_events[0]": "gift.made"}, "enabled_events[0]"),
        ("webhook_endpoints", {"url": "a.example", "enabled_events[0]": "*"}, "url"),
        ("payment_links", {"line_items[0][price]": "price_1", "line_items[0][quantity]": "1"}, "line_items[0][price]"),
        ("payment_method_domains", {"domain_name": "https://a.example"}, "domain_name"),
        ("payment_method_domains", {"domain_name": "localhost"}, "domain_name"),
        ("prices", {"currency": "eur", "unit_amount": "5"}, "unit_amount"),
        ("prices", {"currency": "eur", "custom_unit_amount[minimum]": "5"}, "custom_unit_amount[enabled]"),
    ],
)
def test_invalid_resource_is_refused(shared: Sandbox, path: str, params: dict[str, str], param: str) -> None:
    answer = make(shared, path, **params)
    assert (answer["status_code"], answer["error"]["param"]) == (400, param)


def test_payment_link_takes_an_amount_and_keeps_metadata(sandbox: Sandbox) -> None:
    made = link(sandbox, **{"payment_intent_data[metadata][campaign]": "roof", "submit_type": "donate"})
    assert 'name="amount"' in sandbox.http.get(made["url"]).text
    for amount in ("1.99", "", "a lot", "-5", "1e9", "2.005"):
        assert sandbox.http.post(made["url"], data={"amount": amount}).status_code == 422, amount
    session = sandbox.session(_paid(sandbox, made["url"], "12,50"))
    assert (session["amount_total"], session["payment_status"], session["payment_link"]) == (1250, "paid", made["id"])
    assert session["metadata"] == {"campaign": "roof"}
    payment = sandbox.call("GET", f"/v1/payment_intents/{session['payment_intent']}").json()
    assert payment["metadata"] == {"campaign": "roof"}
    listed = sandbox.call("GET", f"/v1/checkout/sessions?payment_link={made['id']}").json()["data"]
    assert [one["id"] for one in listed] == [session["id"]]
    make(sandbox, f"payment_links/{made['id']}", active="false")
    assert sandbox.http.get(made["url"]).status_code == 404


def test_link_without_metadata_makes_payments_without(sandbox: Sandbox) -> None:
    session = sandbox.session(_paid(sandbox, link(sandbox)["url"], "5"))
    payment = sandbox.call("GET", f"/v1/payment_intents/{session['payment_intent']}").json()
    assert (session["metadata"], payment["metadata"]) == ({"campaign": "roof"}, {})


def _paid(sandbox: Sandbox, url: str, amount: str) -> str:
    onward = sandbox.http.post(url, data={"amount": amount})
    assert onward.status_code == 303
    sandbox.http.post(onward.headers["location"], data={"number": "4242 4242 4242 4242", "email": "ada@example.org"})
    return str(re.search(r"cs_test_\w+", onward.headers["location"])[0])  # type: ignore[index]


def test_domain_is_registered_once(sandbox: Sandbox) -> None:
    ids = {make(sandbox, "payment_method_domains", domain_name="give.example.org")["id"] for _ in range(2)}
    assert len(ids) == 1
    found = sandbox.call("GET", "/v1/payment_method_domains?domain_name=give.example.org").json()["data"]
    assert [one["apple_pay"]["status"] for one in found] == ["active"]
    assert sandbox.call("GET", "/v1/payment_method_domains?domain_name=other.example.org").json()["data"] == []


def test_official_client_reads_responses(sandbox: Sandbox) -> None:
    async def ask() -> Any:
        v1 = sandbox.client.v1
        made = await v1.payment_method_domains.create_async({"domain_name": "give.example.org"})
        endpoint = await v1.webhook_endpoints.create_async({"url": "https://a.example", "enabled_events": ["*"]})
        return made.google_pay.status, endpoint.secret

    status, secret = sandbox.run(ask())
    assert status == "active"
    assert secret.startswith("whsec_")
