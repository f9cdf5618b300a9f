"""The service does not start with a wrong setting, and names it, its value and the allowed values."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import stripe
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.campaign_files.placeholders import placeholder_faults
from donation_card.cli.check import checked_configuration
from donation_card.domain.campaign import OtherWay
from donation_card.errors import ConfigurationError
from donation_card.settings import SETTINGS, STRIPE_SCRIPT, Settings, from_environment

GOOD = {
    "STRIPE_SECRET_KEY": "rk_test_51Habcdefghijk",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_51Habcdefghijk",
    "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
    "SECRET_KEYS": "0123456789abcdef0123456789abcdef",
    "PUBLIC_URL": "https://give.foundation.eu",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "CAMPAIGNS_DIR": "campaigns",
}


def faults(**changes):
    with pytest.raises(ConfigurationError) as caught:
        from_environment(GOOD | changes)
    return {fault.field: str(fault) for fault in caught.value.faults}


def test_complete_environment_is_accepted():
    settings = from_environment(GOOD | {"WEB_CONCURRENCY": "4"})
    assert (settings.workers, settings.port, settings.livemode) == (4, 8000, False)
    assert settings.stripe_origins("connect") == ("https://api.stripe.com", "https://checkout.stripe.com")


def test_settings_table_has_each_field_and_default():
    by_field = {setting.field: setting for setting in SETTINGS}
    fields = {field.name: field for field in dataclasses.fields(Settings) if not field.name.startswith("demo_")}
    assert by_field.keys() == fields.keys()
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS) == len(by_field)
    for name, setting in by_field.items():
        assert setting.required == (fields[name].default is dataclasses.MISSING), setting.name
        if setting.default:
            assert setting.parse(setting.default) == fields[name].default, setting.name


def test_empty_environment_names_every_missing_setting():
    with pytest.raises(ConfigurationError) as caught:
        from_environment({})
    missing = {fault.field for fault in caught.value.faults}
    assert missing >= GOOD.keys() - {"CAMPAIGNS_DIR"}
    assert "Dashboard" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_SECRET_KEY", "sk_test_"),
        ("STRIPE_SECRET_KEY", "sk_test_replace_me"),
        ("STRIPE_SECRET_KEY", "pk_test_51Habcdefghijk"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_51Habcdefghijk"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef,"),
        ("SECRET_KEYS", "changeme"),
        ("SECRET_KEYS", "a" * 40),
        ("SECRET_KEYS", "change-me-change-me-change-me-change-me"),
        ("METRICS_TOKEN", "0123456789abcdef"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("METRICS_TOKEN", "0123456789abcdef 0123456789abcdef"),
        ("PUBLIC_URL", "give.foundation.eu"),
        ("PUBLIC_URL", "https://give.foundation.eu/path"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379"),
        ("REDIS_URL", "redis+sentinel:///name"),
        ("REDIS_URL", "redis+cluster://one:6379,"),
        ("REDIS_URL", "redis+cluster://one:6379/0"),
        ("REDIS_MIN_REPLICAS_ACK", "-1"),
        ("REDIS_MIN_REPLICAS_ACK", "9"),
        ("STRIPE_RATE_LIMIT", "4"),
        ("STRIPE_RATE_LIMIT", "fast"),
        ("REDIS_MIN_REPLICAS_ACK", "one"),
        ("PORT", "0"),
        ("PORT", "eighty"),
        ("WEB_CONCURRENCY", "-1"),
        ("LOG_LEVEL", "loud"),
        ("FORWARDED_ALLOW_IPS", "garbage"),
        ("FORWARDED_ALLOW_IPS", "127.0.0.1,proxy.internal"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/40"),
        ("FORWARDED_ALLOW_IPS", "127.0.0.1,*"),
        ("CAMPAIGNS_DIR", "no-such-folder"),
        ("STRIPE_API_BASE", "ftp://x"),
    ],
)
def test_wrong_value_is_named(name, value):
    assert faults(**{name: value}).keys() == {name}


def test_wrong_secret_is_not_shown():
    assert "sk_live_abc" not in str(faults(STRIPE_SECRET_KEY="xk_live_abc_sk_live_abc"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_PUBLISHABLE_KEY", "sk_live_51Hmisplaced"),
        ("REDIS_URL", "http://card:misplaced@127.0.0.1"),
        ("SECRET_KEYS", "misplaced"),
        ("METRICS_TOKEN", "misplaced"),
        ("PUBLICATION_KEY", "misplaced"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef,misplaced"),
        ("PORT", "sk_live_51Hmisplaced"),
        ("LOG_LEVEL", "whsec_misplaced"),
        ("STRIPE_ACCOUNT", "rk_test_misplaced"),
        ("PUBLIC_URL", "redis://card:misplaced@127.0.0.1"),
        ("STRIPE_API_BASE", "https://misplaced@"),
        ("WEB_CONCURRENCY", "misplaced0123456789abcdef01234567"),
        ("CAMPAIGNS_DIR", "pk_test_misplaced"),
    ],
)
def test_secret_in_the_wrong_setting_is_not_shown(name, value):
    assert "misplaced" not in str(faults(**{name: value}))


@pytest.mark.parametrize("text", ["*", "none", "127.0.0.1", "127.0.0.1, 10.0.0.0/8, fd00::/8"])
def test_proxies_are_addresses_or_networks(text):
    assert from_environment(GOOD | {"FORWARDED_ALLOW_IPS": text}).forwarded_allow_ips == text


LIVE = {
    "STRIPE_SECRET_KEY": "rk_live_51Habcdefghijk",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_51Habcdefghijk",
    "PUBLICATION_KEY": "p0123456789abcdef" * 2,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_API_BASE", "http://127.0.0.1:12111"),
        ("STRIPE_API_BASE", "https://stripe.foundation.eu"),
        ("PUBLIC_URL", "http://give.foundation.eu"),
        ("PUBLIC_URL", "https://localhost:8000"),
        ("PUBLIC_URL", "https://127.0.0.1"),
    ],
)
def test_live_key_refuses_settings_for_tests(name, value):
    assert faults(**LIVE, **{name: value}).keys() == {name}
    assert from_environment(GOOD | {name: value})


def test_live_key_requires_a_publication_key():
    (fault,) = faults(**LIVE | {"PUBLICATION_KEY": ""}).values()
    assert "given nothing" in fault
    assert "openssl rand -hex 32" in fault
    assert from_environment(GOOD).publication_key == "", "a test key needs none"


def test_live_key_is_accepted_with_https_and_on_an_onion_service():
    for url in ("https://give.foundation.eu", f"http://{'a' * 56}.onion"):
        assert from_environment(GOOD | LIVE | {"PUBLIC_URL": url}).livemode


def test_live_key_refuses_an_example_as_another_way():
    roof = read_campaign(Path("tests/support/roof.toml"))
    ways = tuple(OtherWay(url, {}) for url in ("https://roof.eu/coins", "https://coins.example.org/roof"))
    found = [fault.field for fault in placeholder_faults(dataclasses.replace(roof, other_ways=ways))]
    assert found == ["recipient.contact", "other_ways[1].url"]


@pytest.mark.parametrize(
    ("field", "placeholder"),
    [
        ("recipient.contact", "info@example.org"),
        ("recipient.contact", "https://www.example.com/contact"),
        ("recipient.contact", "ada@roof.test"),
        ("recipient.statement_descriptor", "Donation Card"),
        ("fallback_url", "https://example.net"),
    ],
)
def test_live_key_refuses_placeholders_of_campaign_files(tmp_path, monkeypatch, field, placeholder):
    roof = Path("tests/support/roof.toml").read_text("utf-8").replace("ada@example.org", "ada@roof.eu")
    name = field.rpartition(".")[2]
    if f"{name} = " in roof:
        roof = re.sub(rf'(?m)^{name} = ".*"', f'{name} = "{placeholder}"', roof)
    else:
        roof = f'{name} = "{placeholder}"\n{roof}'
    (tmp_path / "roof.toml").write_text(roof, "utf-8")
    for setting, value in (GOOD | LIVE | {"CAMPAIGNS_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(setting, value)
    with pytest.raises(ConfigurationError) as caught:
        checked_configuration()
    (fault,) = caught.value.faults
    assert (fault.source, fault.field) == ("roof.toml", field)
    assert placeholder in fault.given
    monkeypatch.setenv("STRIPE_SECRET_KEY", GOOD["STRIPE_SECRET_KEY"])
    monkeypatch.setenv("STRIPE_PUBLISHABLE_KEY", GOOD["STRIPE_PUBLISHABLE_KEY"])
    assert checked_configuration()


def test_several_secrets_are_accepted_during_rotation():
    two = {"SECRET_KEYS": "n0123456789abcdef" * 2, "METRICS_TOKEN": "m0123456789abcdef" * 2}
    several = {name: f"{value},{value[::-1]}" for name, value in two.items()}
    settings = from_environment(
        GOOD | several | {"STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef,whsec_fedcba9876543210"}
    )
    assert [len(each) for each in (settings.secret_keys, settings.metrics_tokens, settings.stripe_webhook_secrets)] == [
        2
    ] * 3
    assert settings.secret_keys[0] == two["SECRET_KEYS"]
    for name, value in several.items():
        assert faults(**{name: f"{value},"}).keys() == {name}


def test_stripe_script_matches_the_client_release():
    assert STRIPE_SCRIPT.split("/")[-2] == stripe.api_version.partition(".")[2]


def test_api_base_replaces_every_stripe_origin():
    settings = from_environment(GOOD | {"STRIPE_API_BASE": "http://127.0.0.1:8002"})
    assert settings.stripe_script.startswith("http://127.0.0.1:8002/")
    assert {settings.stripe_origins(use) for use in ("script", "frame", "connect", "img", "form")} == {
        ("http://127.0.0.1:8002",)
    }


def test_scripts_may_come_from_js_stripe_com_and_its_subdomains_alone():
    assert from_environment(GOOD).stripe_origins("script") == ("https://js.stripe.com", "https://*.js.stripe.com")
    stand_in = from_environment(GOOD | {"STRIPE_API_BASE": "http://stripe.localhost:8002"})
    assert stand_in.stripe_origins("script") == ("http://stripe.localhost:8002", "http://*.stripe.localhost:8002")
    assert stand_in.stripe_origins("frame") == ("http://stripe.localhost:8002",)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:26379,two/name",
        "redis+sentinel://ada:secret@one:26379/name/1",
        "rediss+cluster://one:6379,two:6379",
    ],
)
def test_redis_url_may_name_several_servers(url):
    assert from_environment(GOOD | {"REDIS_URL": url, "REDIS_MIN_REPLICAS_ACK": "2"}).redis_min_replicas_ack == 2


def refused(environment):
    """Run `serve` with wrong settings and return its error output."""
    command = [sys.executable, "-m", "donation_card", "serve"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    return ended.stderr


def test_serve_names_every_settings_and_file_error(tmp_path):
    for name in ("roof", "well"):
        (tmp_path / f"{name}.toml").write_text(
            Path("tests/support/roof.toml").read_text("utf-8").replace("goal = 900", "goal = 901")
        )
    wrong = GOOD | {"PATH": os.environ["PATH"], "CAMPAIGNS_DIR": str(tmp_path), "PORT": "0", "SECRET_KEYS": "short"}
    told = refused(wrong)
    for named in ("PORT", "SECRET_KEYS", "roof.toml", "well.toml"):
        assert named in told


def test_missing_campaign_folder_is_named_once(tmp_path):
    wrong = GOOD | {"PATH": os.environ["PATH"], "CAMPAIGNS_DIR": str(tmp_path / "gone")}
    told = refused(wrong)
    assert [line for line in told.splitlines() if "gone" in line] == [
        f"environment: CAMPAIGNS_DIR: given '{tmp_path / 'gone'}'; allowed: a folder of campaign files"
    ]
