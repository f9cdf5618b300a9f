"""Measure the CPU time of creating a checkout session, compared with Stripe's client alone."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import CheckoutOrder, PaymentPage, UiMode
from donation_card.domain.money import Money

from bench.running import Row, Service, service_running

WARM, EACH = 10, 60
PAUSE = 0.3
"""Seconds between two sessions, because the service limits their rate to that of Stripe's test mode."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        measured = service_milliseconds(service)
        baseline = asyncio.run(client_milliseconds(service.environment["STRIPE_API_BASE"]))
    difference = f"{measured - baseline:.1f} ms more"
    what = "session create, CPU, vs the Stripe client alone"
    yield Row(what, f"{measured:.1f} ms", f"{baseline:.1f} ms", difference, "3 ms")


def service_milliseconds(service: Service) -> float:
    """Return the worker's CPU time for each session. Each donor has a network of their own, because of the limits."""
    with httpx.Client(base_url=service.url, timeout=20) as client:
        tokens = []
        for number in range(WARM + EACH):
            page = client.get("/c/vitaly/give", headers=donor(number)).text
            tokens.append(re.search(r'name="form_token"[^>]*value="([^"]+)"', page)[1])
        idle = service.cpu_seconds()
        time.sleep(EACH * PAUSE)
        idle = service.cpu_seconds() - idle  # the background tasks in the same time
        for number, token in enumerate(tokens):
            if number == WARM:
                started = service.cpu_seconds()
            request = {"form_token": token, "amount": "25"}
            response = client.post("/v1/checkout-sessions", json=request, headers=donor(number))
            assert response.status_code == 201, response.text
            time.sleep(PAUSE)
        return (service.cpu_seconds() - started - idle) / EACH * 1000


def donor(number: int) -> dict[str, str]:
    return {"x-forwarded-for": f"{number + 20}.{number}.113.7"}


async def client_milliseconds(sandbox: str) -> float:
    """Return the CPU time of the same calls by Stripe's client, configured as in the service."""
    payments = StripePayments("sk_test_bench", [], api_base=sandbox)
    for number in range(WARM + EACH):
        if number == WARM:
            started = time.process_time()
        await payments.create_session(order(), uuid.uuid4().hex)
        await asyncio.sleep(PAUSE)  # with caches as cold as in the service
    spent = time.process_time() - started
    await payments.close()
    return spent / EACH * 1000


def order() -> CheckoutOrder:
    return CheckoutOrder(
        campaign="vitaly",
        site="other",
        attempt_id=uuid.uuid4().hex,
        amount=Money(25_00, "EUR"),
        expires_at=int(time.time()) + 91 * 60,
        page=PaymentPage(UiMode.EMBEDDED, "Donation", "en"),
    )
