"""`donation-card attack-mode`: show or force the attack mode."""

import asyncio

import click

from donation_card.cli.environment import load_settings
from donation_card.settings import Settings


@click.command("attack-mode")
@click.argument("wanted", type=click.Choice(["on", "off", "auto"]), required=False)
def attack_mode(wanted: str | None) -> None:
    """Show or force the attack mode.

    While it is on, each new checkout session requires a proof of work. "on" and "off" force it for all workers within
    two seconds, "auto" returns to detection.
    """
    click.echo(asyncio.run(set_attack_mode(load_settings(), wanted)))


async def set_attack_mode(settings: Settings, wanted: str | None) -> str:
    """Store the override, if `wanted` is one, and return the attack status as text."""
    from donation_card.adapters.redis.connection import create_connection
    from donation_card.adapters.redis.rate_limiter import RedisRateLimiter
    from donation_card.use_cases import open_application

    limits = RedisRateLimiter(create_connection(settings.redis_url, deadline=2, connections=1))
    try:
        async with open_application(settings) as application:
            account = await application.account.get()
        if wanted:
            await limits.set_override(account, "" if wanted == "auto" else wanted)
        return str((await limits.acquire(account, ())).attack_status)
    finally:
        await limits.close()
