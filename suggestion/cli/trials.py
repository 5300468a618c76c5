"""The command ``suggest trials``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suggestion.views.directory import FOLDER, loaded


@click.command()
@click.argument("directory", type=FOLDER)
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets and pandas.")
def trials(directory: Path, as_csv: bool) -> None:
    """List the trials of the experiment in DIRECTORY."""
    from suggestion.views import status as shown  # noqa: PLC0415

    experiment, listed = loaded(directory)
    if as_csv:
        shown.write_csv(experiment, listed, sys.stdout)
    else:
        click.echo(shown.table(experiment, listed), nl=False)
