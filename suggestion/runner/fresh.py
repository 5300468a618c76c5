"""Starting again in a directory: what an earlier experiment has left there is kept aside."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from suggestion.controller.lock import Lock
from suggestion.controller.runtime import Exit, Loss, Place, Running, Whose
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import trial_files
from suggestion.runner.errors import ExperimentRefused
from suggestion.runner.where import Where, expect_own, whose

#: What an experiment keeps in its directory; nothing else there is touched.
# The state last: until then it is an experiment, whose moving the next run goes on with.
OWN: Final = ("observations.db", "trials", "servers", "checkpoints", "artifacts", FILE)
_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_POLL_SECONDS: Final = 0.05


def set_aside(directory: Path, where: Where, grace: float, gone: Sequence[str] = ()) -> Path | None:
    """Move what an experiment has left in `directory` to a folder in it; end trials that still run.

    Args:
        where: Where they run.
        gone: Machines whose trials are known to be gone.
        grace: Seconds that a trial has to stop.

    Returns:
        The folder; None if there was no experiment.

    Raises:
        Busy: If another runner is at work there.
        ExperimentRefused: If a trial cannot be ended, or something cannot be moved.
    """
    if not (directory / FILE).exists():
        return None
    lock = Lock(directory)
    try:
        _end_trials(directory, where.known or where, grace, gone)
        number = 1
        while (target := directory / f"earlier-{number}").exists():
            number += 1
        target.mkdir(mode=0o700)
        for name in (f"{own}{beside}" for own in OWN for beside in _BESIDE):
            with suppress(FileNotFoundError):
                (directory / name).rename(target / name)
    except OSError as error:
        raise ExperimentRefused(f"{directory}: cannot be set aside: {error}") from error
    finally:
        lock.release()
    return target


def _end_trials(directory: Path, where: Where, grace: float, gone: Sequence[str]) -> None:
    """End the trials that a runner has left running; nobody would ever look at them again."""
    try:
        store = Store(directory, create=True)
    except ValueError as error:  # made by a later version, which could end them
        raise ExperimentRefused(f"{directory}: {error}") from error
    except (sqlite3.Error, FileNotFoundError):
        return  # its trials cannot be known
    try:
        running = [trial for trial in store.trials() if trial.handle is not None]
        experiment = store.experiment()
    except sqlite3.Error:
        return  # nor here
    finally:
        store.close()
    if running and experiment is not None:
        place = where.place()
        expect_own(directory, where, place, running, gone)
        _stop(directory, place, whose(directory, experiment), grace, running)


def _stop(directory: Path, place: Place, owner: Whose, grace: float, running: list[Trial]) -> None:
    runtime = place.open(owner)
    try:
        left = set()
        for trial in running:
            assert trial.handle is not None
            found = runtime.adopt(trial_files(directory, trial), trial.handle)
            if isinstance(found, Running):
                runtime.stop(trial.name, grace)
                left.add(trial.name)
        deadline = time.monotonic() + 3 * grace + 10
        while left:
            left -= {seen.trial for seen in runtime.events() if isinstance(seen, Exit | Loss)}
            if left and time.monotonic() > deadline:
                raise ExperimentRefused(f"{directory}: {', '.join(sorted(left))} cannot be ended")
            time.sleep(_POLL_SECONDS)
    finally:
        runtime.close()
