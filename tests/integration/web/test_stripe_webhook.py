"""Test webhooks: 200 means applied or ignored; other events change nothing."""

import json
import socket
import time
import uuid
from urllib.parse import urlsplit

import pytest
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis
from stripe import WebhookSignature

from tests.support.installation import WEBHOOK_SECRET, eventually, running


def session_event(installation, *, amount=2500, intent=None, kind="checkout.session.completed", **changes):
    session = {
        "id": f"cs_test_{uuid.uuid4().hex}",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": amount,
        "currency": "eur",
        "metadata": {"campaign": "vitaly", "site": "other", "nonce": "n"},
        "payment_intent": intent or f"pi_{uuid.uuid4().hex}",
        "created": int(time.time()),
        "expires_at": int(time.time()) + 3600,
    } | changes
    return {"id": f"evt_{uuid.uuid4().hex}", "type": kind, "livemode": False, "data": {"object": session}}


def post(installation, event, *, secret=WEBHOOK_SECRET, at=None, body=None):
    text = body if body is not None else json.dumps(event)
    signature = WebhookSignature.generate_signature_header(text, secret, int(at or time.time()))
    return installation.client.post(
        "/v1/stripe/webhook", content=text.encode(), headers={"stripe-signature": signature}
    )


def outcome(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"]


def raised(installation):
    """Return the totals in Redis at this moment."""
    return installation.totals().raised


def test_paid_session_is_applied_once(installation):
    before = raised(installation)
    event = session_event(installation)
    again = session_event(
        installation, intent=event["data"]["object"]["payment_intent"], kind="checkout.session.async_payment_succeeded"
    )
    assert [outcome(post(installation, each)) for each in (event, event, again)] == [
        "applied",
        "unchanged",
        "unchanged",
    ]
    assert raised(installation) == before + 2500
    eventually(lambda: installation.progress()["raised"] == before + 2500, "the total has moved")


def test_completed_unpaid_session_counts_when_paid(installation):
    unpaid = session_event(installation, payment_status="unpaid")
    assert outcome(post(installation, unpaid)) == "unchanged"
    unpaid["data"]["object"]["payment_status"] = "paid"
    assert outcome(post(installation, unpaid)) == "applied"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "customer.created"}, "unhandled_type"),
        ({"livemode": True}, "other_mode"),
        ({"account": "acct_somebody"}, "other_account"),
        ({"context": "acct_somebody"}, "other_account"),
    ],
)
def test_foreign_event_is_ignored_with_200(installation, change, reason):
    answer = post(installation, session_event(installation) | change)
    assert answer.json()["reason"] == reason


def test_session_of_another_product_or_currency_is_ignored(installation):
    for currency, amount in (("eur", 2500), ("xdr", 10**14), ("", None)):
        other = post(
            installation, session_event(installation, metadata={"order": "42"}, currency=currency, amount=amount)
        )
        assert other.json()["reason"] == "other_product"
    for change in ({"status": None}, {"expires_at": None}, {"payment_status": "later", "amount_total": -1}):
        other = post(installation, session_event(installation, metadata={}, **change))
        assert (other.status_code, other.json()["reason"]) == (200, "other_product")
    before = raised(installation)
    for currency in ("usd", "xdr"):
        wrong = post(installation, session_event(installation, currency=currency))
        assert wrong.json()["reason"] == "wrong_currency"
    assert raised(installation) == before


def test_unknown_campaign_is_counted_and_not_shown(installation):
    event = session_event(installation, metadata={"campaign": "elsewhere", "site": "other"})
    assert outcome(post(installation, event)) == "applied"
    assert installation.client.get("/v1/campaigns/elsewhere/progress").status_code == 404


