"""Test what all API requests have in common: keys, addresses, bodies, headers."""

import base64

import httpx
import pytest
import stripe

from tests.support.sandbox import Sandbox, gift

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("key", ["sk_live_ada", "rk_live_ada", "pk_live_ada"])
def test_live_key_is_refused_and_not_repeated(shared: Sandbox, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError, match="live key") as refusal:
        shared.run(shared.client_with(key).v1.checkout.sessions.create_async(gift()))
    assert key not in str(refusal.value)


@pytest.mark.parametrize("key", ["hunter2", "sk_test_", "pk_test_ada", "sk_test_ada\u00e9"])
def test_other_keys_are_refused(shared: Sandbox, key: str) -> None:
    headers = {b"Authorization": f"Bearer {key}".encode("latin-1")}
    answer = httpx.get(f"{shared.url}/v1/account", headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic ?"}, {"Authorization": "Digest sk_test_ada"}])
def test_missing_key_is_refused(shared: Sandbox, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{shared.url}/v1/account", headers=headers)
    assert answer.status_code == 401
    assert "did not provide an API key" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["sk_test_ada", "rk_test_ada"])
def test_test_keys_work_as_bearer_and_basic(shared: Sandbox, key: str) -> None:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    for header in (f"Bearer {key}", f"bearer {key}", f"Basic {basic}"):
        assert httpx.get(f"{shared.url}/v1/account", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "coupons"), ("DELETE", "account"), ("POST", "payment_intents"), ("GET", "")]
)
def test_unknown_url_has_stripes_error(shared: Sandbox, method: str, path: str) -> None:
    answer = shared.call(method, f"/v1/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: /v1/{path})")


def test_response_has_request_id_and_version(shared: Sandbox) -> None:
    answers = [
        shared.call("GET", path, headers={"Stripe-Version": "2026-01-01.dahlia"})
        for path in ("/v1/account", "/v1/events")
    ]
    assert {answer.headers["stripe-version"] for answer in answers} == {"2026-01-01.dahlia"}
    assert len({answer.headers["request-id"] for answer in answers}) == 2
    assert shared.call("GET", "/v1/nothing").headers["stripe-version"] == stripe.api_version


def test_malformed_version_is_refused(shared: Sandbox) -> None:
    assert shared.call("GET", "/v1/account", headers={"Stripe-Version": "latest"}).status_code == 400


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 400),
        (b"mode=payment", {}, 400),
        (b"metadata[a]=" + b"x" * 300_000, FORM, 413),
        (b"metadata[a]=%FF", FORM, 400),
        (b"&".join(b"metadata[%d]=x" % n for n in range(3000)), FORM, 400),
        (b"", {}, 400),
        (b"line_items[99999999][quantity]=1", FORM, 400),
        (b"expires_at=999999999999999999999999", FORM, 400),
        (b"success_url=http://[&mode=payment&line_items[0][quantity]=1", FORM, 400),
    ],
)
def test_malformed_body_is_refused(shared: Sandbox, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = shared.call("POST", "/v1/checkout/sessions", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


def test_key_without_a_right_gets_403_in_stripes_words(sandbox: Sandbox) -> None:
    key = "rk_test_weak"
    sandbox.operate("rights", key=key, lacks=["rak_event_read", "rak_checkout_session_write"])
    answer = sandbox.call("GET", "/v1/events", key=key)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "invalid_request_error")
    message = answer.json()["error"]["message"]
    assert "does not have the required permissions for this endpoint on account 'acct_" in message
    assert message.endswith("Having the 'rak_event_read' permission would allow this request to continue.")
    assert key not in message
    assert sandbox.call("GET", "/v1/checkout/sessions", key=key).status_code == 200
    assert sandbox.call("GET", "/v1/events").status_code == 200


def test_right_is_checked_before_the_object_is_looked_up(sandbox: Sandbox) -> None:
    path, key = "/v1/checkout/sessions/cs_test_none/expire", "rk_test_weak"
    assert sandbox.call("POST", path, key=key).status_code == 404
    sandbox.operate("rights", key=key, lacks=["rak_checkout_session_write"])
    assert sandbox.call("POST", path, key=key).status_code == 403
    sandbox.operate("rights", key=key, lacks=[])
    assert sandbox.call("POST", path, key=key).status_code == 404


def test_unknown_right_is_refused(sandbox: Sandbox) -> None:
    assert sandbox.http.post("/sandbox/rights", json={"key": "rk_test_a", "lacks": ["rak_x"]}).status_code == 400
