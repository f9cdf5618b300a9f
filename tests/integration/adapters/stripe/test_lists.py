"""Test that one bad page or object stops no list, and that payments are looked up as Stripe answers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import Attribution, RefundOrDispute, StripeRecord
from donation_card.errors import ListIncomplete, PaymentUnknown
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from tests.integration.adapters.stripe.test_objects import DISPUTE, REFUND, SESSION
from tests.support.sandbox import KEY, serving

SESSIONS, REFUNDS, DISPUTES, EVENTS = "/v1/checkout/sessions", "/v1/refunds", "/v1/disputes", "/v1/events"


class Stripe:
    """A stand-in that answers each path with the pages of a test, one after another."""

    def __init__(self) -> None:
        self.pages: dict[str, list[tuple[list[Any], bool]]] = {}
        self.objects: dict[str, Any] = {}
        self.requests: list[str] = []
        self.queries: list[str] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.requests.append(path)
        self.queries.append(str(request.url.query))
        if path in self.objects:
            return JSONResponse(self.objects[path])
        if path.startswith("/v1/payment_intents/"):
            return JSONResponse({"error": {"type": "invalid_request_error", "code": "resource_missing"}}, 404)
        pages = self.pages.get(path, [])
        data, has_more = pages.pop(0) if pages else ([], False)
        return JSONResponse({"object": "list", "url": path, "data": data, "has_more": has_more})


class Provider:
    def __init__(self, stripe: Stripe, payments: StripePayments, runner: asyncio.Runner) -> None:
        self.stripe, self.payments, self.runner = stripe, payments, runner

    def read(self, records: AsyncIterator[StripeRecord]) -> tuple[list[str], bool]:
        """Return the ids of a list, and False if it is reported as incomplete."""
        found: list[str] = []

        async def read() -> bool:
            try:
                async for record in records:
                    found.append(record.id)
            except ListIncomplete:
                return False
            return True

        complete = self.runner.run(read())
        return found, complete


@pytest.fixture
def provider() -> Iterator[Provider]:
    stripe, listener = Stripe(), socket.create_server(("127.0.0.1", 0))
    with serving(stripe.app, listener), asyncio.Runner() as runner:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        payments = StripePayments(KEY, ["whsec_0123456789abcdef0123"], api_base=url)
        yield Provider(stripe, payments, runner)
        runner.run(payments.close())


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("metadata", [{}, {"campaign": "bells", "site": "b.example"}])
def test_reversal_is_attributed_by_the_sessions_of_the_same_listing(
    provider: Provider, metadata: dict[str, str], *, ours: bool
) -> None:
    expanded = {"id": "pi_1", "object": "payment_intent", "metadata": metadata, "currency": "eur", "amount_received": 5}
    session = SESSION | {"payment_intent": expanded, "metadata": SESSION["metadata"] if ours else {"order": "7"}}
    provider.stripe.pages = {
        SESSIONS: [([session], False)],
        REFUNDS: [([REFUND | {"payment_intent": expanded}], False)],
        DISPUTES: [([DISPUTE | {"payment_intent": "pi_elsewhere"}], False)],
    }

    async def listed() -> list[StripeRecord]:
        return [record async for record in provider.payments.list_created_since(0)]

    _, refund, dispute = provider.runner.run(listed())
    assert isinstance(refund, RefundOrDispute)
    expected = (Attribution("roof", "a.example"), "pi_1") if ours else (None, None)
    assert (refund.attribution, refund.payment_intent) == expected
    assert isinstance(dispute, RefundOrDispute)
    assert (dispute.attribution, dispute.payment_intent) == (None, "pi_elsewhere")
    assert "payment_intents" not in "".join(provider.stripe.requests)


@pytest.mark.parametrize(
    ("age", "sessions", "expected"),
    [
        (None, [], "unknown"),
        (5, [], "unknown"),
        (3_600, [], None),
        (5, [SESSION], Attribution("roof", "a.example")),
        (3_600, [SESSION], Attribution("roof", "a.example")),
        (5, [SESSION | {"metadata": {}}], None),
    ],
)
def test_payment_without_a_session_is_unknown_until_it_must_be_listed(
    provider: Provider, age: int | None, sessions: list[Any], expected: Any
) -> None:
    if age is not None:
        metadata = {"campaign": "bells"}  # of the dashboard, or of somebody who uses PaymentIntents
        payment = {"id": "pi_1", "object": "payment_intent", "metadata": metadata, "created": int(time.time()) - age}
        provider.stripe.objects = {"/v1/payment_intents/pi_1": payment}
    provider.stripe.pages = {SESSIONS: [(sessions, False)]}
    lookup = provider.payments.attribution("pi_1")
    if expected == "unknown":
        with pytest.raises(PaymentUnknown):
            provider.runner.run(lookup)
    else:
        assert provider.runner.run(lookup) == expected


@pytest.mark.parametrize("created", [0, 1_800_000_000])
@pytest.mark.parametrize("before", [0, 1])
def test_empty_page_with_a_successor_fails_after_all_else_was_read(
    provider: Provider, created: int, before: int
) -> None:
    provider.stripe.pages = {
        SESSIONS: [([SESSION], True)] * before + [([], True)],
        REFUNDS: [([REFUND], False)],
        DISPUTES: [([DISPUTE], False)],
    }
    with capture_logs() as logs:
        found, complete = provider.read(provider.payments.list_created_since(created))
    assert (found, complete) == (["cs_test_1"] * before + ["re_1", "du_1"], False)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["list_incomplete"]


def test_empty_page_of_events_is_reported(provider: Provider) -> None:
    provider.stripe.pages = {EVENTS: [([], True)]}
    assert provider.read(provider.payments.list_changed_since(1)) == ([], False)


def listed(subject: Any, kind: Any = "refund.updated") -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "type": kind, "data": subject}


@pytest.mark.parametrize(
    "bad",
    [
        listed({}),
        listed({"object": None}),
        listed({"object": []}),
        listed(None),
        {"id": "evt_1", "object": "event", "type": "refund.updated"},
        listed({"object": REFUND}, "refund.renamed"),
        listed({"object": REFUND}, None),
        listed({"object": REFUND | {"amount": "5"}}),
        None,
        5,
    ],
)
def test_event_without_an_object_is_skipped_and_reported(provider: Provider, bad: Any) -> None:
    good = listed({"object": REFUND | {"object": "refund"}})
    provider.stripe.pages = {EVENTS: [([bad, good], False)]}
    with capture_logs() as logs:
        assert provider.read(provider.payments.list_changed_since(1)) == (["re_1"], True)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["object_unreadable"]


@pytest.mark.parametrize("bad", [None, 5, "x", [], SESSION | {"id": None, "amount": 5}])
def test_object_of_any_shape_in_a_list_is_skipped(provider: Provider, bad: Any) -> None:
    provider.stripe.pages = {SESSIONS: [([bad, SESSION], False)], DISPUTES: [([bad, DISPUTE], False)]}
    with capture_logs() as logs:
        assert provider.read(provider.payments.list_created_since(0)) == (["cs_test_1", "du_1"], True)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["object_unreadable"] * 2
