"""When Stripe does not answer, a donor is told so, nothing is taken, and readers see the figure all the same."""

import httpx
import pytest

from service.sandbox import ApiFault
from tests import contract
from tests.stack import eventually, running


@pytest.fixture(scope="module")
def alone(redis_url, tmp_path_factory):
    """An installation whose Stripe is about to fail."""
    with running(redis_url, tmp_path_factory.mktemp("sandbox")) as stack:
        stack.until_ready()
        stack.client.event_hooks["response"] = [lambda response: (response.read(), contract.hold(response))]
        yield stack


def fail(stack, kind, times, executed=False):
    stack.operate("faults", api={"kind": kind, "next": times, "executed": executed})


def clear(stack):
    httpx.delete(f"{stack.sandbox}/sandbox/faults").raise_for_status()


@pytest.mark.parametrize("kind", ["500", "429", "reset"])
def test_a_stripe_that_fails_for_good_is_said_and_a_second_press_works(alone, kind):
    token = alone.token()
    fail(alone, kind, 50)
    refused = alone.order("25", token=token)
    assert (refused.status_code, refused.json()["code"]) == (503, "payments_unavailable")
    assert "Nothing has been taken" in refused.json()["detail"]
    assert alone.client.get("/v1/campaigns/vitaly/progress").status_code == 200
    clear(alone)
    assert alone.order("25", token=token).status_code == 201


def test_a_lost_answer_is_asked_for_again_with_the_same_key_and_makes_one_session(alone):
    before = sessions(alone)
    fail(alone, "reset", 1, executed=True)
    assert alone.order("25").status_code == 201
    assert sessions(alone) == before + 1


def test_a_failure_that_stripe_keeps_for_its_key_is_passed_by_with_another_key(alone):
    fail(alone, "500", 1)
    assert alone.order("25").status_code == 201


def test_a_donor_who_has_paid_is_never_told_that_nothing_was_taken(alone):
    started = alone.submit(token=alone.token(), amount="25")
    back = alone.pay(started.headers["location"]).headers["location"]
    inline = alone.order("25").json()
    path = f"/v1/checkout-sessions/{inline['handle']}"
    fail(alone, "500", 50)
    page = alone.client.get(back, headers={"accept": "text/html"})
    answer = alone.client.get(path)
    clear(alone)
    assert (page.status_code, answer.status_code) == (503, 503)
    assert answer.json()["code"] == "payment_unread"
    for text in (page.text, answer.json()["detail"]):
        assert "went to Stripe" in text
        assert "taken" not in text
    eventually(lambda: alone.client.get(path).status_code == 200, "it is read again")
    assert "is counted" in alone.client.get(back).text


def test_a_service_that_starts_while_stripe_is_away_shows_the_figure_and_says_why_it_is_not_ready(redis_url, tmp_path):
    with running(redis_url, tmp_path) as stack:
        stack.until_ready()
        stack.give("25")
        eventually(lambda: stack.progress()["raised"] == 2500, "the gift is counted")
    away = {"api_fault": ApiFault("500", next=10_000)}
    with running(redis_url, tmp_path, sandbox_options=away) as stack:
        eventually(lambda: stack.client.get("/v1/campaigns/vitaly/progress").status_code == 200, "the figure is there")
        assert stack.progress()["raised"] == 2500
        parts = stack.client.get("/readyz").json()["parts"]
        assert [name for name, part in parts.items() if not part["ready"]] == ["reconcile"]
        clear(stack)
        stack.until_ready()


def sessions(stack):
    found = httpx.get(f"{stack.sandbox}/v1/checkout/sessions", params={"limit": 100}, auth=("sk_test_x", ""))
    return len(found.json()["data"])
