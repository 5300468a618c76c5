"""The command ``suggest top``."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click

from suggestion.views.directory import ExperimentFolder, loaded


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
def top(directory: Path) -> None:
    """Follow the experiment in DIRECTORY until it ends; Ctrl-C ends only the view.

    Without DIRECTORY, the experiment below runs/ that changed last is taken. Without a terminal,
    the present state is printed once.
    """
    from rich.console import Console  # noqa: PLC0415

    from suggestion.views import top as following  # noqa: PLC0415

    loaded(directory)
    try:
        following.follow(directory, Console())
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from error
