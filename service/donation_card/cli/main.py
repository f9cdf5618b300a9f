"""The command line: what there is to run, one function a command; longer ones have modules of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from donation_card import __version__
from donation_card.cli.doctor import doctor
from donation_card.cli.environment import environment, open_application
from donation_card.cli.rebuild import rebuild
from donation_card.cli.stripe_setup import stripe
from donation_card.errors import ConfigFault, ConfigurationError, DonationCardError
from donation_card.resources import resource_path
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:  # a command imports what it needs when it runs: `--help` waits for nothing
    from donation_card.domain.campaign import Campaign

SHUTDOWN_TIMEOUT: Final = 8
"""Seconds that requests in flight have left when the service is told to stop. With what comes before and after, the
process is gone within ten, which is how long `docker stop` waits."""

WORKER_START_TIMEOUT: Final = 60
"""Seconds that a worker may take to start on a busy machine before SIGHUP gives up on replacing the old one."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """An embeddable donation card and the small service behind it."""


@cli.command()
def serve() -> None:
    """Serve with the settings of the environment; refuse to start with a wrong one."""
    import uvicorn

    from donation_card.observability.logs import configure_logs
    from donation_card.observability.metrics import multiprocess_dir
    from donation_card.server.http_protocol import KEEP_ALIVE, LimitedHttpProtocol

    settings, _ = _checked()  # now, once, and not from each worker
    configure_logs(settings.log_level)
    with multiprocess_dir(settings.workers):
        uvicorn.run(
            "donation_card.app:worker",
            factory=True,
            lifespan="on",  # a worker without its upkeep would answer from nothing
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http=LimitedHttpProtocol,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_worker_healthcheck=WORKER_START_TIMEOUT,
            proxy_headers=False,  # the application looks at them itself
            log_config=None,  # its lines go where ours go
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        )


@cli.command()
@click.option(
    "--port", default=8000, envvar="PORT", show_default=True, help="Of the service; the next two are used too."
)
@click.option(
    "--data", default="data", type=click.Path(path_type=Path), show_default=True, help="What survives a restart."
)
@click.option(
    "--campaigns",
    default=lambda: Path("campaigns") if Path("campaigns").is_dir() else resource_path("campaigns"),
    type=click.Path(path_type=Path, exists=True),
    show_default="campaigns, else the example that came with the package",
)
def demo(port: int, data: Path, campaigns: Path) -> None:
    """Run everything here: sandbox, embedded Valkey, and an article with the card in it."""
    from donation_card.demo.launcher import run_demo
    from donation_card.observability.logs import configure_logs

    configure_logs("warning")
    asyncio.run(run_demo(port, data, campaigns))


@cli.command()
@click.option("--campaigns", type=click.Path(path_type=Path), help="Check this folder only, and no settings.")
def check(campaigns: Path | None) -> None:
    """Check settings and campaign files, and name every mistake."""
    from donation_card.adapters.campaign_files.loader import CampaignFiles

    if campaigns is None:
        _, found = _checked()
    else:
        found = CampaignFiles(campaigns).all()
    for campaign in found:
        click.echo(f"{campaign.id}: {campaign.goal}, {len(campaign.needs)} needs, {', '.join(campaign.languages)}")


def _checked() -> tuple[Settings, Sequence[Campaign]]:
    """Raises Misconfigured with every fault of the environment and of every campaign file."""
    from donation_card.adapters.campaign_files.loader import CampaignFiles

    faults: list[ConfigFault] = []
    settings: Settings | None = None
    found: Sequence[Campaign] = []
    try:
        settings = from_environment(os.environ)
    except ConfigurationError as error:
        faults += error.faults
    if "CAMPAIGNS_DIR" not in [fault.field for fault in faults]:
        try:
            found = CampaignFiles(Path(os.environ.get("CAMPAIGNS_DIR", "campaigns"))).all()
        except ConfigurationError as error:
            faults += error.faults
    if faults or settings is None:
        raise ConfigurationError(faults)
    return settings, found


@cli.command()
@click.argument("campaign")
def totals(campaign: str) -> None:
    """What the ledger holds for CAMPAIGN, to the cent."""
    asyncio.run(_totals(_settings(), campaign))


async def _totals(settings: Settings, campaign_id: str) -> None:
    from donation_card.domain.money import Money

    async with open_application(settings) as donations:
        campaign = donations.campaigns.get(campaign_id)
        account = await donations.account()
        found = await donations.totals_store.totals(account, campaign.id)
    click.echo(f"campaign  {campaign.id} ({account.id}, {account.environment})")
    if found is None:
        click.echo("raised    unknown: the ledger has not been built; it is, a few seconds after the service starts")
        sys.exit(1)
    click.echo(f"raised    {Money(found.raised, campaign.currency)} before fees")
    click.echo(f"payments  {found.payments}")
    click.echo(f"goal      {campaign.goal}")


@cli.command("attack-mode")
@click.argument("wanted", type=click.Choice(["on", "off", "auto"]), required=False)
def attack_mode(wanted: str | None) -> None:
    """Show whether a proof of work is asked of everybody, or force it ON, OFF, or back to what is heard of declines.

    Every worker follows within a second or two.
    """
    click.echo(asyncio.run(_attack_mode(_settings(), wanted)))


async def _attack_mode(settings: Settings, wanted: str | None) -> str:
    from donation_card.adapters.redis.rate_limiter import RedisRateLimiter

    limits = RedisRateLimiter(settings.redis_url, deadline=2)
    try:
        async with open_application(settings) as donations:
            account = await donations.account()
        if wanted:
            await limits.set_override(account, "" if wanted == "auto" else wanted)
        return str((await limits.acquire(account, ())).attack_status)
    finally:
        await limits.close()


@cli.command()
@click.argument("campaign")
@click.option("--lang", default="", help="Language of the link's text; the campaign's own if left out.")
@click.option("--url", envvar="PUBLIC_URL", required=True, help="Public address of the service.")
@click.option("--campaigns", default="campaigns", envvar="CAMPAIGNS_DIR", type=click.Path(path_type=Path, exists=True))
@click.option("--pinned", is_flag=True, help="This release of the card and no other, held by its hash.")
def snippet(campaign: str, lang: str, url: str, campaigns: Path, *, pinned: bool) -> None:
    """Print the two lines that a site pastes."""
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.web.presentation import translations as texts
    from donation_card.web.presentation.snippet import script_snippet as lines

    found = CampaignFiles(campaigns).get(campaign)
    t = texts.translations_for(found.best_language(texts.parse_lang_param(lang)))
    click.echo(lines(url.rstrip("/"), found, t, pinned=pinned))


@cli.command("exposure")
@click.argument("campaign")
@click.option("--campaigns", default="campaigns", envvar="CAMPAIGNS_DIR", type=click.Path(path_type=Path, exists=True))
@click.option("--every", help='Instead of the file\'s: "6h", "1d".')
@click.option("--step", type=click.IntRange(1), help="Instead of the file's, in whole units.")
@click.option("--min-gifts", type=click.IntRange(0), help="Instead of the file's.")
@click.option("--draws", default=400, show_default=True, type=click.IntRange(2), help="More are slower and surer.")
@click.option("--seed", default=1, show_default=True)
def disclosure_risk(
    campaign: str, campaigns: Path, every: str | None, step: int | None, min_gifts: int | None, draws: int, seed: int
) -> None:
    """What somebody who knows amount and time of one gift gains from CAMPAIGN's public figure, as a table.

    docs/privacy.md says how to choose `every`, `step` and `min_gifts` from it.
    """
    from dataclasses import replace
    from random import Random

    from donation_card.adapters.campaign_files.fields import seconds
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.analysis.disclosure_risk import report_lines

    found = CampaignFiles(campaigns).get(campaign)
    rule = found.publication
    try:
        rule = replace(
            rule,
            interval_seconds=seconds(every, None) if every is not None else rule.interval_seconds,
            step=step * found.giving.minimum.minor_per_major if step is not None else rule.step,
            min_donations=min_gifts if min_gifts is not None else rule.min_donations,
        )
        suggested = [money.amount for money in found.giving.suggested]
        lines = list(report_lines(rule, suggested, found.currency, Random(seed).random, samples=draws))  # noqa: S311
    except ValueError as error:
        raise click.UsageError(str(error) or f"--every {every}: equal parts of a day, such as 6h") from error
    click.echo("\n".join(lines))


def _settings() -> Settings:
    return from_environment(environment())


cli.add_command(doctor)
cli.add_command(rebuild)
cli.add_command(stripe)


def main() -> None:
    """Faults go to standard error, one a line, and end the command with status 2."""
    try:
        cli()
    except DonationCardError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
