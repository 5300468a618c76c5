"""The command ``suggest artifacts``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from suggestion.views.directory import ExperimentFolder, loaded, named

_PRUNED: Final = "its artifacts are removed, since others are better"


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
@click.option("--best", is_flag=True, help="Only those of the best trial.")
@click.option(
    "--trial", metavar="NAME", help="Only those of this trial: its name, its end, or its number."
)
@click.option(
    "--download",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the files there, in a folder for each trial; with --best or --trial without it.",
)
@click.option(
    "--keep-best",
    type=click.IntRange(1),
    metavar="N",
    help="First remove the files of all but the N best trials, for good.",
)
def artifacts(
    directory: Path, best: bool, trial: str | None, download: Path | None, keep_best: int | None
) -> None:
    """List what the trials of the experiment in DIRECTORY have left: models, pictures.

    Each line has the trial, the file, its size in bytes and its SHA-256. Without DIRECTORY, the
    experiment below runs/ that changed last is taken.
    """
    from suggestion.artifacts import keeper, places  # noqa: PLC0415
    from suggestion.controller import objectives  # noqa: PLC0415
    from suggestion.controller.shown import visible  # noqa: PLC0415

    if best and trial is not None:
        raise click.UsageError("--best and --trial exclude each other")
    experiment, trials = loaded(directory)
    try:
        place = places.place(directory)
        made = keeper.Keeper(
            directory, place, objectives.read(experiment.document), keep_best=keep_best or 0
        )
        if keep_best is not None:
            ended = [entry for entry in trials if not entry.condition.active]
            click.echo(f"removed those of {made.prune(ended)} trials")
        chosen = [entry.name for entry in trials]
        if best:
            first = made.best(trials)
            if first is None:
                raise click.ClickException("no trial has a result, so none is the best")
            chosen = [first.name]
        elif trial is not None:
            chosen = [named(trials, trial).name]
        for name in chosen:
            listing = made.lists.read(name)
            if (listing is None or not listing.artifacts) and (best or trial is not None):
                pruned = listing is not None and listing.pruned
                click.echo(f"{name}: {_PRUNED if pruned else 'has left no artifacts'}", err=True)
            if listing is None:
                continue
            for artifact in listing.artifacts:
                path = visible(artifact.path)
                click.echo(f"{name}  {path}  {artifact.size}  {artifact.sha256}")
            if download is not None:
                target = download if best or trial is not None else download / name
                for _ in keeper.download(place, listing, target):
                    pass
    except (OSError, ValueError) as error:
        raise click.ClickException(visible(str(error))) from error
