"""Start the service, the sandbox and their servers on loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from pathlib import Path

import httpx
import uvicorn
from donation_card import background_tasks
from donation_card.app import create_app
from donation_card.application.ports.payments import Account
from donation_card.domain.totals import Totals
from donation_card.observability.logs import configure_logs
from donation_card.server.http_protocol import LimitedHttpProtocol
from donation_card.settings import Settings, from_environment
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.support.redis_stores import totals_store

CLOSED_WITHIN = 3 * 10
"""Seconds: the promise is ten; a deadline that is behaviour may take three times as long on a shared machine."""

WEBHOOK_SECRET = "whsec_0123456789abcdef0123"
METRICS_TOKEN = "0123456789abcdef" * 2
PAYS, DECLINED, ASKS_3DS, SETTLES_LATER = (
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0027 6000 3184",
    "AT611904300234573201",
)

background_tasks.REFRESH_INTERVAL = background_tasks.ATTACK_STATUS_INTERVAL = 0.1
background_tasks.SYNC_POLL_INTERVAL = 0.2
# An installation in this process does its background work ten times as often as a service, so that tests wait less.

TEST_STRIPE_RATE = 2_500
"""Tests send more requests a second than the public does, and the sandbox accepts them."""


_networks = itertools.count()


def from_another_network() -> dict[str, str]:
    """Return a header for a donor with a network of their own, as a trusted proxy sends it."""
    number = next(_networks)
    return {"x-forwarded-for": f"11.{number // 256 % 256}.{number % 256}.1"}


@dataclass
class Installation:
    """Hold one installation. `service` and `sandbox` are origins."""

    settings: Settings
    service: str
    sandbox: str
    client: httpx.Client = field(repr=False)

    def token(self, campaign: str = "vitaly", lang: str = "en") -> str:
        page = self.client.get(f"/c/{campaign}/give", params={"lang": lang}).text
        return re.search(r'name="form_token"[^>]*value="([^"]+)"', page)[1]

    def order(self, amount: str = "25", *, token: str | None = None, **more: object) -> httpx.Response:
        body = {"form_token": token or self.token(), "amount": amount, **more}
        return self.client.post("/v1/checkout-sessions", json=body, headers=from_another_network())

    def submit(self, *, token: str, **fields: str) -> httpx.Response:
        """Submit the donation form as a browser without JavaScript."""
        form = {"form_token": token, **fields}
        headers = {"accept": "text/html"} | from_another_network()
        return self.client.post("/v1/checkout-sessions", data=form, headers=headers)

    def pay(self, url: str, number: str = PAYS) -> httpx.Response:
        """Submit a payment page of the sandbox and return the response, a redirect if the payment succeeded."""
        with httpx.Client(timeout=60) as browser:
            form = browser.get(url)
            assert form.status_code == 200, form.text
            action = re.search(r'<form[^>]*action="([^"]+)"', form.text)
            target = httpx.URL(url).join(action[1]) if action else url
            return browser.post(target, data={"number": number, "email": "ada@example.org"})

    def give(self, amount: str = "25", number: str = PAYS) -> httpx.Response:
        """Give through the hosted page, without JavaScript."""
        started = self.submit(token=self.token(), amount="custom", custom_amount=amount)
        assert started.status_code == 303, started.text
        return self.pay(started.headers["location"], number)

    def give_at_bank(self, method: str, answer: str, campaign: str = "roof") -> httpx.Response:
        """Give by a method that redirects. Return the response to the answer that the donor gives at the bank."""
        page = self.submit(token=self.token(campaign), amount="25").headers["location"]
        with httpx.Client(timeout=60) as browser:
            chosen = browser.post(page, data={"method": method, "email": "ada@example.org"})
            assert chosen.status_code == 303, chosen.text
            return browser.post(httpx.URL(page).join(chosen.headers["location"]), data={"answer": answer})

    def progress(self, campaign: str = "vitaly") -> dict:
        return self.client.get(f"/v1/campaigns/{campaign}/progress").raise_for_status().json()

    def paid(self, campaign: str = "vitaly") -> tuple[int, int]:
        """Return the sum and the number of paid sessions, as the sandbox lists them."""
        paid, after = [], {}
        while True:
            query = {"limit": 100, **after}
            page = httpx.get(f"{self.sandbox}/v1/checkout/sessions", params=query, auth=("sk_test_x", "")).json()
            paid += [
                session["amount_total"]
                for session in page["data"]
                if session["payment_status"] == "paid" and session["metadata"]["campaign"] == campaign
            ]
            if not page["has_more"]:
                return sum(paid), len(paid)
            after = {"starting_after": page["data"][-1]["id"]}

    def gift(self, amount: str = "25", number: str = PAYS) -> str:
        """Give once and return the PaymentIntent, which refunds and disputes need."""
        self.give(amount, number)
        page = httpx.get(f"{self.sandbox}/v1/payment_intents", params={"limit": 1}, auth=("sk_test_x", "")).json()
        return page["data"][0]["id"]

    def operate(self, path: str, **wanted: object) -> dict:
        """Call the sandbox's control API."""
        return httpx.post(f"{self.sandbox}/sandbox/{path}", json=wanted).raise_for_status().json()

    def kept(self, campaign: str = "vitaly") -> tuple[int, int]:
        """Return the sandbox's sum after refunds and disputes, and the number of payments."""
        told = httpx.get(f"{self.sandbox}/sandbox/totals", params={"campaign": campaign}).json()["totals"]
        sums = told.get("eur", {"sum": 0, "count": 0, "refunded": 0, "disputed": 0})
        return sums["sum"] - sums["refunded"] - sums["disputed"], sums["count"]

    def totals(self, campaign: str = "vitaly", currency: str = "EUR") -> Totals | None:
        """Return the totals in Redis. The public total follows within a second or two."""
        account = httpx.get(f"{self.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]

        async def read() -> Totals | None:
            store = totals_store(self.settings.redis_url)
            try:
                return await store.totals(Account(account, livemode=False), f"{campaign}/{currency}")
            finally:
                await store.close()

        with ThreadPoolExecutor(1) as thread:  # a test in a browser has a running loop already
            return thread.submit(lambda: asyncio.run(read())).result()

    def metrics(self) -> dict[str, float]:
        """Return the metrics: `name{label="value"}` without the prefix → value."""
        answer = self.client.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).raise_for_status()
        samples = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
        return {name.removeprefix("donation_card_"): float(value) for name, _, value in samples}

    def until_ready(self) -> None:
        eventually(lambda: self.client.get("/readyz").status_code == 200, "the service is ready")


