"""The files of trials that are Python functions, as their runner writes and reads them."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from suggestion.controller.files import Unusable, open_own
from suggestion.runtimes.python.names import ERROR

_MOST_BYTES: Final = 1024 * 1024  # of a traceback


def store(path: Path, call: bytes, objectives: Sequence[str] = ()) -> None:
    """Write a pickled function with its decoders, for `worker` to call.

    The new file takes the place of an old one in one step.

    Args:
        objectives: Metrics that a trial must report.
    """
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    # What is in it is run: nobody else may write it.
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        made = {"path": list(sys.path), "call": call, "objectives": [*objectives]}
        pickle.dump(made, file)
    temporary.replace(path)


def error_of(folder: Path, attempt: int) -> str:
    """Return the traceback that has ended an attempt of a trial; empty if it has left none.

    Of a long one, the first mebibyte.

    Args:
        folder: Of the trial.
    """
    try:
        file = open_own(folder / ERROR.format(attempt), folder)
    except (OSError, Unusable):  # the trial has put something else there
        return ""
    if file is None:
        return ""
    with file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")
