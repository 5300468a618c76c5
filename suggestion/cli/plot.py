"""The command ``suggest plot``."""

from __future__ import annotations

from pathlib import Path

import click

from suggestion.views.directory import ExperimentFolder, loaded


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="[default: DIRECTORY/plot.html]",
)
def plot(directory: Path, output: Path | None) -> None:
    """Write an HTML page about the experiment in DIRECTORY; one file that needs no network.

    Without DIRECTORY, the experiment below runs/ that changed last is taken.
    """
    from suggestion.views import plot as plotting  # noqa: PLC0415

    loaded(directory)
    path = output or directory / "plot.html"
    page = plotting.page(directory)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{path}: cannot be written: {error.strerror}; --output names another file"
        ) from error
    click.echo(str(path))
