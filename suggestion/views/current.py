"""An experiment that is followed: read once, then only what has changed since."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from suggestion.controller import objectives, standings
from suggestion.controller.experiment import Experiment
from suggestion.controller.standings import Standing
from suggestion.controller.store import FILE, Store, not_validated
from suggestion.controller.trials import Trial

# Events after which any trial may have changed: a new session has tried failed ones again.
_ANY: Final = frozenset({"Opened"})


class Current:
    """An experiment and its trials, as they were at the last refresh.

    Args:
        store: Where they are kept; it may be another object at each call, and is read within
            `Store.snapshot` of the caller.

    Attributes:
        trials: By number, in their order.
        judged: What each trial that can be the best is compared by, by number.
        judgements: Grows whenever `judged` changes.

    Raises:
        FileNotFoundError: If there is none.
        sqlite3.Error: From each method, if the state cannot be read.
    """

    def __init__(self, directory: Path, store: Store) -> None:
        experiment = store.experiment()
        if experiment is None:
            raise not_validated(directory)
        self.experiment: Experiment = experiment
        self.objective = objectives.read(experiment.document)
        self.trials: dict[int, Trial] = {trial.number: trial for trial in store.trials()}
        self.judged: dict[int, Standing] = {}
        self.judgements = 0
        self._event = _latest_event(store)
        self._begun = _begun(store)
        self._judge(self.trials.values())

    def is_in(self, store: Store) -> bool:
        """Return whether `store` holds this experiment, and not another one in its place.

        The number of a file that was removed, see `identity`, may be that of the next one.
        """
        experiment = store.experiment()
        return (
            experiment is not None
            and experiment.name == self.experiment.name
            and self._begun in ("", _begun(store))
        )

    def refresh(self, store: Store) -> list[Trial]:
        """Read what has changed since the last refresh, and return the changed trials."""
        self.experiment = store.experiment() or self.experiment
        changed = self._changed(store)
        for trial in changed:
            self.trials[trial.number] = trial
        self._judge(changed)
        return changed

    def candidates(self) -> list[tuple[Standing, Trial]]:
        """Return the trials that can be the best, each with what it is compared by."""
        return [(self.judged[number], self.trials[number]) for number in sorted(self.judged)]

    def _changed(self, store: Store) -> list[Trial]:
        before, self._event = self._event, _latest_event(store)
        if self._event == before:  # written by what is no step of a runner
            return self._compared(store)
        events = store.events(before)
        if any(kind in _ANY for _, _, kind, _, _ in events):
            return self._compared(store)
        numbers = {trial for _, _, _, trial, _ in events if trial is not None}
        numbers |= {n for n, trial in self.trials.items() if trial.condition.active}
        found = [trial for n in sorted(numbers) if (trial := store.trial(n)) is not None]
        number = len(self.trials)
        while (trial := store.trial(number)) is not None:
            found.append(trial)
            number += 1
        return [trial for trial in found if trial != self.trials.get(trial.number)]

    def _compared(self, store: Store) -> list[Trial]:
        return [trial for trial in store.trials() if trial != self.trials.get(trial.number)]

    def _judge(self, changed: Iterable[Trial]) -> None:
        """Compare what has changed with all others, each of which is judged once."""
        for trial in changed:
            now = standings.standing(trial, self.objective)
            if now == self.judged.get(trial.number):
                continue
            self.judgements += 1
            if now is None:
                del self.judged[trial.number]
            else:
                self.judged[trial.number] = now


def _latest_event(store: Store) -> int:
    try:
        return store.latest_event()
    except sqlite3.OperationalError:  # a file of the version before has no journal
        return 0


def _begun(store: Store) -> str:
    try:
        return store.begun()
    except sqlite3.OperationalError:
        return ""


def identity(directory: Path) -> int:
    """Return a number that differs once another experiment has taken the place of this one.

    That is certain as long as somebody has its state open; else see `Current.is_in`.
    """
    try:
        return os.stat(directory / FILE).st_ino
    except OSError:
        return 0