@pytest.mark.parametrize("amount", ["2500", 25.5, True, None, [], -0.1, 10**30])
def test_invalid_amount_is_refused_before_any_write(installation, amount):
    before = raised(installation)
    answer = post(installation, session_event(installation, amount=amount))
    assert answer.status_code in {200, 400}
    assert answer.json().get("outcome") != "applied"
    assert raised(installation) == before


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{}", '"x"', "{" * 30_000, "[" * 60_000, '{"type": "checkout.session.completed"}', "NaN"]
)
def test_signed_body_without_event_is_refused_or_ignored(installation, body):
    assert post(installation, None, body=body).status_code in {200, 400}


def test_non_utf8_body_is_refused(installation):
    answer = installation.client.post(
        "/v1/stripe/webhook", content=b"\xff\xfe", headers={"stripe-signature": "t=1,v1=0"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")


def test_wrong_old_or_missing_signature_is_refused(installation):
    event = session_event(installation)
    assert post(installation, event, secret="whsec_other").status_code == 400
    assert post(installation, event, at=time.time() - 400).status_code == 400
    assert post(installation, event, at=time.time() + 400).status_code == 400
    assert installation.client.post("/v1/stripe/webhook", json=event).status_code == 400


def test_body_over_512_kib_is_too_large(installation):
    assert post(installation, None, body="x" * 524_289).status_code == 413


def test_event_of_512_kib_with_dispute_evidence_is_applied(installation):
    before, event = raised(installation), session_event(installation)
    event["data"]["object"]["evidence"] = {"uncategorized_text": ""}
    missing = 524_288 - len(json.dumps(event))
    event["data"]["object"]["evidence"]["uncategorized_text"] = "x" * missing
    assert outcome(post(installation, event)) == "applied"
    assert raised(installation) == before + 2500


@pytest.mark.parametrize("signature", [None, "", "t=1,v1=" + "0" * 4_090])
def test_signature_header_is_checked_before_the_body_is_read(installation, signature):
    """The head promises a body that never comes."""
    parts = urlsplit(installation.service)
    field = "" if signature is None else f"stripe-signature: {signature}\r\n"
    head = f"POST /v1/stripe/webhook HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: 524288\r\n{field}\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 400")


def test_webhook_gets_503_and_donors_pay_while_redis_is_down(tmp_path):

    with EmbeddedValkey(tmp_path / "valkey") as valkey, running(valkey.url, tmp_path / "sandbox") as installation:
        installation.until_ready()
        shown = installation.progress()
        event = session_event(installation)
        valkey.__exit__(None, None, None)
        assert post(installation, event).status_code == 503
        assert installation.give("25").status_code == 303
        eventually(lambda: installation.progress()["stale"], "the total is marked stale")
        assert installation.progress()["raised"] == shown["raised"]
        assert installation.client.get("/readyz").status_code == 503
        assert installation.client.get("/healthz").status_code == 200
        with EmbeddedValkey(tmp_path / "valkey"):
            installation.until_ready()
            assert outcome(post(installation, event)) == "applied"

            eventually(lambda: installation.progress()["raised"] == 5000, "the gift made meanwhile is counted too")


def test_empty_redis_is_rebuilt_and_never_shown_as_zero(tmp_path):

    with EmbeddedValkey(tmp_path / "valkey") as valkey:
        with running(valkey.url, tmp_path / "sandbox") as installation:
            installation.until_ready()
            installation.give("25")
            eventually(lambda: installation.progress()["raised"] == 2500, "the gift is counted")
        with Redis.from_url(valkey.url) as redis:
            redis.flushall()
        with running(valkey.url, tmp_path / "sandbox") as installation:
            answers = [installation.client.get("/v1/campaigns/vitaly/progress") for _ in range(50)]
            assert {a.json()["raised"] for a in answers if a.status_code == 200} <= {2500}
            assert {a.json()["code"] for a in answers if a.status_code != 200} <= {"progress_unknown"}
            eventually(lambda: installation.progress()["raised"] == 2500, "the total is rebuilt")


def test_pages_work_while_the_total_is_unknown(tmp_path):

    with running(f"unix://{tmp_path}/no-server", tmp_path / "sandbox") as installation:
        unknown = installation.client.get("/v1/campaigns/vitaly/progress")
        assert (unknown.status_code, unknown.json()["code"]) == (503, "progress_unknown")
        assert installation.client.get("/v1/campaigns/vitaly").json()["code"] == "progress_unknown"
        for lang in ("en", "be"):
            page = installation.client.get("/c/vitaly", params={"lang": lang})
            assert page.status_code == 200
            assert "progressbar" not in page.text
            assert "/c/vitaly/give" in page.text
            assert installation.client.get("/c/vitaly/give", params={"lang": lang}).status_code == 200
        assert installation.give("25").status_code == 303
