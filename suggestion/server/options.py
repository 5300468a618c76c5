"""How servers run."""

from __future__ import annotations

from typing import NamedTuple

from suggestion.server.tls import TLS


class ServeOptions(NamedTuple):
    """How each server of a process runs.

    Attributes:
        workers: Calls computed at a time; further ones wait.
        max_message_bytes: Largest request.
        grace: Seconds that calls in flight are given on SIGTERM.
        tls: Plaintext if None.
    """

    workers: int = 4
    max_message_bytes: int = 64 * 2**20
    grace: float = 20.0
    tls: TLS | None = None
