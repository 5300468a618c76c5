"""The command ``suggest export``."""

from __future__ import annotations

from pathlib import Path

import click

from suggestion.views.directory import FOLDER, loaded


@click.command()
@click.argument("directory", type=FOLDER)
@click.option(
    "--optuna", "url", metavar="URL", help="Optuna's storage, such as sqlite:///study.db."
)
@click.option(
    "--mlflow", "uri", metavar="URI", help="MLflow's server, such as http://localhost:5000."
)
@click.option(
    "--register",
    is_flag=True,
    help="With --mlflow: make the artifacts of the best trial a version of the registered model of "
    "the experiment's name.",
)
def export(directory: Path, url: str | None, uri: str | None, register: bool) -> None:
    """Export the finished trials of the experiment in DIRECTORY to Optuna or MLflow.

    Run it again to add the trials that have finished since.
    """
    if (url is None) == (uri is None):
        raise click.UsageError("exactly one of --optuna and --mlflow must be given")
    if register and uri is None:
        raise click.UsageError("--register needs --mlflow")
    loaded(directory)
    if uri is not None:
        _to_mlflow(directory, uri, register)
    if url is not None:
        _to_optuna(directory, url)


def _to_mlflow(directory: Path, uri: str, register: bool) -> None:
    try:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        from suggestion.integrations import mlflow  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"--mlflow needs the package {error.name!r}, which is not installed; "
            "pip install 'suggestion-servers[mlflow]' brings it"
        ) from error
    try:
        count = mlflow.log_experiment(directory, uri, register=register)
    except (MlflowException, OSError, ValueError) as error:
        raise click.ClickException(f"{uri}: {error}") from error
    click.echo(f"added {count} trials to {uri}")


def _to_optuna(directory: Path, url: str) -> None:
    from suggestion.views import export as exporting  # noqa: PLC0415

    try:
        name, count = exporting.to_optuna(directory, url)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"added {count} trials to the study {name}; optuna-dashboard {url}")
