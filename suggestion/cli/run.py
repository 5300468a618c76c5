"""The command ``suggest run``."""

from __future__ import annotations

import os
import shlex
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suggestion.cli.runtime_options import RuntimeCommand, chosen
from suggestion.cli.shared import (
    FILE,
    Duration,
    Target,
    client_tls,
    db_manager_variables,
    file_changes,
    needs_server,
    runtime_option,
)

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS


@click.command(cls=RuntimeCommand)
@click.argument("experiment", type=FILE)
@click.option(
    "--target",
    type=Target(),
    metavar="HOST:PORT",
    help="Suggestion server; else one is started.",
)
@click.option(
    "--early-stopping",
    type=Target(),
    metavar="HOST:PORT",
    help="Early-stopping server; else one is started.",
)
@click.option(
    "--db-manager",
    type=Target(),
    metavar="HOST:PORT",
    help="Keeps the observation log; else one is started.",
)
@client_tls
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the experiment's state, outputs and metrics are kept.  [default: runs/NAME]",
)
@file_changes
@click.option(
    "--learn-from",
    "learn_from",
    multiple=True,
    type=click.Path(exists=False, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Directory of an earlier experiment whose trials the algorithm learns from; may be given "
    "several times.",
)
@runtime_option("process, or where the directory's trials ran")
@click.option(
    "--retries",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="How often a failed trial is run again.",
)
@click.option(
    "--lost-retries",
    default=3,
    show_default=True,
    type=click.IntRange(0),
    help="How often a trial is run again that was lost: its machine died, or it was preempted.",
)
@click.option(
    "--give-up-after",
    type=click.IntRange(0),
    metavar="N",
    help="End if the first N trials fail; 0: never.  [default: 5 if the file has neither "
    "maxTrialCount nor maxFailedTrialCount, else 0]",
)
@click.option("--retry-failed", is_flag=True, help="Try failed trials of the directory again.")
@click.option(
    "--fresh",
    is_flag=True,
    help="Start again from nothing; what the directory holds is kept in a folder there.",
)
@click.option(
    "--lost-host",
    "lost_hosts",
    multiple=True,
    metavar="HOST",
    help="A machine that is gone for good, and with it its trials of the directory. Repeatable.",
)
@click.option("--time-limit", type=Duration(), help="Stop everything after this: 2h.")
@click.option("--trial-timeout", type=Duration(), help="A trial that runs longer has failed.")
@click.option(
    "--grace",
    type=Duration(),
    default=10.0,
    show_default=True,
    help="Time between SIGTERM and SIGKILL for a trial that is stopped.",
)
@click.option("--gpus", help="GPUs to hand out to trials: 0,1,2,3.")
@click.option(
    "--gpus-per-trial",
    type=click.IntRange(0),
    default=0,
    help="GPUs of each trial.  [default: as the file says, or 1]",
)
@click.option(
    "--cpus-per-trial",
    type=click.IntRange(0),
    default=0,
    help="Bind each trial to this many CPUs of its own.",
)
@click.option(
    "--artifacts",
    multiple=True,
    metavar="PATTERN",
    help="Keep these files of a trial's folder too: 'model/**'. Repeatable.",
)
@click.option(
    "--artifact-store",
    metavar="URL",
    help="Keep artifacts there: s3://BUCKET/PATH, gs://…, file:///…  [default: the directory]",
)
@click.option(
    "--keep-best",
    type=click.IntRange(1),
    metavar="N",
    help="Keep the artifacts of the N best trials only.",
)
@click.option(
    "--strict-cluster",
    is_flag=True,
    help="Refuse a file that a cluster would refuse; without it, a note tells why it would.",
)
@click.option("--plain", is_flag=True, help="Print lines instead of the live view.")
def run(
    experiment: Path,
    target: str | None,
    early_stopping: str | None,
    db_manager: str | None,
    directory: Path | None,
    changes: tuple[str, ...],
    learn_from: tuple[Path, ...],
    command: str | None,
    runtime: str | None,
    retries: int,
    lost_retries: int,
    give_up_after: int | None,
    retry_failed: bool,
    fresh: bool,
    lost_hosts: tuple[str, ...],
    time_limit: float | None,
    trial_timeout: float | None,
    grace: float,
    gpus: str | None,
    gpus_per_trial: int,
    cpus_per_trial: int,
    artifacts: tuple[str, ...],
    artifact_store: str | None,
    keep_best: int | None,
    strict_cluster: bool,
    plain: bool,
    tls: ClientTLS | None,
    **of_runtimes: Any,
) -> None:
    """Run EXPERIMENT, a Katib Experiment file, on this machine or on many.

    The same command goes on where it was interrupted or killed. Ctrl-C lets the running trials
    finish, a second one stops them.
    """
    needs_server(tls, target=target, early_stopping=early_stopping, db_manager=db_manager)
    from rich.console import Console  # noqa: PLC0415

    from suggestion.controller.context import Options  # noqa: PLC0415
    from suggestion.controller.shown import plain as readable  # noqa: PLC0415
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
        runtime or "",
        chosen(of_runtimes),
        None if gpus is None else [gpu.strip() for gpu in gpus.split(",") if gpu.strip()],
        gpus_per_trial,
        cpus_per_trial,
        Options(
            retries=retries,
            grace=grace,
            trial_timeout=trial_timeout,
            time_limit=time_limit,
            give_up_after=give_up_after,
            lost_retries=lost_retries,
        ),
        retry_failed,
        fresh,
        strict_cluster,
        tls,
        {} if tls is None or db_manager is None else db_manager_variables(),
        lost_hosts,
        learn_from,
        artifacts,
        artifact_store,
        keep_best or 0,
        shown=f"cd {shlex.quote(os.getcwd())} && {shlex.join(['suggest', *sys.argv[1:]])}",
    )
    console = Console()
    shown = view.Plain() if plain or not console.is_terminal else view.Rich(console)
    try:
        with shown:
            controller = runner.run(request, shown)
    except (runner.ManifestError, runner.ExperimentRefused, runner.Busy) as error:
        raise click.ClickException(readable(str(error))) from error
    except sqlite3.Error as error:
        raise click.ClickException(f"the state of the experiment is damaged: {error}") from error
    except runner.Fatal as error:
        raise click.ClickException(
            f"{readable(str(error))}\n"
            "Nothing is lost: running trials continue; run the same command to resume."
        ) from error
    click.echo(view.ending(controller, str(controller.store.folder)))
    if not controller.experiment.done:
        sys.exit(3)
    if controller.experiment.condition()["type"] == "Failed" or controller.best is None:
        sys.exit(1)
