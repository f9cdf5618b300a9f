"""Test gifts by methods that redirect, and gifts that cover the fee, through the service and the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.installation import Installation, eventually, running


@pytest.fixture
def roof(redis_url: str, tmp_path: Path) -> Iterator[Installation]:
    campaigns = tmp_path / "campaigns"
    campaigns.mkdir()
    text = Path("tests/support/roof.toml").read_text("utf-8")
    text = text.replace("[giving]", '[giving]\nfee = { percent = "1.5", fixed = "0.25" }')
    (campaigns / "roof.toml").write_text('redirect_methods = ["ideal"]\n' + text, "utf-8")
    with running(redis_url, tmp_path / "sandbox", campaigns=campaigns) as installation:
        installation.until_ready()
        yield installation


def latest_session(installation: Installation) -> dict[str, Any]:
    query = {"limit": 1, "expand[]": "data.line_items"}
    page = httpx.get(f"{installation.sandbox}/v1/checkout/sessions", params=query, auth=("sk_test_x", "")).json()
    return dict(page["data"][0])


def raised(installation: Installation) -> int:
    totals = installation.totals("roof")
    return totals.raised if totals else 0


def test_authorised_gift_by_redirect_is_counted(roof: Installation) -> None:
    returned = roof.give_at_bank("ideal", "approve")
    assert returned.status_code == 303
    assert "Your gift of €25 has arrived" in roof.client.get(returned.headers["location"]).text
    assert latest_session(roof)["payment_method_types"] == ["card", "ideal"]
    assert raised(roof) == 25_00


def test_refused_gift_by_redirect_is_not_counted(roof: Installation) -> None:
    returned = roof.give_at_bank("ideal", "decline")
    assert returned.headers["location"].startswith("/pay/cs_test_")
    assert latest_session(roof)["status"] == "open"
    assert raised(roof) == 0
    eventually(lambda: _pending(roof) == 0, "all webhooks are delivered")
    status = roof.client.get("/readyz").json()["attack_mode"]
    assert status["level"] == 0


def _pending(installation: Installation) -> int:
    return int(httpx.get(f"{installation.sandbox}/sandbox/deliveries").json()["pending"])


def test_method_that_is_not_listed_cannot_be_chosen(roof: Installation) -> None:
    page = roof.submit(token=roof.token("roof"), amount="50").headers["location"]
    refused = httpx.post(page, data={"method": "paypal", "email": "ada@example.org"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


def test_embedded_page_offers_no_redirect(roof: Installation) -> None:
    roof.order("25", token=roof.token("roof"))
    assert latest_session(roof)["payment_method_types"] == ["card", "sepa_debit"]


@pytest.mark.parametrize("ui_mode", ["embedded", "hosted"])
def test_covered_fee_is_charged_and_counted(roof: Installation, ui_mode: str) -> None:
    started = roof.order("25", token=roof.token("roof"), ui_mode=ui_mode, cover_fee=True).json()
    assert started["amount"] == 26_00
    session = latest_session(roof)
    lines = [(each["description"], each["amount_total"]) for each in session["line_items"]["data"]]
    assert lines == [("Donation", 25_00), ("For the card fee", 1_00)]
    assert (session["amount_total"], session["payment_method_types"]) == (26_00, ["card"])
    secret = started.get("client_secret")
    page = f"{roof.sandbox}/embed/{secret}" if secret else started["url"]
    assert "€1.00" in httpx.get(page).text
    roof.pay(page)
    state = roof.client.get(f"/v1/checkout-sessions/{started['session_token']}").json()
    assert "€26" in state["paragraphs"][0]
    assert raised(roof) == 26_00


def test_changed_tick_replaces_the_session(roof: Installation) -> None:
    token = roof.token("roof")
    first = roof.order("25", token=token).json()
    again = roof.order("25", token=token).json()
    assert first["client_secret"] == again["client_secret"]
    second = roof.order("25", token=token, cover_fee=True, replaces_session=first["session_token"]).json()
    states = [
        roof.client.get(f"/v1/checkout-sessions/{each['session_token']}").json()["status"] for each in (first, second)
    ]
    assert states == ["expired", "open"]


def test_form_without_script_covers_the_fee(roof: Installation) -> None:
    answer = roof.submit(token=roof.token("roof"), amount="10", cover_fee="on")
    assert answer.status_code == 303
    assert latest_session(roof)["amount_total"] == 11_00


def test_other_way_than_a_card_covers_no_fee(roof: Installation) -> None:
    answer = roof.submit(token=roof.token("roof"), amount="10", way="redirect", cover_fee="on")
    assert answer.status_code == 303
    session = latest_session(roof)
    assert (session["amount_total"], session["payment_method_types"]) == (10_00, ["card", "ideal"])


def test_largest_gift_can_cover_its_fee(roof: Installation) -> None:
    assert roof.order("300", token=roof.token("roof"), cover_fee=True).json()["amount"] == 305_00
    assert roof.order("301", token=roof.token("roof"), cover_fee=True).json()["code"] == "amount_above_maximum"


def test_fee_of_another_campaign_is_refused(installation: Installation) -> None:
    refused = installation.order("25", cover_fee=True)
    assert (refused.status_code, refused.json()["code"]) == (400, "request_malformed")
    assert installation.order("25", cover_fee="yes").json()["code"] == "request_malformed"
