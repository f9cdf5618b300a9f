"""The operator's page moves money by hand, for nobody but who opened it."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.sandbox import Sandbox


def paid(sandbox: Sandbox, number: str = "4242 4242 4242 4242") -> str:
    session = sandbox.create()
    sandbox.pay(session, number)
    return str(sandbox.session(session.id)["payment_intent"])


def turn(sandbox: Sandbox, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
    return sandbox.http.post("/sandbox", data=form, headers=headers or {})


def page(sandbox: Sandbox) -> str:
    answer = sandbox.http.get("/sandbox")
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    return answer.text


def sums(sandbox: Sandbox) -> dict[str, int]:
    return dict(sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"]["eur"])


def test_a_payment_is_refunded_in_part_and_the_refund_fails(sandbox: Sandbox) -> None:
    payment = paid(sandbox)
    assert turn(sandbox, verb="refund", id=payment, amount="7,50", status="pending").status_code == 303
    assert sums(sandbox)["refunded"] == 750
    [refund] = re.findall(r"re_\w+", page(sandbox))
    turn(sandbox, verb="move_refund", id=refund, status="failed")
    assert sums(sandbox)["refunded"] == 0
    assert "<b>failed</b>" in page(sandbox)


def test_a_payment_is_disputed_lost_appealed_and_won(sandbox: Sandbox) -> None:
    turn(sandbox, verb="dispute", id=paid(sandbox), status="needs_response")
    [dispute] = set(re.findall(r"du_\w+", page(sandbox)))
    for status, disputed in (("lost", 2500), ("appeal_under_review", 2500), ("won", 0)):
        assert f'value="{status}"' in page(sandbox)
        turn(sandbox, verb="move_dispute", id=dispute, status=status)
        assert sums(sandbox)["disputed"] == disputed


@pytest.mark.parametrize(("status", "count"), [("succeeded", 1), ("failed", 0)])
def test_a_debit_succeeds_or_fails(sandbox: Sandbox, status: str, count: int) -> None:
    payment = paid(sandbox, "AT611904300234573201")
    assert "The debit succeeds" in page(sandbox)
    turn(sandbox, verb="settle", id=payment, status=status)
    assert sandbox.http.get("/sandbox/totals?campaign=roof").json()["totals"].get("eur", {"count": 0})["count"] == count


def test_webhooks_go_astray_and_are_well_again(sandbox: Sandbox) -> None:
    turn(sandbox, verb="faults", duplicate="2", drop="25", delay="1.5")
    faults = sandbox.http.get("/sandbox/faults").json()["webhooks"]
    assert (faults["duplicate"], faults["drop"], faults["delay"], faults["lose"]) == (2, 0.25, 1.5, 0)
    assert 'name="drop" inputmode="decimal" value="25"' in page(sandbox)
    turn(sandbox, verb="clear")
    assert sandbox.http.get("/sandbox/faults").json()["webhooks"]["drop"] == 0


def test_time_goes_forward(sandbox: Sandbox) -> None:
    before = sandbox.http.get("/sandbox/clock").json()["now"]
    turn(sandbox, verb="advance", hours="2")
    assert sandbox.http.get("/sandbox/clock").json()["now"] == before + 7200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_sites_form_turns_nothing(sandbox: Sandbox, headers: dict[str, str]) -> None:
    payment = paid(sandbox)
    assert turn(sandbox, headers, verb="refund", id=payment, status="succeeded").status_code == 403
    assert sums(sandbox)["refunded"] == 0


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"verb": "explode"}, "no switch “explode”"),
        ({"verb": "refund"}, "lacks"),
        ({"verb": "refund", "id": "pi_nobody", "status": "succeeded"}, "pi_nobody"),
        ({"verb": "advance", "hours": "-1"}, "hours: given"),
        ({"verb": "advance", "hours": "nan"}, "hours: given"),
        ({"verb": "faults", "drop": "200"}, "drop: given"),
        ({"verb": "<b>"}, "&lt;b&gt;"),
    ],
)
def test_a_wrong_wish_is_told_and_changes_nothing(shared: Sandbox, form: dict[str, str], said: str) -> None:
    answer = turn(shared, **form)
    assert answer.status_code in {400, 404}
    assert said in answer.text


@pytest.mark.parametrize("amount", ["lots", "0.001", "-1", "1e400"])
def test_an_amount_that_is_none_is_told(sandbox: Sandbox, amount: str) -> None:
    assert turn(sandbox, verb="refund", id=paid(sandbox), amount=amount, status="succeeded").status_code == 400
    assert sums(sandbox)["refunded"] == 0
