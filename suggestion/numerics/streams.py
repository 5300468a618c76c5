"""The random numbers and the visited points of a study, as functions of the study alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from suggestion.numerics import randomness, sampling
from suggestion.numerics.sobol import SOBOL_DIMENSIONS, sobol
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, Observation, Pending, Study

_FEWEST: Final = 16
_CENTRES: Final = 32


def rng(study: Study, index: int, *purpose: str) -> np.random.Generator:
    """Return the random numbers of suggestion `index` of `study`: the same in every process.

    Args:
        study: Its seed decides.
        index: Index of the suggestion, as counted by ``study.first_index``.
        purpose: Labels that tell several independent streams of one suggestion apart.
    """
    return randomness.generator(study.seed, "suggestion", index, *purpose)


def visited(study: Study) -> sampling.Visited:
    """Return the points of all trials so far, in any condition: not to be proposed again."""
    tried: list[Observation | Pending | Failed]
    tried = [*study.observations, *study.pending, *study.failed]
    return sampling.Visited(
        study.space, (trial.assignment for trial in tried), study.deadline.check
    )


def initial_points(study: Study) -> list[Assignment]:
    """Return the different ones of the points that are suggested before any others.

    Some are equal where a space has too few points to complete all of them differently.
    """
    return [*{study.space.key(point): point for point in study.initial_points}.values()]


def start(study: Study, index: int) -> Assignment:
    """Return suggestion `index` of a start-up sequence: a Sobol point, or a draw in a space with
    more dimensions than the sequence has.
    """
    dimension = study.space.dimension
    if dimension > SOBOL_DIMENSIONS:
        return sampling.independent(study.space, study.seed, index, 1)[0]
    return study.space.decode(sobol(study.seed, index, 1, dimension))[0]


def centres(study: Study) -> Array | None:
    """Return the best observed points of a space with constraints, shape (k, dimension).

    Infeasible proposals are moved towards them; none without constraints.
    """
    space = study.space
    if not space.constraints:
        return None
    order = np.argsort(study.losses[:, 0], kind="stable").tolist()
    ranked = [study.observations[k].assignment for k in order]
    feasible = [each for each in ranked if space.feasible(each)][:_CENTRES]
    return np.nan_to_num(space.encode(feasible), nan=0.5)


class Independent:
    """Elements of the stream of independent draws from the prior, many computed together.

    On a finite space one element can cost almost as much as all before it.

    Args:
        study: Its seed and deadline count.
        space: Space of the draws.
        first: Index of the first element.
    """

    def __init__(self, study: Study, space: SearchSpace, first: int) -> None:
        self._study, self._space, self._first = study, space, first
        self._drawn: list[Assignment] = []

    def __getitem__(self, index: int) -> Assignment:
        seed, check = self._study.seed, self._study.deadline.check
        while self._first + len(self._drawn) <= index:
            start, count = self._first + len(self._drawn), max(len(self._drawn), _FEWEST)
            self._drawn += sampling.independent(self._space, seed, start, count, check)
        return self._drawn[index - self._first]
