"""Test that `stripe setup` creates what is missing, once."""

import re

import httpx
import pytest
from click.testing import CliRunner
from donation_card.adapters.stripe.provisioning import WEBHOOK_EVENTS
from donation_card.cli.main import cli
from donation_card.demo.launcher import environment

from tests.support.installation import eventually, running


@pytest.fixture
def installed(redis_url, tmp_path, sample_campaign):
    """Start an installation without a webhook endpoint at Stripe."""
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign, webhooks=False) as installation:
        installation.until_ready()
        yield installation


def setup(installation):
    done = CliRunner().invoke(cli, ["stripe", "setup"], env=variables(installation), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def variables(installation):
    return dict(line.split("=", 1) for line in environment(installation.settings).splitlines())


def there(installation, path):
    return httpx.get(f"{installation.sandbox}/v1/{path}", auth=("sk_test_x", "")).json()["data"]


def everything(installation):
    return [there(installation, path) for path in ("webhook_endpoints", "payment_links", "payment_method_domains")]


def test_setup_creates_endpoint_and_prints_secret_once(installed):
    first = setup(installed)
    [endpoint] = there(installed, "webhook_endpoints")
    assert endpoint["url"] == f"{installed.service}/v1/stripe/webhook"
    assert set(endpoint["enabled_events"]) == set(WEBHOOK_EVENTS)
    assert len(re.findall(r"STRIPE_WEBHOOK_SECRET=whsec_\w+", first)) == 1
    before = everything(installed)
    second = setup(installed)
    assert "whsec_" not in second
    assert "created" not in second
    assert "updated" not in second
    assert everything(installed) == before


def test_setup_repairs_manual_changes(installed):
    setup(installed)
    for path, changes in (
        ("webhook_endpoints", {"enabled_events[0]": "refund.created", "disabled": "true"}),
        ("payment_links", {"payment_intent_data[metadata][campaign]": "another"}),
    ):
        [one] = there(installed, path)
        httpx.post(f"{installed.sandbox}/v1/{path}/{one['id']}", data=changes, auth=("sk_test_x", ""))
    before = everything(installed)
    assert setup(installed).count("updated") == 2
    after = everything(installed)
    assert after != before
    [endpoint] = after[0]
    assert (endpoint["status"], set(endpoint["enabled_events"])) == ("enabled", set(WEBHOOK_EVENTS))
    assert after[1][0]["payment_intent_data"]["metadata"]["campaign"] == "roof"


def test_payment_link_donation_and_refund_are_counted(installed):
    link = re.search(r'fallback_url = "([^"]+)"', setup(installed))[1]
    onward = httpx.post(link, data={"amount": "40"})
    httpx.post(onward.headers["location"], data={"number": "4242 4242 4242 4242", "email": "ada@example.org"})
    [payment] = there(installed, "payment_intents")
    assert payment["metadata"] == {"campaign": "roof", "site": "fallback"}
    [session] = there(installed, "checkout/sessions")
    recorded = {"applied", "unchanged"}  # unchanged: the sync after the start found it first
    assert _deliver(installed, "checkout.session.completed", session)["outcome"] in recorded
    eventually(lambda: installed.totals("roof").raised == 40_00, "the donation is counted")
    refund = installed.operate("refunds", payment_intent=payment["id"], amount=15_00)
    assert _deliver(installed, "refund.created", refund.get("refund", refund))["outcome"] in recorded
    assert installed.totals("roof").raised == 25_00


def _deliver(installation, kind, thing):
    from tests.integration.web.test_stripe_webhook import post

    return post(installation, {"id": "evt_1", "type": kind, "livemode": False, "data": {"object": thing}}).json()


def test_setup_skips_hidden_campaigns_and_registers_sites(installed, sample_campaign):
    text = (sample_campaign / "roof.toml").read_text("utf-8")
    (sample_campaign / "roof.toml").write_text('sites = ["news.example.org"]\n' + text, "utf-8")
    (sample_campaign / "shed.toml").write_text(text.replace('status = "open"', 'status = "hidden"'), "utf-8")
    setup(installed)
    assert [link["metadata"]["campaign"] for link in there(installed, "payment_links")] == ["roof"]
    assert [domain["domain_name"] for domain in there(installed, "payment_method_domains")] == ["news.example.org"]


def test_setup_names_missing_permission_and_setting(installed):
    refused = CliRunner().invoke(cli, ["stripe", "setup"], env={"CAMPAIGNS_DIR": "campaigns", "STRIPE_SECRET_KEY": ""})
    assert {fault.field for fault in refused.exception.faults} == {"STRIPE_SECRET_KEY", "PUBLIC_URL"}
