"""The command ``suggest ui``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from suggestion.views.directory import FOLDER, RUNS


@click.command()
@click.argument("directories", type=FOLDER, nargs=-1, metavar="[DIRECTORY]...")
@click.option(
    "--address",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen. The address that is printed has a token, without which nobody can see "
    "the page.",
)
def ui(directories: tuple[Path, ...], address: str) -> None:
    """Show the experiments below each DIRECTORY in a browser, live while they run.

    Without DIRECTORY: those below runs/.
    """
    from suggestion.views.web.serve import serve  # noqa: PLC0415

    if not directories and not RUNS.is_dir():
        raise click.UsageError(f"DIRECTORY: must be given where there is no {RUNS}/, as here")

    def announce(url: str) -> None:
        click.echo(f"{url}  (Ctrl-C ends it)")

    try:
        with suppress(KeyboardInterrupt):
            serve(directories or (RUNS,), address, announce)
    except OSError as error:
        raise click.ClickException(str(error)) from error
