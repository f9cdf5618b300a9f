"""`donation-card reference`: make the reference of a campaign's bank transfers."""

import secrets

import click

from donation_card.domain.bank_transfer import make_reference


@click.command()
def reference() -> None:
    """Make a random reference for bank transfers.

    It has ten random digits and check digits (ISO 11649). So a bank statement names neither the campaign nor a person.
    """
    click.echo(make_reference(secrets.randbelow(10) for _ in range(10)))
