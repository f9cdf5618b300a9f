"""Test the health and readiness routes."""

import httpx
import pytest
from donation_card import __version__
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support.installation import METRICS_TOKEN, eventually, running

BEARER = {"authorization": f"Bearer {METRICS_TOKEN}"}


def test_healthz_names_the_release(installation):
    assert installation.client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_only_the_operator_reads_the_age_of_the_sync(installation):
    post(installation, session_event(installation))
    public = installation.client.get("/readyz").json()["components"]
    assert public.keys() == {"campaigns", "totals", "figures", "reconcile", "payments"}
    assert all(part == {"ready": True} for part in public.values())
    parts = installation.client.get("/readyz", headers=BEARER).json()["components"]
    assert {name for name, part in parts.items() if "age_seconds" in part} == {"reconcile"}, "no age of a webhook"
    assert 0 <= parts["reconcile"]["age_seconds"] < 1_800


def test_readyz_sends_no_request_to_stripe(redis_url, tmp_path, sample_campaign):
    asked = []

    def watched(sandbox):
        async def app(scope, receive, send):
            asked.append(scope.get("path"))
            await sandbox(scope, receive, send)

        return app

    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign, between=watched) as installation:
        installation.until_ready()
        with httpx.Client(base_url=installation.service, timeout=60) as probe:
            before = len(asked)
            for _ in range(50):
                for path in ("/readyz", "/healthz", "/metrics"):
                    probe.get(path, headers=BEARER)
        assert len(asked) - before < 50, "at most a pass went on meanwhile"


@pytest.mark.parametrize(
    ("refuse", "accept", "reason"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "OutOfMemoryError"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "not_a_primary"),
    ],
    ids=["full", "replica"],
)
def test_redis_that_refuses_writes_is_not_ready(tmp_path, sample_campaign, refuse, accept, reason):
    with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        running(valkey.url, tmp_path / "sandbox", campaigns=sample_campaign) as installation,
        Redis.from_url(valkey.url) as redis,
    ):
        installation.until_ready()
        redis.execute_command(*refuse)
        eventually(lambda: installation.client.get("/readyz").status_code == 503, "it is noticed")
        assert reason in installation.client.get("/readyz").json()["components"]["totals"]["reason"]
        assert post(installation, session_event(installation)).status_code == 503
        redis.execute_command(*accept)
        installation.until_ready()
