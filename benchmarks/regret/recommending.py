"""Which trial an algorithm of this project recommends, as its users are told."""

from __future__ import annotations

from collections.abc import Sequence

from suggestion.algorithms.bayesopt import gp
from suggestion.engine.recommending import recommend
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import History, Observation, Study


def recommended(algorithm: object, space: SearchSpace, told: Sequence[Observation]) -> int | None:
    """Return the place of a trial in `told`; None for that with the lowest loss."""
    problem = Problem("benchmark", space, (Metric("loss"),))
    found = recommend(algorithm, Study(problem, trials=History(observations=tuple(told))))
    gp.forget()  # else the next suggestion would find its fits made
    return None if found is None else told.index(found.trial)
