"""The output file of a trial: its last line, and a long middle that is given back to the disk."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from suggestion.controller.files import Unusable, open_own
from suggestion.controller.shown import one_line, plain

#: Bytes at the beginning of an output that are always kept.
HEAD: Final = 1024 * 1024
_PAGE: Final = 4096
# Bytes at the end in which a last line is looked for.
_TAIL: Final = 16 * 1024
_KEEP_SIZE_PUNCH_HOLE: Final = 0x01 | 0x02


def removable(
    size: int, keep: int, cut: tuple[int, int] | None, read: int | None
) -> tuple[int, int] | None:
    """Return begin and end of the bytes that can be removed now; None if it is too early.

    Args:
        size: Of the file.
        keep: Bytes at its end that are kept.
        cut: What was removed before.
        read: How far a collector has read the file; None if none does.
    """
    begin = HEAD if cut is None else cut[1]
    end = size - keep
    if read is not None:
        end = min(end, read)
    if end - begin < keep:
        return None
    return begin, end - end % _PAGE


def last_line(path: Path) -> str:
    """Return the last line of an output that is not empty, for people; empty if there is none."""
    try:
        file = open_own(path, path.parent)
    except (OSError, Unusable):
        return ""
    if file is None:
        return ""
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        text = plain(file.read(_TAIL).decode("utf-8", "replace"))
    return one_line(next((line for line in reversed(text.splitlines()) if line.strip()), ""))


def not_kept(size: int) -> bytes:
    """Return the line that is shown in place of `size` bytes that were given back."""
    return f"\n[... {size} bytes are not kept ...]\n".encode()


@cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return libc


def punch(path: Path, begin: int, end: int) -> bool:
    """Give back the disk space of bytes `begin` to `end` of a file, which then read as zeros.

    Offsets stay what they are, so that its writer and its readers notice nothing. Python has no
    call for it.

    Returns:
        False if the file system cannot.
    """
    # The trial may have put a link to another file in its place.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        done: int = _libc().fallocate(descriptor, _KEEP_SIZE_PUNCH_HOLE, begin, end - begin)
    finally:
        os.close(descriptor)
    return done == 0
