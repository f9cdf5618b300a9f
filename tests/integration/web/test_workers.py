"""Test that one attempt to donate is one checkout session across workers."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from donation_card.app import create_app

from tests.support.installation import listening, served


@pytest.fixture(scope="module")
def workers(installation):
    """Start two workers, which share Redis and Stripe and nothing else."""
    sockets = [listening(), listening()]
    with served(*((create_app(installation.settings), socket) for socket in sockets)):
        yield [httpx.Client(base_url=f"http://localhost:{s.getsockname()[1]}", timeout=60) for s in sockets]


def order(client, token, amount, **more):
    return client.post("/v1/checkout-sessions", json={"form_token": token, "amount": amount, **more})


def can_be_paid(installation):
    """The amounts of the sessions at the sandbox that are open, newest first."""
    listed = httpx.get(
        f"{installation.sandbox}/v1/checkout/sessions", params={"limit": 100}, auth=("sk_test_x", "")
    ).json()
    return [session["amount_total"] for session in listed["data"] if session["status"] == "open"]


def test_changed_amount_expires_another_workers_session(installation, workers):
    one, other = workers
    token, before = installation.token(), can_be_paid(installation)
    inline = order(one, token, "25").json()["session_token"]
    form = {"form_token": token, "amount": "25", "replaces_session": inline}
    assert other.post("/v1/checkout-sessions", data=form).status_code == 303
    assert order(one, token, "30", replaces_session=inline).status_code == 201
    assert can_be_paid(installation) == [3000, *before]


def test_two_workers_leave_one_payable_session(installation, workers):
    token, before = installation.token(), can_be_paid(installation)
    with ThreadPoolExecutor(2) as donors:
        answers = list(donors.map(lambda worker, amount: order(worker, token, amount), workers, ["25", "30"]))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(can_be_paid(installation)) == len(before) + 1


def test_workers_share_the_order_limit_of_a_form(installation, workers):
    token = installation.token()
    for n in range(5):
        assert order(workers[n % 2], token, str(11 + n)).status_code == 201
    for worker in workers:
        assert order(worker, token, "16").json()["code"] == "too_many_changes"
    assert order(workers[0], token, "11").status_code == 201, "what was started can still be finished"
