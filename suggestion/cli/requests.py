"""Commands that ask the runner of an experiment for something: ``stop``, ``enqueue``, ``pause``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suggestion.views.directory import FOLDER, ExperimentFolder, loaded, named

if TYPE_CHECKING:
    from suggestion.controller.requests import Action

_LIMITS = {"maxTrialCount": "trials", "parallelTrialCount": "parallel"}
# More than any limit has: Python converts no text of any length.
_DIGITS = 20


@click.command()
@click.argument("directory", type=FOLDER)
@click.argument("trial")
def stop(directory: Path, trial: str) -> None:
    """Stop TRIAL (its name, the end of its name, or its number) of a running experiment.

    It ends as Killed, and is not run again. The others go on.
    """
    from suggestion.controller.requests import StopTrial  # noqa: PLC0415

    _, listed = loaded(directory)
    _ask(directory, StopTrial(named(listed, trial).number))


@click.command()
@click.argument("directory", type=FOLDER)
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE...")
def enqueue(directory: Path, values: tuple[str, ...]) -> None:
    """Let an experiment try a point next: a value for each parameter that is active.

    It takes the next number; the algorithm learns from it, and goes on behind it. While nobody runs
    the experiment, the point is kept until it is resumed.
    """
    from suggestion.controller.requests import Enqueue  # noqa: PLC0415

    _ask(directory, Enqueue(_pairs(values)))


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
def pause(directory: Path) -> None:
    """Begin no further trials of a running experiment until 'suggest resume'; running ones go on.

    Without DIRECTORY, the experiment below runs/ that changed last is taken.
    """
    from suggestion.controller.requests import Pause  # noqa: PLC0415

    _ask(directory, Pause())


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
def resume(directory: Path) -> None:
    """Go on with an experiment that 'suggest pause' has paused.

    Without DIRECTORY, the experiment below runs/ that changed last is taken. One that nobody runs
    is resumed by the command that ran it.
    """
    from suggestion.controller.requests import Resume  # noqa: PLC0415

    _ask(directory, Resume())


@click.command("set")
@click.argument("directory", type=FOLDER)
@click.argument("values", nargs=-1, required=True, metavar="FIELD=NUMBER...")
def set_limits(directory: Path, values: tuple[str, ...]) -> None:
    """Change maxTrialCount or parallelTrialCount of a running experiment.

    The change outlives the runner; a later edit of the same field in the file takes its place.
    """
    from suggestion.controller.requests import read  # noqa: PLC0415

    fields: dict[str, int | str] = {}
    for name, text in _pairs(values).items():
        if name not in _LIMITS:
            raise click.UsageError(f"FIELD: must be one of {', '.join(_LIMITS)}, got {name!r}")
        whole = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
        fields[_LIMITS[name]] = int(text) if whole else text
    try:
        action = read("set", fields)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _ask(directory, action)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    """Return names and values.

    Raises:
        click.UsageError: If one is no pair, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in values:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"must be NAME=VALUE, got {pair!r}")
        if name in found:
            raise click.UsageError(f"{name}: must be named once, got it again")
        found[name] = text
    return found


def _ask(directory: Path, action: Action) -> None:
    from suggestion.controller.shown import plain  # noqa: PLC0415
    from suggestion.runner import asking  # noqa: PLC0415

    try:
        click.echo(plain(asking.ask(directory, action).text))
    except asking.Refused as refusal:
        raise click.ClickException(plain(str(refusal))) from refusal
    except (OSError, ValueError, sqlite3.Error) as error:
        raise click.ClickException(f"{directory}: {error}") from error
