"""Connections to a server that are encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TLS:
    """What a client needs to speak TLS: PEM files.

    Attributes:
        ca: The certificate authority that signed the server's certificate.
        certificate, key: The client's own, if the server wants one.
        name: Name in the server's certificate, where the target is another.
    """

    ca: str | Path
    certificate: str | Path | None = None
    key: str | Path | None = None
    name: str = ""
