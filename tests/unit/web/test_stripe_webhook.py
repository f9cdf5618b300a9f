"""Test that large events take a bounded part of the memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from donation_card.application.ports.totals import ApplyResult
from donation_card.web.api.stripe_webhook import MAX_LARGE_EVENTS, WebhookEndpoint
from donation_card.web.http.request_body import MAX_EVENT_BYTES, USUAL_EVENT_BYTES
from starlette.requests import Request


class Handler:
    """Count the events that wait for their result."""

    def __init__(self) -> None:
        self.held, self.done = 0, asyncio.Event()

    async def handle(self, body: bytes, signature: bytes) -> ApplyResult:
        self.held += 1
        await self.done.wait()
        return ApplyResult.APPLIED


def request(length: int, *, declared: bool) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * length}

    headers = [(b"stripe-signature", b"t=1,v1=0")]
    headers += [(b"content-length", str(length).encode())] if declared else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize(("length", "declared"), [(MAX_EVENT_BYTES, True), (USUAL_EVENT_BYTES + 1, True), (9, False)])
def test_large_events_wait_unread_for_a_place(length: int, declared: bool) -> None:
    async def scenario() -> None:
        handler = Handler()
        endpoint = WebhookEndpoint(handler)  # type: ignore[arg-type]
        large = [asyncio.create_task(endpoint.receive(request(length, declared=declared))) for _ in range(99)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert handler.held == MAX_LARGE_EVENTS
        usual = asyncio.create_task(endpoint.receive(request(USUAL_EVENT_BYTES, declared=True)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert handler.held == MAX_LARGE_EVENTS + 1
        handler.done.set()
        assert {answer.status_code for answer in await asyncio.gather(*large, usual)} == {200}
        assert handler.held == 100

    asyncio.run(scenario())
