"""How servers run."""

from __future__ import annotations

from typing import NamedTuple

from suggestion.server.tls import TLS


class ServeOptions(NamedTuple):
    """How each server of a process runs.

    Attributes:
        workers: Calls computed at a time by each process; further ones wait.
        processes: Number of processes that compute; with 1 the server does so itself.
        max_calls: Calls in flight, those that wait included; None for what memory allows.
        max_message_bytes: Largest request, if there is memory for it.
        max_deadline: Seconds that a call may take, whatever its deadline.
        grace: Seconds that calls in flight are given on SIGTERM.
        tls: Plaintext if None.
    """

    workers: int = 4
    processes: int = 1
    max_calls: int | None = None
    max_message_bytes: int = 64 * 2**20
    max_deadline: float = 300.0
    grace: float = 20.0
    tls: TLS | None = None
