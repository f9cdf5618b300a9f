"""Test the control page."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.sandbox import Sandbox


def paid(sandbox: Sandbox, number: str = "4242 4242 4242 4242") -> str:
    session = sandbox.create()
    sandbox.pay(session, number)
    return str(sandbox.session(session.id)["payment_intent"])


def submit(sandbox: Sandbox, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
    return sandbox.http.post("/sandbox", data=form, headers=headers or {})


def page(sandbox: Sandbox) -> str:
    answer = sandbox.http.get("/sandbox")
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    return answer.text


def sums(sandbox: Sandbox) -> dict[str, int]:
    return dict(sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"]["eur"])


def test_partial_refund_fails(sandbox: Sandbox) -> None:
    payment = paid(sandbox)
    assert submit(sandbox, action="create_refund", id=payment, amount="7,50", status="pending").status_code == 303
    assert sums(sandbox)["refunded"] == 750
    [refund] = re.findall(r"\bre_\w+", page(sandbox))
    submit(sandbox, action="update_refund", id=refund, status="failed")
    assert sums(sandbox)["refunded"] == 0
    assert "<b>failed</b>" in page(sandbox)


def test_dispute_is_lost_appealed_and_won(sandbox: Sandbox) -> None:
    submit(sandbox, action="create_dispute", id=paid(sandbox), status="needs_response")
    [dispute] = set(re.findall(r"du_\w+", page(sandbox)))
    for status, disputed in (("lost", 2500), ("appeal_under_review", 2500), ("won", 0)):
        assert f'value="{status}"' in page(sandbox)
        submit(sandbox, action="update_dispute", id=dispute, status=status)
        assert sums(sandbox)["disputed"] == disputed


def test_metadata_of_payment_and_session_is_edited(sandbox: Sandbox) -> None:
    payment = paid(sandbox)
    [session] = set(re.findall(r'value="(cs_test_\w+)"', page(sandbox)))
    assert submit(sandbox, action="edit_metadata", id=payment, key="campaign").status_code == 303
    assert "no campaign" in page(sandbox)
    submit(sandbox, action="edit_metadata", id=session, key="campaign", value="bells")
    assert sandbox.session(session)["metadata"]["campaign"] == "bells"


@pytest.mark.parametrize(("status", "count"), [("succeeded", 1), ("failed", 0)])
def test_debit_succeeds_or_fails(sandbox: Sandbox, status: str, count: int) -> None:
    payment = paid(sandbox, "AT611904300234573201")
    assert "Settle the debit" in page(sandbox)
    submit(sandbox, action="settle_debit", id=payment, status=status)
    assert sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"].get("eur", {"count": 0})["count"] == count


def test_webhook_faults_are_set_and_cleared(sandbox: Sandbox) -> None:
    submit(sandbox, action="set_faults", extra_copies="2", attempt_failure_rate="25", delay="1.5")
    faults = sandbox.http.get("/sandbox/faults").json()["webhooks"]
    assert (faults["extra_copies"], faults["attempt_failure_rate"], faults["delay"], faults["never_sent_rate"]) == (
        2,
        0.25,
        1.5,
        0,
    )
    assert 'name="attempt_failure_rate" inputmode="decimal" value="25"' in page(sandbox)
    submit(sandbox, action="clear_faults")
    assert sandbox.http.get("/sandbox/faults").json()["webhooks"]["attempt_failure_rate"] == 0


def test_clock_advances(sandbox: Sandbox) -> None:
    before = sandbox.http.get("/sandbox/clock").json()["now"]
    submit(sandbox, action="advance_clock", hours="2")
    assert sandbox.http.get("/sandbox/clock").json()["now"] == before + 7200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_cross_site_form_changes_nothing(sandbox: Sandbox, headers: dict[str, str]) -> None:
    payment = paid(sandbox)
    assert submit(sandbox, headers, action="create_refund", id=payment, status="succeeded").status_code == 403
    assert sums(sandbox)["refunded"] == 0


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"action": "explode"}, "Unknown action “explode”"),
        ({"action": "create_refund"}, "lacks"),
        ({"action": "create_refund", "id": "pi_nobody", "status": "succeeded"}, "pi_nobody"),
        ({"action": "advance_clock", "hours": "-1"}, "hours: given"),
        ({"action": "advance_clock", "hours": "nan"}, "hours: given"),
        ({"action": "set_faults", "never_sent_rate": "200"}, "never_sent_rate: given"),
        ({"action": "<b>"}, "&lt;b&gt;"),
    ],
)
def test_invalid_form_shows_an_error(shared: Sandbox, form: dict[str, str], said: str) -> None:
    answer = submit(shared, **form)
    assert answer.status_code in {400, 404}
    assert said in answer.text


@pytest.mark.parametrize("amount", ["lots", "0.001", "-1", "1e400"])
def test_invalid_amount_is_refused(sandbox: Sandbox, amount: str) -> None:
    assert (
        submit(sandbox, action="create_refund", id=paid(sandbox), amount=amount, status="succeeded").status_code == 400
    )
    assert sums(sandbox)["refunded"] == 0
