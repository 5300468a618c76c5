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


def held(folder: Path) -> bool:
    """Return whether a runner of this machine is at work in `folder`.

    The kernel's list is read; trying the lock could get in the way of a runner that starts.
    """
    try:
        known = (folder / "lock").stat()
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    device = f"{os.major(known.st_dev):02x}:{os.minor(known.st_dev):02x}:{known.st_ino}"
    return any(
        fields[1] == "FLOCK" and device in fields
        for fields in map(str.split, locks.splitlines())
        if len(fields) > 1
    )
