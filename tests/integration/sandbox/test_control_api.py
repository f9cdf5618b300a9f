"""Test the control API: faults, clock, seeding and totals."""

from typing import Any

import httpx
import pytest
import stripe
from stripe_sandbox import ApiFault

from tests.support.sandbox import NOON, Sandbox, amount, embedded, gift, sandbox_with


def create(sandbox: Sandbox, **client: Any) -> Any:
    return sandbox.run(sandbox.client_with(**client).v1.checkout.sessions.create_async(gift()))


def sessions(sandbox: Sandbox) -> int:
    return len(sandbox.call("GET", "/v1/checkout/sessions").json()["data"])


def test_api_fault_ends_after_its_count(sandbox: Sandbox) -> None:
    sandbox.operate("faults", api={"kind": "429", "remaining": 2})
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            create(sandbox)
    assert create(sandbox).status == "open"


@pytest.mark.parametrize(("executed", "made"), [(False, 0), (True, 1)])
def test_500_before_or_after_execution(sandbox: Sandbox, executed: bool, made: int) -> None:
    sandbox.operate("faults", api={"kind": "500", "executed": executed})
    with pytest.raises(stripe.APIError):
        create(sandbox)
    assert sessions(sandbox) == made


@pytest.mark.parametrize("kind", ["reset", "hang"])
def test_client_survives_a_lost_response_with_one_session(sandbox: Sandbox, kind: str) -> None:
    sandbox.operate("faults", api={"kind": kind, "executed": True})
    assert create(sandbox, max_network_retries=2, timeout=1).status == "open"
    assert sessions(sandbox) == 1


@pytest.mark.parametrize("kind", ["reset", "hang"])
def test_lost_request_has_no_effect(sandbox: Sandbox, kind: str) -> None:
    sandbox.operate("faults", api={"kind": kind})
    with pytest.raises(stripe.APIConnectionError):
        create(sandbox, timeout=0.3)
    assert sessions(sandbox) == 0


def test_initial_faults_can_be_cleared() -> None:
    with sandbox_with(api_fault=ApiFault("500", remaining=100)) as sandbox:
        assert sandbox.call("GET", "/v1/account").status_code == 500
        sandbox.http.delete("/sandbox/faults")
        assert sandbox.call("GET", "/v1/account").status_code == 200


def test_omitted_faults_stay_unchanged(sandbox: Sandbox) -> None:
    sandbox.operate("faults", webhooks={"extra_copies": 1})
    shown = sandbox.operate("faults", api={"kind": "hang", "remaining": 3}, seed=7)
    assert shown["webhooks"]["extra_copies"] == 1
    assert shown["api"] == {"kind": "hang", "remaining": 3, "executed": False, "path": "/v1"}


def test_fault_applies_to_one_path_and_answers_not_found(sandbox: Sandbox) -> None:
    sandbox.operate("faults", api={"kind": "404", "path": "/v1/checkout/sessions/"})
    session = create(sandbox)
    answer = sandbox.call("GET", f"/v1/checkout/sessions/{session.id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
    assert sandbox.session(session.id)["id"] == session.id


def test_fault_answers_an_empty_page_with_a_successor(sandbox: Sandbox) -> None:
    create(sandbox)
    sandbox.operate("faults", api={"kind": "empty_page"})
    page = sandbox.call("GET", "/v1/checkout/sessions").json()
    assert (page["data"], page["has_more"]) == ([], True)
    assert sessions(sandbox) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"webhooks": {"attempt_failure_rate": 2}}),
        ("faults", {"api": {"kind": "teapot"}}),
        ("faults", {"colour": "red"}),
        ("clock", {"advance_seconds": -1}),
        ("clock", {"advance_seconds": "soon"}),
        ("clock", {}),
        ("settle", {"outcome": "maybe"}),
        ("refunds", {"payment_intent": "pi_nobody", "amount": 0}),
    ],
)
def test_invalid_body_is_refused(shared: Sandbox, path: str, body: dict[str, Any]) -> None:
    answer = shared.http.post(f"/sandbox/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("refunds", {"payment_intent": "pi_nobody"}), ("disputes/du_nobody", {"status": "won"})],
)
def test_unknown_object_is_404(shared: Sandbox, path: str, body: dict[str, Any]) -> None:
    answer = shared.http.post(f"/sandbox/{path}", json=body)
    assert answer.status_code == 404
    assert "nobody" in answer.json()["error"]


def test_cross_site_request_is_refused(shared: Sandbox) -> None:
    answer = httpx.post(
        f"{shared.url}/sandbox/clock", content=b'{"advance_seconds": 1}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415


def test_clock_advances_on_request(sandbox: Sandbox) -> None:
    assert sandbox.http.get("/sandbox/clock").json() == {"now": NOON}
    sandbox.advance(90.5)
    assert sandbox.http.get("/sandbox/clock").json() == {"now": NOON + 90.5}
    assert sandbox.create().created == int(NOON + 90)


def test_totals_count_paid_sessions(sandbox: Sandbox) -> None:
    for cents in (2500, 700):
        sandbox.pay(sandbox.create(line_items=amount(cents)))
    sandbox.pay(sandbox.create(line_items=amount(500, "jpy")))
    sandbox.pay(sandbox.create(metadata={"campaign": "bells"}))
    sandbox.pay(sandbox.create(metadata=None, payment_intent_data=None))
    sandbox.pay(sandbox.create(**embedded()), "AT611904300234573201")
    sandbox.pay(sandbox.create(), "4000000000000002")
    sandbox.create()
    back = {"refunded": 0, "disputed": 0}
    roof = {"eur": {"sum": 3200, "count": 2} | back, "jpy": {"sum": 500, "count": 1} | back}
    one = {"eur": {"sum": 2500, "count": 1} | back}
    assert sandbox.http.get("/sandbox/totals?campaign=roof").json() == {"campaign": "roof", "totals": roof}
    assert sandbox.http.get("/sandbox/totals?campaign=moon").json() == {"campaign": "moon", "totals": {}}
    assert sandbox.http.get("/sandbox/totals").json() == {"campaigns": {"roof": roof, "bells": one, "": one}}
    sandbox.operate("settle")
    assert sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"]["eur"] == {"sum": 5700, "count": 3} | back


def test_seeded_payments_have_no_events(sandbox: Sandbox) -> None:
    assert sandbox.operate("seed", payments=250, campaign="roof", amount=700) == {"payments": 250}
    totals = sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"]["eur"]
    assert (totals["sum"], totals["count"]) == (250 * 700, 250)
    assert sandbox.event_types() == []
    listed = sandbox.call("GET", "/v1/checkout/sessions?limit=100").json()
    made = [session["created"] for session in listed["data"]]
    assert made == list(range(int(NOON) - 1, int(NOON) - 101, -1))
    assert listed["has_more"]
