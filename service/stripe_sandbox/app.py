"""Puts the sandbox together: one store, one clock, the API, the payment pages, the operator's switches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from stripe_sandbox.api import Api, Call, Endpoint
from stripe_sandbox.checkout import Checkout
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import unknown_url
from stripe_sandbox.events import Events
from stripe_sandbox.faults import Faults
from stripe_sandbox.gate import Gate
from stripe_sandbox.idempotency import Idempotency
from stripe_sandbox.links import Links
from stripe_sandbox.objects import Json
from stripe_sandbox.operator import Operator
from stripe_sandbox.operator_page import OperatorPage
from stripe_sandbox.pages import Pages
from stripe_sandbox.receivers import Receivers
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.settings import SandboxSettings
from stripe_sandbox.setup import Setup
from stripe_sandbox.store import Store
from stripe_sandbox.webhooks import Webhooks

ASSETS = Path(__file__).parent / "assets"
# Stripe serves its script under the name of the API's major release, e.g. https://js.stripe.com/endive/stripe.js
RELEASE_TRAIN = stripe.api_version.partition(".")[2]


def create_sandbox(settings: SandboxSettings) -> Starlette:
    """The app; run it with its lifespan on, in one process. Its state lives in `settings.data`, or in memory."""
    store = Store(settings.data)
    clock = Clock(settings.clock, store)
    faults = Faults(settings.webhook_faults, settings.api_fault, settings.seed)
    receivers = Receivers(store, settings)
    events = Events(store, clock, faults, receivers)
    checkout = Checkout(store, clock, events, settings.public_url, settings.settle_after)
    reversals = Reversals(store, clock, events)
    webhooks = Webhooks(store, clock, events, faults, settings, receivers)
    events.on_record = webhooks.wake
    gate = Gate(store, faults, Idempotency(store, clock))
    pages = Pages(checkout)
    setup = Setup(store, clock, settings.public_url)
    links = Links(store, checkout)
    operator = Operator(store, clock, faults, checkout, reversals, webhooks, settings.public_url)

    operator_page = OperatorPage(store, clock, faults, checkout, reversals, webhooks)

    def through_gate(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            checkout.sweep()
            return await gate.handle(endpoint, request)

        return handle

    async def unknown(request: Request) -> Response:
        def refuse(call: Call) -> Json:
            raise unknown_url(request.method, request.url.path)

        return await gate.handle(refuse, request)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(webhooks.run()), asyncio.create_task(_tick(checkout))]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        store.close()

    api = Api(store, clock, checkout, reversals).routes | setup.routes
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            *[Route(path, through_gate(endpoint), methods=[method]) for (method, path), endpoint in api.items()],
            Route("/v1/{rest:path}", unknown, methods=methods),
            Route("/link/{link}", links.page, methods=["GET", "POST"]),
            Route("/pay/{session}", pages.hosted, methods=["GET", "POST"]),
            Route("/embed/{secret}", pages.embedded, methods=["GET", "POST"]),
            *[Route(path, _asset("stripe.js")) for path in ("/stripe.js", f"/{RELEASE_TRAIN}/stripe.js")],
            *[Route(f"/assets/{name}", _asset(name)) for name in ("checkout.css", "operator.css", "embed.js")],
            *operator.routes(),
            *operator_page.routes(),
        ],
        lifespan=lifespan,
    )


async def _tick(checkout: Checkout) -> None:
    """What falls due while nobody asks still happens within a second."""
    while True:
        checkout.sweep()
        await asyncio.sleep(1)


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }

    async def serve(request: Request) -> Response:
        return FileResponse(ASSETS / name, headers=headers)

    return serve
