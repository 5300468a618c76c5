"""The command ``suggest plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from suggestion.cli.shared import write_output
from suggestion.views.directory import ExperimentFolder, loaded

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
#: Charts by the names under which the page saves them.
CHARTS: Final = (
    "best-so-far",
    "trade-off",
    "parallel-coordinates",
    "importance",
    "correlation",
    "pair",
    "contours",
    "learning-curves",
    "timeline",
)
_SLICE: Final = "slice-"


@click.command()
@click.argument("directory", type=ExperimentFolder(), default="")
@click.option(
    "--output",
    type=_FILE,
    help="[default: DIRECTORY/plot.html]",
)
@click.option("--svg", type=_FILE, help="Write a chart as SVG; needs Chromium or Chrome.")
@click.option("--png", type=_FILE, help="Write a chart as PNG; needs Chromium or Chrome.")
@click.option(
    "--chart",
    metavar="NAME",
    default=CHARTS[0],
    show_default=True,
    help=f"Which chart --svg and --png write: {', '.join(CHARTS)}, or {_SLICE}PARAMETER.",
)
def plot(
    directory: Path, output: Path | None, svg: Path | None, png: Path | None, chart: str
) -> None:
    """Write an HTML page about the experiment in DIRECTORY; one file that needs no network.

    With --svg or --png, only a chart for papers. Without DIRECTORY, the experiment below runs/ that
    changed last is taken.
    """
    from suggestion.client.parameters import parameters_of  # noqa: PLC0415
    from suggestion.problem.errors import quote  # noqa: PLC0415
    from suggestion.views import picture  # noqa: PLC0415
    from suggestion.views import plot as plotting  # noqa: PLC0415

    experiment, _ = loaded(directory)
    charts = [*CHARTS, *(_SLICE + entry["name"] for entry in parameters_of(experiment.document))]
    if chart not in charts:
        names = ", ".join(quote(name) for name in charts)
        raise click.UsageError(f"--chart: must be one of {names}, got {quote(chart)}")
    for kind, path in (("svg", svg), ("png", png)):
        if path is not None:
            try:
                content = picture.draw(directory, chart, kind)
            except picture.CannotDraw as error:
                raise click.ClickException(f"--{kind}: {error}") from error
            _write(path, content, f"--{kind}")
    if output is not None or (svg is None and png is None):
        page = plotting.page(directory)
        _write(output or directory / "plot.html", page.encode(), "--output")


def _write(path: Path, content: bytes, option: str) -> None:
    write_output(path, content, f"; {option} names another file")
    click.echo(str(path))
