"""The lock that lets one runner at a time work in an experiment's directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from suggestion.controller.files import private_file


class Busy(Exception):
    """Another runner holds the directory."""


class Lock:
    """Hold a directory for the one runner in it. The kernel releases it when the process ends.

    Raises:
        Busy: If there is another runner; the text names its process.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        private_file(path)
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            who = self._file.read().strip() or "unknown"
            self._file.close()
            raise Busy(f"{folder}: another runner is at work here, process {who}") from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next runner in."""
        self._file.close()
