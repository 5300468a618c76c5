"""The commands that run an experiment and look at one."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class _Duration(click.ParamType[float]):
    """``90``, ``90s``, ``15m``, ``2h``, ``1d``, ``1h30m``; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
        if not parts or "".join(a + b for a, b in parts) != text:
            self.fail(f"must be like 90s, 15m, 2h or 1h30m, got {text!r}", param, ctx)
        return sum(float(amount) * _UNITS[unit or "s"] for amount, unit in parts)


@click.command()
@click.argument("experiment", type=_FILE)
@click.option("--target", metavar="HOST:PORT", help="Suggestion server; else one is started.")
@click.option(
    "--early-stopping", metavar="HOST:PORT", help="Early-stopping server; else one is started."
)
@click.option(
    "--db-manager", metavar="HOST:PORT", help="Keeps the observation log; else one is started."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of the experiment's state, outputs and metrics.  [default: runs/NAME]",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the file: spec.maxTrialCount=20. Repeatable.",
)
@click.option("--command", help="The trial's command, in place of the container's.")
@click.option(
    "--runtime",
    type=click.Choice(["process", "docker"]),
    default="process",
    show_default=True,
    help="Run the container's command here, or its image in Docker.",
)
@click.option(
    "--retries", default=0, show_default=True, type=click.IntRange(0), help="Of a failed trial."
)
@click.option("--time-limit", type=_Duration(), help="Stop everything after this: 2h.")
@click.option("--trial-timeout", type=_Duration(), help="A trial that runs longer has failed.")
@click.option(
    "--grace",
    type=_Duration(),
    default=10.0,
    show_default=True,
    help="Between SIGTERM and SIGKILL for a trial that is stopped.",
)
@click.option("--gpus", help="GPUs to hand out to trials: 0,1,2,3.")
@click.option(
    "--gpus-per-trial", type=click.IntRange(0), default=0, help="[default: as the file says, or 1]"
)
@click.option(
    "--cpus-per-trial",
    type=click.IntRange(0),
    default=0,
    help="Bind each trial to so many CPUs of its own.",
)
@click.option("--plain", is_flag=True, help="Lines instead of the live view.")
def run(
    experiment: Path,
    target: str | None,
    early_stopping: str | None,
    db_manager: str | None,
    directory: Path | None,
    changes: tuple[str, ...],
    command: str | None,
    runtime: str,
    retries: int,
    time_limit: float | None,
    trial_timeout: float | None,
    grace: float,
    gpus: str | None,
    gpus_per_trial: int,
    cpus_per_trial: int,
    plain: bool,
) -> None:
    """Run EXPERIMENT, a Katib Experiment file, on this machine.

    The same command goes on where it was interrupted or killed. Ctrl-C lets the running trials
    finish, a second one stops them.
    """
    from rich.console import Console  # noqa: PLC0415

    from suggestion.controller.context import Options  # noqa: PLC0415
    from suggestion.runner import runner  # noqa: PLC0415
    from suggestion.views import view  # noqa: PLC0415

    request = runner.Request(
        experiment,
        target,
        early_stopping,
        db_manager,
        directory,
        changes,
        command,
        runtime,
        None if gpus is None else [gpu.strip() for gpu in gpus.split(",") if gpu.strip()],
        gpus_per_trial,
        cpus_per_trial,
        Options(retries=retries, grace=grace, trial_timeout=trial_timeout, time_limit=time_limit),
    )
    console = Console()
    shown = view.Plain() if plain or not console.is_terminal else view.Rich(console)
    try:
        with shown:
            controller = runner.run(request, shown)
    except (runner.ManifestError, runner.Refused, runner.Busy) as error:
        raise click.ClickException(str(error)) from error
    except sqlite3.Error as error:
        raise click.ClickException(f"the state of the experiment is damaged: {error}") from error
    except runner.Fatal as error:
        raise click.ClickException(
            f"{error}\nNothing is lost: trials that run go on, and the same command takes them up."
        ) from error
    click.echo(view.ending(controller, str(controller.store.folder)))
    if not controller.experiment.done:
        sys.exit(3)
    if controller.experiment.condition()["type"] == "Failed":
        sys.exit(1)


def _loaded(directory: Path) -> tuple[Any, Any]:
    from suggestion.views import status as shown  # noqa: PLC0415

    try:
        return shown.load(directory)
    except (FileNotFoundError, ValueError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option(
    "--output",
    type=click.Choice(["text", "yaml", "json"]),
    default="text",
    show_default=True,
    help="YAML and JSON have the shape of the object on a cluster.",
)
def status(directory: Path, output: str) -> None:
    """Show the experiment in DIRECTORY: conditions, best trial, counts and lists of trials."""
    from suggestion.views import status as shown  # noqa: PLC0415

    experiment, trials = _loaded(directory)
    if output == "text":
        click.echo(shown.text(experiment, trials), nl=False)
    elif output == "json":
        click.echo(json.dumps(shown.crd(experiment, trials), indent=2))
    else:
        import yaml  # noqa: PLC0415

        click.echo(yaml.safe_dump(shown.crd(experiment, trials), sort_keys=False), nl=False)


@click.command()
@click.argument("directory", type=_FOLDER)
@click.argument("trial")
@click.option("--attempt", type=click.IntRange(1), help="Of a trial that was run again.")
def logs(directory: Path, trial: str, attempt: int | None) -> None:
    """Print what TRIAL (its name, the end of its name, or its number) has printed."""
    from suggestion.views import status as shown  # noqa: PLC0415

    _, listed = _loaded(directory)
    out = sys.stdout.buffer
    try:
        for piece in shown.output_of(directory, shown.find(listed, trial), attempt):
            out.write(piece)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    except FileNotFoundError as error:
        raise click.ClickException(f"{trial}: has printed nothing yet") from error


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets and pandas.")
def trials(directory: Path, as_csv: bool) -> None:
    """List the trials of the experiment in DIRECTORY."""
    from suggestion.views import status as shown  # noqa: PLC0415

    experiment, listed = _loaded(directory)
    if as_csv:
        shown.write_csv(experiment, listed, sys.stdout)
    else:
        click.echo(shown.table(experiment, listed), nl=False)


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option("--optuna", "url", required=True, metavar="URL", help="sqlite:///study.db")
def export(directory: Path, url: str) -> None:
    """Hand the experiment in DIRECTORY to Optuna's storage; again: the trials since."""
    from suggestion.views import export as exporting  # noqa: PLC0415

    _loaded(directory)
    try:
        name, count = exporting.to_optuna(directory, url)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"this needs the package {error.name!r}; pip install 'suggestion-servers[optuna]'"
        ) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"added {count} trials to the study {name}; optuna-dashboard {url}")


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="[default: DIRECTORY/plot.html]",
)
def plot(directory: Path, output: Path | None) -> None:
    """Write an HTML page about the experiment in DIRECTORY; one file that needs no network."""
    from suggestion.views import plot as plotting  # noqa: PLC0415

    _loaded(directory)
    path = output or directory / "plot.html"
    path.write_text(plotting.page(directory), encoding="utf-8")
    click.echo(str(path))
