"""The command ``suggest logs``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suggestion.views.directory import FOLDER, loaded


@click.command()
@click.argument("directory", type=FOLDER)
@click.argument("trial")
@click.option(
    "--attempt", type=click.IntRange(1), help="Which attempt, if the trial was run again."
)
@click.option("--raw", is_flag=True, help="Print every byte as it was printed, colours included.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing until the trial has ended.")
def logs(directory: Path, trial: str, attempt: int | None, raw: bool, follow: bool) -> None:
    """Print what TRIAL (its name, the end of its name, or its number) has printed.

    Colours and what else could steer a terminal are left out.
    """
    from suggestion.controller.files import Unusable  # noqa: PLC0415
    from suggestion.controller.shown import plain_output  # noqa: PLC0415
    from suggestion.views import printed, status  # noqa: PLC0415

    _, listed = loaded(directory)
    out = sys.stdout.buffer
    try:
        read = printed.follow if follow else printed.output_of
        pieces = read(directory, status.find(listed, trial), attempt)
        for piece in pieces if raw else map(str.encode, plain_output(pieces)):
            out.write(piece)
            out.flush()
    except (LookupError, Unusable) as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{trial}: has printed nothing yet") from error
