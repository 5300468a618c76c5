"""Which trial of a study to use: under noise not the one with the lowest observed loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeGuard, runtime_checkable

from suggestion.engine.algorithm import Unavailable, algorithms, build, check, missing
from suggestion.numerics.blas import one_thread
from suggestion.problem.errors import Invalid
from suggestion.problem.study import Observation, Study

#: The algorithm whose model recommends where an algorithm has no model of the losses.
MODEL: Final = "bayesianoptimization"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A trial, and what a model thinks of it.

    Attributes:
        trial: A finished trial of the study.
        loss: Estimate of its loss without noise; lower is better.
        deviation: Standard deviation of the estimate, at least 0.
    """

    trial: Observation
    loss: float
    deviation: float


@runtime_checkable
class Recommends(Protocol):
    """An algorithm that recommends a trial of a study itself."""

    def recommend(self, study: Study) -> Recommendation | None:
        """Return the feasible observation of `study` whose estimated loss is lowest.

        A function of its argument. None without a reason to prefer a trial to the best one.

        Raises:
            Cancelled: From ``study.deadline.check()``.
        """
        ...


def recommend(algorithm: object, study: Study) -> Recommendation | None:
    """Return what `algorithm` recommends; without a model of its own, what `MODEL` does.

    None where there is no reason to prefer a trial to the best one: with few trials or several
    objectives, if a model is not installed, or cannot represent the space.

    Args:
        algorithm: The one that has suggested the trials.
        study: Its study, checked for it.
    """
    with one_thread():
        if _recommends(algorithm):
            return algorithm.recommend(study)
        model = _model(study)
        return None if model is None else model.recommend(study)


def _model(study: Study) -> Recommends | None:
    try:
        cls = algorithms().load(MODEL)
    except Unavailable:
        return None
    if any(missing(cls, study.problem)):
        return None
    model = build(cls, ()).algorithm
    try:
        check(model, study)
    except Invalid:
        return None
    return model if _recommends(model) else None


def _recommends(algorithm: object) -> TypeGuard[Recommends]:
    return issubclass(type(algorithm), Recommends)
