"""All that the surrogates of one request are fitted to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from suggestion.algorithms.bayesopt import data, earlier
from suggestion.algorithms.bayesopt.data import Data
from suggestion.algorithms.bayesopt.features import Features
from suggestion.algorithms.bayesopt.fitting import Fitter
from suggestion.algorithms.bayesopt.outputs import Outputs, limits, transforms
from suggestion.problem.parameters import Array
from suggestion.problem.study import Study

#: Largest number of trials that hyperparameters are fitted to, and that a posterior uses; fewer
#: with more than `FULL_OUTPUTS` outputs, so that all of them together take no more memory.
MOST_FITTED: Final = 200
MOST_KEPT: Final = 512
FULL_OUTPUTS: Final = 3
_FEWEST: Final = 16
#: Largest number of pending trials that are fantasised, evenly chosen.
MOST_PENDING: Final = 200

#: Where no trial has a loss.
NO_OUTPUTS: Final = Outputs("none", np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The trials of a study, the earlier ones, and what is modelled of them.

    Attributes:
        trials: The finished trials that models use, n of them.
        pending: Points of the cube that have no outcome yet, shape (m, dimension).
        features: The map to what kernels use.
        inputs: Features of the trials, shape (n, p).
        losses: Of each objective, the losses of the trials under each transform.
        limits: Of each constraint, its excess under each transform.
        sources: Earlier studies; None without.
        go_on: Whether there is time for another step.
    """

    trials: Data
    pending: Array
    features: Features
    inputs: Array
    losses: Sequence[Sequence[Outputs]]
    limits: Sequence[Sequence[Outputs]]
    sources: earlier.Sources | None
    go_on: Callable[[], bool]

    def fitter(self) -> Fitter:
        """Return what fits Gaussian processes to transforms of the losses or limits."""
        distances = data.distances(self.features, self.trials.points)
        most = _share(MOST_FITTED, len(self.losses) + len(self.limits))
        return Fitter(self.inputs, self.features.groups, data.select(distances, most), self.go_on)

    def learned(self) -> Array:
        """Return the best points of earlier studies, moved into the space: (m, dimension)."""
        if self.sources is None:
            return np.empty((0, self.trials.points.shape[1]))
        best = self.sources.best
        return self.features.snap(np.where(np.isnan(best), 0.5, best))


def collect(study: Study, chosen: Array, go_on: Callable[[], bool]) -> Evidence:
    """Return what models of `study` are fitted to.

    Args:
        study: A study with a finished trial, or with earlier studies.
        chosen: Points of the cube already chosen for the same reply, shape (m, dimension).
        go_on: Whether there is time for another step.
    """
    trials = data.read(study)
    problem = study.problem
    before = [earlier.read(each, study.space, problem.constraints) for each in study.prior]
    missing = np.asarray(np.isnan(trials.points).any(axis=0))
    for each in before:
        missing |= np.isnan(each.points).any(axis=0)
    coarse = Features(study.space, missing, trials.points[:1])
    further = [*problem.objectives[1:], *problem.constraints]
    distances = data.distances(coarse, trials.points)
    kept = data.select(distances, _share(MOST_KEPT, 1 + len(further)))
    pending = study.space.encode([trial.assignment for trial in study.pending])
    if len(pending) > MOST_PENDING:
        rows = np.linspace(0, len(pending) - 1, MOST_PENDING).astype(np.intp)
        pending = pending[rows]
    pending = np.vstack([pending, chosen])
    seen = [trials.points[kept], pending, *(each.points for each in before)]
    features = Features(study.space, missing, np.vstack(seen))
    succeeded = trials.losses[~trials.failed]
    failed = len(trials.losses) - len(succeeded)
    losses = [
        [
            outputs.padded(failed).take(kept)
            for outputs in (transforms(column) if len(column) else [NO_OUTPUTS])
        ]
        for column in succeeded.T
    ]
    excess = np.empty((len(kept), 0)) if trials.excess is None else trials.excess[kept]
    sources = None
    if before and features.dimension:
        found = [
            (output, told)
            for output, metric in enumerate(further, 1)
            for each in study.prior
            if (told := earlier.read_metric(each, study.space, metric)) is not None
        ]
        read = [*before, *(told for _, told in found)]
        about = [0] * len(before) + [output for output, _ in found]
        sources = earlier.Sources(features, read, go_on, about)
    used = trials.take(kept)
    return Evidence(
        used,
        pending,
        features,
        features(used.points),
        losses,
        [limits(column) for column in excess.T],
        sources,
        go_on,
    )


def _share(most: int, outputs: int) -> int:
    return max(int(most / math.sqrt(max(outputs / FULL_OUTPUTS, 1.0))), _FEWEST)
