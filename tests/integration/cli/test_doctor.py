"""`donation-card doctor` finds each fault and says how to repair it."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from donation_card.adapters.stripe.provisioning import AccountInfo
from donation_card.cli.doctor import account_checks
from donation_card.cli.main import cli
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.integration.cli.test_stripe_setup import setup, there, variables
from tests.support.installation import listening, running
from tests.support.proxy import proxied


def examine(installation, **changes):
    """Run doctor; return its exit status, the text below "To do", and all output."""
    done = CliRunner().invoke(cli, ["doctor"], env=variables(installation) | changes, catch_exceptions=False)
    _, _, todo = done.output.partition("To do, in this order:\n")
    return done.exit_code, todo.partition("To check by hand")[0], done.output


class Stripe:
    """A Stripe that rejects some requests, as it does for a restricted key."""

    def __init__(self):
        self.forbidden = set()

    def between(self, sandbox):
        async def app(scope, receive, send):
            where = scope["type"] == "http" and (scope["method"], scope["path"])
            if where in self.forbidden:
                body = json.dumps({"error": {"type": "invalid_request_error", "message": "no permission"}}).encode()
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send({"type": "http.response.body", "body": body})
                return

            await sandbox(scope, receive, send)

        return app


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Run an installation behind the shipped proxy, with a Redis of its own, after `stripe setup`."""
    here = tmp_path_factory.mktemp("patient")
    campaigns = here / "campaigns"
    campaigns.mkdir()
    text = Path("tests/support/roof.toml").read_text("utf-8").replace("ROOFERS AID", "SANDBOX")
    (campaigns / "roof.toml").write_text(text.replace("_countries = []", '_countries = ["BY"]'), "utf-8")
    with listening() as probe:
        port = probe.getsockname()[1]
    stripe, public = Stripe(), {"public_url": f"https://localhost:{port}"}
    with (
        EmbeddedValkey(here / "valkey") as valkey,
        running(
            valkey.url,
            here / "sandbox",
            campaigns=campaigns,
            settings_options=public,
            between=stripe.between,
        ) as installation,
        proxied(here / "nginx", installation.service, port) as proxy,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("SSL_CERT_FILE", str(proxy.folder / "fullchain.pem"))
        installation.until_ready()
        setup(installation)
        yield installation, stripe, valkey


def test_healthy_installation_leaves_only_manual_checks(patient):
    installation, _, _ = patient
    code, todo, printed = examine(installation)
    assert (code, todo) == (0, ""), printed
    assert "FAIL" not in printed
    assert ":card_country: = 'BY'" in printed
    assert "receipts" in printed


def test_doctor_reports_an_expiring_certificate(patient, tmp_path):
    installation, _, _ = patient
    with listening() as probe:
        port = probe.getsockname()[1]
    with proxied(tmp_path, installation.service, port, days=9) as proxy:
        _, todo, _ = examine(installation, PUBLIC_URL=proxy.url, SSL_CERT_FILE=str(proxy.folder / "fullchain.pem"))
    assert "certificate: it expires in 9 days" in todo


def test_doctor_names_each_missing_key_permission(patient):
    installation, stripe, _ = patient
    stripe.forbidden = {("GET", "/v1/events"), ("POST", "/v1/checkout/sessions"), ("GET", "/v1/webhook_endpoints")}
    try:
        _, todo, printed = examine(installation)
    finally:
        stripe.forbidden = set()
    assert "“Events: read”" in todo
    assert "“Checkout Sessions: write”" in todo
    assert "Disputes" not in todo
    assert "this key may not read them" in printed


def test_doctor_reports_clock_skew_and_unready_account():
    now = datetime.now(UTC)
    assert [each.level for each in account_checks(AccountInfo("acct_1", now, True, None), [])] == ["ok"]
    late = account_checks(AccountInfo("acct_1", now + timedelta(hours=1), False, None), [])
    assert [each.name for each in late if each.level == "FAIL"] == ["clock", "account"]


@contextlib.contextmanager
def endpoint(installation, **changes):
    [found] = there(installation, "webhook_endpoints")
    url = f"{installation.sandbox}/v1/webhook_endpoints/{found['id']}"
    httpx.post(url, data=changes, auth=("sk_test_x", ""))
    try:
        yield
    finally:
        setup(installation)


def test_doctor_reports_missing_webhook_events(patient):
    installation, _, _ = patient
    with endpoint(installation, **{"enabled_events[0]": "refund.created", "enabled_events[1]": "customer.created"}):
        _, todo, _ = examine(installation)
    assert "donation-card stripe setup; charge.dispute.closed" in todo
    assert "customer.created (not needed)" in todo
    assert "webhook endpoint" not in examine(installation)[1]


def test_doctor_reports_redis_slowlog_and_eviction(patient):
    installation, _, valkey = patient
    with Redis.from_url(valkey.url) as redis:
        redis.config_set("appendonly", "yes")
        assert "appendonly no" in examine(installation)[1]
        redis.config_set("appendonly", "no")
        redis.config_set("maxmemory", 10**9)
        redis.config_set("maxmemory-policy", "allkeys-lru")
        assert "keys_may_be_evicted" in examine(installation)[1]
        redis.config_set("maxmemory-policy", "noeviction")
    assert "Redis" not in examine(installation)[1]


def test_doctor_reports_wrong_secret_and_unreachable_url(patient):
    installation, _, _ = patient
    assert "STRIPE_WEBHOOK_SECRET" in examine(installation, STRIPE_WEBHOOK_SECRET="whsec_0123456789abcdefffff")[1]
    assert "the service does not answer at" in examine(installation, PUBLIC_URL="https://localhost:1")[1]


def test_doctor_reports_a_wrong_setting_first(patient):
    installation, _, _ = patient
    code, todo, _ = examine(installation, SECRET_KEYS="short")
    assert (code, todo.count("SECRET_KEYS") > 0) == (1, True)
    assert "whsec" not in todo
