"""The checkpoint folders of trials: made for each, and copied from a parent to its child.

Trials write in these folders while the server reads them, so nothing is opened by a path that they
can change: every step is taken from a descriptor of the folder before, and no link is followed.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suggestion.problem.errors import Unready, quote

logger: Final = logging.getLogger("suggestion.pbt")

#: Environment variable with the folder in which the server writes, whatever an experiment says.
DATA_DIR: Final = "SUGGEST_DATA_DIR"
_INCOMING: Final = ".incoming"
_COMPLETE: Final = "complete"
_CHUNK: Final = 8 * 2**20
_DEEPEST: Final = 64  # folders within folders; each takes two descriptors while it is copied
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe in place of a file is opened without waiting for who writes into it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_EVERYBODY: Final = 0o777
#: Of the errors of a folder that can be written: the disk is full, or has had trouble.
_PASSING: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE))


def root(suggestion_trial_dir: str) -> Path:
    """Return the data directory: that of the environment if set, else that of the setting."""
    return Path(os.environ.get(DATA_DIR) or suggestion_trial_dir)


def is_folder_name(text: str) -> bool:
    """Return whether `text` names a folder directly inside another one."""
    return (
        text not in ("", ".", "..")
        and not text.startswith(_INCOMING)
        and not any(character in text for character in "/\\\0")
    )


def aside(folder: Path, parent: str, child: str) -> Path:
    """Return the temporary folder of the copy for `child`, which no other copy shares."""
    digest = hashlib.sha256(f"{parent}/{child}".encode()).hexdigest()
    return folder / f"{_INCOMING}-{digest[:32]}"  # both names may have the maximal length


def obstacle(data: Path, experiment: str) -> str:
    """Return why ``<data>/<experiment>`` cannot be written; empty if it can, and is there now."""
    if "\0" in str(data):
        return "a path must not have a NUL character"
    folder, probe = data / experiment, f"{_INCOMING}-{secrets.token_hex(8)}"
    try:
        data.mkdir(parents=True, exist_ok=True)
        with _opened(data) as at, _made(at, experiment, folder) as opened:
            os.close(os.open(probe, _NEW_FILE, 0o600, dir_fd=opened))
            os.unlink(probe, dir_fd=opened)
    except Unready as error:
        return str(error)
    except OSError as error:
        # What may pass is told to those who suggest, who can be asked again.
        return "" if error.errno in _PASSING else error.strerror or str(error)
    return ""


def make(data: Path, experiment: str, trial: str) -> None:
    """Make ``<data>/<experiment>/<trial>``, which every user may write, unless it is there.

    A program may run under another user than this server. A folder that is missing when a trial
    starts in a cluster is made by its node, and only root can write it.

    Raises:
        Unready: It cannot be made.
    """
    path = data / experiment / trial
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            _opened(data) as at,
            _folder(at, experiment, path.parent) as folder,
            _made(folder, trial, path) as made,
            suppress(PermissionError),  # some volumes do not support modes
        ):
            status = os.fstat(made)
            if status.st_uid == os.geteuid() and status.st_mode & _EVERYBODY != _EVERYBODY:
                os.fchmod(made, _EVERYBODY)  # the umask has taken some away
    except OSError as error:
        raise Unready(
            f"checkpoint folder {quote(str(path))}: cannot be made: {error.strerror or error}"
        ) from error


def hand_down(
    data: Path, experiment: str, parent: str, child: str, check: Callable[[], None]
) -> None:
    """Copy ``<data>/<experiment>/<parent>`` to ``<data>/<experiment>/<child>``.

    The child's folder appears at once with all of its files, by renaming a temporary copy. If it
    exists, nothing is done, so a call may be repeated. The next call continues a copy that was
    interrupted: complete files are not copied again. Concurrent calls, also of other processes,
    work on one copy, and the first to complete it renames it. Symbolic links are copied as links,
    and nothing is read or written outside `data`, whatever others do to the folders meanwhile.

    A parent without a folder is not an error, because a program may write no checkpoints.

    Args:
        experiment, parent, child: Names for which `is_folder_name` holds.
        check: Called between files and chunks; an exception ends the copy.

    Raises:
        Unready: It cannot be copied: the disk is full, the volume is read-only, a permission is
            missing.
    """
    source, target = data / experiment / parent, data / experiment / child
    try:
        with _opened(data) as at, _folder(at, experiment, source.parent) as folder:
            if _exists(child, folder):
                return
            with _folder(folder, parent, source) as opened:
                if not os.listdir(opened):
                    _warn(source, "is empty", child)
                _copy(folder, opened, aside(source.parent, parent, child), child, check)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if absent and not os.path.isdir(source):
            _warn(source, "does not exist", child)
        elif not os.path.isdir(target):  # else a concurrent call has renamed the copy before
            raise Unready(
                f"checkpoint of {quote(parent)}: cannot be copied to {quote(str(target))}: "
                f"{error.strerror or error}"
            ) from error


def _warn(source: Path, what: str, child: str) -> None:
    logger.warning("checkpoint folder %s %s: %s starts from the beginning", source, what, child)


@contextmanager
def _opened(path: Path | str, flags: int = os.O_RDONLY | os.O_CLOEXEC) -> Iterator[int]:
    """Lend a descriptor of `path`; links on the way are the operator's."""
    opened = os.open(path, flags)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def _folder(at: int, name: str, path: Path) -> Iterator[int]:
    """Lend a descriptor of the folder `name` in the folder `at`.

    Args:
        path: Of the folder, for messages.

    Raises:
        Unready: It is a link to anything but a folder beside it.
    """
    try:
        opened = os.open(name, _FOLDER, dir_fd=at)
    except OSError:
        if not stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise
        beside = os.readlink(name, dir_fd=at)
        if not is_folder_name(beside):
            raise Unready(
                f"checkpoint folder {quote(str(path))}: must not be a link out of the data "
                f"directory"
            ) from None
        opened = os.open(beside, _FOLDER, dir_fd=at)
    try:
        yield opened
    finally:
        os.close(opened)


