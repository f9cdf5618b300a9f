"""Compose the sandbox: the API, the payment pages and the control surface, over one store and one clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from stripe_sandbox.account_resources import AccountResources
from stripe_sandbox.api import Api, ApiRequest, Endpoint
from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.checkout_pages import CheckoutPages
from stripe_sandbox.clock import Clock
from stripe_sandbox.control_api import ControlApi, respond_to_error
from stripe_sandbox.control_page import ControlPage
from stripe_sandbox.delivery_queue import DeliveryQueue
from stripe_sandbox.events import Events
from stripe_sandbox.faults import Faults
from stripe_sandbox.idempotency import Idempotency
from stripe_sandbox.object_edits import ObjectEdits
from stripe_sandbox.objects import Json
from stripe_sandbox.payment_link_page import PaymentLinkPage
from stripe_sandbox.payment_method_configurations import PaymentMethodConfigurations
from stripe_sandbox.request_pipeline import RequestPipeline
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.rights import Rights
from stripe_sandbox.sandbox_settings import SandboxSettings
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.store import Store
from stripe_sandbox.webhook_endpoints import WebhookEndpoints
from stripe_sandbox.webhook_sender import WebhookSender

ASSETS = Path(__file__).parent / "assets"
# Stripe serves its script under the name of the API's major release, e.g. https://js.stripe.com/endive/stripe.js
RELEASE_TRAIN = stripe.api_version.partition(".")[2]


def create_sandbox(settings: SandboxSettings) -> Starlette:
    """Create the ASGI app. Run it in one process with lifespan on; its state is in `settings.data` or in memory."""
    store = Store(settings.data)
    clock = Clock(settings.clock, store)
    faults = Faults(settings.webhook_faults, settings.api_fault, settings.seed)
    queue = DeliveryQueue(store, clock)
    endpoints = WebhookEndpoints(store, settings)
    events = Events(store, clock, faults, endpoints, queue)
    sender = WebhookSender(store, clock, queue, events, faults, endpoints, settings)
    payment_methods = PaymentMethodConfigurations(store)
    sessions = SessionLifecycle(
        store, clock, events, payment_methods, settings.checkout_url or settings.public_url, settings.settle_after
    )
    reversals = Reversals(store, clock, events)
    rights, edits = Rights(store), ObjectEdits(store, events)
    pipeline = RequestPipeline(store, faults, Idempotency(store, clock), rights)
    pages = CheckoutPages(sessions)
    link_page = PaymentLinkPage(store, sessions)
    control_api = ControlApi(store, clock, faults, sessions, reversals, queue, rights, edits, settings.public_url)
    control_page = ControlPage(store, clock, faults, sessions, reversals, edits, queue)

    def handler_for(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            sessions.run_due()
            return await pipeline.handle(endpoint, request)

        return handle

    async def handle_unknown(request: Request) -> Response:
        def refuse(_: ApiRequest) -> Json:
            raise ApiError(
                f"Unrecognized request URL ({request.method}: {request.url.path}). Please see "
                "https://stripe.com/docs or we can help at https://support.stripe.com/.",
                status=404,
            )

        return await pipeline.handle(refuse, request)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(_run_timers(sessions))]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        store.close()

    resources = AccountResources(store, clock, settings, payment_methods)
    api = Api(store, clock, sessions, reversals).routes | resources.routes
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            *[Route(path, handler_for(endpoint), methods=[method]) for (method, path), endpoint in api.items()],
            Route("/v1/{rest:path}", handle_unknown, methods=methods),
            Route("/link/{link}", link_page.respond, methods=["GET", "POST"]),
            Route("/pay/{session}", pages.hosted, methods=["GET", "POST"]),
            Route("/bank/{session}", pages.bank, methods=["GET", "POST"]),
            Route("/embed/{secret}", pages.embedded, methods=["GET", "POST"]),
            *[Route(path, _serve_asset("stripe.js")) for path in ("/stripe.js", f"/{RELEASE_TRAIN}/stripe.js")],
            *[Route(f"/assets/{name}", _serve_asset(name)) for name in ("checkout.css", "control.css", "embed.js")],
            *control_api.routes(),
            *control_page.routes(),
        ],
        exception_handlers={ApiError: respond_to_error},
        lifespan=lifespan,
    )


async def _run_timers(sessions: SessionLifecycle) -> None:
    """Run due timers once a second, so that they also fire when no request arrives."""
    while True:
        sessions.run_due()
        await asyncio.sleep(1)


def _serve_asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }

    async def serve(request: Request) -> Response:
        return FileResponse(ASSETS / name, headers=headers)

    return serve
