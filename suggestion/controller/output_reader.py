"""What trials write, read as it grows: their reports, and outputs that become too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from suggestion.controller import events as e
from suggestion.controller.context import Source
from suggestion.controller.moments import Timekeeper, moment
from suggestion.controller.state import State
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import CannotTrim, Workspace

# Chunks of output that one trial is read at a time, so that a noisy one does not starve the rest.
_CHUNKS: Final = 16


class OutputReader:
    """Read the outputs of running trials, and cut long ones.

    Args:
        output_bytes: Of a trial's latest output that are kept, besides its first megabyte.
        note: Takes what a person should know.

    Attributes:
        behind: Whether the latest `read` left something that can be read at once.
    """

    def __init__(
        self,
        workspace: Workspace,
        output_bytes: int,
        clock: Timekeeper,
        note: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._output_bytes = output_bytes
        self._clock = clock
        self._note = note
        self._sources: dict[tuple[int, int], Source | None] = {}
        self._untrimmed: set[int] = set()
        self.behind = False

    def read(self, state: State) -> list[e.Event]:
        """Return what trials have reported, and which have ended with nothing more to read."""
        self.behind = False
        seen: list[e.Event] = []
        followed = {}
        for number, attempt in state.attempts.items():
            if not (attempt.launched or attempt.ended) or attempt.judging:
                continue
            trial = state.active[number]
            key = (number, trial.attempt)
            source = self._sources[key] if key in self._sources else self._workspace.source(trial)
            followed[key] = source
            behind = False
            if source is not None:
                for _ in range(_CHUNKS):
                    reports = source.read(attempt.ended)
                    if reports:
                        at = moment(self._clock)
                        seen.append(e.Reported(at, number, reports, source.position))
                    if not source.behind:
                        break
                behind = source.behind
                self.behind = self.behind or behind
            trimmed = self._trim(trial, source)
            if trimmed is not None:
                seen.append(trimmed)
            if attempt.ended and not behind:
                seen.append(e.Collected(moment(self._clock), number))
        self._sources = followed
        return seen

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
