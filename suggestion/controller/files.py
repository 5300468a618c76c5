"""Files of an experiment: private to their user, and read only if they are files.

A trial can leave anything where its metrics belong. Reading a pipe would wait for a writer, a
device has no end, and a link can lead to a file of somebody else.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unusable(Exception):
    """What a trial has left cannot be read as metrics; the text says why."""


def open_own(path: Path, root: Path) -> BinaryIO | None:
    """Open a regular file below `root` for reading; return None if there is none yet.

    Links are followed as long as they lead to a file below `root`.

    Raises:
        Unusable: If something else is there, or it may not be read.
        OSError: If this process or machine has run out of something.
    """
    try:
        _expect_regular(os.stat(path).st_mode, path)
        # Something else may have taken its place since: nothing may wait here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except (PermissionError, NotADirectoryError) as error:
        raise Unusable(f"{path.name} cannot be read: {error.strerror}") from error
    file = os.fdopen(descriptor, "rb")
    try:
        _expect_regular(os.fstat(descriptor).st_mode, path)
        _expect_below(descriptor, path, root)
    except BaseException:
        file.close()
        raise
    return file


def size_of(path: Path) -> int | None:
    """Return the size of a regular file; None if there is none, or something else."""
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_size if stat.S_ISREG(known.st_mode) else None


def beginning(path: Path, root: Path, size: int = 64) -> bytes:
    """Return the first bytes of a file below `root`; none if there is no such file."""
    try:
        file = open_own(path, root)
    except (OSError, Unusable):
        return b""
    if file is None:
        return b""
    with file:
        return file.read(size)


def _expect_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "something else")
        raise Unusable(f"{path.name} must be a file, got {kind}")


def _expect_below(descriptor: int, path: Path, root: Path) -> None:
    """Check what has been opened, not what the path stands for by now."""
    opened = os.readlink(f"/proc/self/fd/{descriptor}")
    # It has no links in it: where it begins as `root` is written, nothing needs to be resolved.
    if opened.startswith(f"{os.path.join(os.getcwd(), root)}/"):
        return
    if not Path(opened).is_relative_to(root.resolve()):
        raise Unusable(f"{path.name} must be a file in the trial's folder, got a link out of it")


def clear(path: Path) -> None:
    """Remove whatever an earlier attempt has left at `path`, and make the folders for a new one.

    Raises:
        OSError: If that cannot be done.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    private_folder(path.parent)


def private_folder(path: Path) -> None:
    """Make a folder, and those around it that are missing, which only this user may enter.

    Raises:
        OSError: If that cannot be done.
    """
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """Create a file that only this user may read, or make one so that is there.

    Raises:
        OSError: If it cannot be created.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            with suppress(PermissionError):  # it is another user's
                os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def replace_file(path: Path, text: str) -> None:
    """Write a file that only this user may read; readers see the old one or the new one.

    Raises:
        OSError: If that cannot be done.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
