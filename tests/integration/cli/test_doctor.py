"""`donation-card doctor` finds each fault and says how to repair it."""

import contextlib
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.stripe.provisioning import AccountInfo
from donation_card.cli.doctor import FAIL, INFO, MANUAL, OK, _fallback_page_checks, account_checks, signed_event
from donation_card.cli.main import cli
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.campaign import Status
from donation_card.settings import Settings
from redis import Redis

from tests.integration.cli.test_stripe_setup import setup, there, variables
from tests.support.installation import free_port, running
from tests.support.proxy import proxied


def examine(installation, **changes):
    """Run doctor; return its exit status, the text below "To do", and all output."""
    done = CliRunner().invoke(cli, ["doctor"], env=variables(installation) | changes, catch_exceptions=False)
    _, _, todo = done.output.partition("To do, in this order:\n")
    return done.exit_code, todo.partition("To check by hand")[0], done.output


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Run an installation behind the shipped proxy, with a Redis of its own, after `stripe setup`."""
    here = tmp_path_factory.mktemp("patient")
    campaigns = here / "campaigns"
    campaigns.mkdir()
    text = Path("tests/support/roof.toml").read_text("utf-8").replace("ROOFERS AID", "SANDBOX")
    text = text.replace("_countries = []", '_countries = ["BY"]\nredirect_methods = ["ideal"]')
    (campaigns / "roof.toml").write_text(text, "utf-8")
    port = free_port()
    public = {"public_url": f"https://localhost:{port}"}
    with (
        EmbeddedValkey(here / "valkey") as valkey,
        running(
            valkey.url,
            here / "sandbox",
            campaigns=campaigns,
            settings_options=public,
        ) as installation,
        proxied(here / "nginx", installation.service, port) as proxy,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("SSL_CERT_FILE", str(proxy.folder / "fullchain.pem"))
        installation.until_ready()
        setup(installation)
        yield installation, valkey


def test_healthy_installation_leaves_only_manual_checks(patient):
    installation, _ = patient
    code, todo, printed = examine(installation)
    assert (code, todo) == (0, ""), printed
    assert "FAIL" not in printed
    assert ":card_country: = 'BY'" in printed
    assert "receipts" in printed


def test_doctor_lists_radar_rules_as_manual_and_names_the_plan(patient):
    installation, _ = patient
    by_hand = examine(installation)[2].partition("To check by hand")[2]
    assert "Only a Radar plan that supports rules has them" in by_hand


def test_doctor_reports_that_the_service_sees_no_public_address(patient):
    installation, _ = patient
    assert "FORWARDED_ALLOW_IPS must name the proxy" in examine(installation)[2].partition("To check by hand")[2]


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [("203.0.113.9", "unknown"), ("8.8.8.8", "known"), ("2001:4860:4860::8888", "known"), ("garbage", "unknown")],
)
def test_signed_test_event_tells_if_the_network_is_known(patient, forwarded, network):
    installation, _ = patient
    body, headers = signed_event(installation.settings)
    url = f"{installation.service}/v1/stripe/webhook"
    answer = httpx.post(url, content=body, headers=headers | {"x-forwarded-for": forwarded})
    assert answer.json() == {"outcome": "ignored", "reason": "unhandled_type", "client_network": network}


def test_doctor_reports_an_expiring_certificate(patient, tmp_path):
    installation, _ = patient
    port = free_port()
    with proxied(tmp_path, installation.service, port, days=9) as proxy:
        _, todo, _ = examine(installation, PUBLIC_URL=proxy.url, SSL_CERT_FILE=str(proxy.folder / "fullchain.pem"))
    assert "certificate: it expires in 9 days" in todo


@contextlib.contextmanager
def lacking(installation, *rights):
    key = installation.settings.stripe_secret_key
    installation.operate("rights", key=key, lacks=rights)
    try:
        yield
    finally:
        installation.operate("rights", key=key, lacks=[])


@pytest.mark.parametrize(
    ("right", "row"),
    [
        ("rak_checkout_session_read", "Checkout Sessions: read"),
        ("rak_checkout_session_write", "Checkout Sessions: write"),
        ("rak_payment_intent_read", "PaymentIntents: read"),
        ("rak_charge_read", "Charges and Refunds: read"),
        ("rak_dispute_read", "Disputes: read"),
        ("rak_event_read", "Events: read"),
        ("rak_accounts_kyc_basic_read", "Connect → Accounts: read"),
    ],
)
def test_doctor_names_a_missing_right_its_row_and_stripes_words(patient, right, row):
    installation, _ = patient
    with lacking(installation, right):
        code, todo, _ = examine(installation)
    assert (code, todo.count("rak_")) == (1, 2), todo
    assert f"“{row}” ({right}); Stripe says: The provided key" in todo


def test_doctor_reports_endpoint_that_the_key_may_not_read(patient):
    installation, _ = patient
    with lacking(installation, "rak_webhook_read"):
        assert "this key may not read them" in examine(installation)[2]


def test_account_setting_replaces_the_right_to_read_the_account(patient):
    installation, _ = patient
    account = httpx.get(f"{installation.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]
    with lacking(installation, "rak_accounts_kyc_basic_read"):
        code, todo, printed = examine(installation, STRIPE_ACCOUNT=account)
    assert (code, todo) == (0, ""), printed
    assert "the key may not read it: look in the dashboard" in printed
    assert f"the key belongs to {account}" in examine(installation, STRIPE_ACCOUNT="acct_other")[1]


def test_doctor_reports_clock_skew_and_unready_account():
    now = datetime.now(UTC)
    assert [each.level for each in account_checks(AccountInfo("acct_1", now, True, None), [])] == ["ok"]
    late = account_checks(AccountInfo("acct_1", now + timedelta(hours=1), False, None), [])
    assert [each.name for each in late if each.level == "FAIL"] == ["clock", "account"]


@contextlib.contextmanager
def methods(installation, **preferences):
    """Switch payment methods on or off, as a person does in Stripe's dashboard."""
    [found] = there(installation, "payment_method_configurations")
    url = f"{installation.sandbox}/v1/payment_method_configurations/{found['id']}"

    def switch(values):
        fields = {f"{name}[display_preference][preference]": value for name, value in values.items()}
        httpx.post(url, data=fields, auth=("sk_test_x", "")).raise_for_status()

    switch(preferences)
    try:
        yield
    finally:
        switch({name: "off" if value == "on" else "on" for name, value in preferences.items()})