def connected(installation: Installation) -> socket.socket:
    """Return a connection to the service. No worker may have accepted it yet."""
    place = httpx.URL(installation.service)
    return socket.create_connection((place.host, place.port), CLOSED_WITHIN)


def accepted(installation: Installation) -> socket.socket:
    """Return a connection on which a worker has answered a request."""
    connection = connected(installation)
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n")
    answer = HTTPResponse(connection)
    answer.begin()
    assert (answer.status, answer.read()[:1]) == (200, b"{")
    return connection


def eventually(check: object, what: str, seconds: float = 60, pause: float = 0.02) -> None:
    """Wait until `check` returns true, or fail after `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(pause)


@contextlib.contextmanager
def running(
    redis_url: str,
    folder: Path,
    *,
    campaigns: Path = Path("campaigns"),
    demo_publication_interval: str | None = "0",
    article_origin: str | None = None,
    sandbox_options: dict | None = None,
    webhooks: bool = True,
    settings_options: dict | None = None,
    between: Callable = lambda sandbox: sandbox,
    before_service: Callable = lambda service: service,
) -> Iterator[Installation]:
    """Run the service and a sandbox in this process.

    `between` is an ASGI middleware in front of the sandbox, `before_service` one in front of the service.
    """
    service_socket, sandbox_socket = listening(), listening()
    service = f"http://localhost:{service_socket.getsockname()[1]}"
    sandbox = f"http://127.0.0.1:{sandbox_socket.getsockname()[1]}"
    settings = Settings(
        stripe_secret_key="sk_test_0123456789",
        stripe_publishable_key="pk_test_0123456789",
        stripe_webhook_secrets=(WEBHOOK_SECRET,),
        redis_url=redis_url,
        stripe_rate_limit=TEST_STRIPE_RATE,
        public_url=service,
        secret_keys=("0123456789abcdef" * 2,),
        campaigns_dir=campaigns,
        picture_cache_dir=folder / "pictures",
        stripe_api_base=sandbox,
        demo_article_origin=article_origin,
        metrics_tokens=(METRICS_TOKEN,),
        demo_publication_interval=demo_publication_interval,
    )
    settings = replace(settings, **(settings_options or {}))
    sandbox_settings = SandboxSettings(
        public_url=sandbox,
        data=folder,
        webhook_url=f"{service}/v1/stripe/webhook" if webhooks else None,
        webhook_secret=WEBHOOK_SECRET if webhooks else "",
        allow_private_webhooks=True,
    )
    apps = [
        (between(create_sandbox(replace(sandbox_settings, **(sandbox_options or {})))), sandbox_socket),
        (before_service(create_app(settings)), service_socket),
    ]
    configure_logs("error")
    with served(*apps), httpx.Client(base_url=service, timeout=60) as client:
        yield Installation(settings, service, sandbox, client)


@contextlib.contextmanager
def processes(
    redis_url: str,
    folder: Path,
    campaigns: Path,
    *,
    workers: int = 2,
    replicas: int = 0,
    output: int | None = None,
    sandbox_options: dict | None = None,
    between: Callable = lambda sandbox: sandbox,
    more: dict[str, str] | None = None,
) -> Iterator[tuple[Installation, subprocess.Popen[bytes]]]:
    """Run `donation-card serve` as a process, with a sandbox in this one. Its log is `folder / "log"`, or `output`.

    `more`: further variables of its environment.
    """
    sandbox_socket = listening()
    port = free_port()
    sandbox, service = f"http://127.0.0.1:{sandbox_socket.getsockname()[1]}", f"http://localhost:{port}"
    environment = service_environment(redis_url, folder, campaigns, sandbox, port)
    environment |= {"WEB_CONCURRENCY": str(workers), "REDIS_MIN_REPLICAS_ACK": str(replicas)} | (more or {})
    settings = SandboxSettings(
        public_url=sandbox, webhook_url=f"{service}/v1/stripe/webhook", webhook_secret=WEBHOOK_SECRET
    )
    app = between(create_sandbox(replace(settings, **(sandbox_options or {}))))
    with served((app, sandbox_socket)), (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "donation_card", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=output or log, stderr=subprocess.STDOUT)
        try:
            with httpx.Client(base_url=service, timeout=60) as client:
                eventually(lambda: ready(client) or process.poll() is not None, "the workers serve", 600, 0.1)
                assert process.poll() is None, (folder / "log").read_text()
                yield Installation(from_environment(environment), service, sandbox, client), process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def service_environment(redis_url: str, folder: Path, campaigns: Path, sandbox: str, port: int) -> dict[str, str]:
    """Return the environment of `donation-card serve` on a port, with a key of the sandbox."""
    return {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "STRIPE_SECRET_KEY": "rk_test_0123456789",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_0123456789",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": sandbox,
        "REDIS_URL": redis_url,
        "STRIPE_RATE_LIMIT": str(TEST_STRIPE_RATE),
        "PUBLIC_URL": f"http://localhost:{port}",
        "SECRET_KEYS": "0123456789abcdef" * 2,
        "CAMPAIGNS_DIR": str(campaigns),
        "PICTURE_CACHE_DIR": str(folder / "pictures"),
        "PORT": str(port),
        "METRICS_TOKEN": METRICS_TOKEN,
    }


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


class PromptServer(uvicorn.Server):
    """Stop at once. uvicorn checks only ten times a second."""

    async def main_loop(self) -> None:
        while not self.should_exit:
            await self.on_tick(0)
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def served(*apps: tuple[object, socket.socket]) -> Iterator[None]:
    """Serve the apps on their sockets, in a thread with its own event loop."""
    told = {
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": False,
        "http": LimitedHttpProtocol,
    }
    configs = [uvicorn.Config(app, **told) for app, _ in apps]
    servers = [PromptServer(config) for config in configs]

    async def serve() -> None:
        await asyncio.gather(*(server.serve(sockets=[bound]) for server, (_, bound) in zip(servers, apps, strict=True)))

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    eventually(lambda: all(server.started for server in servers), "the servers have started")
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "a server did not stop"


def listening(port: int = 0) -> socket.socket:
    """Return a socket that is bound to `port` of loopback, or to one that the kernel chooses."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


_PORTS = range(11_000, 32_000)
_random = random.SystemRandom()  # Hypothesis gives the other generator the same seed in each process


def free_port(count: int = 1) -> int:
    """Return the first of `count` successive ports of loopback on which nothing listens, for servers that bind them.

    They are below the ports that Linux and macOS give to connections (ip_local_port_range in ip(7)). A port of those
    may belong to a connection of another test before the server binds it.
    """
    while True:
        first = _random.choice(_PORTS)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(listening(port))
            return first
