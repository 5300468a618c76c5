"""The lock that lets one runner at a time work in an experiment's directory.

It is a lock of the kernel, which releases it when the process ends, however that happens. Local
disks have such locks, and NFS (version 4, or 3 with lockd) and Lustre mounted with ``flock`` hand
them on to all machines. Since a shared disk may keep them to each machine, the file also names its
holder, which renews the file's time: for `LEASE` seconds after the last renewal, another machine
takes it for alive. Times are those of the disk, so that clocks need not agree. A holder that did
not run for so long, as its machine was suspended, finds another one named in the file, and stops.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from suggestion.controller.context import Fatal
from suggestion.controller.files import private_file

#: Seconds for which a runner on another machine is taken for alive after it was last seen.
LEASE: Final = 60.0
_RENEWALS: Final = 4
# Seconds for which what the file said is relied on: the lease is a thousand times as long.
_FRESH: Final = 0.05
_WITHOUT_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


class Busy(Exception):
    """Another runner holds the directory."""


class Lock:
    """Hold a directory for the one runner in it.

    Args:
        host: Name of this machine.

    Raises:
        Busy: If there is another runner; the text names its process, and its machine if it is
            another one. Or if the file system has no locks.
    """

    def __init__(self, folder: Path, host: str | None = None) -> None:
        own = host or socket.gethostname()
        path = folder / "lock"
        private_file(path)
        self._file = path.open("a+")
        try:
            _take(self._file.fileno(), folder)
            _expect_no_lease(self._file.fileno(), folder, own)
        except BaseException:
            self._file.close()
            raise
        self._folder = folder
        self._own = (str(os.getpid()), own)
        self._file.truncate(0)
        self._file.write(f"{' '.join(self._own)}\n")
        self._file.flush()
        self._looked = -_FRESH
        self._ended = threading.Event()
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def _renew(self) -> None:
        while not self._ended.wait(LEASE / _RENEWALS):
            with suppress(OSError, ValueError):  # the disk is away, or the file just closed
                if self._other() is None:
                    os.utime(self._file.fileno())

    def expect_held(self) -> None:
        """Return if no other runner has been let in, as far as was seen a moment ago.

        Raises:
            Fatal: If one has; what this one would still do, that one does.
        """
        now = time.clock_gettime(time.CLOCK_BOOTTIME)  # which goes on while the machine sleeps
        if now < self._looked + _FRESH:
            return
        self._looked = now
        other = self._other()
        if other is not None:
            process, host = other
            raise Fatal(
                f"{self._folder}: another runner is at work here now, process {process} on {host}, "
                f"since this one did not run for {LEASE:.0f} s; the trials are left to it"
            )

    def _other(self) -> tuple[str, str] | None:
        """Return process and machine of a runner that has been let in since; None without one."""
        try:
            # A disk of many machines is only sure to tell what another one wrote at an opening.
            descriptor = os.open(self._folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            found = _holder(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return found if found[1] and found != self._own else None

    def release(self) -> None:
        """Let the next runner in."""
        self._ended.set()
        with suppress(OSError):
            if self._other() is None:
                self._file.truncate(0)
        self._file.close()


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process, host = _holder(descriptor)
        where = f" on {host}" if host not in ("", socket.gethostname()) else ""
        raise Busy(f"{folder}: another runner is at work here, process {process}{where}") from None
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            rule = "its file system must have locks; on Lustre the mount option is flock"
            raise Busy(f"{folder}: {rule}, got {error.strerror}") from error
        raise


def _expect_no_lease(descriptor: int, folder: Path, own: str) -> None:
    process, host = _holder(descriptor)
    if host in ("", own):
        return  # of this machine, whose kernel knows better; or none
    age = _now(folder) - os.fstat(descriptor).st_mtime
    if age < LEASE:
        raise Busy(
            f"{folder}: another runner was at work here {max(age, 0.0):.0f} s ago, process "
            f"{process} on {host}; if it has ended, try again in {LEASE - age:.0f} s"
        )


def _holder(descriptor: int) -> tuple[str, str]:
    """Return process and machine in a lock file; the machine is empty if none is named."""
    words = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").split()
    return (words[0] if words else "unknown", words[1] if len(words) > 1 else "")


def _now(folder: Path) -> float:
    """Return the time by the clock of the disk that `folder` is on."""
    probe = folder / f"lock.{os.getpid()}"
    private_file(probe)
    os.utime(probe)
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def held(folder: Path) -> bool:
    """Return whether a runner is at work in `folder`, on this machine or another.

    The kernel's list is read; trying the lock could get in the way of a runner that starts.
    """
    try:
        known = (folder / "lock").stat()
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    device = f"{os.major(known.st_dev):02x}:{os.minor(known.st_dev):02x}:{known.st_ino}"
    here = any(
        fields[1] == "FLOCK" and device in fields
        for fields in map(str.split, locks.splitlines())
        if len(fields) > 1
    )
    return here or _leased(folder / "lock")


def _leased(path: Path) -> bool:
    """Return whether a runner of another machine has renewed its lease lately, by our clock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        _, host = _holder(descriptor)
        age = time.time() - os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
    return host not in ("", socket.gethostname()) and age < LEASE
