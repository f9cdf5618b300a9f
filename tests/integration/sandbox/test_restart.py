"""Test what is stored in the data folder, and that no card number is."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.sandbox import NOON, SECRET, Inbox, sandbox_with


def test_state_survives_a_restart(folder: Path) -> None:
    with sandbox_with(data=folder) as sandbox:
        account = sandbox.call("GET", "/v1/account").json()["id"]
        session, waiting = sandbox.create(), sandbox.create()
        sandbox.pay(waiting, "AT611904300234573201")
        sandbox.advance(30)
        key = {"Idempotency-Key": "press"}
        body = {"expand[]": "line_items"}
        expired = sandbox.call("POST", f"/v1/checkout/sessions/{session.id}/expire", data=body, headers=key)
    with sandbox_with(data=folder) as sandbox:
        assert sandbox.call("GET", "/v1/account").json()["id"] == account
        assert sandbox.http.get("/sandbox/clock").json() == {"now": NOON + 30}
        assert sandbox.session(session.id)["status"] == "expired"
        again = sandbox.call("POST", f"/v1/checkout/sessions/{session.id}/expire", data=body, headers=key)
        assert again.content == expired.content
        sandbox.advance(30)
        assert sandbox.session(waiting.id)["payment_status"] == "paid"


def test_memory_store_does_not_survive_a_restart() -> None:
    accounts = set()
    for _ in range(2):
        with sandbox_with() as sandbox:
            accounts.add(sandbox.call("GET", "/v1/account").json()["id"])
    assert len(accounts) == 2


def test_pending_webhooks_survive_a_restart(folder: Path, inbox: Inbox) -> None:
    with sandbox_with(data=folder, webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET) as sandbox:
        sandbox.pay(sandbox.create())
    with sandbox_with(data=folder, webhook_url=inbox.url, webhook_secret=SECRET) as sandbox:
        sandbox.advance(60)
        assert sorted(event["type"] for event in inbox.wait_for(2)) == [
            "checkout.session.completed",
            "payment_intent.succeeded",
        ]


NUMBERS = [
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0027 6000 3184",
    "AT61 1904 3002 3457 3201",
    "5555 5555 5555 4444",
]


def test_card_numbers_are_never_stored(folder: Path) -> None:
    with sandbox_with(data=folder) as sandbox:
        for number in NUMBERS:
            sandbox.pay(sandbox.create(), number)
            sandbox.pay(sandbox.create(), number.replace(" ", ""))
            sandbox.pay(sandbox.create(), number, email="")
        files = list(folder.iterdir())
        stored = b"".join(path.read_bytes() for path in files)
    assert stored
    assert b"ada@example.org" in stored
    for number in NUMBERS:
        digits = re.escape(number).replace(r"\ ", " ?").encode()
        assert not re.search(digits, stored)


def test_sandbox_runs_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stripe_sandbox", "--port", "0", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().split()[2].rstrip(",")
        answer = httpx.get(f"{url}/v1/account", headers={"Authorization": "Bearer sk_test_ada"})
        assert answer.json()["id"].startswith("acct_")
    finally:
        process.terminate()
        process.wait(60)
    assert process.returncode in (0, -15)


@pytest.mark.parametrize("arguments", [["--webhook-url", "http://127.0.0.1:1/"], ["--public-url", "here"]])
def test_invalid_options_are_explained(arguments: list[str]) -> None:
    from click.testing import CliRunner
    from stripe_sandbox.__main__ import main

    result = CliRunner().invoke(main, ["--port", "0", *arguments])
    assert result.exit_code == 1
    assert "allowed" in result.output or "needs" in result.output
