"""Test that `stripe setup` and `doctor` explain each error of Stripe in one plain line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from donation_card.adapters.stripe import client
from donation_card.adapters.stripe.client import resource_of
from donation_card.adapters.stripe.permissions import missing_right
from donation_card.cli.main import cli
from starlette.responses import Response

from tests.support.sandbox import Sandbox, listen, sandbox_with, serving
from tests.support.stripe_types import PARAMETER_TYPES

KEY = "rk_test_0123456789abcdef"
COMMANDS = (["stripe", "setup"], ["doctor"])

RIGHTS = {
    named["right"]: named["dashboard"]
    for named in (missing_right(method, resource_of(path)) for method, path in map(str.split, PARAMETER_TYPES))
}
"""Every right that a request of the product needs → its row in the dashboard."""


@pytest.fixture
def campaigns(sample_campaign: Path) -> Path:
    roof = sample_campaign / "roof.toml"
    head = 'sites = ["news.example.org"]\nredirect_methods = ["ideal"]\n'
    roof.write_text(head + roof.read_text("utf-8"), "utf-8")
    return sample_campaign


def run(words: list[str], api: str, campaigns: Path, **changes: str) -> Result:
    """Run a command as an operator whose Redis and whose service do not run yet."""
    settings = {
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_PUBLISHABLE_KEY": "pk_test_0123456789",
        "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef0123",
        "STRIPE_API_BASE": api,
        "REDIS_URL": "redis://127.0.0.1:1",
        "PUBLIC_URL": "http://localhost:1",
        "SECRET_KEYS": "0123456789abcdef" * 2,
        "CAMPAIGNS_DIR": str(campaigns),
    }
    done = CliRunner().invoke(cli, words, env=settings | changes)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert KEY not in done.output
    return done


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_with(allow_private_webhooks=True) as running:
        yield running


@pytest.mark.parametrize("right", RIGHTS)
def test_missing_right_is_named_with_its_row_and_stripes_words(sandbox: Sandbox, campaigns: Path, right: str) -> None:
    sandbox.operate("rights", key=KEY, lacks=[right])
    found = [run(words, sandbox.url, campaigns) for words in COMMANDS]
    lines = [line for done in found for line in done.output.splitlines() if f"“{RIGHTS[right]}” ({right})" in line]
    assert lines
    assert all("Stripe says: The provided key" in line for line in lines)
    refused = [line for done in found for line in done.output.splitlines() if "rak_" in line]
    assert lines == refused, "only the missing right is named"


def test_the_rights_are_those_that_the_installation_page_lists() -> None:
    page = Path("docs/install.md").read_text("utf-8")
    rows = {row.rpartition(":")[0] for row in RIGHTS.values()}
    assert [row for row in rows if row not in page] == []


def test_a_refused_part_does_not_stop_the_others(sandbox: Sandbox, campaigns: Path) -> None:
    sandbox.operate("rights", key=KEY, lacks=["rak_webhook_write", "rak_payment_link_read"])
    done = run(["stripe", "setup"], sandbox.url, campaigns)
    assert [line.split()[0] for line in done.output.splitlines() if "FAILED" in line] == ["webhook", "payment"]
    assert "domain             created: news.example.org" in done.output
    assert done.exit_code == 1


def test_private_address_is_explained_and_stripe_is_quoted(campaigns: Path) -> None:
    with sandbox_with() as strict:
        done = run(["stripe", "setup"], strict.url, campaigns)
    [line] = [line for line in done.output.splitlines() if line.startswith("webhook endpoint")]
    assert "Stripe must reach PUBLIC_URL from the internet" in line
    assert "`stripe listen`" in line
    assert "Stripe says: Invalid URL: URL must be publicly accessible." in line
    assert done.exit_code == 1


def error(status: int, message: str, type: str = "invalid_request_error", **more: str) -> Response:
    return Response(json.dumps({"error": {"message": message, "type": type} | more}), status)


def listing(*data: Any) -> Response:
    return Response(json.dumps({"object": "list", "data": data, "has_more": False, "url": "/v1/x"}))


ANSWERS = {
    "expired key": (error(401, "Expired API Key provided: rk_test_0123456789abcdef"), "Stripe rejects the key"),
    "right that no key can have": (error(403, "not available for use by restricted keys"), "restricted keys"),
    "refused request": (error(400, "No such thing.\nReally.", code="odd_code"), "Stripe says: No such thing. Really."),
    "card error": (error(402, "Pay first", "card_error"), "Stripe says: Pay first"),
    "idempotency error": (error(400, "Other key", "idempotency_error"), "Stripe says: Other key"),
    "too many requests": (error(429, "Slow down", code="rate_limit"), "in a minute; Stripe says: Slow down"),
    "failure of Stripe": (error(500, "Sorry", "api_error"), "Stripe failed: look at status.stripe.com"),
    "page of a proxy": (Response("<html>Bad gateway</html>", 502), "the answer is not Stripe's"),
    "page of a proxy with 200": (Response("<html>Log in</html>"), "the answer is not Stripe's"),
    "list instead of an object": (Response("[]"), "the answer is not Stripe's"),
    "empty object": (Response("{}"), "the answer is not Stripe's"),
    "null": (Response("null"), "the answer is not Stripe's"),
    "list with an empty object": (listing({}), "the answer is not Stripe's"),
    "list with null": (listing(None), "the answer is not Stripe's"),
}


@contextmanager
def answering(answer: Response) -> Iterator[str]:
    listener, url = listen()
    with serving(answer, listener):  # type: ignore[arg-type]
        yield url


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", ANSWERS)
def test_every_error_of_stripe_is_one_plain_line(
    campaigns: Path, monkeypatch: pytest.MonkeyPatch, kind: str, words: list[str]
) -> None:
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)
    answer, expected = ANSWERS[kind]
    with answering(answer) as url:
        done = run(words, url, campaigns)
    lines = [line for line in done.output.splitlines() if expected in line]
    assert lines, done.output
    assert "reason=" not in done.output
    assert done.exit_code == 1


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("fault", ["unreachable", "hang", "reset"])
def test_no_answer_is_one_plain_line(
    sandbox: Sandbox, campaigns: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: list[str]
) -> None:
    monkeypatch.setattr(client, "CALL_TIMEOUT", 0.3)
    if fault != "unreachable":
        sandbox.operate("faults", api={"kind": fault, "remaining": 100})
    done = run(words, "http://127.0.0.1:1" if fault == "unreachable" else sandbox.url, campaigns)
    assert "no answer from api.stripe.com" in done.output
    assert done.exit_code == 1
