"""Which trials are better than others: several objectives, and constraints on metrics.

Losses have the shape (n, k): k objectives of n trials, lower is better. Violations have the shape
(n, c), as `Problem.violations` returns them: 0 where a constraint is met, infinite where its metric
is lacking. Everything is finite otherwise.

.. [Deb2002] K. Deb, A. Pratap, S. Agarwal, T. Meyarivan. A fast and elitist multiobjective genetic
   algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6(2), 2002.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array
from suggestion.problem.terms import Flags

Integers: TypeAlias = NDArray[np.int64]


def feasible(violations: Array) -> Flags:
    """Return which trials meet all constraints, shape (n,)."""
    return np.asarray((violations <= 0).all(axis=1))


def severity(violations: Array) -> Array:
    """Return how far trials are from being feasible, shape (n, 2); rows compare as tuples do.

    The first column is the number of constraints whose metric is lacking, the second the sum of the
    other violations. Both are 0 for feasible trials.
    """
    lacking = np.isinf(violations)
    known = np.where(lacking, 0.0, violations)
    return np.column_stack([lacking.sum(axis=1), known.sum(axis=1)])


def best_first(losses: Array, violations: Array) -> Integers:
    """Return the order of trials by the main objective, shape (n,).

    Feasible ones come first; the others follow, the least violated first. Of equal ones, the
    further objectives decide, and then the order in which they are given.
    """
    columns = [*severity(violations).T, *losses.T]
    order: Integers = np.lexsort(columns[::-1])
    return order


def nondominated(losses: Array) -> Flags:
    """Return which points no other one dominates, shape (n,).

    A point dominates another one if no loss of it is greater and at least one is smaller. Equal
    points do not dominate each other.
    """
    different, where = _different(losses)
    return np.asarray(_best(different)[where])


def _different(losses: Array) -> tuple[Array, Integers]:
    """Return the different rows in ascending order, and which of them each of n is, shape (n,)."""
    different, where = np.unique(losses, axis=0, return_inverse=True)
    return different, where.ravel()


def _best(rows: Array) -> Flags:
    """Return which of different rows in ascending order no other one dominates."""
    if rows.shape[1] <= 2:  # each must improve the last loss of those before it
        last = rows[:, -1]
        before = np.minimum.accumulate(np.concatenate([[np.inf], last[:-1]]))
        return np.asarray(last < before[: len(rows)])
    found = np.zeros(len(rows), dtype=bool)
    left = np.arange(len(rows))
    while len(left):  # the first of the rest is dominated by none: rows are sorted
        first, rest = left[0], left[1:]
        found[first] = True
        left = rest[(rows[rest] < rows[first]).any(axis=1)]
    return found


def front(losses: Array, violations: Array) -> Flags:
    """Return which trials are the trade-off, shape (n,): feasible, and dominated by no feasible
    one.
    """
    found = feasible(violations)
    found[found] = nondominated(losses[found])
    return found


def ranks(losses: Array, violations: Array, most: int | None = None) -> Integers:
    """Return the rank of each trial by constrained domination, shape (n,); the best have rank 0.

    Definition 1 of [Deb2002]_, section VI: a feasible trial dominates an infeasible one; of two
    infeasible ones the less violated dominates; feasible ones compare by their losses. Trials of
    rank r are dominated by trials of lower ranks alone.

    Args:
        most: Number of trials of the best ranks that are of interest: once so many have a rank, all
            others have the next one.
    """
    count = len(losses)
    most = count if most is None else most
    found = np.full(count, -1, dtype=np.int64)
    met = np.flatnonzero(feasible(violations))
    # Sorted once: there may be as many ranks as trials.
    different, where = _different(losses[met])
    level = np.full(len(different), -1, dtype=np.int64)
    sizes = np.bincount(where, minlength=len(different))
    left = np.arange(len(different))
    rank = done = 0
    while len(left) and done < most:
        best = _best(different[left])
        level[left[best]] = rank
        rank, done, left = rank + 1, done + int(sizes[left[best]].sum()), left[~best]
    found[met] = level[where]
    if done < most:
        others = np.flatnonzero(found < 0)
        _, levels = np.unique(severity(violations[others]), axis=0, return_inverse=True)
        found[others] = rank + levels.ravel()
    found[found < 0] = rank
    return found


def crowding(losses: Array) -> Array:
    """Return the crowding distance of the points of one front, shape (n,).

    Section III-B of [Deb2002]_: the sum over objectives of the distance between both neighbours, in
    units of the front's range; infinite for the outermost points.
    """
    count = len(losses)
    found = np.zeros(count)
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order] / 2  # the difference of two floats can overflow
        width = (ordered[-1] - ordered[0] if count else 0.0) or 1.0
        own = np.full(count, np.inf)
        own[1:-1] = (ordered[2:] - ordered[:-2]) / width
        found[order] += own
    return found
