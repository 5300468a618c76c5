"""The command ``suggest export``."""

from __future__ import annotations

from pathlib import Path

import click

from suggestion.views.directory import FOLDER, loaded


@click.command()
@click.argument("directory", type=FOLDER)
@click.option(
    "--optuna",
    "url",
    required=True,
    metavar="URL",
    help="Optuna's storage, such as sqlite:///study.db.",
)
def export(directory: Path, url: str) -> None:
    """Export the finished trials of the experiment in DIRECTORY to a storage of Optuna.

    Run it again to add the trials that have finished since.
    """
    from suggestion.views import export as exporting  # noqa: PLC0415

    loaded(directory)
    try:
        name, count = exporting.to_optuna(directory, url)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"added {count} trials to the study {name}; optuna-dashboard {url}")
