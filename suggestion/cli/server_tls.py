"""The certificate and the key of a server, read and checked before it listens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from suggestion.cli.pem_options import certificates, key_of

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
        lacking = "--tls-cert" if certificate is None else "--tls-key"
        raise click.UsageError(f"TLS needs both --tls-cert and --tls-key, got no {lacking}")
    return TLS(
        certificates("--tls-cert", certificate),
        key_of(certificate, "--tls-key", key),
        None if client_ca is None else certificates("--tls-client-ca", client_ca),
    )
