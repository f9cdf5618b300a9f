"""Each part says what it can do and since when; no probe asks Stripe; a webhook's instant is the operator's."""

import httpx
from donation_card import __version__

from tests.stack import METRICS_TOKEN, running
from tests.web.test_webhook import post, session_event

BEARER = {"authorization": f"Bearer {METRICS_TOKEN}"}


def test_health_names_the_release(stack):
    assert stack.client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_only_the_operator_learns_when_the_last_webhook_came_and_the_last_pass_began(stack):
    """Passes come every ten minutes while gifts do, and else every hour: their rhythm tells."""
    post(stack, session_event(stack))
    public = stack.client.get("/readyz").json()["components"]
    assert public.keys() == {"campaigns", "ledger", "figures", "reconcile", "payments"}
    assert all(part == {"ready": True} for part in public.values())
    parts = stack.client.get("/readyz", headers=BEARER).json()["components"]
    assert parts["webhook"]["ready"] is True
    assert 0 <= parts["webhook"]["age_seconds"] < 60
    assert 0 <= parts["reconcile"]["age_seconds"] < 600


def test_a_probe_asks_stripe_nothing(redis_url, tmp_path, roof):
    asked = []

    def watched(sandbox):
        async def app(scope, receive, send):
            asked.append(scope.get("path"))
            await sandbox(scope, receive, send)

        return app

    with running(redis_url, tmp_path / "sandbox", campaigns=roof, between=watched) as stack:
        stack.until_ready()
        with httpx.Client(base_url=stack.service, timeout=15) as probe:
            before = len(asked)
            for _ in range(50):
                for path in ("/readyz", "/healthz", "/metrics"):
                    probe.get(path, headers=BEARER)
        assert len(asked) - before < 50, "at most a pass went on meanwhile"
