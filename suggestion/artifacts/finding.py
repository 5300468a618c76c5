"""The files in a trial's folder that are artifacts; none outside of it, whatever links do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from suggestion.controller.files import Unusable, open_own
from suggestion.controller.workspace import artifacts_folder

#: Names of files that are still being copied begin with it.
PART: Final = ".suggest-part-"


def pattern_error(pattern: str) -> str:
    """Return the rule that a pattern breaks; empty if it breaks none."""
    steps = PurePosixPath(pattern).parts
    if not steps or steps[0] == "/" or ".." in steps or "\0" in pattern:
        return "must be a path in the trial's folder, such as model/**"
    return ""


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts), re.DOTALL)


def matches(pattern: str, name: str) -> bool:
    """Return whether `name`, a path in a trial's folder, is one that `pattern` stands for."""
    return _expression(pattern).fullmatch(name) is not None


def files(folder: Path, attempt: int, patterns: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of everything that may be an artifact, each name once.

    Args:
        folder: Of the trial.
        patterns: Of paths in it: ``*`` and ``?`` within a step, ``**`` over any number of steps.
    """
    seen: set[str] = set()
    own = artifacts_folder(folder, attempt)
    for path in _below(own):
        name = path.relative_to(own).as_posix()
        seen.add(name)
        yield name, path
    expressions = [_expression(pattern) for pattern in patterns]
    if not expressions:
        return
    for path in _below(folder):
        name = path.relative_to(folder).as_posix()
        if name in seen or re.match(r"artifacts-\d+/", name):
            continue
        if any(expression.fullmatch(name) for expression in expressions):
            yield name, path


def _below(root: Path) -> Iterator[Path]:
    """Yield what is no folder below `root`, in order; links to folders are not followed."""
    if root.is_symlink():
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(PART))
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            if not name.startswith(PART):
                yield Path(folder) / name


def opened(path: Path, folder: Path) -> BinaryIO:
    """Open an artifact.

    Raises:
        Unusable: If it is no file in the trial's folder, or a link out of it.
    """
    made = open_own(path, folder)
    if made is None:
        raise Unusable(f"{path.name} must be a file, got a link to nothing")
    return made
