"""A checkout session: what it costs us beside what the official client costs anybody, in CPU."""

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
from donation_card.application.ports.payments import CheckoutOrder, UiMode
from donation_card.domain.money import Money

from bench.running import Row, Service, service_running

WARM, EACH = 10, 60
PAUSE = 0.3
"""Seconds between two: the service makes no more than what Stripe's test mode takes."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, service_running(Path(folder)) as service:
        ours = through_the_service(service)
        alone = asyncio.run(through_the_client(service.environment["STRIPE_API_BASE"]))
    share = f"{ours - alone:.1f} ms our own"
    yield Row("session create, CPU, beside the client alone", f"{ours:.1f} ms", f"{alone:.1f} ms", share, "3 ms")


def through_the_service(service: Service) -> float:
    """Milliseconds of the worker's CPU for each session; every donor comes from a network of their own."""
    with httpx.Client(base_url=service.url, timeout=20) as client:
        tokens = []
        for number in range(WARM + EACH):
            page = client.get("/c/vitaly/give", headers=donor(number)).text
            tokens.append(re.search(r'name="token"[^>]*value="([^"]+)"', page)[1])
        idle = service.cpu_seconds()
        time.sleep(EACH * PAUSE)
        idle = service.cpu_seconds() - idle  # of its upkeep in such a time
        for number, token in enumerate(tokens):
            if number == WARM:  # nobody is cold
                began = service.cpu_seconds()
            answer = client.post("/v1/checkout-sessions", json={"token": token, "amount": "25"}, headers=donor(number))
            assert answer.status_code == 201, answer.text
            time.sleep(PAUSE)
        return (service.cpu_seconds() - began - idle) / EACH * 1000


def donor(number: int) -> dict[str, str]:
    return {"x-forwarded-for": f"{number + 20}.{number}.113.7"}


async def through_the_client(sandbox: str) -> float:
    """The same calls by the official client as we set it up, and nothing around it."""
    payments = StripePayments("sk_test_bench", [], api_base=sandbox)
    for number in range(WARM + EACH):
        if number == WARM:
            began = time.process_time()
        await payments.create_session(order(), uuid.uuid4().hex)
        await asyncio.sleep(PAUSE)  # as cold as ours
    spent = time.process_time() - began
    await payments.close()
    return spent / EACH * 1000


def order() -> CheckoutOrder:
    return CheckoutOrder(
        campaign="vitaly",
        site="other",
        attempt_id=uuid.uuid4().hex,
        amount=Money(25_00, "EUR"),
        ui_mode=UiMode.EMBEDDED,
        description="Donation",
        locale="en",
        expires_at=int(time.time()) + 91 * 60,
        success_url=None,
        cancel_url=None,
    )
