"""Runs the sandbox alone: `python -m stripe_sandbox --port 8002 --webhook-url URL --webhook-secret whsec_…`."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import uvicorn

from stripe_sandbox import SandboxSettings, create_sandbox


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8002, show_default=True, help="0 takes any free port.")
@click.option("--public-url", help="How browsers reach it. [default: http://HOST:PORT]")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder for its state. [default: memory only]"
)
@click.option("--webhook-url", help="Where events are delivered.")
@click.option("--webhook-secret", default="", help="Signs them; starts with whsec_.")
@click.option("--settle-after", default=60.0, show_default=True, help="Seconds until a bank debit settles.")
@click.option("--seed", type=int, help="Makes the faults repeatable.")
def main(
    host: str,
    port: int,
    public_url: str | None,
    data: Path | None,
    webhook_url: str | None,
    webhook_secret: str,
    settle_after: float,
    seed: int | None,
) -> None:
    """A small Stripe for demos and tests. It takes test keys only and moves no money."""
    listener = socket.create_server((host, port))
    address = public_url or f"http://{host}:{listener.getsockname()[1]}"
    try:
        settings = SandboxSettings(
            public_url=address,
            data=data,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            settle_after=settle_after,
            seed=seed,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Sandbox at {address}, script at {address}/stripe.js")
    server = uvicorn.Server(uvicorn.Config(create_sandbox(settings), access_log=False, log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
