"""The command ``suggest trials``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suggestion.views.directory import ExperimentFolder, loaded


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
@click.option("--best", type=click.IntRange(1), metavar="N", help="Only the N best, best first.")
@click.option(
    "--sort",
    metavar="COLUMN",
    help="A metric, a parameter, or number, trial, condition, reason, attempt, started, "
    "completed, seconds, lost.",
)
@click.option("--reverse", is_flag=True, help="Show the greatest or latest first.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets and pandas.")
def trials(
    directory: Path, best: int | None, sort: str | None, reverse: bool, as_csv: bool
) -> None:
    """List the trials of the experiment in DIRECTORY.

    Without DIRECTORY, the experiment below runs/ that changed last is taken.
    """
    from suggestion.views import listing as shown  # noqa: PLC0415

    experiment, listed = loaded(directory)
    try:
        listed = shown.arranged(experiment, listed, sort=sort, reverse=reverse, best=best)
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from error
    if as_csv:
        shown.write_csv(experiment, listed, sys.stdout)
    else:
        click.echo(shown.table(experiment, listed), nl=False)
