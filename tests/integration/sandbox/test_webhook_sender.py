"""Test delivery of webhooks, with and without faults."""

import json

import pytest
import stripe
from stripe_sandbox import SandboxSettings, WebhookFaults

from tests.support.sandbox import NOON, SECRET, Inbox, Sandbox, sandbox_with, until


def counts(sandbox: Sandbox) -> dict[str, int]:
    return dict(sandbox.http.get("/sandbox/deliveries").json())


def settled(sandbox: Sandbox) -> dict[str, int]:
    """Wait until no delivery is pending, and return the counts."""
    until(lambda: counts(sandbox)["pending"] == 0)
    return counts(sandbox)


def test_event_has_a_valid_signature(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.pay(delivering.create(metadata={"campaign": "крыша"}))
    inbox.wait_for(2)
    for body, header in inbox.received:
        assert stripe.WebhookSignature.verify_header(body, header, SECRET, tolerance=300)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(body + b" ", header, SECRET)


def test_signature_has_the_real_time(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.advance(30 * 24 * 3600)
    delivering.pay(delivering.create())
    inbox.wait_for(1)
    body, header = inbox.received[0]
    assert stripe.WebhookSignature.verify_header(body, header, SECRET, tolerance=300)
    assert json.loads(body)["created"] == NOON + 30 * 24 * 3600


def test_event_has_a_copy_of_its_object(delivering: Sandbox, inbox: Inbox) -> None:
    session = delivering.create()
    delivering.pay(session)
    event = next(event for event in inbox.wait_for(2) if event["type"] == "checkout.session.completed")
    assert event["data"]["object"] == delivering.session(session.id)
    assert (event["object"], event["api_version"], event["livemode"]) == ("event", stripe.api_version, False)
    assert (event["created"], event["pending_webhooks"]) == (int(NOON), 1)
    settled(delivering)
    assert delivering.call("GET", f"/v1/events/{event['id']}").json()["pending_webhooks"] == 0


def test_event_has_its_request(delivering: Sandbox, inbox: Inbox) -> None:
    path = f"/v1/checkout/sessions/{delivering.create().id}/expire"
    answer = delivering.call("POST", path, headers={"Idempotency-Key": "press"})
    [event] = inbox.wait_for(1)
    assert event["type"] == "checkout.session.expired"
    assert event["request"] == {"id": answer.headers["request-id"], "idempotency_key": "press"}


def test_delivery_is_retried_until_accepted(delivering: Sandbox, inbox: Inbox) -> None:
    inbox.statuses = [500, 302, 404]
    delivering.call("POST", f"/v1/checkout/sessions/{delivering.create().id}/expire")
    for attempt, pause in enumerate((0, 1, 2, 4), start=1):
        delivering.advance(pause)
        until(lambda attempt=attempt: counts(delivering)["attempts"] == attempt)
    assert counts(delivering) == {"pending": 0, "delivered": 1, "failed": 0, "attempts": 4}
    assert len({event["id"] for event in inbox.events()}) == 1


def test_delivery_fails_after_all_retries(inbox: Inbox) -> None:
    inbox.statuses = [500] * 3
    with sandbox_with(webhook_url=inbox.url, webhook_secret=SECRET, retry_delays=(0, 0)) as sandbox:
        sandbox.call("POST", f"/v1/checkout/sessions/{sandbox.create().id}/expire")
        assert settled(sandbox) == {"pending": 0, "delivered": 0, "failed": 1, "attempts": 3}
        assert len(inbox.received) == 3
        assert sandbox.event_types() == ["checkout.session.expired"]


def test_unreachable_endpoint_does_not_delay_payment() -> None:
    with sandbox_with(webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET) as sandbox:
        assert sandbox.pay(sandbox.create()).status_code == 303
        assert counts(sandbox)["pending"] == 2


def test_extra_copies_are_delivered(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.operate("faults", webhooks={"extra_copies": 2})
    delivering.pay(delivering.create())
    inbox.wait_for(6)
    assert settled(delivering)["delivered"] == 6
    assert len({event["id"] for event in inbox.events()}) == 2


def test_delayed_events_are_delivered(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.operate("faults", webhooks={"delay": 3600})
    delivering.pay(delivering.create())
    delivering.advance(3599)
    assert counts(delivering)["pending"] == 2
    assert inbox.received == []
    delivering.advance(1)
    inbox.wait_for(2)


def test_jitter_changes_the_order(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.operate("faults", webhooks={"max_jitter": 600})
    for _ in range(10):
        delivering.pay(delivering.create())
    for _ in range(20):
        delivering.advance(30)
    assert settled(delivering)["delivered"] == 20
    made = [event["id"] for event in delivering.call("GET", "/v1/events?limit=100").json()["data"]][::-1]
    came = [event["id"] for event in inbox.events()]
    assert sorted(came) == sorted(made)
    assert came != made


def test_failed_attempts_are_retried(inbox: Inbox) -> None:
    faults = WebhookFaults(attempt_failure_rate=0.5)
    options = {"webhook_url": inbox.url, "webhook_secret": SECRET, "retry_delays": (0,) * 50, "webhook_faults": faults}
    with sandbox_with(**options) as sandbox:
        for _ in range(5):
            sandbox.pay(sandbox.create())
        assert settled(sandbox)["delivered"] == 10
        assert counts(sandbox)["attempts"] > 10
        assert len(inbox.received) == 10


def test_never_sent_events_are_listed(delivering: Sandbox, inbox: Inbox) -> None:
    delivering.operate("faults", webhooks={"never_sent_rate": 1})
    delivering.pay(delivering.create())
    assert settled(delivering) == {"pending": 0, "delivered": 0, "failed": 0, "attempts": 0}
    assert len(delivering.event_types()) == 2
    undelivered = delivering.call("GET", "/v1/events?delivery_success=false").json()["data"]
    assert len(undelivered) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"webhook_url": "http://127.0.0.1:1/"},
        {"webhook_url": "http://127.0.0.1:1/", "webhook_secret": "secret"},
        {"webhook_url": "ftp://x", "webhook_secret": SECRET},
        {"public_url": "sandbox"},
    ],
)
def test_invalid_settings_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"webhook_secret|webhook_url|public_url"):
        SandboxSettings(**options)


def test_never_recorded_events_are_not_listed(sandbox: Sandbox) -> None:
    sandbox.operate("faults", webhooks={"never_recorded_rate": 1})
    sandbox.pay(sandbox.create())
    assert sandbox.event_types() == []


def test_events_are_listed_by_up_to_20_types(sandbox: Sandbox) -> None:
    sandbox.pay(sandbox.create())

    def listed(types: list[str]) -> list[str]:
        return [event.type for event in sandbox.run(sandbox.client.v1.events.list_async({"types": types})).data]

    wanted = "checkout.session.completed"
    assert listed([wanted, "refund.created"]) == [wanted]
    with pytest.raises(stripe.InvalidRequestError, match="20 types"):
        listed([wanted] * 21)
