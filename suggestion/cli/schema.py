"""The command ``suggest schema``."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of Experiment files, for editors.

    It has the fields, and the settings of the algorithms and early-stopping rules installed here.
    A file refers to it by its first line: # yaml-language-server: $schema=PATH
    """
    from suggestion.client import editor_schema  # noqa: PLC0415

    click.echo(json.dumps(editor_schema.experiment(), indent=1))
