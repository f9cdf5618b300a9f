"""Options that several commands share."""

from pathlib import Path

import click

campaigns_option = click.option(
    "--campaigns",
    default="campaigns",
    envvar="CAMPAIGNS_DIR",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of campaign files.",
)
