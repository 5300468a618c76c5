"""The command ``suggest convert``."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suggestion.cli.shared import FILE, write_output

if TYPE_CHECKING:
    from suggestion.client.manifest import Finding

_READ = (
    "experiment",
    "katib-alpha",
    "katib-2018",
    "optimizationjob",
    "optuna",
    "nni",
    "vizier",
    "wandb",
    "raytune",
)
_WRITTEN = (
    "experiment",
    "katib",
    "optimizationjob",
    "optuna",
    "nni",
    "vizier",
    "wandb",
    "raytune",
)
_EXPERIMENTS = ("experiment", "katib")


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--from", "source", type=click.Choice(_READ), help="What FILE is; else it is looked at."
)
@click.option(
    "--to",
    "target",
    type=click.Choice(_WRITTEN),
    default="experiment",
    show_default=True,
    help="What to write; katib is an Experiment whose trials are Jobs.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: standard output]",
)
@click.option("--name", help="Name of the experiment.")
@click.option("--metric", help="Name of the objective.")
@click.option("--maximize/--minimize", default=None, help="What to do with it.")
@click.option("--algorithm", help="Its name; settings that only FILE's own one knows are left out.")
@click.option("--trials", type=click.IntRange(1), help="Number of trials.")
@click.option("--parallel", type=click.IntRange(1), help="Trials at a time.")
@click.option("--command", help="Command of a trial, without the parameters.")
@click.option("--strict", is_flag=True, help="Write nothing if something is not carried over.")
def convert(
    file: Path,
    source: str | None,
    target: str,
    output: Path | None,
    name: str | None,
    metric: str | None,
    maximize: bool | None,
    algorithm: str | None,
    trials: int | None,
    parallel: int | None,
    command: str | None,
    strict: bool,
) -> None:
    """Convert FILE of another system into an Experiment file, or an Experiment file into another.

    It reads Katib's files of 2018, v1alpha1 to v1alpha3 and v1beta1, OptimizationJob, distributions
    of Optuna, search spaces of Ray Tune (also from a Python program, which is not run) and NNI,
    sweeps of W&B, and Vizier's StudySpec. What is not carried over is named on standard error. The
    exit status is 1 if `suggest validate` refuses the result.
    """
    from suggestion.client.writing import to_yaml  # noqa: PLC0415
    from suggestion.conversion import defaults, documents  # noqa: PLC0415
    from suggestion.conversion.definition import ConversionError, Loss  # noqa: PLC0415
    from suggestion.conversion.kinds import SYSTEMS  # noqa: PLC0415

    losses: list[Loss] = []
    try:
        document = documents.load(file)
        kind = source or document.system
        if kind is None:
            raise click.ClickException(
                f"{file}: is of none of the known kinds; --from names one of {', '.join(_READ)}"
            )
        system = SYSTEMS[kind]
        made = system.read(document.texts if system.texts else document.typed, losses)
        choices = defaults.Choices(
            name,
            metric,
            maximize,
            algorithm,
            trials,
            parallel,
            None if command is None else tuple(shlex.split(command)),
        )
        if SYSTEMS[target].space_only:
            given = [f"--{each.name}" for each in fields(choices) if getattr(choices, each.name)]
            if given or choices.maximize is not None:
                listed = ", ".join(given) or "--minimize"
                rule = f"--to {target} writes a search space only; leave out {listed}"
                raise click.ClickException(rule)
        else:
            made, told = defaults.completed(made, choices, file.stem, bounded=not system.texts)
            losses += told
        if "nasConfig" in made.extra and target not in _EXPERIMENTS:
            rule = f"--to must be one of {', '.join(_EXPERIMENTS)}, got {target}"
            raise ConversionError([Loss("spec.nasConfig", f"{rule}, which has only parameters")])
        write = SYSTEMS[target].write
        assert write is not None, target
        data = write(made, losses)
    except (ConversionError, ValueError) as error:
        raise click.ClickException(f"{file}: cannot be converted:\n{error}") from error
    click.echo(f"{file}: {system.title}", err=True)
    for loss in dict.fromkeys(losses):
        click.echo(f"note: {loss}", err=True)
    if strict and losses:
        raise click.ClickException("nothing is written, since --strict was given")
    text = json.dumps(data, indent=2) + "\n" if SYSTEMS[target].json else to_yaml(data)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_output(output, text)
    if target in _EXPERIMENTS:
        _examine(text, output, cluster=target == "katib")


def _examine(text: str, output: Path | None, cluster: bool) -> None:
    """Say what `suggest validate` says of a file that was written; exit if it refuses it."""
    refused = False
    for finding in _findings(text, str(output or "the result")):
        refused |= finding.severity == "error"
        if finding.severity != "cluster" or cluster:
            click.echo(f"{finding.severity}: {finding}", err=True)
    if refused:
        click.echo("suggest validate refuses the result", err=True)
        sys.exit(1)


def _findings(text: str, name: str) -> Iterator[Finding]:
    from suggestion.client import algorithm_check, document  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="suggest-") as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_text(text, encoding="utf-8")
        examined = algorithm_check.check(document.examine(path, runs=False), always=True)
    for finding in examined.findings:
        yield replace(finding, source=name)
