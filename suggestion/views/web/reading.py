"""An experiment read from its directory: all of it once, then what has changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from suggestion.client.parameters import parameters_of
from suggestion.controller.activity import inactive_of
from suggestion.controller.lock import held
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.views.current import Current, identity
from suggestion.views.web import document
from suggestion.views.web.document import Curve, Json


@dataclass(slots=True)
class _Reports:
    """What has been read of the reports of one attempt."""

    attempt: int
    batch: int = 0
    count: int = 0
    points: Curve = field(default_factory=list)


class Reader:
    """Read one experiment; each call of `changes` tells what is new since the one before.

    Used by one thread.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If a later version of this program has made it.
        sqlite3.Error: From every method, if the state cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._identity = identity(directory)
        self._store = Store(directory)
        try:
            self._mark = self._store.change_mark()
            with self._store.snapshot():
                self._current = Current(directory, self._store)
                declared = self._current.experiment.document
                self._parameters = [entry["name"] for entry in parameters_of(declared)]
                self._inactive = inactive_of(declared)
                self._reports: dict[int, _Reports] = {}
                self._judgements = -1
                self._standing: Json = {}
                self._judge()
                self._shown: set[int] = set()
                self._curves()
        except BaseException:
            self.close()
            raise
        self._runs = held(directory)

    def close(self) -> None:
        """Close the state file."""
        self._store.close()

    @property
    def replaced(self) -> bool:
        """Whether another experiment has taken the place of this one."""
        return identity(self.directory) != self._identity

    def everything(self) -> Json:
        """Return the experiment as the page reads it."""
        return {
            **self._declared(),
            **document.head(self._current.experiment, self._runs),
            **self._standing,
            "trials": [self._row(trial) for trial in self._current.trials.values()],
            "curves": self._drawn(self._shown),
            "curvesLeftOut": self._left_out,
        }

    def _declared(self) -> Json:
        # The whole path is nobody's business to whom a page is sent.
        return document.declared(
            self._current.experiment, "/".join(self.directory.resolve().parts[-2:])
        )

    def changes(self) -> Json | None:
        """Return what has changed since the last call, in the same form; None if nothing has.

        What is declared is told again once it has changed, as users can do while trials run.
        """
        runs = held(self.directory)
        mark = self._store.change_mark()
        if mark == self._mark and runs == self._runs:
            return None
        self._mark, self._runs = mark, runs
        with self._store.snapshot():
            declared = self._current.experiment.document
            changed = self._current.refresh(self._store)
            self._judge()
            before = self._shown
            self._curves()
        # An empty curve is none any more: of an attempt that does not count, or left out by now.
        fresh = {trial.number for trial in changed} | (self._shown - before)
        gone: dict[str, Curve] = {str(number): [] for number in sorted(before - self._shown)}
        return {
            **(self._declared() if self._current.experiment.document != declared else {}),
            **document.head(self._current.experiment, runs),
            **self._standing,
            "trials": [self._row(trial) for trial in changed],
            "curves": {**gone, **self._drawn(self._shown & fresh)},
            "curvesLeftOut": self._left_out,
        }

    def _judge(self) -> None:
        """Say which trials are the best, if what they are compared by has changed."""
        if self._judgements != self._current.judgements:
            self._judgements = self._current.judgements
            self._standing = document.standing(self._current.candidates(), self._current.objective)

    def _row(self, trial: Trial) -> Json:
        judged = trial.number in self._current.judged
        objective = self._current.objective
        return document.row(trial, objective, self._parameters, self._inactive, judged)

    # --------------------------------------------------------------------- curves

    def _has_curve(self, trial: Trial) -> bool:
        series = trial.series.get(self._current.objective.metric)
        return series is not None and series.count > 1

    def _curves(self) -> None:
        """Choose the trials whose curves are shown, and read their new reports."""
        having = [trial for trial in self._current.trials.values() if self._has_curve(trial)]
        latest = having[-document.CURVES :]
        self._left_out = len(having) - len(latest)
        self._shown = {trial.number for trial in latest}
        for number in [*self._reports]:
            if number not in self._shown:
                del self._reports[number]
        self._read_reports(latest)

    def _read_reports(self, trials: Iterable[Trial]) -> None:
        """Read the reports of `trials` that have come since the last time."""
        for trial in trials:
            known = self._reports.get(trial.number)
            if known is not None and (known.attempt, known.batch) == (trial.attempt, trial.batch):
                continue
            if known is None or known.attempt != trial.attempt:
                reports = self._store.reports(trial.number)
                known = self._reports[trial.number] = _Reports(trial.attempt)
            else:
                reports = [
                    report
                    for batch in range(known.batch + 1, trial.batch + 1)
                    for report in self._store.reports(trial.number, batch)
                ]
            points, known.count = document.curve(
                reports, self._current.objective.metric, known.count
            )
            known.points += points
            known.batch = trial.batch
            if not trial.condition.active:
                known.points = document.thinned(known.points)

    def _drawn(self, numbers: Iterable[int]) -> dict[str, Curve]:
        return {
            str(number): document.thinned(self._reports[number].points)
            for number in sorted(numbers)
        }


def read(directory: Path) -> Json:
    """Return the experiment in `directory` as the page reads it.

    Raises:
        FileNotFoundError, ValueError, sqlite3.Error: As `Reader` does.
    """
    reader = Reader(directory)
    try:
        return reader.everything()
    finally:
        reader.close()
