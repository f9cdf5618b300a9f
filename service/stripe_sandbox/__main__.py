"""Run the sandbox alone: `python -m stripe_sandbox --port 8002 --webhook-url URL --webhook-secret whsec_…`."""

import socket
from pathlib import Path

import click
import uvicorn

from stripe_sandbox import SandboxSettings, create_sandbox


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8002, show_default=True, help="Port; 0 picks a free one.")
@click.option("--public-url", help="URL for browsers. [default: http://HOST:PORT]")
@click.option("--checkout-url", help="URL of hosted pages, as with a custom domain. [default: the public URL]")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder for the state. [default: memory]"
)
@click.option("--webhook-url", help="URL that receives the webhooks.")
@click.option("--webhook-secret", default="", help="Signing secret; starts with whsec_.")
@click.option(
    "--allow-private-webhooks", is_flag=True, help="Accept webhook endpoints on this machine, which Stripe refuses."
)
@click.option("--settle-after", default=60.0, show_default=True, help="Seconds until a bank debit settles.")
@click.option("--seed", type=int, help="Make random faults repeatable.")
def main(
    host: str,
    port: int,
    public_url: str | None,
    checkout_url: str | None,
    data: Path | None,
    webhook_url: str | None,
    webhook_secret: str,
    allow_private_webhooks: bool,
    settle_after: float,
    seed: int | None,
) -> None:
    """Run a small Stripe for demos and tests.

    It accepts test keys only and moves no money.
    """
    listener = socket.create_server((host, port))
    address = public_url or f"http://{host}:{listener.getsockname()[1]}"
    try:
        settings = SandboxSettings(
            public_url=address,
            checkout_url=checkout_url,
            data=data,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            allow_private_webhooks=allow_private_webhooks,
            settle_after=settle_after,
            seed=seed,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Sandbox at {address}, script at {address}/stripe.js, control page at {address}/sandbox")
    server = uvicorn.Server(uvicorn.Config(create_sandbox(settings), access_log=False, log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
