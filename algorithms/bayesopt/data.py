"""The trials of a study as arrays in a canonical order, and a bounded selection of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array
from suggestion.problem.problem import Metric
from suggestion.problem.study import Observation, Study
from suggestion.problem.tradeoffs import ranks, severity

_ROWS: Final = 512  # trials whose features are computed together, for memory
#: Number of trials whose rank is computed; the others are ordered by their losses.
_MOST_RANKED: Final = 512
_LEAST: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Data:
    """Finished trials, the best first.

    Attributes:
        points: Points of the unit cube, shape (n, dimension); NaN where an out-of-space trial has
            no value.
        losses: Shape (n, number of objectives); inf for failed trials.
        durations: Seconds, shape (n,); NaN where unknown.
        excess: Half of the distance of each metric from the bound of its constraint, negative where
            the constraint is met; shape (n, number of constraints). NaN where the metric is
            lacking. Halves, because differences can overflow. None without constraints.
    """

    points: Array
    losses: Array
    durations: Array
    excess: Array | None = None

    @property
    def main(self) -> Array:
        """Losses by the main objective, shape (n,)."""
        return np.asarray(self.losses[:, 0])

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which trials failed, shape (n,)."""
        return np.isinf(self.main)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which trials succeeded and meet all constraints, shape (n,)."""
        met = True if self.excess is None else (self.excess <= 0).all(axis=1)
        return np.asarray(~self.failed & met)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which trials have a value for every parameter, shape (n,)."""
        return np.asarray(~np.isnan(self.points).any(axis=1))

    def take(self, rows: NDArray[np.intp]) -> Data:
        excess = None if self.excess is None else self.excess[rows]
        return Data(self.points[rows], self.losses[rows], self.durations[rows], excess)


def read(study: Study) -> Data:
    """Return observations, failed trials and out-of-space observations, sorted by their values.

    Feasible trials come first, then infeasible ones by their violations, then failed ones. Feasible
    ones are in the order of their losses, of several objectives by non-domination.
    """
    observed = study.evaluated
    assignments = [trial.assignment for trial in observed]
    assignments += [trial.assignment for trial in study.failed]
    points = study.space.encode(assignments)
    count, bounds = len(points), study.problem.constraints
    losses = np.full((count, len(study.problem.objectives)), np.inf)
    losses[: len(observed)] = study.losses_of(observed)
    durations = np.full(count, np.nan)
    durations[: len(observed)] = [
        np.nan if trial.duration is None else trial.duration for trial in observed
    ]
    beyond = np.full((count, len(bounds)), np.nan)
    beyond[: len(observed)] = excess(observed, bounds)
    violations = np.full((count, len(bounds)), np.inf)
    violations[: len(observed)] = study.violations_of(observed)
    standing = severity(violations)
    if losses.shape[1] > 1:
        standing = np.full((count, 1), count)
        found = losses[: len(observed)], violations[: len(observed)]
        standing[: len(observed), 0] = ranks(*found, most=_MOST_RANKED)
    order = np.lexsort((durations, *points.T, *losses.T[::-1], *standing.T[::-1]))
    made = Data(points, losses, durations, beyond if bounds else None)
    return made.take(order)


def excess(observed: Sequence[Observation], bounds: Sequence[Metric]) -> Array:
    """Return `Data.excess` of trials that have finished."""
    found = np.full((len(observed), len(bounds)), np.nan)
    for column, bound in enumerate(bounds):
        assert bound.bound is not None
        most = bound.loss(bound.bound)
        for row, trial in enumerate(observed):
            value = trial.metrics.get(bound.name)
            if value is not None:
                distance = bound.loss(value) / 2 - most / 2
                violated = bound.violation(value) > 0  # on a strict bound, too
                found[row, column] = max(distance, _LEAST) if violated else distance
    return found


def distances(features: Callable[[Array], Array], points: Array) -> Array:
    """Return squared distances of the features of `points` to those of the first; shape (n,)."""
    first = features(points[:1])
    parts = [points[start : start + _ROWS] for start in range(0, max(len(points), 1), _ROWS)]
    return np.concatenate([np.sum(np.square(features(part) - first), axis=1) for part in parts])


def select(distance: Array, size: int) -> NDArray[np.intp]:
    """Select rows for a model of at most `size` trials: dense near the best, sparse elsewhere.

    A quarter are the best; up to a quarter more are the nearest to the very best one; the rest are
    spread evenly over the ranks of the others.

    Args:
        distance: Squared distances to the best, in the order of the losses; shape (n,).
        size: At least 4.
    """
    n = len(distance)
    if n <= size:
        return np.arange(n)
    chosen = np.zeros(n, dtype=bool)
    chosen[: size // 4] = True
    chosen[np.argsort(np.where(chosen, np.inf, distance), kind="stable")[: size // 2]] = True
    left = np.flatnonzero(~chosen)
    wanted = size - int(chosen.sum())
    chosen[left[np.linspace(0, len(left) - 1, wanted).round().astype(np.intp)]] = True
    return np.flatnonzero(chosen)
