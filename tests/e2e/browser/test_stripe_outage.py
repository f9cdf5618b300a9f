"""Test the giving page while no payment can begin."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.installation import running

ANOTHER_WAY = "https://donate.stripe.com/roof"


@pytest.fixture(scope="module")
def linked(redis_url, tmp_path_factory):
    campaigns = tmp_path_factory.mktemp("campaigns")
    text = Path("tests/support/roof.toml").read_text("utf-8")
    (campaigns / "roof.toml").write_text(f'fallback_url = "{ANOTHER_WAY}"\n{text}', "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=campaigns) as installation:
        installation.until_ready()
        yield installation


@pytest.fixture
def form(page, linked):
    page.goto(f"{linked.service}/c/roof/give?lang=en")
    page.locator("#custom-amount").fill("20")
    return page


def test_stripe_timeout_shows_fallback_link(form, linked):
    linked.operate("faults", api={"kind": "429", "remaining": 50})
    form.locator("#submit").click()
    expect(form.locator("#error")).to_contain_text("is not responding")
    expect(form.get_by_role("link", name="Another way to give")).to_have_attribute("href", ANOTHER_WAY)
    httpx.delete(f"{linked.sandbox}/sandbox/faults").raise_for_status()
    form.locator("#submit").click()
    expect(form.locator("#pay")).to_be_visible()


def test_unreachable_service_shows_fallback_link(form):
    form.route("**/v1/checkout-sessions", lambda route: route.abort())
    form.locator("#submit").click()
    expect(form.get_by_role("link", name="Another way to give")).to_be_visible()


def test_invalid_amount_shows_no_fallback_link(form):
    form.locator("#custom-amount").fill("1")
    form.locator("#submit").click()
    expect(form.locator("#amount-error")).to_contain_text("smallest")
    expect(form.locator("#fallback")).to_be_hidden()
