"""Objectives and constraints of an Optuna study as metrics, which have names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from suggestion.tuning.objectives import VALUE, Objective


@dataclass(frozen=True, slots=True)
class Goals:
    """What a study optimises.

    Attributes:
        objective: Its objectives are called ``value``, ``value_1``, …; its constraints are
            ``constraint_0 <= 0``, …
        constraints: What each of these is called in Optuna.
    """

    objective: Objective
    constraints: tuple[str, ...] = ()

    @classmethod
    def of(cls, directions: Sequence[StudyDirection], constraints: Iterable[str] = ()) -> Goals:
        """Return the goals of a study of so many directions and constraints."""
        main, *others = (direction is StudyDirection.MAXIMIZE for direction in directions)
        further = {f"{VALUE}_{place}": maximize for place, maximize in enumerate(others, 1)}
        names = tuple(constraints)
        bounds = "; ".join(f"{_metric(place)} <= 0" for place in range(len(names)))
        return cls(Objective(VALUE, main, further=further, bounds=bounds), names)

    @classmethod
    def of_study(cls, study: optuna.Study) -> Goals:
        """Return the goals of a study, with the constraints that its trials have so far."""
        names: dict[str, None] = {}
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished():
                names |= dict.fromkeys(trial.constraints)
        return cls.of(study.directions, names)

    def told(self, trial: FrozenTrial) -> dict[str, float] | None:
        """Return what a solver is told of a trial that has ended; None if it has failed."""
        values: Sequence[float] = ()
        if trial.state is TrialState.COMPLETE:
            values = trial.values
        elif trial.state is TrialState.PRUNED and trial.intermediate_values:
            values = [trial.intermediate_values[max(trial.intermediate_values)]]
        metrics = dict(zip(self.objective.directions, values, strict=False))
        constraints = trial.constraints
        for place, name in enumerate(self.constraints):
            if name in constraints:
                metrics[_metric(place)] = constraints[name]
        return self.objective.told(metrics)


def _metric(place: int) -> str:
    return f"constraint_{place}"
