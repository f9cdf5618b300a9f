"""Test the service while Stripe does not answer."""

import time
from pathlib import Path

import httpx
import pytest
from donation_card.adapters.stripe import client as stripe_client
from stripe_sandbox import ApiFault

from tests.support import contract
from tests.support.installation import eventually, running

ANOTHER_WAY = "https://donate.stripe.com/roof"


@pytest.fixture(scope="module")
def alone(redis_url, tmp_path_factory):
    """Start an installation with its own sandbox, which will fail."""
    with running(redis_url, tmp_path_factory.mktemp("sandbox")) as installation:
        installation.until_ready()
        installation.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield installation


class Network:
    """Stand between the service and the sandbox. With `answer`, a status and a body, respond in its place."""

    def __init__(self):
        self.answer, self.keys = None, []

    def __call__(self, stripe):
        async def app(scope, receive, send):
            if self.answer is None or scope["type"] != "http" or not scope["path"].startswith("/v1/"):
                await stripe(scope, receive, send)
                return
            if scope["method"] == "POST":  # the service's own passes read
                self.keys.append(dict(scope["headers"]).get(b"idempotency-key"))
            status, body = self.answer
            length = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": length})
            await send({"type": "http.response.body", "body": body})

        return app


@pytest.fixture(scope="module")
def network():
    return Network()


@pytest.fixture(scope="module")
def linked(redis_url, tmp_path_factory, network):
    """Start an installation whose campaign has a fallback URL."""
    campaigns = tmp_path_factory.mktemp("campaigns")
    text = Path("tests/support/roof.toml").read_text("utf-8")
    (campaigns / "roof.toml").write_text(f'fallback_url = "{ANOTHER_WAY}"\n{text}', "utf-8")
    folder = tmp_path_factory.mktemp("sandbox")
    with running(redis_url, folder, campaigns=campaigns, between=network) as installation:
        installation.until_ready()
        installation.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield installation


@pytest.fixture
def broken(linked, network):
    """Gives a way to break what the service hears of Stripe until the test ends."""

    def answering(status, body):
        network.answer, network.keys = (status, body), []

    yield answering
    network.answer = None
    clear(linked)


UNREADABLE = [
    (200, b"<html>Please log in to this network</html>"),
    (200, b'{"id": "cs_test_1", "object": "checkout.sess'),
    (200, b"{}"),
    (200, b"[]"),
    (200, b"null"),
    (200, b"\xff\xfe"),
    (200, b""),
    (502, b'{"error": "bad gateway"}'),
    (404, b"<html>"),
]


@pytest.mark.parametrize(("status", "body"), UNREADABLE)
def test_malformed_stripe_response_is_an_outage(linked, broken, status, body):
    token = linked.token("roof")
    broken(status, body)
    refused = linked.order("20", token=token)
    assert (refused.status_code, refused.json()["code"]) == (503, "payments_unavailable")
    assert refused.json()["fallback_url"] == ANOTHER_WAY


def test_retry_uses_the_same_idempotency_key(linked, network, broken):
    token = linked.token("roof")
    broken(503, b"{}")
    linked.order("20", token=token)
    assert len(network.keys) > 1
    assert len(set(network.keys)) == 1


def test_hung_stripe_ends_at_the_deadline(linked, broken, monkeypatch):
    token, hang = linked.token("roof"), 50
    monkeypatch.setattr(stripe_client, "CALL_TIMEOUT", 2.0)
    fail(linked, "hang", hang)
    began = time.monotonic()
    refused = linked.order("20", token=token)
    assert time.monotonic() - began < hang / 2
    assert (refused.status_code, refused.json()["fallback_url"]) == (503, ANOTHER_WAY)


def test_outage_page_links_to_fallback_and_form(linked, broken):
    token = linked.token("roof")
    broken(503, b"")
    page = linked.submit(token=token, amount="custom", custom_amount="20", lang="en")
    assert page.status_code == 503
    assert f'href="{ANOTHER_WAY}"' in page.text
    assert 'href="/c/roof/give?lang=en"' in page.text


def test_outage_page_without_fallback_links_to_form(alone):
    token = alone.token()
    fail(alone, "429", 50)
    page = alone.submit(token=token, amount="25")
    clear(alone)
    assert page.status_code == 503
    assert 'href="/c/vitaly/give?lang=en"' in page.text


def test_possible_payer_gets_no_fallback_link(linked, broken):
    session_token = linked.order("20", token=linked.token("roof")).json()["session_token"]
    broken(503, b"")
    problem = linked.client.get(f"/v1/checkout-sessions/{session_token}").json()
    assert problem["code"] == "payment_status_unknown"
    assert "fallback_url" not in problem


