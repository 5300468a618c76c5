"""What trials have printed: all of it, or as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from suggestion.controller.files import open_own
from suggestion.controller.output import not_kept
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import trial_files

_FOLLOW_SECONDS: Final = 0.3


def follow(directory: Path, trial: Trial, attempt: int | None = None) -> Iterator[bytes]:
    """Yield what a trial prints, until it has ended; also before it begins.

    Raises:
        FileNotFoundError: If it has ended without having been started.
        Unusable: If the trial has put something else in its place.
    """
    store = Store(directory)
    try:
        chosen = attempt or trial.attempt
        path = _output(directory, trial, chosen)
        while not path.exists() and _goes_on(store, trial, chosen):
            time.sleep(_FOLLOW_SECONDS)
        with _opened(directory, store.trial(trial.number) or trial, chosen) as file:
            yield from file.pieces()
            goes_on = True
            while goes_on:
                goes_on = _goes_on(store, trial, chosen)
                yield from file.pieces()
                if goes_on:
                    time.sleep(_FOLLOW_SECONDS)
    finally:
        store.close()


def _goes_on(store: Store, trial: Trial, attempt: int) -> bool:
    now = store.trial(trial.number)
    return now is not None and now.condition.active and now.attempt == attempt


def output_of(directory: Path, trial: Trial, attempt: int | None = None) -> Iterator[bytes]:
    """Yield what a trial has printed, in pieces, with a line in place of what was given back.

    Raises:
        FileNotFoundError: If it has not been started, or not so often.
        Unusable: If the trial has put something else in its place.
    """
    with _opened(directory, trial, attempt or trial.attempt) as file:
        yield from file.pieces()


@dataclass(slots=True)
class _Printed:
    """An output that is read; `cut` is what was given back of it, until that is passed."""

    file: BinaryIO
    cut: tuple[int, int] | None

    def pieces(self) -> Iterator[bytes]:
        """Yield what has come since the last call."""
        if self.cut is not None:
            begin, end = self.cut
            self.cut = None
            yield self.file.read(begin)
            yield not_kept(end - begin)
            self.file.seek(end)
        while piece := self.file.read(1 << 20):
            yield piece


@contextmanager
def _opened(directory: Path, trial: Trial, attempt: int) -> Iterator[_Printed]:
    path = _output(directory, trial, attempt)
    file = open_own(path, path.parent)
    if file is None:
        raise FileNotFoundError(path)
    with file:
        yield _Printed(file, trial.cut if attempt == trial.attempt else None)


def _output(directory: Path, trial: Trial, attempt: int) -> Path:
    return trial_files(directory, replace(trial, attempt=attempt)).output
