"""Maximise an acquisition function over a mixed space."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.bayesopt.features import Features
from suggestion.numerics.quasi_newton import minimise
from suggestion.problem.parameters import Array

SOBOL_CANDIDATES: Final = 512
LOCAL_CANDIDATES: Final = 192
_ALL_LEVELS: Final = 12  # a parameter with more values is searched by neighbours
_STRIDES: Final = (-8, -4, -2, -1, 1, 2, 4, 8)


class Criterion(Protocol):
    """The function to be maximised."""

    def values(self, features: Array) -> Array:
        """Return values at `features`, shape (m, p): shape (m,)."""
        ...

    def gradients(self, features: Array) -> tuple[Array, Array]:
        """Return values (m,) and slopes (m, p) at `features`."""
        ...


def around(features: Features, centres: Array, count: int, rng: np.random.Generator) -> Array:
    """Return `count` points near `centres`, shape (c, dimension), at many distances; snapped."""
    d = features.dimension
    points = centres[rng.integers(len(centres), size=count)]
    scale = 10 ** rng.uniform(-3.0, -0.5, (count, 1))
    moved = rng.random(points.shape) < max(0.4, 1.5 / max(d, 1))
    steps = scale * rng.standard_normal(points.shape)
    fresh = rng.random(points.shape)
    unordered = np.array([not features.ordered(k) for k in range(points.shape[1])])
    target = np.where(unordered, fresh, np.clip(points + steps, 0.0, 1.0))
    return features.snap(np.where(moved, target, points))


def choose(values: Array, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the best index and others drawn in proportion to exp(values), shape (at most
    count,).
    """
    first = int(np.argmax(values))
    keys = values + rng.gumbel(size=len(values))  # sampling without replacement
    order = np.argsort(-keys, kind="stable")
    chosen = [first, *[k for k in order[:count].tolist() if k != first]]
    return np.array(chosen[:count], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Effort:
    """The length of a search.

    Attributes:
        starts: Number of starting points.
        iterations: Number of quasi-Newton steps from each.
        kept: Number of points whose finite columns are searched.
        further: Number of quasi-Newton steps after that.
        again: Whether the finite columns are then searched again.
    """

    starts: int
    iterations: int
    kept: int
    further: int
    again: bool


FULL: Final = Effort(starts=6, iterations=25, kept=3, further=12, again=True)
#: Effort for the later points of a batch.
BRIEF: Final = Effort(starts=3, iterations=10, kept=1, further=5, again=False)


def refine(
    features: Features,
    criterion: Criterion,
    starts: Array,
    rng: np.random.Generator,
    go_on: Callable[[], bool],
    effort: Effort = FULL,
) -> tuple[Array, Array]:
    """Improve `starts`: gradients for continuous columns, single moves for the others.

    Returns:
        Points, shape (b, dimension), and their values, shape (b,).
    """
    points, values = ascend(features, criterion, starts, go_on, effort.iterations)
    if len(features.finite):
        best = np.argsort(-values, kind="stable")[: effort.kept]
        points, values = step(features, criterion, points[best], values[best], rng, go_on)
        if len(features.continuous):
            points, values = ascend(features, criterion, points, go_on, effort.further)
            if effort.again:
                points, values = step(features, criterion, points, values, rng, go_on)
    return points, values


def ascend(
    features: Features,
    criterion: Criterion,
    starts: Array,
    go_on: Callable[[], bool],
    iterations: int,
) -> tuple[Array, Array]:
    """Take quasi-Newton steps in the continuous columns."""
    columns = features.continuous
    if not len(columns):
        return starts, criterion.values(features(starts))

    at_starts, moving = features(starts), features.moving(starts)

    def objective(x: Array, rows: NDArray[np.intp]) -> tuple[Array, Array]:
        moved = at_starts[rows]
        features.move(moved, x, moving[rows])
        values, slopes = criterion.gradients(moved)
        return -values, -features.pull_back(slopes) * moving[rows]

    x, values = minimise(
        objective,
        starts[:, columns],
        np.zeros(len(columns)),
        np.ones(len(columns)),
        iterations=iterations,
        gradient_tolerance=1e-3,
        value_tolerance=1e-3,
        go_on=go_on,
    )
    points = starts.copy()
    points[:, columns] = x
    return points, -values


def step(
    features: Features,
    criterion: Criterion,
    points: Array,
    values: Array,
    rng: np.random.Generator,
    go_on: Callable[[], bool],
) -> tuple[Array, Array]:
    """Change one finite column at a time, by steepest ascent, until no change helps."""
    points, values = points.copy(), values.copy()
    rising = np.arange(len(points))
    for _ in range(2 * len(features.finite) + 2):
        moves = [_neighbours(features, points[row], rng) for row in rising.tolist()]
        sizes = np.array([len(m) for m in moves])
        if not go_on():
            break
        found = criterion.values(features(np.concatenate(moves)))
        ends = np.cumsum(sizes)
        still = []
        for row, move, end in zip(rising.tolist(), moves, ends.tolist(), strict=True):
            part = found[end - len(move) : end]
            best = int(np.argmax(part))
            if part[best] > values[row] + 1e-9:
                points[row], values[row] = move[best], part[best]
                still.append(row)
        rising = np.array(still, dtype=np.intp)
        if not still:
            break
    return points, values


def _neighbours(features: Features, point: Array, rng: np.random.Generator) -> Array:
    """Return points that differ from `point` in one finite column: all values if few, else near
    ones.
    """
    columns: list[int] = []
    units = []
    for column in features.finite.tolist():
        count = features.levels(column)
        level = features.level_of(float(point[column]), column)
        levels: Iterable[int] = range(count)
        if count > _ALL_LEVELS:
            jumps = rng.integers(count, size=4).tolist()
            near = [min(max(level + stride, 0), count - 1) for stride in _STRIDES]
            levels = sorted({*jumps, *near} if features.ordered(column) else {*jumps})
        others = [other for other in levels if other != level]
        columns += [column] * len(others)
        units.append(features.middle(np.array(others, dtype=np.int64), column))
    moved = np.repeat(point[None], len(columns), axis=0)
    moved[np.arange(len(columns)), columns] = np.concatenate(units)
    return moved