def test_revoked_key_is_reported_and_donors_get_fallback(linked, broken):
    token = linked.token("roof")
    broken(401, b'{"error": {"type": "invalid_request_error", "message": "Expired API Key provided: sk_test_***"}}')
    refused = linked.order("20", token=token)
    parts = linked.client.get("/readyz").json()["components"]
    figure = linked.client.get("/v1/campaigns/roof/progress")
    assert (refused.status_code, refused.json()["fallback_url"]) == (503, ANOTHER_WAY)
    assert "AuthenticationError" in parts["payments"]["reason"]
    assert figure.status_code == 200


def test_readyz_and_log_name_the_missing_right_and_its_row(linked):
    key = linked.settings.stripe_secret_key
    linked.operate("rights", key=key, lacks=["rak_checkout_session_write"])
    try:
        assert linked.order("20", token=linked.token("roof")).status_code == 503
        reason = linked.client.get("/readyz").json()["components"]["payments"]["reason"]
    finally:
        linked.operate("rights", key=key, lacks=[])
    assert "right='rak_checkout_session_write' dashboard='Checkout Sessions: write'" in reason
    assert "acct_" not in reason
    assert linked.order("20", token=linked.token("roof")).status_code == 201
    linked.until_ready()


def test_service_is_ready_when_key_works_again(linked, network, broken):
    broken(401, b'{"error": {"message": "no"}}')
    linked.order("20", token=linked.token("roof"))
    assert linked.client.get("/readyz").status_code == 503
    network.answer = None
    assert linked.order("20", token=linked.token("roof")).status_code == 201
    linked.until_ready()


def test_start_with_rejected_key_shows_total_and_reason(redis_url, tmp_path, sample_campaign):
    network = Network()
    with running(redis_url, tmp_path, campaigns=sample_campaign) as installation:
        installation.until_ready()
    network.answer = 401, b'{"error": {"message": "Invalid API Key provided: sk_test_***"}}'
    with running(redis_url, tmp_path, campaigns=sample_campaign, between=network) as installation:
        eventually(
            lambda: installation.client.get("/v1/campaigns/roof/progress").status_code == 200, "the total is there"
        )
        eventually(lambda: "AuthenticationError" in installation.client.get("/readyz").text, "the reason is told")
        assert installation.order("20", token=installation.token("roof")).status_code == 503


def fail(installation, kind, times, executed=False):
    installation.operate("faults", api={"kind": kind, "remaining": times, "executed": executed})


def clear(installation):
    httpx.delete(f"{installation.sandbox}/sandbox/faults").raise_for_status()


@pytest.mark.parametrize("kind", ["500", "429", "reset"])
def test_second_submit_works_after_stripe_failure(alone, kind):
    token = alone.token()
    fail(alone, kind, 50)
    refused = alone.order("25", token=token)
    assert (refused.status_code, refused.json()["code"]) == (503, "payments_unavailable")
    assert "No money was taken" in refused.json()["detail"]
    assert alone.client.get("/v1/campaigns/vitaly/progress").status_code == 200
    clear(alone)
    assert alone.order("25", token=token).status_code == 201


def test_lost_stripe_response_creates_one_session(alone):
    before = sessions(alone)
    fail(alone, "reset", 1, executed=True)
    assert alone.order("25").status_code == 201
    assert sessions(alone) == before + 1


def test_stored_stripe_failure_is_retried_with_another_key(alone):
    fail(alone, "500", 1)
    assert alone.order("25").status_code == 201


def test_paid_donor_never_reads_that_nothing_was_taken(alone):
    started = alone.submit(token=alone.token(), amount="25")
    back = alone.pay(started.headers["location"]).headers["location"]
    inline = alone.order("25").json()
    path = f"/v1/checkout-sessions/{inline['session_token']}"
    fail(alone, "500", 50)
    page = alone.client.get(back, headers={"accept": "text/html"})
    answer = alone.client.get(path)
    clear(alone)
    assert (page.status_code, answer.status_code) == (503, 503)
    assert answer.json()["code"] == "payment_status_unknown"
    for text in (page.text, answer.json()["detail"]):
        assert "went to Stripe" in text
        assert "taken" not in text
    eventually(lambda: alone.client.get(path).status_code == 200, "it is read again")
    assert "has arrived" in alone.client.get(back).text


def test_start_during_stripe_outage_shows_total_and_reason(redis_url, tmp_path):
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        installation.give("25")
        eventually(lambda: installation.progress()["raised"] == 2500, "the gift is counted")
    away = {"api_fault": ApiFault("500", remaining=10_000)}
    with running(redis_url, tmp_path, sandbox_options=away) as installation:
        eventually(
            lambda: installation.client.get("/v1/campaigns/vitaly/progress").status_code == 200, "the total is there"
        )
        progress = installation.progress()
        assert (progress["raised"], progress["stale"]) == (2500, True), "no sync began after the start"
        parts = installation.client.get("/readyz").json()["components"]
        assert [name for name, part in parts.items() if not part["ready"]] == ["figures", "reconcile"]
        clear(installation)
        installation.until_ready()


def sessions(installation):
    found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions", params={"limit": 100}, auth=("sk_test_x", ""))
    return len(found.json()["data"])
