"""Copy the checkpoint folder of a parent trial to its child."""

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

from suggestion.problem.errors import Unready, quote

logger: Final = logging.getLogger("suggestion.pbt")

#: Environment variable with the folder in which the server writes, whatever an experiment says.
DATA_DIR: Final = "SUGGEST_DATA_DIR"
_INCOMING: Final = ".incoming"
_CHUNK: Final = 8 * 2**20


def root(suggestion_trial_dir: str) -> Path:
    """Return the data directory: that of the environment if set, else that of the setting."""
    return Path(os.environ.get(DATA_DIR) or suggestion_trial_dir)


def is_folder_name(text: str) -> bool:
    """Whether `text` names a folder directly inside another one."""
    return (
        text not in ("", ".", "..")
        and not text.startswith(_INCOMING)
        and not any(character in text for character in "/\\\0")
    )


def aside(folder: Path, parent: str, child: str) -> Path:
    """Return the temporary folder of the copy for `child`, which no other copy shares."""
    digest = hashlib.sha256(f"{parent}/{child}".encode()).hexdigest()
    return folder / f"{_INCOMING}-{digest[:32]}"  # both names may have the maximal length


def hand_down(
    data: Path, experiment: str, parent: str, child: str, check: Callable[[], None]
) -> None:
    """Copy ``<data>/<experiment>/<parent>`` to ``<data>/<experiment>/<child>``.

    The child's folder appears at once with all of its files, by renaming a temporary copy. If it
    exists, nothing is done, so a call may be repeated. The next call continues a copy that was
    interrupted: complete files are not copied again. Concurrent calls, also of other processes,
    work on one copy, and the first to complete it renames it. Symbolic links are copied as links,
    and nothing is written outside `data`.

    A parent without a folder is not an error, because a program may write no checkpoints.

    Args:
        experiment, parent, child: Names for which `is_folder_name` holds.
        check: Called between files and chunks; an exception ends the copy.

    Raises:
        Unready: It cannot be copied: the disk is full, the volume is read-only, a permission is
            missing.
    """
    folder = data / experiment
    source, target = folder / parent, folder / child
    incoming = aside(folder, parent, child)
    try:
        if os.path.lexists(target):
            return
        if not source.is_dir():
            logger.warning(
                "checkpoint folder %s does not exist: %s starts from the beginning", source, child
            )
            return
        _confine(data, folder)
        _confine(folder, source)
        incoming.mkdir(exist_ok=True)
        _confine(folder, incoming)
        complete = incoming / "complete"
        _copy_folder(source, complete, incoming, check)
        complete.rename(target)
    except OSError as error:
        # If the folder exists, a concurrent call was faster and has renamed the copy.
        if not target.is_dir():
            raise Unready(
                f"checkpoint of {quote(parent)}: cannot be copied to {quote(str(target))}: "
                f"{error.strerror or error}"
            ) from error
    # Remove what calls that were killed or came too late have left.
    shutil.rmtree(incoming, ignore_errors=True)


def _confine(outer: Path, inner: Path) -> None:
    """Raise Unready if `inner` is a link that leads out of `outer`."""
    if inner.resolve().parent != outer.resolve():
        raise Unready(
            f"checkpoint folder {quote(str(inner))}: must not be a link out of the data directory"
        )


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
        # Sockets, pipes and devices are not copied.
    _copy_mode(source, target)


def _copy_file(source: Path, target: Path, scratch: Path, check: Callable[[], None]) -> None:
    """Copy a file through a temporary one, so that a file under its final name is complete."""
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
    with contextlib.suppress(PermissionError):  # some volumes do not support modes
        # The trial may run under another user, as its parent did.
        shutil.copymode(source, target)
        os.chmod(target, os.stat(target).st_mode | stat.S_IRUSR | stat.S_IWUSR)
