"""The certificate and the key of a server, read and checked before it listens."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from suggestion.server.tls import TLS


def read(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TLS | None:
    """Return what the options of a server mean; None for a server without encryption.

    Raises:
        click.ClickException: If a file is not what it should be, or they do not belong together.
    """
    from suggestion.server.tls import TLS  # noqa: PLC0415

    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("TLS needs both --tls-cert and --tls-key")
    made = TLS(_bytes(certificate), _bytes(key), _bytes(client_ca) if client_ca else None)
    _require_certificates("--tls-cert", certificate)
    if client_ca is not None:
        _require_certificates("--tls-client-ca", client_ca)
    _require_pair(certificate, key)
    return made


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be read: {error.strerror}") from error


def _require_certificates(option: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise click.ClickException(f"{option} {path}: must hold certificates in PEM") from error


def _require_pair(certificate: Path, key: Path) -> None:
    def encrypted() -> str:
        raise click.ClickException(f"--tls-key {key}: must not be encrypted with a password")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"--tls-key {key}: does not belong to the certificate {certificate}"
        else:
            text = f"--tls-key {key}: must hold a private key in PEM"
        raise click.ClickException(text) from error
    except OSError as error:
        raise click.ClickException(f"--tls-key {key}: cannot be read: {error}") from error
