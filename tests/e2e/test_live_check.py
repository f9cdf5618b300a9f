"""Test the live check against stand-ins for Stripe. `tests.soak.live_check` uses more of them, with a browser."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from donation_card.adapters.stripe.permissions import RIGHTS

from tests.live_check.__main__ import run
from tests.live_check.report import Outcome, exit_status
from tests.live_check.steps import REFUND_RIGHT, SERVICE_RIGHTS, STEPS
from tests.support.stand_ins import stripe_stand_in, unchanged, without_optional_fields

KEYS = "rk_test_0123456789", "pk_test_0123456789"
ROWS = {f"{right}_{level}": f"{row}: {level}" for right, row in RIGHTS.values() for level in ("read", "write")}


def checked(url, *names, keys=KEYS):
    """Return the exit status, the verdict of each step and the table."""
    lines = []
    results = run(*keys, url, names=names, say=lines.append, timeout=20)
    return exit_status(results), {each.step.name: each.verdict for each in results}, lines[-1]


def test_command_passes_at_a_stripe_that_leaves_out_optional_fields():
    """Run the command as an operator does, with all steps and a browser."""
    with stripe_stand_in(without_optional_fields) as url:
        variables = {"STRIPE_SECRET_KEY": KEYS[0], "STRIPE_PUBLISHABLE_KEY": KEYS[1], "STRIPE_API_BASE": url}
        command = [sys.executable, "-m", "tests.live_check"]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("\nstep ")[2]
    verdicts = dict(re.findall(r"^([a-z0-9-]+) {2,}(ok|not possible here) ", table, re.M))
    assert verdicts == {step.name: "ok" for step in STEPS} | {"webhook": "not possible here"}


@pytest.mark.parametrize("right", [*SERVICE_RIGHTS, REFUND_RIGHT])
def test_missing_right_is_named_with_its_row(right):
    with stripe_stand_in(key=KEYS[0], lacks=[right]) as url:
        status, verdicts, table = checked(url, "rights")
    assert status == 1
    assert verdicts["rights"] == Outcome.DIFFERS
    assert f"add “{ROWS[right]}”: {right}" in table
    assert not set(ROWS) - {right} & set(re.findall(r"rak_\w+", table))


def test_all_missing_rights_are_named_at_once():
    lacks = [*SERVICE_RIGHTS, REFUND_RIGHT]
    with stripe_stand_in(key=KEYS[0], lacks=lacks) as url:
        status, verdicts, table = checked(url)
    assert status == 1
    assert {right for right in lacks if f"{ROWS[right]}”: {right}" not in " ".join(table.split())} == set()
    assert verdicts["service"] == verdicts["refund"] == verdicts["api-read"] == Outcome.NOT_RUN
    assert list(verdicts) == [step.name for step in STEPS]


def test_account_setting_replaces_the_right_to_read_the_account():
    with stripe_stand_in(key=KEYS[0], lacks=["rak_accounts_kyc_basic_read"]) as url:
        results = run(*KEYS, url, "acct_1", names=["rights"], say=lambda line: None)
    assert exit_status(results) == 0


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"payment_status": ', '"payment_state": ', "payment_status: Stripe does not send it"),
        ('"payment_status": "unpaid"', '"payment_status": "open"', "the sandbox sends 'unpaid', Stripe 'open'"),
        ('"amount_total": 2500', '"amount_total": "2500"', "amount_total: the sandbox sends int, Stripe str"),
    ],
)
def test_changed_field_that_the_product_reads_is_named(old, new, text):
    with stripe_stand_in(lambda url, body: body.replace(old.encode(), new.encode())) as url:
        status, verdicts, table = checked(url, "api-create-embedded")
    assert (status, verdicts["api-create-embedded"]) == (1, Outcome.DIFFERS)
    assert text in table


def test_added_field_and_unread_value_are_no_difference():
    def change(url, body):
        answer = json.loads(body)
        more = {"news": 1, "payment_method_collection": "always"}
        return json.dumps(answer | more, indent=2).encode() if "object" in answer else body

    with stripe_stand_in(change) as url:
        status, _, table = checked(url, "api-create-embedded", "api-repeat", "api-locale")
    assert status == 0, table
    assert "the product does not read it: payment_method_collection" in table


@pytest.mark.parametrize(
    "keys", [("sk_live_0123456789", KEYS[1]), ("rk_live_0123456789", KEYS[1]), (KEYS[0], "pk_live_1")]
)
def test_live_key_is_refused_before_any_request(keys):
    requests = []

    def count(url, body):
        requests.append(url)
        return unchanged(url, body)

    with stripe_stand_in(count) as url:
        status, verdicts, table = checked(url, keys=keys)
    assert (status, verdicts["keys"], requests) == (1, Outcome.DIFFERS, [])
    assert keys[0] not in table


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (None, "ConnectError"),
        (lambda url, body: b"<h1>502 Bad Gateway</h1>", "JSONDecodeError"),
        (lambda url, body: b"[]", "AttributeError"),
    ],
)
def test_any_error_is_a_row_and_no_traceback(change, reason):
    if change is None:
        status, verdicts, table = checked("http://127.0.0.1:1")
    else:
        with stripe_stand_in(change) as url:
            status, verdicts, table = checked(url)
    assert status == 1
    assert list(verdicts) == [step.name for step in STEPS]
    assert verdicts["rights"] == Outcome.NOT_FINISHED
    assert verdicts["service"] == Outcome.NOT_RUN
    assert reason in table


def test_rejected_key_runs_nothing_else():
    with stripe_stand_in() as url:
        status, verdicts, table = checked(url, "service", "api-read", keys=("sk_test_not a key", KEYS[1]))
    assert status == 1
    assert verdicts["service"] == verdicts["api-read"] == Outcome.NOT_RUN
    assert "Stripe rejects the key: Invalid API Key" in table


def test_interruption_keeps_the_table(monkeypatch):
    def interrupt(check):
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(STEPS[0]), "run", interrupt)
    with stripe_stand_in() as url:
        status, verdicts, _ = checked(url)
    assert status == 1
    assert verdicts.pop("keys") == Outcome.NOT_FINISHED
    assert set(verdicts.values()) == {Outcome.NOT_RUN}


def test_docs_explain_each_step():
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    section = Path("docs/install.md").read_text().partition("### Run the live check")[2].partition("\n### ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, re.M)
    assert re.findall(r"`([^`]+)`", " ".join(cells)) == names
