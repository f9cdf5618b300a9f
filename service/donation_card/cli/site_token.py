"""`donation-card site-token`: make the token of a closed site total."""

import hashlib
import secrets

import click


@click.command("site-token")
def site_token() -> None:
    """Make a token for the total of one site.

    The campaign file gets its SHA-256. Send the token to the publisher. It is printed once and stored nowhere.
    """
    token = secrets.token_urlsafe(32)
    click.echo(f"token, for the publisher only:  {token}")
    click.echo(f'line, for [[site_totals]]:      token_sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"')