def test_doctor_compares_redirect_methods_with_the_account(patient):
    installation, _ = patient
    printed = examine(installation)[2]
    assert "ok  redirect_methods of roof: ideal" in printed
    assert "info  redirect_methods of roof: on in the account and not listed: paypal" in printed
    with methods(installation, ideal="off", p24="on"):
        code, todo, printed = examine(installation)
    assert (code, todo.count("\n")) == (1, 2), todo
    assert "redirect_methods of roof: off in the account: ideal." in todo
    assert "not listed: p24, paypal" in printed


def test_doctor_reports_payment_methods_that_the_key_may_not_read(patient):
    installation, _ = patient
    with lacking(installation, "rak_payment_method_configuration_read"):
        code, _, printed = examine(installation)
    assert code == 0
    assert "redirect_methods: this key may not read them" in printed


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
    installation, _ = patient
    with endpoint(installation, **{"enabled_events[0]": "refund.created", "enabled_events[1]": "customer.created"}):
        _, todo, _ = examine(installation)
    assert "donation-card stripe setup; charge.dispute.closed" in todo
    assert "customer.created (not needed)" in todo
    assert "webhook endpoint" not in examine(installation)[1]


def test_doctor_and_totals_warn_of_more_spent_than_published(patient):
    installation, _ = patient
    file = installation.settings.campaigns_dir / "roof.toml"
    text = file.read_text("utf-8")
    assert "spending of roof" not in examine(installation)[2]
    entry = '\n[[spent]]\nneed = "tiles"\ndate = "2026-10"\namount = 50\ntext = { en = "Tiles", de = "Ziegel" }\n'
    try:
        file.write_text(text + entry, "utf-8")
        code, _, printed = examine(installation)
        done = CliRunner().invoke(cli, ["totals", "roof"], env=variables(installation), catch_exceptions=False)
    finally:
        file.write_text(text, "utf-8")
    warning = "50.00 EUR spent, 50.00 EUR more than the public total"
    assert code == 0
    assert f"spending of roof: {warning}: compare [[spent]] with donation-card totals roof" in printed
    assert done.exit_code == 0
    assert "spent     50.00 EUR in 1 entries of the campaign file" in done.output
    assert f"warning   {warning}, 0.00 EUR" in done.output


