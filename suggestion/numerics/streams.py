"""The random numbers and the visited points of a study, as functions of the study alone."""

from __future__ import annotations

import numpy as np

from suggestion.numerics import randomness, sampling
from suggestion.problem.study import Failed, Observation, Pending, Study


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