def _exists(name: str, at: int) -> bool:
    try:
        os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy(folder: int, source: int, incoming: Path, child: str, check: Callable[[], None]) -> None:
    """Copy the open folder `source` to `child` in the open `folder`, by way of `incoming` there."""
    try:
        with ExitStack() as stack:
            scratch = stack.enter_context(_made(folder, incoming.name, incoming))
            complete = incoming / _COMPLETE
            target = stack.enter_context(_made(scratch, _COMPLETE, complete))
            _Copy(scratch, check).folder(source, target, complete)
            with suppress(PermissionError):  # some volumes do not support modes
                os.fchmod(target, _EVERYBODY)
            os.rename(_COMPLETE, child, src_dir_fd=scratch, dst_dir_fd=folder)
    finally:
        # What calls that were killed or came too late have left; an interrupted copy stays.
        if _exists(child, folder):
            shutil.rmtree(incoming.name, ignore_errors=True, dir_fd=folder)


@contextmanager
def _made(at: int, name: str, path: Path) -> Iterator[int]:
    """Lend a descriptor of the folder `name` in the folder `at`, made if it is missing."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=at)
    with _folder(at, name, path) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy of a folder.

    Attributes:
        scratch: Descriptor of the folder for files that are not complete.
        check: Called between files and chunks.
    """

    scratch: int
    check: Callable[[], None]

    def folder(self, source: int, target: int, path: Path, depth: int = 0) -> None:
        """Copy what is in the open folder `source` to the open folder `target` at `path`."""
        if depth > _DEEPEST:
            raise Unready(f"checkpoint folder {quote(str(path))}: is over {_DEEPEST} folders deep")
        for name in sorted(os.listdir(source)):
            self.check()
            mode = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                inner = path / name
                with _folder(source, name, inner) as from_, _made(target, name, inner) as to:
                    self.folder(from_, to, inner, depth + 1)
            elif stat.S_ISLNK(mode):
                _copy_link(source, target, name)
            elif stat.S_ISREG(mode) and not _exists(name, target):
                try:
                    self.file(source, target, name)
                except OSError as error:
                    if error.errno != errno.ELOOP:
                        raise
                    _copy_link(source, target, name)  # it was a file a moment ago
            # Sockets, pipes and devices are not copied.
        _copy_mode(source, target, _EVERYBODY)

    def file(self, source: int, target: int, name: str) -> None:
        """Copy a file through a temporary one, so that a file under its final name is complete."""
        temporary = f"file-{secrets.token_hex(8)}"
        with open(os.open(name, _FILE, dir_fd=source), "rb", buffering=0) as in_:
            if not stat.S_ISREG(os.fstat(in_.fileno()).st_mode):  # it was one a moment ago
                return
            try:
                made = os.open(temporary, _NEW_FILE, 0o600, dir_fd=self.scratch)
                with open(made, "wb", buffering=0) as out:
                    while chunk := in_.read(_CHUNK):
                        rest = memoryview(chunk)
                        while rest:
                            rest = rest[out.write(rest) :]
                        self.check()
                    _copy_mode(in_.fileno(), made, 0o666)
                os.replace(temporary, name, src_dir_fd=self.scratch, dst_dir_fd=target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=self.scratch)
                raise


def _copy_link(source: int, target: int, name: str) -> None:
    with suppress(FileExistsError):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)


def _copy_mode(source: int, target: int, shared: int) -> None:
    """Give the open `target` the mode of the open `source`.

    A copy of what another user owns is this server's, and that user goes on with it: what `shared`
    has, is given to everybody then.
    """
    status = os.fstat(source)
    mode = stat.S_IMODE(status.st_mode) & _EVERYBODY | stat.S_IRUSR | stat.S_IWUSR
    if status.st_uid != os.geteuid():
        mode |= shared
    with suppress(PermissionError):  # some volumes do not support modes
        os.fchmod(target, mode)
