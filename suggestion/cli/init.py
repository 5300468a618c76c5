"""The command ``suggest init``."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suggestion.cli.shared import FILE, write_output

if TYPE_CHECKING:
    from suggestion.client.scaffold import Parameter

_KINDS = ("double", "int", "categorical")


@click.command()
@click.argument(
    "file", type=click.Path(dir_okay=False, path_type=Path), default=Path("experiment.yaml")
)
@click.option(
    "--from-argparse",
    "script",
    type=FILE,
    metavar="TRAIN.PY",
    help="Take the parameters from the arguments of this script, which is read, not run.",
)
@click.option("--name", help="Name of the experiment; by default that of the script.")
@click.option("--command", help="Command of a trial, without the parameters.")
@click.option("--metric", help="Name of the metric that a trial prints; default loss.")
@click.option("--maximize/--minimize", default=None, help="Default: minimize.")
@click.option("--algorithm", help="Its name; default tpe.")
@click.option("--trials", type=click.IntRange(1), help="Number of trials; default 20.")
@click.option("--parallel", type=click.IntRange(1), help="Trials at a time; default 2.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def init(
    file: Path,
    script: Path | None,
    name: str | None,
    command: str | None,
    metric: str | None,
    maximize: bool | None,
    algorithm: str | None,
    trials: int | None,
    parallel: int | None,
    force: bool,
) -> None:
    """Write a first Experiment FILE, with comments.

    What no option says is asked for on a terminal; elsewhere it has its default, and
    --from-argparse must be given. The ranges are guesses around the script's defaults: look at
    them before you run it.
    """
    from suggestion.client import scaffold  # noqa: PLC0415

    if file.exists() and not force:
        raise click.ClickException(f"{file}: exists already; --force replaces it")
    asks = sys.stdin.isatty()
    if script is None and not asks:
        raise click.UsageError("--from-argparse TRAIN.PY must be given where nobody can be asked")
    parameters, notes = ([], []) if script is None else _read(script)
    program = f"python {shlex.quote(str(script))}" if script is not None else "python train.py"

    def ask(given: str | None, text: str, default: str) -> str:
        if given is not None:
            return given
        return str(click.prompt(text, default=default)) if asks else default

    name = ask(name, "Name of the experiment", _name(script))
    command = ask(command, "Command of a trial, without the parameters", program)
    metric = ask(metric, "Metric that a trial prints", "loss")
    if maximize is None:
        maximize = asks and click.confirm(f"Is more {metric} better?", default=False)
    if asks and script is None:
        parameters = list(_asked())
    draft = scaffold.Draft(
        name=name,
        command=command,
        metric=metric,
        maximize=maximize,
        algorithm=ask(algorithm, "Algorithm", "tpe"),
        trials=trials or (click.prompt("Number of trials", default=20, type=int) if asks else 20),
        parallel=parallel or (click.prompt("Trials at a time", default=2, type=int) if asks else 2),
        parameters=parameters,
        notes=notes,
    )
    if not parameters:
        why = "\n".join(notes) if notes else "none was given"
        raise click.ClickException(f"no parameter to tune:\n{why}")
    write_output(file, scaffold.write(draft))
    _report(file, len(parameters), notes)


def _read(script: Path) -> tuple[list[Parameter], list[str]]:
    """Return the parameters of a script, and what was left out."""
    from suggestion.client import arguments, scaffold  # noqa: PLC0415

    try:
        found = arguments.read_arguments(script.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise click.ClickException(f"{script}: must be a Python program: {error}") from error
    if not found:
        raise click.ClickException(f"{script}: has no call of add_argument")
    return scaffold.guess(found)


def _name(script: Path | None) -> str:
    name = "" if script is None else re.sub(r"[^a-z0-9]+", "-", script.stem.lower()).strip("-")
    return name or "experiment"


def _asked() -> Iterator[Parameter]:
    """Yield the parameters that somebody types."""
    from suggestion.client.scaffold import Parameter  # noqa: PLC0415

    while name := click.prompt("Name of a parameter (empty: no more)", default="", type=str):
        kind = click.prompt("  Kind", type=click.Choice(_KINDS), default="double")
        feasible: dict[str, str | Sequence[str]]
        if kind == "categorical":
            text = click.prompt("  Values, separated by commas")
            feasible = {"list": [word.strip() for word in text.split(",")]}
        else:
            feasible = {"min": click.prompt("  Min"), "max": click.prompt("  Max")}
            if click.confirm("  Does its magnitude matter (logarithmic)?", default=False):
                feasible["distribution"] = "logUniform"
        yield Parameter(name, kind, feasible)


def _report(file: Path, parameters: int, notes: Sequence[str]) -> None:
    """Say what was written, and what is wrong with it."""
    from suggestion.client import algorithm_check, document, scaffold  # noqa: PLC0415
    from suggestion.client.manifest import Severity  # noqa: PLC0415

    click.echo(
        f"{file}: {parameters} parameter{'s' * (parameters != 1)}"
        + (f", {len(notes)} left out" if notes else "")
    )
    findings = algorithm_check.check(document.examine(file), always=True).findings
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    for finding in errors:
        click.echo(f"{finding.severity}: {finding}")
    if errors:
        sys.exit(1)
    for note in notes:
        flag, _, rule = note.partition(": ")
        if rule.endswith(scaffold.MUST):
            click.echo(f"to do: {flag} must be given; add it to the command in {file}")
    click.echo(f"next: suggest run {file}")
