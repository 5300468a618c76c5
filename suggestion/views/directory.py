"""The argument of commands that show an experiment: the directory of its state."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from suggestion.controller.experiment import Experiment
    from suggestion.controller.trials import Trial

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def loaded(directory: Path) -> tuple[Experiment, list[Trial]]:
    """Return the experiment in `directory` and its trials.

    Raises:
        click.ClickException: If there is none, or it cannot be read.
    """
    from suggestion.views import status  # noqa: PLC0415

    try:
        return status.load(directory)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from error
