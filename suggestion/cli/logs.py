"""The command ``suggest logs``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suggestion.cli.shared import FOLDER, loaded


@click.command()
@click.argument("directory", type=FOLDER)
@click.argument("trial")
@click.option("--attempt", type=click.IntRange(1), help="Of a trial that was run again.")
def logs(directory: Path, trial: str, attempt: int | None) -> None:
    """Print what TRIAL (its name, the end of its name, or its number) has printed."""
    from suggestion.views import status as shown  # noqa: PLC0415

    _, listed = loaded(directory)
    out = sys.stdout.buffer
    try:
        for piece in shown.output_of(directory, shown.find(listed, trial), attempt):
            out.write(piece)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{trial}: has printed nothing yet") from error
