"""The command ``suggest ask``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suggestion.cli.shared import FILE, Target, client_tls, needs_server

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS


@click.command()
@click.argument("experiment", type=FILE)
@click.option(
    "--count",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many suggestions.",
)
@click.option("--trials", type=FILE, help="The trials so far: a YAML list, see docs/ask.md.")
@click.option(
    "--target",
    type=Target(),
    metavar="HOST:PORT",
    help="The server to ask; without it one is started for this call.",
)
@client_tls
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the reply.")
def ask(
    experiment: Path,
    count: int,
    trials: Path | None,
    target: str | None,
    tls: ClientTLS | None,
    output: str,
    timeout: float,
) -> None:
    """Ask a server for the next points of EXPERIMENT, a Katib Experiment file.

    The server validates the file first, as it does for Katib's controller. A file that ends in
    .json may instead hold a whole GetSuggestionsRequest in protobuf's JSON form, and is sent as it
    is.
    """
    needs_server(tls, target=target)
    from suggestion.client import asking  # noqa: PLC0415

    def warn(text: str) -> None:
        click.echo(f"Warning: {text}", err=True)

    try:
        reply: Any = asking.ask(experiment, count, trials, target, tls, timeout, warn)
    except asking.Failure as error:
        raise click.ClickException(str(error)) from error
    click.echo(asking.as_json(reply) if output == "json" else asking.as_table(reply), nl=False)
