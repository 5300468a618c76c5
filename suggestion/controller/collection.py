"""Reading what trials report, each trial by itself: trouble with one is its own."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from suggestion.controller import events as e
from suggestion.controller.context import DiskFull, Source
from suggestion.controller.moments import Timekeeper, moment
from suggestion.controller.observation import Objective
from suggestion.controller.shown import one_line
from suggestion.controller.state import Attempt
from suggestion.controller.trials import Stopping, Trial
from suggestion.controller.workspace import CannotTrim, Workspace

_LOG: Final = logging.getLogger(__name__)
# Chunks of output that one trial is read at a time, so that a noisy one does not starve the rest.
_CHUNKS: Final = 16
# Seconds between two looks at trials that wait for a place, of which there may be many, and at
# those whose runtime tells when they have written something.
_UNTOLD: Final = 1.0
# This process or machine has run out of something: no trial's fault, and it may pass.
_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})


class Collection:
    """What the trials of one session write, read as it grows.

    Args:
        output_bytes: Of a trial's latest output that are kept, besides its first megabyte.
        note: Told what a person should know.
        announced: `grown` tells when a trial has written something.
    """

    def __init__(
        self,
        workspace: Workspace,
        objective: Objective,
        clock: Timekeeper,
        output_bytes: int,
        note: Callable[[str], None],
        *,
        announced: bool = False,
    ) -> None:
        self._workspace = workspace
        self._objective = objective
        self._clock = clock
        self._output_bytes = output_bytes
        self._note = note
        self._sources: dict[tuple[int, int], Source | None] = {}
        self._untrimmed: set[int] = set()
        self._noted: set[str] = set()
        self._announced = announced
        self._grown: set[int] = set()
        self._all_at = float("-inf")  # when all trials were last read
        self.behind = False  #: There is more to read at once.

    def grown(self, number: int) -> None:
        """Look at a trial the next time: it has written something."""
        self._grown.add(number)

    def read(self, attempts: Mapping[int, Attempt], trials: Mapping[int, Trial]) -> list[e.Event]:
        """Return what trials have reported, and which have ended with nothing more to read.

        Args:
            attempts: Of trials that run or are being launched, by number.
            trials: All that have not ended, by number.
        """
        self.behind = False
        seen: list[e.Event] = []
        kept = self._sources
        self._sources = {}
        now = self._clock.monotonic()
        all_of_them = now >= self._all_at + _UNTOLD
        if all_of_them:
            self._all_at = now
        for number, attempt in attempts.items():
            if (attempt.launched or attempt.ended) and not attempt.judging:
                trial = trials[number]
                key = (number, trial.attempt)
                if key in kept:
                    self._sources[key] = kept[key]
                quiet = attempt.queued or (self._announced and number not in self._grown)
                if all_of_them or attempt.ended or not quiet:
                    self._follow(key, trial, attempt, seen)
        return seen

    def _follow(
        self, key: tuple[int, int], trial: Trial, attempt: Attempt, seen: list[e.Event]
    ) -> None:
        """Read one trial. Whatever is wrong with what it has left, the others are read on."""
        behind = False
        try:
            for event in self._reports(key, trial, attempt):
                seen.append(event)
            source = self._sources[key]
            behind = source is not None and source.behind
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _SCARCE:
                return
            _LOG.debug("%s: its metrics cannot be read", trial.name, exc_info=True)
            self._sources[key] = None
            reason = f"its metrics cannot be read: {describe(error)}"
            seen.append(e.Unreadable(moment(self._clock), trial.number, reason))
        if not behind:
            self._grown.discard(trial.number)
        self.behind = self.behind or behind
        if attempt.ended and not behind:
            found = self._explain(trial, attempt, seen)
            seen.append(e.Collected(moment(self._clock), trial.number, found))

    def _reports(self, key: tuple[int, int], trial: Trial, attempt: Attempt) -> Iterator[e.Event]:
        if key not in self._sources:
            unreadable = trial.stopping is Stopping.UNREADABLE
            self._sources[key] = None if unreadable else self._workspace.source(trial)
        source = self._sources[key]
        # Before anything is read: only what is stored already is given back to the disk.
        trimmed = self._trim(trial, source)
        if trimmed is not None:
            yield trimmed
        if source is not None:
            for _ in range(_CHUNKS):
                reports = source.read(attempt.ended)
                if reports:
                    at = moment(self._clock)
                    yield e.Reported(at, trial.number, reports, source.position)
                if not source.behind:
                    break
            for text in set(source.notes) - self._noted:
                self._noted.add(text)
                self._note(text)

    def _trim(self, trial: Trial, source: Source | None) -> e.Event | None:
        if trial.number in self._untrimmed:
            return None
        position = trial.position if source is None else source.position
        try:
            part = self._workspace.trim(trial, self._output_bytes, position)
        except CannotTrim:
            self._untrimmed.add(trial.number)
            self._note(f"{trial.name}: its output is long, and this disk keeps it all")
            return None
        if part is None:
            return None
        return e.Trimmed(moment(self._clock), trial.number, *part, position)

    def _explain(self, trial: Trial, attempt: Attempt, seen: list[e.Event]) -> str:
        """Say what was found in place of the objective of a trial that has ended well."""
        if attempt.status != 0 or trial.stopping or self._objective.available(trial.series):
            return ""
        metric = self._objective.metric
        reported = (x for x in seen if isinstance(x, e.Reported) and x.trial == trial.number)
        if any(report.metric == metric for event in reported for report in event.reports):
            return ""
        try:
            return self._workspace.explain(trial)
        except Exception:
            _LOG.debug("%s: what it wrote cannot be explained", trial.name, exc_info=True)
            return ""

    def printed(self, trial: Trial, data: bytes) -> e.Event | None:
        """Add to the output of a trial what a runtime hands over.

        Raises:
            DiskFull: If there is no space.
        """
        try:
            with self._workspace.files(trial).output.open("ab") as file:
                file.write(data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(str(error)) from error
            reason = f"its output cannot be kept: {describe(error)}"
            return e.Unreadable(moment(self._clock), trial.number, reason)
        self.grown(trial.number)
        return None


def describe(error: Exception) -> str:
    """Describe an error that a trial has caused in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    kind = type(error).__name__
    return (
        one_line(text)
        if type(error).__module__.startswith("suggestion.")
        else (one_line(f"{kind}: {text}" if text else kind))
    )
