"""Test the attribution: only the host name of a listed site is stored."""

from __future__ import annotations

import httpx
import pytest
from donation_card.adapters.tokens import SignedTokens

from tests.support.installation import Installation, running
from tests.support.shipped import VITALY_TEXT

LISTED = "news.example.org"
KEY = ("sk_test_x", "")


@pytest.fixture(scope="module")
def attributed(redis_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    text = VITALY_TEXT
    (folder / "vitaly.toml").write_text(f'sites = ["{LISTED}"]\n{text}', "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as found:
        found.until_ready()
        yield found


def token_from(installation: Installation, referrer: str | None) -> str:
    headers = {} if referrer is None else {"referer": referrer}
    page = httpx.get(f"{installation.service}/c/vitaly/give", headers=headers, timeout=60).text
    return page.partition('name="form_token" value="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("referrer", "site"),
    [
        (f"https://{LISTED}/a/private/path?reader=ada#part", LISTED),
        (f"https://{LISTED.upper()}/", LISTED),
        (f"https://ada:secret@{LISTED}:8443/", LISTED),
        (f"https://{LISTED}./", LISTED),
        (f"https://sub.{LISTED}/", "other"),
        (f"https://www.{LISTED}/", "other"),
        (f"https://{'a' * 300}/", "other"),
        (f"https://{LISTED}.evil.example/", "other"),
        (f"https://evil.example/{LISTED}", "other"),
        (f"https://evil.example/?{LISTED}", "other"),
        (f"https://{LISTED}@evil.example/", "other"),
        (LISTED, "other"),
        ("https://blog.example/", "other"),
        ("http://[", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_donation_is_counted_by_listed_host_or_other(attributed, referrer, site):
    token = token_from(attributed, referrer)
    assert SignedTokens(attributed.settings.secret_keys).read_form_token(token).site == site


def test_stripe_receives_only_the_host(attributed):
    token = token_from(attributed, f"https://{LISTED}/a/private/path?reader=zuzanna")
    made = attributed.order("25", token=token).json()
    id = made["client_secret"].partition("_secret_")[0]
    session = httpx.get(f"{attributed.sandbox}/v1/checkout/sessions/{id}", auth=KEY)
    assert session.json()["metadata"].keys() == {"campaign", "site", "nonce"}
    assert session.json()["metadata"]["site"] == LISTED
    assert "private" not in session.text
    assert "zuzanna" not in session.text
