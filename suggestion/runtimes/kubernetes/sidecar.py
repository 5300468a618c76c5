"""The program of the side-car: it prints what a trial writes to its metrics file or folder.

Its source travels in the object of the trial, so that any image with Python 3.7 or later can run
it: it imports nothing of this project. Each line is JSON: the path of a file below the metrics
path (empty for the path itself), where a piece of it begins, and the piece in Base64.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 6 * 1024  # of which a line stays below the 16 KiB that container runtimes keep whole
_PAUSE = 0.2


def files(root: str) -> Iterator[tuple[str, str]]:
    """Yield the regular files at or below `root`, each with its path below it."""
    if os.path.isfile(root) and not os.path.islink(root):
        yield root, ""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path, os.path.relpath(path, root)


def mirror(root: str, read: dict[str, int], write: Callable[[str], None]) -> None:
    """Print what has been written since.

    Args:
        root: The metrics path.
        read: Bytes that have been printed, by file.
        write: Takes a line.
    """
    for path, name in files(root):
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                begin = read.get(name, 0)
                if size < begin:  # it was written again
                    begin = 0
                file.seek(begin)
                while True:
                    piece = file.read(_PIECE)
                    if not piece:
                        break
                    data = base64.b64encode(piece).decode()
                    write(json.dumps({"path": name, "begin": begin, "data": data}))
                    begin += len(piece)
                read[name] = begin
        except OSError:  # it is gone, or not ours to read
            continue


def main(root: str) -> None:
    """Follow `root` until SIGTERM, and then to its end."""
    ends: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    read: dict[str, int] = {}
    while True:
        last = bool(ends)
        mirror(root, read, lambda line: print(line, flush=True))
        if last:
            return
        time.sleep(_PAUSE)


def source() -> str:
    """Return this program as text, for an image that does not have it."""
    with open(__file__, encoding="utf-8") as file:
        return file.read().partition("def source() -> str:")[0] + "\nmain(sys.argv[1])\n"


if __name__ == "__main__":
    main(sys.argv[1])
