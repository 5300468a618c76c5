"""Checks of PEM files before gRPC reads them, which says of a wrong one only that TLS fails."""

from __future__ import annotations

import ssl
from pathlib import Path


class PemError(Exception):
    """A file is not what it should be; the text is the rule that it breaks, as a clause."""


def read(path: Path) -> bytes:
    """Return the contents of a file.

    Raises:
        PemError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PemError(f"cannot be read: {error.strerror}") from error


def require_certificates(path: Path) -> None:
    """Check that a file holds certificates.

    Raises:
        PemError: If it does not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise PemError("must hold certificates in PEM") from error


def require_pair(certificate: Path, key: Path) -> None:
    """Check that `key` holds the private key of `certificate`, a file that is known to be sound.

    Raises:
        PemError: If it does not; about `key`.
    """

    def encrypted() -> str:
        raise PemError("must not be encrypted with a password")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PemError(f"does not belong to the certificate {certificate}") from error
        raise PemError("must hold a private key in PEM") from error
    except OSError as error:
        raise PemError(f"cannot be read: {error.strerror}") from error
