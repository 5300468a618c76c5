"""The command ``suggest algorithms``."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Write the settings section of a README.")
def algorithms(name: str | None, markdown: bool) -> None:
    """List what is installed, or describe one: its settings, their ranges and defaults.

    Algorithms come first, early-stopping rules after them. A rule that has the name of an algorithm
    is called earlystopping/NAME.
    """
    from suggestion.cli import reference  # noqa: PLC0415
    from suggestion.engine.algorithm import Unavailable  # noqa: PLC0415

    try:
        if markdown:
            click.echo(reference.markdown(name), nl=False)
        else:
            click.echo(reference.text(name), nl=False)
    except Unavailable as error:
        raise click.UsageError(str(error)) from error
