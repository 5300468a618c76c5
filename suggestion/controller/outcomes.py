"""Exit statuses in words."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Final

#: A command killed by signal n has status 128 + n, as shells have it.
KILLED_BASE: Final = 128
TERMINATED: Final = KILLED_BASE + signal.SIGTERM
KILLED: Final = KILLED_BASE + signal.SIGKILL


def exit_text(status: int | None) -> str:
    """Describe an exit status: ``exit status 3``, ``exit status 137, killed by SIGKILL``."""
    if status is None:
        return "ended without an exit status"
    number = status - KILLED_BASE
    with suppress(ValueError):
        if number > 0:
            return f"exit status {status}, killed by {signal.Signals(number).name}"
    if status == 127:
        return "exit status 127, command not found"
    if status == 126:
        return "exit status 126, command cannot be run"
    return f"exit status {status}"
