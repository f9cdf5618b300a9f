"""Test the live check between two sandboxes."""

import contextlib
import json
import os
import subprocess
import sys

import httpx
import pytest
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.e2e import live_check
from tests.support.installation import listening, served

KEYS = "sk_test_0123456789", "pk_test_0123456789"


@contextlib.contextmanager
def another_stripe(change=lambda body: body):
    """A second sandbox, whose answers are changed on their way."""
    bound = listening()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    sandbox = create_sandbox(SandboxSettings(public_url=url))

    async def app(scope, receive, send):
        start, body = None, b""

        async def changed(message):
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                final = change(body)
                start["headers"] = [pair for pair in start["headers"] if pair[0] != b"content-length"]
                await send(start)
                await send({"type": "http.response.body", "body": final})

        await sandbox(scope, receive, changed if scope["type"] == "http" else send)

    with served((app, bound)):
        yield url


def checked(url, **options):
    lines = []
    return live_check.check(*KEYS, url, lines.append, **options), "\n".join(lines)


def test_live_check_of_equal_stripes_finds_no_difference():
    """Run the command as an operator does, with the browser."""
    with another_stripe() as url:
        keys = {"STRIPE_SECRET_KEY": KEYS[0], "STRIPE_PUBLISHABLE_KEY": KEYS[1], "STRIPE_API_BASE": url}
        command = [sys.executable, "-m", "tests.e2e.live_check"]
        done = subprocess.run(command, env=os.environ | keys, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ok  Stripe's embedded page in our frame" in done.stdout
        assert "Cleaned up: 2 sessions expired." in done.stdout
        sessions = httpx.get(f"{url}/v1/checkout/sessions", auth=(KEYS[0], "")).json()["data"]
    assert len(sessions) == 3
    assert {session["status"] for session in sessions} == {"expired"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"payment_status": ', '"payment_state": ', "payment_status: Stripe does not answer it"),
        ('"payment_status": "unpaid"', '"payment_status": "open"', "the sandbox says 'unpaid', Stripe 'open'"),
        ('"amount_total": 2500', '"amount_total": "2500"', "amount_total: the sandbox answers int, Stripe str"),
    ],
)
def test_live_check_names_the_changed_field(old, new, told):
    with another_stripe(lambda body: body.replace(old.encode(), new.encode())) as url:
        same, said = checked(url, browser=False)
    assert not same
    assert told in said


def test_live_check_ignores_added_fields():
    def more(body):
        answer = json.loads(body)
        return json.dumps(answer | {"news": 1}, indent=2).encode() if "object" in answer else body

    with another_stripe(more) as url:
        same, said = checked(url, browser=False)
    assert same, said


@pytest.mark.parametrize(
    "keys", [("sk_live_0123456789", KEYS[1]), ("rk_live_0123456789", KEYS[1]), (KEYS[0], "pk_live_1")]
)
def test_live_check_refuses_a_live_key(keys):
    with pytest.raises(ValueError, match="test mode"):
        live_check.check(*keys, "http://127.0.0.1:1", print)
