"""What a trial has left: its artifacts, which are kept, and the files that are still in its folder.

What a browser sends is looked for among what is listed; it never becomes a path or a checksum.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from suggestion.artifacts import places
from suggestion.artifacts.lists import Listing, Lists
from suggestion.controller.files import Unusable, open_own
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import trial_files
from suggestion.views.web.document import Json

_FILES: Final = 200
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """A file for a browser, opened; who has read it closes it.

    Attributes:
        name: For people, without folders.
        size: In bytes.
    """

    name: str
    size: int
    file: BinaryIO

    def pieces(self) -> Iterator[bytes]:
        """Yield the content, and close the file; no more of it than `size`, while it grows."""
        with self.file:
            left = self.size
            while left and (piece := self.file.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece


def listed(directory: Path, trial: Trial) -> Json:
    """Return what a trial has left.

    Returns:
        ``artifacts`` with path, bytes and SHA-256, whether they were ``pruned``, and ``files`` of
        its folder with path and bytes.
    """
    listing = _listing(directory, trial)
    return {
        "artifacts": [
            {"path": _shown(each.path), "bytes": each.size, "sha256": each.sha256}
            for each in listing.artifacts
        ],
        "pruned": listing.pruned,
        "files": [{"path": _shown(name), "bytes": size} for name, size in _files(directory, trial)],
    }


def artifact(directory: Path, trial: Trial, path: str) -> Content | None:
    """Open an artifact, wherever it is kept; return None if there is no such one.

    Raises:
        ValueError: If its content is not the one that was kept, or its store is not known.
        OSError: If it cannot be read.
    """
    for each in _listing(directory, trial).artifacts:
        if _shown(each.path) == path:
            file = places.place(directory).open(each.sha256)
            try:
                # A download that turns out to be damaged at its end would be kept as it is.
                digest, size = places.checksum(file)
                if digest != each.sha256:
                    rule = "the content is damaged: its SHA-256 must be the one that is listed"
                    raise ValueError(f"{path}: {rule}, got {digest}")
                file.seek(0)
            except BaseException:
                file.close()
                raise
            return Content(_last(path), size, file)
    return None


def file(directory: Path, trial: Trial, path: str) -> Content | None:
    """Open a file in a trial's folder; return None if there is no such one.

    Raises:
        ValueError: If it is no file of the folder, but a link out of it, say.
        OSError: If it cannot be read.
    """
    found = [name for name, _ in _files(directory, trial) if _shown(name) == path]
    if not found:
        return None
    folder = trial_files(directory, trial).folder
    try:
        opened = open_own(folder / found[0], folder)
    except Unusable as error:
        raise ValueError(str(error)) from error
    if opened is None:
        return None
    return Content(_last(path), os.fstat(opened.fileno()).st_size, opened)


def _listing(directory: Path, trial: Trial) -> Listing:
    return Lists(directory).read(trial.name) or Listing(trial.name, trial.attempt)


def _files(directory: Path, trial: Trial) -> Iterator[tuple[str, int]]:
    """Yield name and size, in bytes, of the first files that a trial has in its folder."""
    folder = trial_files(directory, trial).folder
    if not folder.resolve().is_relative_to(directory.resolve()):
        return
    for path, size in islice(_walk(folder), _FILES):
        yield str(path.relative_to(folder)), size


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    for top, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(top, name)
            try:
                yield path, path.lstat().st_size
            except OSError:
                continue


def _shown(path: str) -> str:
    """Return a name as text, whatever bytes a trial has put in it."""
    return os.fsencode(path).decode("utf-8", "replace")


def _last(path: str) -> str:
    return path.rpartition("/")[2]
