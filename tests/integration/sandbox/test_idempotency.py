"""Test idempotency keys against https://docs.stripe.com/api/idempotent_requests."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import httpx
import pytest
import stripe

from tests.support.sandbox import Sandbox, gift, until

SESSIONS = "/v1/checkout/sessions"
BODY = {
    "mode": "payment",
    "success_url": "https://card.example",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "2500",
    "line_items[0][price_data][product_data][name]": "Roof",
    "line_items[0][quantity]": "1",
}


def post(sandbox: Sandbox, key: str, path: str = SESSIONS, **changes: str) -> httpx.Response:
    return sandbox.call("POST", path, data=BODY | changes, headers={"Idempotency-Key": key})


def count(sandbox: Sandbox) -> int:
    return len(sandbox.call("GET", f"{SESSIONS}?limit=100").json()["data"])


def test_repeated_request_creates_one_session(sandbox: Sandbox) -> None:
    first, second = post(sandbox, "press"), post(sandbox, "press")
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"] != second.headers["request-id"]
    assert count(sandbox) == 1


def test_stored_response_is_the_first_one(sandbox: Sandbox) -> None:
    session = stripe.checkout.Session.construct_from(post(sandbox, "press").json(), None)
    sandbox.pay(session)
    assert post(sandbox, "press").json()["status"] == "open"
    assert sandbox.session(session.id)["status"] == "complete"


def test_parameter_order_does_not_matter(sandbox: Sandbox) -> None:
    post(sandbox, "press")
    backwards = dict(reversed(BODY.items()))
    assert sandbox.call("POST", SESSIONS, data=backwards, headers={"Idempotency-Key": "press"}).status_code == 200
    assert count(sandbox) == 1


def test_key_belongs_to_parameters_and_endpoint(sandbox: Sandbox) -> None:
    id = post(sandbox, "press").json()["id"]
    for answer, word in (
        (post(sandbox, "press", mode="setup"), "parameters"),
        (post(sandbox, "press", f"{SESSIONS}/{id}/expire"), "endpoint"),
    ):
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
        assert f"the same {word}" in answer.json()["error"]["message"]


def test_client_raises_idempotency_error_for_reused_key(sandbox: Sandbox) -> None:
    create = sandbox.client.v1.checkout.sessions.create_async
    sandbox.run(create(gift(), {"idempotency_key": "press"}))
    with pytest.raises(stripe.IdempotencyError):
        sandbox.run(create(gift(locale="de"), {"idempotency_key": "press"}))


def test_refusal_is_not_stored(sandbox: Sandbox) -> None:
    assert post(sandbox, "press", mode="gift").status_code == 400
    assert post(sandbox, "press").status_code == 200


def test_429_is_not_stored_and_500_is(sandbox: Sandbox) -> None:
    for kind, afterwards in (("429", 200), ("500", 500)):
        sandbox.operate("faults", api={"kind": kind})
        assert post(sandbox, kind).status_code == int(kind)
        assert post(sandbox, kind).status_code == afterwards
    assert post(sandbox, "another").status_code == 200


def test_key_expires_after_a_day(sandbox: Sandbox) -> None:
    first = post(sandbox, "press").json()["id"]
    sandbox.advance(24 * 3600 - 1)
    assert post(sandbox, "press").json()["id"] == first
    sandbox.advance(1)
    assert post(sandbox, "press").json()["id"] != first


def test_key_has_at_most_255_characters(sandbox: Sandbox) -> None:
    assert post(sandbox, "k" * 255).status_code == 200
    assert post(sandbox, "k" * 256).status_code == 400


def test_concurrent_requests_create_one_session(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(sandbox, "press"), range(24)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert count(sandbox) == 1


def test_key_in_use_is_409(sandbox: Sandbox) -> None:
    sandbox.operate("faults", api={"kind": "hang"})
    body = urlencode(BODY).encode()
    head = (
        f"POST {SESSIONS} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer sk_test_ada\r\nIdempotency-Key: press\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as hanging:
        hanging.sendall(head.encode() + body)
        until(lambda: sandbox.http.get("/sandbox/faults").json()["api"] is None)
        answer = post(sandbox, "press")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    until(lambda: post(sandbox, "press").status_code == 200)
    assert count(sandbox) == 1
