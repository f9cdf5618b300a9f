"""Run the demo: an article, the service and the Stripe sandbox on three ports, and an embedded Valkey.

It needs no key and no Redis. Its data is in `data/` and survives a restart.
"""

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from stripe_sandbox import SandboxSettings, create_sandbox

from donation_card.app import create_app
from donation_card.demo.article import create_article
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.errors import ConfigFault, ConfigurationError
from donation_card.server.http_protocol import LimitedHttpProtocol
from donation_card.settings import Settings

EXAMPLE = Path(__file__).parent / "campaigns"
"""An invented campaign with a picture, spendings and receipts."""


async def run_demo(port: int, data: Path, campaigns: Path, *, example: bool) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigurationError if a port is in use or a campaign file is wrong."""
    # The service has another host name: to a browser, the card is cross-site.
    service, article, sandbox_url = (
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
        f"http://127.0.0.1:{port + 2}",
    )
    sockets = [_listen(port + offset) for offset in range(3)]
    webhook_secret = _stored_secret(data / "webhook-secret", lambda: "whsec_" + secrets.token_hex(16))
    with EmbeddedValkey(data / "valkey") as valkey:
        settings = Settings(
            stripe_rate_limit=2_500,  # the sandbox has no limit
            stripe_secret_key="sk_test_" + "sandbox",
            stripe_publishable_key="pk_test_" + "sandbox",
            stripe_webhook_secrets=(webhook_secret,),
            redis_url=valkey.url,
            public_url=service,
            secret_keys=(_stored_secret(data / "secret-key", lambda: secrets.token_hex(32)),),
            campaigns_dir=campaigns,
            picture_cache_dir=data / "pictures",
            stripe_api_base=sandbox_url,
            port=port,
            demo_article_origin=article,
            demo_publication_interval="0",
            demo_campaigns_dir=EXAMPLE if example else None,
        )
        sandbox = create_sandbox(
            SandboxSettings(
                data=data / "sandbox",
                public_url=sandbox_url,
                webhook_url=f"{service}/v1/stripe/webhook",
                webhook_secret=webhook_secret,
                allow_private_webhooks=True,  # unlike Stripe, so that `stripe setup` works in the folder of the demo
            )
        )
        _write_secret(data / "environment", environment(settings))
        apps: list[ASGIApp] = [create_app(settings), create_article(service, campaigns), sandbox]
        async with _served(apps, sockets):
            shown = f"{service}/c/reading-room" if example else None
            print(_welcome(article, sandbox_url, shown), flush=True)  # noqa: T201
            await _wait_for_stop_signal()


def environment(settings: Settings) -> str:
    """Return the settings as lines NAME=value. The other commands read them in the folder of a running demo."""
    values = {
        "STRIPE_SECRET_KEY": settings.stripe_secret_key,
        "STRIPE_PUBLISHABLE_KEY": settings.stripe_publishable_key,
        "STRIPE_WEBHOOK_SECRET": settings.stripe_webhook_secrets[0],
        "STRIPE_API_BASE": settings.stripe_api_base or "",
        "REDIS_URL": settings.redis_url,
        "PUBLIC_URL": settings.public_url,
        "SECRET_KEYS": settings.secret_keys[0],
        "CAMPAIGNS_DIR": str(settings.campaigns_dir.resolve()),
        "PICTURE_CACHE_DIR": str(settings.picture_cache_dir.resolve()),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _welcome(article: str, sandbox_url: str, example: str | None) -> str:
    shown = f"  An invented campaign with a picture, money spent and receipts: {example}\n" if example else ""
    return (
        f"\n  Donation Card is running. Open the demo article:\n\n      {article}\n\n"
        "  No real money moves: pay with card number 4242 4242 4242 4242. The public total changes at once here;\n"
        "  a real campaign publishes it at fixed times and in steps. Ctrl+C ends the demo; data/ keeps the donations.\n"
        f"  Refunds, disputes and lost webhooks: {sandbox_url}/sandbox\n{shown}"
    )


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        allowed = "a port that is free, like the two after it"
        raise ConfigurationError([ConfigFault("environment", "PORT", f"{port}, which is in use", allowed)]) from error
    return listening


def _stored_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in `path`; create it on the first start."""
    if not path.exists():
        _write_secret(path, make())
    return path.read_text()


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, also if it was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `run_demo` handles the signals for its three servers."""
        yield


@contextlib.asynccontextmanager
async def _served(apps: Sequence[ASGIApp], sockets: list[socket.socket]) -> AsyncIterator[None]:
    servers = [
        _Server(
            uvicorn.Config(
                app,
                http=LimitedHttpProtocol,
                proxy_headers=False,
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=3,
            )
        )
        for app in apps
    ]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listening]))
        for server, listening in zip(servers, sockets, strict=True)
    ]
    try:
        while not all(server.started for server in servers):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)
        yield
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


async def _wait_for_stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
