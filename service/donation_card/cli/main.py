"""The command line: `donation-card COMMAND`. Each command has a file of its own."""

import sys

import click

from donation_card import __version__
from donation_card.cli.attack_mode import attack_mode
from donation_card.cli.bank import bank_commands
from donation_card.cli.check import check
from donation_card.cli.demo import demo
from donation_card.cli.disclosure_risk import disclosure_risk
from donation_card.cli.doctor import doctor
from donation_card.cli.rebuild import rebuild
from donation_card.cli.reference import reference
from donation_card.cli.serve import serve
from donation_card.cli.site_token import site_token
from donation_card.cli.snippet import snippet
from donation_card.cli.stripe_setup import stripe_commands
from donation_card.cli.totals import totals
from donation_card.errors import DonationCardError

PROGRAM = "donation-card"


COMMANDS = [
    attack_mode,
    bank_commands,
    check,
    demo,
    disclosure_risk,
    doctor,
    rebuild,
    reference,
    serve,
    site_token,
    snippet,
    stripe_commands,
    totals,
]


@click.group(PROGRAM, commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Run a donation card and the service behind it."""


def main() -> None:
    """Run the command. Print each error as one line to standard error, and exit with status 2."""
    try:
        cli(prog_name=PROGRAM)
    except DonationCardError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
