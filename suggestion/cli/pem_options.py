"""Options that name PEM files: their contents, or an error that names the option and the file."""

from __future__ import annotations

from pathlib import Path

import click

from suggestion.api import pem


def certificates(option: str, path: Path) -> bytes:
    """Return the contents of `path`, which `option` names.

    Raises:
        click.ClickException: If it holds no certificates.
    """
    try:
        pem.require_certificates(path)
        return pem.read(path)
    except pem.PemError as error:
        raise click.ClickException(f"{option} {path}: {error}") from error


def key_of(certificate: Path, option: str, path: Path) -> bytes:
    """Return the contents of `path`, which `option` names.

    Raises:
        click.ClickException: If it does not hold the private key of `certificate`.
    """
    try:
        pem.require_pair(certificate, path)
        return pem.read(path)
    except pem.PemError as error:
        raise click.ClickException(f"{option} {path}: {error}") from error
