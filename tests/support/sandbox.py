"""Run a sandbox on a socket, with the official client and a receiver for its webhooks."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import httpx
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.support.stripe_specification import response_errors, template_of, unknown_errors

KEY = "sk_test_ada"
SECRET = "whsec_ada"
NOON = 1_800_000_000.0

stripe.enable_telemetry = False


class QuickServer(uvicorn.Server):
    """Start and stop without the pauses of a real server, which add up over 200 tests."""

    async def main_loop(self) -> None:
        while not self.should_exit:
            await self.on_tick(0)
            await asyncio.sleep(0.005)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.lifespan.shutdown()


@contextmanager
def serving(app: Starlette, listener: socket.socket) -> Iterator[None]:
    """Run an app in a thread on a listening socket."""
    server = QuickServer(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def listen() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@dataclass
class Inbox:
    """Receive webhooks; answer with `statuses` first and then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[bytes, str]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        with self._news:
            self.received.append((body, request.headers["stripe-signature"]))
            status = self.statuses.pop(0) if self.statuses else 200
            self._news.notify_all()
        return Response(status_code=status)

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.received) >= count, 60), f"{len(self.received)} of {count} came"
        return self.events()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.received]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]


@dataclass
class Sandbox:
    """Use a running sandbox through the API client, a browser and the control API."""

    url: str
    http: httpx.Client
    runner: asyncio.Runner  # one loop for all calls, because the client keeps its connections

    @cached_property
    def client(self) -> stripe.StripeClient:
        return self.client_with()

    def client_with(self, key: str = KEY, **options: Any) -> stripe.StripeClient:
        http_client = stripe.HTTPXClient(timeout=options.pop("timeout", 10))
        return stripe.StripeClient(key, base_addresses={"api": self.url}, http_client=http_client, **options)

    def call(self, method: str, path: str, *, key: str = KEY, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} | options.pop("headers", {})
        return self.http.request(method, path, headers=headers, **options)

    def create(self, **params: Any) -> Any:
        async def create() -> stripe.checkout.Session:
            return await self.client.v1.checkout.sessions.create_async(gift(**params))

        return self.run(create())

    def run(self, work: Awaitable[Any]) -> Any:
        async def main() -> Any:
            return await work

        return self.runner.run(main())

    def session(self, id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/v1/checkout/sessions/{id}").json())

    def pay(self, session: Any, number: str = "4242 4242 4242 4242", email: str = "ada@example.org") -> httpx.Response:
        secret = session.client_secret
        return self.http.post(f"/embed/{secret}" if secret else session.url, data={"number": number, "email": email})

    def operate(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def advance(self, seconds: float) -> None:
        self.operate("clock", advance_seconds=seconds)

    def event_types(self) -> list[str]:
        """Return the types of all events, oldest first."""
        return [event["type"] for event in self.call("GET", "/v1/events?limit=100").json()["data"]][::-1]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.002)


def gift(**changes: Any) -> Any:
    """Return the parameters of a donation of EUR 25.00 on the hosted page; None removes one."""
    params = {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "submit_type": "donate",
        "success_url": "https://card.example/thanks?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://card.example/c/roof",
        "line_items": [
            {
                "price_data": {"currency": "eur", "unit_amount": 2500, "product_data": {"name": "A new roof"}},
                "quantity": 1,
            }
        ],
        "metadata": {"campaign": "roof", "site": "gazette"},
        "payment_intent_data": {"metadata": {"campaign": "roof", "site": "gazette"}},
    }
    return {name: value for name, value in (params | changes).items() if value is not None}


def embedded(**changes: Any) -> Any:
    inline = {"ui_mode": "embedded_page", "redirect_on_completion": "never", "success_url": None, "cancel_url": None}
    return inline | changes


def amount(cents: Any, currency: str = "eur", **changes: Any) -> list[dict[str, Any]]:
    price = {"currency": currency, "unit_amount": cents, "product_data": {"name": "A new roof"}} | changes
    return [{"price_data": {name: value for name, value in price.items() if value is not None}, "quantity": 1}]


def _check_answer(answer: httpx.Response) -> None:
    """Raise AssertionError if Stripe's description does not allow an answer of the API."""
    request = answer.request
    template = template_of(request.url.path)
    if template and answer.headers["content-type"] == "application/json":
        answer.read()
        found = response_errors(request.method, template, answer.status_code, answer.json())
        assert unknown_errors(found) == []


@contextmanager
def sandbox_with(**options: Any) -> Iterator[Sandbox]:
    """Run a sandbox whose clock stands still at NOON until it is advanced."""
    listener, url = listen()
    settings = replace(SandboxSettings(public_url=url, clock=lambda: NOON, seed=1), **options)
    with (
        serving(create_sandbox(settings), listener),
        httpx.Client(base_url=url, timeout=60, verify=False, event_hooks={"response": [_check_answer]}) as http,
        asyncio.Runner() as runner,
    ):
        yield Sandbox(url, http, runner)
