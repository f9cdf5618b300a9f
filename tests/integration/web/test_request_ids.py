"""Test the request ids in responses and in the log."""

import json

import pytest
from donation_card.web.middleware.request_id import RequestIds

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support.installation import processes

HOT, ROUTED = "/v1/campaigns/vitaly/progress", "/c/nobody"


@pytest.mark.parametrize("path", [HOT, ROUTED, "/widget/v1/donation-card.js", "/healthz"])
def test_every_response_has_its_own_request_id(installation, path):
    seen = {installation.client.get(path).headers["x-request-id"] for _ in range(20)}
    assert len(seen) == 20


@pytest.mark.parametrize("path", [HOT, ROUTED])
def test_proxy_request_id_is_kept_if_plain(installation, path):
    def answered(given):
        return installation.client.get(path, headers={"x-request-id": given}).headers["x-request-id"]

    assert answered("edge-0123.abc_DEF") == "edge-0123.abc_DEF"
    for given in ("short", "x" * 65, "with space 123", 'quoted"12345', "<script>alert</script>"):
        assert answered(given) != given


@pytest.mark.parametrize(
    ("proxies", "client", "believed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.7", False),
        ("10.0.0.0/8, 2001:db8::/32", "10.1.2.3", True),
        ("10.0.0.0/8, 2001:db8::/32", "2001:db8::7", True),
        ("10.0.0.0/8", "not an address", False),
        ("*", "192.0.2.7", True),
    ],
)
def test_request_id_is_accepted_only_from_a_trusted_proxy(proxies, client, believed):
    scope = {"headers": [(b"x-request-id", b"given-by-proxy")], "client": (client, 1)}
    assert (RequestIds(proxies).for_request(scope) == b"given-by-proxy") is believed


def test_problem_and_log_have_the_same_request_id(redis_url, tmp_path, sample_campaign):
    with processes(redis_url, tmp_path, sample_campaign, workers=1) as (installation, _):
        event = session_event(installation, metadata={"campaign": "nobody"})
        answer = post(installation, event)
        problem = installation.client.get("/v1/campaigns/nobody")
    assert problem.json()["request_id"] == problem.headers["x-request-id"]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    told = [line.get("request_id") for line in lines if line["event"] == "campaign_unknown"]
    assert answer.headers["x-request-id"] in told
    assert all("request_id" not in line for line in lines if line["event"] in {"rebuild_finished", "sync_finished"})
