"""Receive Stripe's webhooks.

Status 200 means that the event was applied or ignored. After any other status Stripe sends the event again.
"""

import asyncio
from contextlib import nullcontext

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.application.webhook_handler import WebhookHandler
from donation_card.domain.rate_limits import network_prefix
from donation_card.errors import DonationCardError, IgnoredEvent, Invalid, Unavailable
from donation_card.observability.metrics import webhooks
from donation_card.web.api.checkout_sessions import client_address
from donation_card.web.http.headers import NO_STORE
from donation_card.web.http.request_body import MAX_EVENT_BYTES, USUAL_EVENT_BYTES, declared_length, read_body
from donation_card.web.presentation.documents import WebhookResult

PATH = "/v1/stripe/webhook"

MAX_SIGNATURE_LENGTH = 4_096
"""Characters of the header `Stripe-Signature`. A request with a longer one, or without one, is not read any further."""

MAX_LARGE_EVENTS = 32
"""Large events that a worker holds at the same time. Together they take at most 16 MiB; others wait unread."""


class WebhookEndpoint:
    """`POST /v1/stripe/webhook`."""

    def __init__(self, handler: WebhookHandler) -> None:
        self.handler = handler
        self._large_events = asyncio.Semaphore(MAX_LARGE_EVENTS)

    async def receive(self, request: Request) -> Response:
        """Verify the signature, apply the event to the totals, and count the outcome."""
        try:
            signature = request.headers.get("stripe-signature", "").encode("latin-1")
            if not 0 < len(signature) <= MAX_SIGNATURE_LENGTH:
                raise Invalid("signature_invalid", reason="header missing or too long")
            length = declared_length(request.scope)
            is_usual = length is not None and length <= USUAL_EVENT_BYTES
            async with nullcontext() if is_usual else self._large_events:
                body = await read_body(request.scope, request.receive, MAX_EVENT_BYTES)
                applied = await self.handler.handle(body, signature)
        except IgnoredEvent as reason:
            webhooks.labels("ignored", reason.code).inc()
            network = "unknown" if network_prefix(client_address(request)) is None else "known"
            result = WebhookResult(outcome="ignored", reason=reason.code, client_network=network)
            return JSONResponse(result, 200, NO_STORE)
        except DonationCardError as error:
            webhooks.labels("unavailable" if isinstance(error, Unavailable) else "rejected", error.code).inc()
            raise
        webhooks.labels(applied.value, "").inc()
        return JSONResponse(WebhookResult(outcome=applied.value), 200, NO_STORE)
