"""The trials of an Optuna study, as a solver sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from optuna.trial import FrozenTrial

from suggestion.integrations.optuna.claims import Claim
from suggestion.integrations.optuna.goals import Goals
from suggestion.tuning.errors import SpaceExhausted
from suggestion.tuning.solvers import Solver, Suggested
from suggestion.tuning.space import Space

#: Attribute of a trial with what it was suggested, for the other workers of a storage.
ATTRIBUTE: Final = "suggestion:point"
#: Key of it that it has until the point is confirmed.
CLAIMED: Final = "claimed"
#: Key of it with the index of the suggestion, where that is not the trial's number.
INDEX: Final = "index"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A suggestion.

    Attributes:
        index: Its index, from which the algorithm has made it.
        free: Whether no running trial has its point; False only where the space has too few.
    """

    made: Suggested
    index: int
    free: bool = True


class Replay:
    """The trials of an Optuna study, told to a solver: each once, however often it is asked.

    Args:
        key: Of study, space and goals; another one needs another replay.
        name: Of the study.
        open: Makes a solver without a history.
    """

    def __init__(
        self, key: object, name: str, space: Space, goals: Goals, open: Callable[[], Solver]
    ) -> None:
        self.key = key
        self.space = space
        self._name = name
        self._goals = goals
        self._open = open
        self._restart(open())

    def _restart(self, solver: Solver) -> None:
        self._solver = solver
        self._started: dict[int, tuple[str, Mapping[str, str]]] = {}
        self._finished: set[int] = set()

    def suggest(self, others: Sequence[FrozenTrial]) -> Proposal:
        """Return a suggestion for another trial, after all that `others` have come to."""
        new = [other for other in others if other.number not in self._finished]
        entries = {other.number: self._entry(other) for other in new}
        running = self._started.keys() - self._finished
        if any(self._started[place] != entries.get(place) for place in running):
            # One has other values than were suggested, as after a clash: tell everything again.
            solver = self._open()
            self.close()
            self._restart(solver)
            new = list(others)
            entries = {other.number: self._entry(other) for other in new}
        for other in new:
            place, (name, texts) = other.number, entries[other.number]
            if texts and place not in self._started:
                self._solver.start(place, name, texts)
                self._started[place] = entries[place]
            if other.state.is_finished():
                if place in self._started:
                    self._solver.finish(place, self._goals.told(other))
                self._finished.add(place)
        index = self._index(others)
        made = self._solver.suggest(1, index)[0]
        taken = self.running(others)
        if made.texts not in taken:
            return Proposal(made, index)
        # The points of one reply are distinct, unless the space has too few.
        try:
            several = self._solver.suggest(len(taken) + 1, index)
        except SpaceExhausted:
            return Proposal(made, index, free=False)
        free = next((each for each in several if each.texts not in taken), None)
        return Proposal(free or made, index, free=free is not None)

    def _index(self, others: Sequence[FrozenTrial]) -> int:
        """Return the index of the next suggestion, which no other trial has.

        It counts the trials that have a point: servers take no lesser index, and where trials ask
        out of their order an algorithm that walks through a finite space leaves out no point.
        """
        points = [(other.number, _suggested(other)) for other in others]
        taken = {point.get(INDEX, number) for number, point in points if point}
        index = len(self._started)
        while index in taken:
            index += 1
        return index

    def close(self) -> None:
        """Close the solver."""
        self._solver.close()

    def running(self, others: Sequence[FrozenTrial]) -> list[Mapping[str, str]]:
        """Return the points of those of `others` that run."""
        return [self._entry(other)[1] for other in others if not other.state.is_finished()]

    def claims(self, others: Sequence[FrozenTrial]) -> list[Claim]:
        """Return the points of those of `others` that run, or have ended since `suggest`."""
        return [
            Claim(other.number, self._texts(other, point), CLAIMED not in point)
            for other in others
            if other.number not in self._finished
            for point in [_suggested(other)]  # read once: that of a storage in memory may change
        ]

    def _default(self, number: int) -> str:
        return f"{self._name}-{number:05}"

    def _entry(self, trial: FrozenTrial) -> tuple[str, Mapping[str, str]]:
        """Return name and texts of a trial; no texts where it has not all parameters."""
        point = _suggested(trial)
        return point.get("name") or self._default(trial.number), self._texts(trial, point)

    def _texts(self, trial: FrozenTrial, point: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the texts of a trial that was suggested `point`; none if it has not all.

        Those of a suggestion are what it has: parameters whose condition is not met are left out.
        """
        own: Mapping[str, str] = point.get("parameters", {})
        texts = {}
        for name, parameter in self.space.parameters.items():
            # Enqueued trials have others than were suggested.
            known = name in trial.params
            text = parameter.encode(trial.params[name]) if known else own.get(name)
            if text is not None:
                texts[name] = text
        needed = set(self.space.parameters)
        if own:
            needed &= own.keys()
        return texts if needed <= texts.keys() else {}


def _suggested(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return what a trial was suggested; empty if nothing was."""
    return trial.system_attrs.get(ATTRIBUTE) or {}
