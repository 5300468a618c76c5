"""The command ``suggest status``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from suggestion.views.directory import ExperimentFolder, loaded


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
@click.option(
    "--output",
    type=click.Choice(["text", "yaml", "json"]),
    default="text",
    show_default=True,
    help="YAML and JSON have the shape of the object on a cluster.",
)
def status(directory: Path, output: str) -> None:
    """Show the experiment in DIRECTORY: conditions, best trial, counts and lists of trials.

    Where values are noisy, the trial with the best estimate is named too, as "Recommended trial".

    Without DIRECTORY, the experiment below runs/ that changed last is taken.
    """
    from suggestion.views import status as shown  # noqa: PLC0415

    experiment, trials = loaded(directory)
    if output == "text":
        click.echo(shown.text(experiment, trials, directory), nl=False)
    elif output == "json":
        click.echo(json.dumps(shown.crd(experiment, trials), indent=2))
    else:
        import yaml  # noqa: PLC0415

        click.echo(yaml.safe_dump(shown.crd(experiment, trials), sort_keys=False), nl=False)
