"""What trials have printed: all of it, or as it comes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

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
        yield from output_of(directory, store.trial(trial.number) or trial, chosen)
        file = open_own(path, path.parent)
        if file is None:
            return
        with file:
            file.seek(0, os.SEEK_END)
            goes_on = True
            while goes_on:
                goes_on = _goes_on(store, trial, chosen)
                while piece := file.read(1 << 20):
                    yield piece
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
    path = _output(directory, trial, attempt or trial.attempt)
    cut = trial.cut if attempt in (None, trial.attempt) else None
    file = open_own(path, path.parent)
    if file is None:
        raise FileNotFoundError(path)
    with file:
        if cut is not None:
            yield file.read(cut[0])
            yield not_kept(cut[1] - cut[0])
            file.seek(cut[1])
        while piece := file.read(1 << 20):
            yield piece


def _output(directory: Path, trial: Trial, attempt: int) -> Path:
    return trial_files(directory, replace(trial, attempt=attempt)).output
