"""Test sessions, payment intents, events and the account through the official client."""

from typing import Any

import pytest
import stripe

from tests.support.sandbox import NOON, Sandbox, amount, embedded


def test_hosted_session_has_url_and_no_secret(sandbox: Sandbox) -> None:
    session = sandbox.create(locale="lt")
    assert session.id.startswith("cs_test_")
    assert session.url == f"{sandbox.url}/pay/{session.id}"
    assert session.client_secret is None
    assert session.payment_intent is None
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 2500)
    assert (session.created, session.expires_at) == (int(NOON), int(NOON) + 86_400)
    assert (session.locale, session.submit_type, session.livemode) == ("lt", "donate", False)
    assert session.metadata.to_dict() == {"campaign": "roof", "site": "gazette"}


def test_embedded_session_has_secret_and_no_url(sandbox: Sandbox) -> None:
    session = sandbox.create(**embedded())
    assert session.client_secret.startswith(f"{session.id}_secret_")
    assert session.url is None
    assert session.redirect_on_completion == "never"


def test_only_open_session_has_url_and_secret(sandbox: Sandbox) -> None:
    paid, expired = sandbox.create(), sandbox.create(**embedded())
    sandbox.pay(paid)
    sandbox.call("POST", f"/v1/checkout/sessions/{expired.id}/expire")
    assert sandbox.session(paid.id)["url"] is None
    assert sandbox.session(expired.id)["client_secret"] is None


def test_excluded_payment_method_is_not_offered(sandbox: Sandbox) -> None:
    session = sandbox.create(excluded_payment_method_types=["sepa_debit"])
    assert session.payment_method_types == ["card", "ideal", "paypal"]
    assert sandbox.pay(session, "AT611904300234573201").status_code == 422
    assert sandbox.create(line_items=amount(2500, "usd")).payment_method_types == ["card", "paypal"]


def test_line_items_add_up(sandbox: Sandbox) -> None:
    items = [amount(2500)[0] | {"quantity": 2}, *amount(None, unit_amount_decimal="100.5")]
    assert sandbox.create(line_items=items).amount_total == 5101


def test_session_is_expired_once(sandbox: Sandbox) -> None:
    session = sandbox.create()
    expire = sandbox.client.v1.checkout.sessions.expire_async
    assert sandbox.run(expire(session.id)).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        sandbox.run(expire(session.id))
    assert sandbox.event_types() == ["checkout.session.expired"]


def test_session_expires_at_its_time(sandbox: Sandbox) -> None:
    session = sandbox.create(expires_at=int(NOON) + 1800)
    sandbox.advance(1799)
    assert sandbox.session(session.id)["status"] == "open"
    sandbox.advance(1)
    assert sandbox.session(session.id)["status"] == "expired"
    assert sandbox.event_types() == ["checkout.session.expired"]


def test_fields_are_expanded(sandbox: Sandbox) -> None:
    session = sandbox.create(expand=["line_items"])
    assert session.line_items.data[0].description == "A new roof"
    sandbox.pay(session)
    query = {"expand[]": "payment_intent"}
    assert (
        sandbox.call("GET", f"/v1/checkout/sessions/{session.id}", params=query).json()["payment_intent"]["amount"]
        == 2500
    )


async def all_ids(page: Any) -> list[str]:
    return [one.id async for one in (await page).auto_paging_iter()]


def test_client_pages_each_session_once_newest_first(sandbox: Sandbox) -> None:
    made = [sandbox.create().id for _ in range(7)]
    sessions = sandbox.client.v1.checkout.sessions
    assert sandbox.run(all_ids(sessions.list_async({"limit": 3}))) == made[::-1]
    assert sandbox.run(all_ids(sessions.list_async({"limit": 3, "starting_after": made[4]}))) == made[3::-1]
    assert sandbox.run(all_ids(sessions.list_async({"limit": 3, "ending_before": made[1]}))) == made[2:]


def test_page_has_has_more(sandbox: Sandbox) -> None:
    made = [sandbox.create().id for _ in range(3)]
    pages = [sandbox.call("GET", f"/v1/checkout/sessions?limit={limit}").json() for limit in (2, 3)]
    assert [page["has_more"] for page in pages] == [True, False]
    assert [one["id"] for one in pages[0]["data"]] == made[:0:-1]


