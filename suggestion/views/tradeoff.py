"""The trade-off between several objectives, and whether the best trial is feasible, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suggestion.client.numbers import short
from suggestion.controller import standings
from suggestion.controller.observation import Objective
from suggestion.controller.trials import Trial


def infeasible(objective: Objective, best: Trial) -> str:
    """Say that the best trial is infeasible; empty if it is feasible."""
    if objective.feasible(best.series):
        return ""
    rules = ", ".join(each.rule for each in objective.constraints)
    return f"infeasible, as every trial so far: {rules}; it is the least violated one"


def lines(objective: Objective, trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the trials of the trade-off with their objectives; nothing with one objective."""
    names = objective.objectives
    if len(names) < 2:
        return
    front = standings.front(trials, objective)
    yield f"Trade-off of {', '.join(names)}: {len(front)} trial{'s' if len(front) != 1 else ''}"
    for trial in front:
        values = [short(trial.series[name].by(objective.strategies[name])) for name in names]
        yield f"  {trial.name}: " + ", ".join(
            f"{name} {value}" for name, value in zip(names, values, strict=True)
        )