def test_doctor_asks_for_a_publication_key(patient):
    installation, _ = patient
    assert "PUBLICATION_KEY: set it before you go live, and never change it: openssl rand" in examine(installation)[2]
    assert "PUBLICATION_KEY" not in examine(installation, PUBLICATION_KEY="p0123456789abcdef" * 2)[2]


def test_doctor_reports_redis_slowlog_and_eviction(patient):
    installation, valkey = patient
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
    installation, _ = patient
    assert "STRIPE_WEBHOOK_SECRET" in examine(installation, STRIPE_WEBHOOK_SECRET="whsec_0123456789abcdefffff")[1]
    assert "the service does not answer at" in examine(installation, PUBLIC_URL="https://localhost:1")[1]


def test_doctor_reports_a_wrong_setting_first(patient):
    installation, _ = patient
    code, todo, _ = examine(installation, SECRET_KEYS="short")
    assert (code, todo.count("SECRET_KEYS") > 0) == (1, True)
    assert "whsec" not in todo


# ── the folder of static pages ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pages_folder():
    """Return a folder that every user can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def folder_checks(folder, *campaigns):
    settings = Settings("sk_test_x", "pk_test_x", ("whsec_x",), "redis://127.0.0.1", "https://x.org", ("x" * 32,))
    return [
        (each.level, each.fix or each.name)
        for each in _fallback_page_checks(replace(settings, fallback_pages_dir=folder), campaigns)
    ]


def write_pages(folder, campaign, *languages):
    for language in languages:
        (folder / f"donation-card.{campaign}.{language}.html").write_text("A page", "utf-8")


def test_doctor_says_that_no_folder_of_pages_is_set():
    ((status, said),) = folder_checks(None)
    assert status == INFO
    assert "FALLBACK_PAGES_DIR is not set" in said


def test_doctor_names_campaigns_without_a_page(pages_folder, sample_campaign):
    roof = read_campaign(sample_campaign / "roof.toml")
    paused = replace(roof, id="well", status=Status.PAUSED)
    write_pages(pages_folder, "roof", "en")
    *_, (status, said) = folder_checks(pages_folder, roof, paused)
    assert (status, said) == (MANUAL, "no page of roof. The warnings of /readyz say why")
    write_pages(pages_folder, "roof", "de")
    *_, (status, said) = folder_checks(pages_folder, roof, paused)
    assert (status, said) == (OK, "FALLBACK_PAGES_DIR: pages of 1 campaigns")


def test_doctor_says_why_a_folder_of_pages_is_unusable(pages_folder):
    (pages_folder / "file").write_text("not a folder", "utf-8")
    *_, (status, said) = folder_checks(pages_folder / "file")
    assert status == FAIL
    assert "File exists; the service must be able to write, and the proxy to read" in said


def test_doctor_finds_a_folder_that_the_proxy_cannot_enter(pages_folder, sample_campaign):
    roof = read_campaign(sample_campaign / "roof.toml")
    inner = pages_folder / "private" / "pages"
    inner.mkdir(parents=True)
    write_pages(inner, "roof", "en", "de")
    said = MANUAL, f"other users cannot enter {pages_folder}/private. The proxy must be able to"
    (pages_folder / "private").chmod(0o755)
    inner.chmod(0o755)
    assert said not in folder_checks(inner, roof)
    (pages_folder / "private").chmod(0o700)
    assert said in folder_checks(inner, roof)