def test_sessions_are_filtered(sandbox: Sandbox) -> None:
    first = sandbox.create()
    sandbox.advance(10)
    second = sandbox.create()
    sandbox.pay(first)
    payment = sandbox.session(first.id)["payment_intent"]
    found = {
        query: [one["id"] for one in sandbox.call("GET", f"/v1/checkout/sessions?{query}").json()["data"]]
        for query in (
            *[f"payment_intent={payment}", "payment_intent=pi_other", "status=open", "status=complete"],
            *[
                f"created[gt]={NOON:.0f}",
                f"created[gte]={NOON:.0f}",
                f"created[lt]={NOON + 10:.0f}",
                f"created={NOON:.0f}",
            ],
            *[f"created[lte]={NOON + 10:.0f}", "customer_details[email]=ada@example.org", "customer=cus_1"],
        )
    }
    both = [second.id, first.id]
    assert list(found.values()) == [
        *[[first.id], [], [second.id], [first.id]],
        *[[second.id], both, [first.id], [first.id]],
        *[both, [first.id], []],
    ]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("starting_after=cs_test_none", "starting_after"),
        ("starting_after=a&ending_before=b", "ending_before"),
        ("status=done", "status"),
        ("metadata[campaign]=roof", "metadata"),
        ("created[after]=1", "created[after]"),
        ("expand[]=data.customer", "expand"),
    ],
)
def test_invalid_list_params_are_refused(shared: Sandbox, query: str, param: str) -> None:
    answer = shared.call("GET", f"/v1/checkout/sessions?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_payment_has_only_its_own_metadata(sandbox: Sandbox) -> None:
    session = sandbox.create(
        payment_intent_data={"metadata": {"site": "gazette"}, "statement_descriptor_suffix": "ROOF"}
    )
    sandbox.pay(session)
    payments = sandbox.client.v1.payment_intents
    payment = sandbox.run(payments.retrieve_async(sandbox.session(session.id)["payment_intent"]))
    assert payment.metadata.to_dict() == {"site": "gazette"}
    assert (payment.status, payment.amount_received, payment.statement_descriptor_suffix) == ("succeeded", 2500, "ROOF")
    assert sandbox.run(all_ids(payments.list_async())) == [payment.id]


def test_events_are_listed_and_filtered(sandbox: Sandbox) -> None:
    sandbox.pay(sandbox.create())
    events = sandbox.client.v1.events
    assert len(sandbox.run(all_ids(events.list_async()))) == 2
    assert len(sandbox.run(all_ids(events.list_async({"type": "checkout.*"})))) == 1
    [id] = sandbox.run(all_ids(events.list_async({"types": ["payment_intent.succeeded"]})))
    event = sandbox.run(events.retrieve_async(id))
    assert (event.type, event.api_version, event.livemode) == ("payment_intent.succeeded", stripe.api_version, False)
    assert event.request.to_dict() == {"id": None, "idempotency_key": None}


def test_account_id_is_stable(sandbox: Sandbox) -> None:
    retrieve = sandbox.client.v1.accounts.retrieve_current_async
    first, second = sandbox.run(retrieve()), sandbox.run(retrieve())
    assert first.id == second.id
    assert first.id.startswith("acct_")


@pytest.mark.parametrize("path", ["checkout/sessions/cs_test_none", "payment_intents/pi_none", "events/evt_none"])
def test_unknown_objects_are_404(shared: Sandbox, path: str) -> None:
    answer = shared.call("GET", f"/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


def test_expiring_unknown_session_is_404(shared: Sandbox) -> None:
    assert shared.call("POST", "/v1/checkout/sessions/cs_test_none/expire").status_code == 404


OPTIONAL = {
    "checkout.session": {
        *("allowed_payment_method_types", "branding_settings", "excluded_payment_method_types", "name_collection"),
        *("presentment_details", "redirect_on_completion", "return_url", "tax_id_collection"),
    },
    "payment_intent": {"amount_details", "hooks", "source"},
    "refund": {"description", "failure_reason", "failure_balance_transaction", "presentment_details"},
}
"""Fields that Stripe's OpenAPI description of 2026-05-27 does not call nullable: Stripe leaves them out."""


def test_optional_fields_are_left_out_and_never_null(sandbox: Sandbox) -> None:
    hosted, inline = sandbox.create(), sandbox.create(**embedded())
    sandbox.pay(hosted)
    sandbox.operate("refunds", payment_intent=sandbox.session(hosted.id)["payment_intent"], amount=100)
    for path in ("checkout/sessions", "payment_intents", "refunds"):
        for found in sandbox.call("GET", f"/v1/{path}").json()["data"]:
            given = {"redirect_on_completion"} if found["id"] == inline.id else set()
            assert found.keys() & OPTIONAL[found["object"]] == given, found["object"]


def test_optional_fields_that_were_given_are_returned(sandbox: Sandbox) -> None:
    session = sandbox.create(excluded_payment_method_types=["sepa_debit"])
    assert sandbox.session(session.id)["excluded_payment_method_types"] == ["sepa_debit"]
