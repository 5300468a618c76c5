"""The trials of a study as arrays in a canonical order, and a bounded selection of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array
from suggestion.problem.study import Study

_ROWS: Final = 512  # trials whose features are computed together, for memory


@dataclass(frozen=True, slots=True)
class Data:
    """Finished trials.

    Attributes:
        points: Points of the unit cube, shape (n, dimension); NaN where an out-of-space trial has
            no value.
        losses: Shape (n,); inf for failed trials.
        durations: Seconds, shape (n,); NaN where unknown.
    """

    points: Array
    losses: Array
    durations: Array

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which trials failed, shape (n,)."""
        return np.isinf(self.losses)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which trials have a value for every parameter, shape (n,)."""
        return np.asarray(~np.isnan(self.points).any(axis=1))

    def take(self, rows: NDArray[np.intp]) -> Data:
        return Data(self.points[rows], self.losses[rows], self.durations[rows])


def read(study: Study) -> Data:
    """Return observations, failed trials and out-of-space observations, sorted by their values."""
    observed = study.evaluated
    assignments = [trial.assignment for trial in observed]
    assignments += [trial.assignment for trial in study.failed]
    points = study.space.encode(assignments)
    losses = np.full(len(points), np.inf)
    losses[: len(observed)] = study.losses_of(observed)[:, 0]
    durations = np.full(len(points), np.nan)
    durations[: len(observed)] = [
        np.nan if trial.duration is None else trial.duration for trial in observed
    ]
    order = np.lexsort((durations, *points.T, losses))
    return Data(points[order], losses[order], durations[order])


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
