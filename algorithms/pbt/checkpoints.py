"""Handing checkpoints down: a copy of the parent's folder becomes the child's."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from suggestion.errors import Unready, quote

logger: Final = logging.getLogger("suggestion.pbt")

#: Where the server writes, whatever an experiment says.
DATA_DIR: Final = "SUGGEST_DATA_DIR"
_INCOMING: Final = ".incoming"
_CHUNK: Final = 8 * 2**20


def root(suggestion_trial_dir: str) -> Path:
    """The data directory: that of the environment if it names one, else that of the setting."""
    return Path(os.environ.get(DATA_DIR) or suggestion_trial_dir)


def is_folder_name(text: str) -> bool:
    """Whether `text` names a folder inside another one, and nothing outside it."""
    return (
        text not in ("", ".", "..")
        and not text.startswith(_INCOMING)
        and not any(character in text for character in "/\\\0")
    )


def aside(folder: Path, parent: str, child: str) -> Path:
    """Where the copy for `child` is made. No two copies share it: each may remove its own."""
    digest = hashlib.sha256(f"{parent}/{child}".encode()).hexdigest()
    return folder / f"{_INCOMING}-{digest[:32]}"  # both names may be as long as a name can be


def hand_down(
    data: Path, experiment: str, parent: str, child: str, check: Callable[[], None]
) -> None:
    """Copies ``<data>/<experiment>/<parent>`` to ``<data>/<experiment>/<child>``.

    The child's folder appears at once with all of its files, by renaming a copy made aside. If it
    is there already nothing is done, so that a call may be repeated. A call that was cut short is
    taken up where it ended: files that are complete are not copied again. Calls at the same time,
    also of other processes, work on one copy, and the first to have it complete renames it. Links
    are copied as links, and nothing is written outside `data`.

    A parent without a folder is no error: a program may not write checkpoints.

    Args:
        experiment, parent, child: Names for which `is_folder_name` holds.
        check: Called between pieces of work; what it raises ends the copy.

    Raises:
        Unready: If it cannot be copied: a full disk, a read-only volume, missing permission.
    """
    folder = data / experiment
    source, target = folder / parent, folder / child
    incoming = aside(folder, parent, child)
    try:
        if os.path.lexists(target):
            return
        if not source.is_dir():
            logger.warning("checkpoint folder %s: not there, so %s starts anew", source, child)
            return
        _confine(data, folder)
        _confine(folder, source)
        incoming.mkdir(exist_ok=True)
        _confine(folder, incoming)
        complete = incoming / "complete"
        _copy_folder(source, complete, incoming, check)
        complete.rename(target)
    except OSError as error:
        # With the folder there, a call at the same time was faster and took the copy away.
        if not target.is_dir():
            raise Unready(
                f"checkpoint of {quote(parent)}: cannot be copied to {quote(str(target))}: "
                f"{error.strerror or error}"
            ) from error
    # What calls that were killed, or came too late, have left of theirs.
    shutil.rmtree(incoming, ignore_errors=True)


def _confine(outer: Path, inner: Path) -> None:
    """Raises Unready if `inner` is a link that leads out of `outer`."""
    if inner.resolve().parent != outer.resolve():
        raise Unready(f"checkpoint folder {quote(str(inner))}: must not be a link to elsewhere")


def _copy_folder(source: Path, target: Path, scratch: Path, check: Callable[[], None]) -> None:
    target.mkdir(exist_ok=True)
    _confine(target.parent, target)
    with os.scandir(source) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        check()
        copy = target / entry.name
        if entry.is_symlink():
            with contextlib.suppress(FileExistsError):
                copy.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            _copy_folder(Path(entry.path), copy, scratch, check)
        elif entry.is_file() and not copy.exists():
            _copy_file(Path(entry.path), copy, scratch, check)
        # Sockets, pipes and devices are no part of a checkpoint.
    _copy_mode(source, target)


def _copy_file(source: Path, target: Path, scratch: Path, check: Callable[[], None]) -> None:
    """A file under its name is complete: it is written under another one first."""
    handle, temporary = tempfile.mkstemp(prefix="file-", dir=scratch)
    try:
        with open(handle, "wb") as out, open(source, "rb") as in_:
            _copy_bytes(in_, out, check)
        _copy_mode(source, Path(temporary))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _copy_bytes(source: BinaryIO, target: BinaryIO, check: Callable[[], None]) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        check()


def _copy_mode(source: Path, target: Path) -> None:
    with contextlib.suppress(PermissionError):  # some volumes have no modes
        # The trial that goes on here may run under another user, as its parent did.
        shutil.copymode(source, target)
        os.chmod(target, os.stat(target).st_mode | stat.S_IRUSR | stat.S_IWUSR)
