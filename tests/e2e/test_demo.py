"""The demo of `make run`: one process, one address, and no donation lost."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.installation import PAYS, Installation, eventually, free_port, listening

GIFTS = 200


@contextlib.contextmanager
def demo(folder, port, end=signal.SIGTERM):
    command = [sys.executable, "-m", "donation_card", "demo", "--port", str(port), "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            service, sandbox = f"http://localhost:{port}", f"http://127.0.0.1:{port + 2}"
            with httpx.Client(base_url=service, timeout=30) as client:
                installation = Installation(None, service, sandbox, client)
                eventually(lambda: answers(client), "the demo answers", seconds=60)
                yield installation
        finally:
            process.send_signal(end)
            printed, complaints = process.communicate(timeout=30)
        assert process.returncode == (-end if end == signal.SIGKILL else 0), complaints
        assert f"http://127.0.0.1:{port + 1}" in printed
        assert "Traceback" not in complaints


def answers(client):
    with contextlib.suppress(httpx.TransportError):
        return client.get("/readyz").status_code == 200


def totals(folder):
    """Run `donation-card totals vitaly` in the folder of a demo; return its sum in minor units and its payments."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "donation_card", "totals", "vitaly"]
    printed = subprocess.run(
        command, env=environment, cwd=folder.parent, capture_output=True, text=True, check=True
    ).stdout
    units, cents, payments = re.search(r"stripe +([0-9]+)\.([0-9]{2}) EUR in ([0-9]+) payments", printed).groups()
    return int(units + cents), int(payments)


def test_demo_counts_200_parallel_donations_across_restarts(tmp_path):
    port, data = free_port(3), tmp_path / "data"
    with demo(data, port) as installation:
        faults = {"webhooks": {"extra_copies": 1, "max_jitter": 2.0, "attempt_failure_rate": 0.1}, "seed": 7}
        installation.operate("faults", **faults)
        amounts = [str(5 + number % 46) for number in range(GIFTS)]
        with ThreadPoolExecutor(8) as donors:
            paid = list(donors.map(lambda amount: installation.give(amount, PAYS).status_code, amounts))
        assert paid == [303] * GIFTS
        expected = sum(int(amount) * 100 for amount in amounts), GIFTS
        assert installation.paid() == expected
        eventually(lambda: totals(data) == expected, "every gift is counted", seconds=60)
        eventually(lambda: installation.progress()["raised"] == expected[0], "the card shows it")
    with demo(data, port, end=signal.SIGKILL) as installation:
        assert installation.paid() == totals(data) == expected
        assert installation.progress()["raised"] == expected[0]
        assert installation.give("50").status_code == 303
    expected = expected[0] + 5000, GIFTS + 1
    with demo(data, port) as installation:  # a rebuild from Stripe restores what the kill lost
        assert installation.paid() == expected
        eventually(lambda: totals(data) == expected, "the last gift is counted")


def test_demo_reports_port_in_use_in_one_line(tmp_path):
    with listening() as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "donation_card", "demo", "--port", port, "--data", str(tmp_path)]
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert tried.returncode == 2
    assert f"PORT: given {port}, which is in use" in tried.stderr
    assert "Traceback" not in tried.stderr


def test_serve_names_every_missing_setting():
    environment = {"PATH": os.environ["PATH"]}
    tried = subprocess.run(
        [sys.executable, "-m", "donation_card", "serve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert tried.returncode == 2
    for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "SECRET_KEYS", "PUBLIC_URL", "REDIS_URL"):
        assert name in tried.stderr
    assert "Traceback" not in tried.stderr


def test_check_and_snippet_commands_report_campaigns():
    checked = subprocess.run(
        [sys.executable, "-m", "donation_card", "check", "--campaigns", "campaigns"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "vitaly: 3000.00 EUR, 4 needs" in checked.stdout
    printed = subprocess.run(
        [sys.executable, "-m", "donation_card", "snippet", "vitaly", "--lang", "be", "--url", "https://give.example"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(printed.strip().splitlines()) == 2
    assert 'href="https://give.example/c/vitaly"' in printed
    assert (
        "Віталь" not in printed
    )  # the link stays on other people's servers: it names the foundation, never the person
    assert "BYSOL" in printed
