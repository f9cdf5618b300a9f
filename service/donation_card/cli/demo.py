"""`donation-card demo`: run everything on this machine, without a Stripe account or a Redis."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

import click

from donation_card.resources import resource_path


@click.command()
@click.option("--port", default=8000, envvar="PORT", show_default=True, help="First of three ports in a row.")
@click.option("--data", default="data", type=click.Path(path_type=Path), show_default=True, help="Folder to keep data.")
@click.option(
    "--campaigns",
    envvar="CAMPAIGNS_DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of campaign files. Default: campaigns, with an invented campaign beside it.",
)
def demo(port: int, data: Path, campaigns: Path | None) -> None:
    """Run a complete demo on this machine.

    It starts an article with the card, the service, the Stripe sandbox and an embedded Valkey.
    """
    if find_spec("stripe_sandbox") is None:
        raise click.ClickException(
            "the demo needs the package stripe_sandbox, which production images leave out. "
            "Run it from a checkout (make run) or from the wheel: pip install 'donation-card[demo]'"
        )
    from donation_card.demo.launcher import run_demo
    from donation_card.observability.logs import configure_logs

    configure_logs("warning")
    shipped = Path("campaigns") if Path("campaigns").is_dir() else resource_path("campaigns")
    asyncio.run(run_demo(port, data, campaigns or shipped, example=campaigns is None))
