"""The command ``suggest registration``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from suggestion.deployment.registration import Format, InvalidRegistration, register, shortages
from suggestion.deployment.registration import registration as registered


@click.command()
@click.option(
    "--registry",
    required=True,
    metavar="HOST/PATH",
    help="Registry of the images: example.com/team.",
)
@click.option("--tag", required=True, help="Tag of the images.")
@click.option(
    "--format",
    "chosen",
    type=click.Choice([known.value for known in Format]),
    default=Format.KATIB_CONFIG.value,
    show_default=True,
    help="Format of Katib's config map; legacy: Katib before 0.16 (see docs/deployment.md).",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="ALGORITHM=IMAGE",
    help="Another image for an algorithm: the name of one of this project's, or a whole reference. "
    "A rule that has the name of an algorithm is called earlystopping/NAME. Repeatable.",
)
@click.option(
    "--merge",
    type=click.File("r"),
    metavar="FILE",
    help="The config map in use, or - for standard input. Everything in it is kept but the images "
    "of these algorithms.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Output file; standard output by default.",
)
def registration(
    registry: str,
    tag: str,
    chosen: str,
    images: Sequence[str],
    merge: Any,
    output: Path | None,
) -> None:
    """Write the part of Katib's configuration that names the images of all installed algorithms.

    \b
    To register them in a cluster:
      kubectl -n kubeflow get configmap katib-config -o yaml |
        suggest registration --registry example.com/team --tag 1.2 --merge - |
        kubectl replace -f -
    """
    others = {}
    for text in images:
        name, equals, image = text.partition("=")
        if not equals or not name or not image:
            raise click.UsageError(f"--image must be ALGORITHM=IMAGE, got {text!r}")
        others[name] = image
    try:
        made = registered(registry, tag, others)
        text = register(made, Format(chosen), merge.read() if merge else None)
    except InvalidRegistration as error:
        raise click.UsageError(str(error)) from error
    for name in made.unserved:
        click.echo(f"no image serves {name!r}; name one with --image {name}=...", err=True)
    for note in shortages(made, text):
        click.echo(note, err=True)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)
