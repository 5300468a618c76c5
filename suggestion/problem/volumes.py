"""The hypervolume: how much of the space of losses a set of points dominates.

.. [While2012] L. While, L. Bradstreet, L. Barone. A fast way of calculating exact hypervolumes.
   IEEE Transactions on Evolutionary Computation 16(1), 2012.
"""

from __future__ import annotations

import numpy as np

from suggestion.problem.parameters import Array
from suggestion.problem.tradeoffs import nondominated


def hypervolume(losses: Array, reference: Array) -> float:
    """Return the volume that is dominated by points and dominates a reference point.

    Exact. With two objectives it takes n log n steps; with more, the algorithm WFG [While2012]_,
    whose time can grow exponentially with the number of objectives.

    Args:
        losses: Shape (n, k), lower is better. Points that are not below the reference point in
            every objective count for nothing.
        reference: Shape (k,).
    """
    inside = losses[(losses < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    points = np.unique(inside[nondominated(inside)], axis=0)
    return _volume(points, reference)


def _volume(points: Array, reference: Array) -> float:
    """Return the hypervolume of different non-dominated points, sorted by the first loss."""
    if len(points) == 1 or points.shape[1] == 1:
        return float(np.prod(reference - points[0]))
    if points.shape[1] == 2:
        tops = np.concatenate([[reference[1]], points[:-1, 1]])
        return float(((reference[0] - points[:, 0]) * (tops - points[:, 1])).sum())
    # The points with the greatest last loss are cut off first: they limit the others most.
    points = points[np.argsort(-points[:, -1], kind="stable")]
    return sum(
        exclusive_volume(point, points[place + 1 :], reference)
        for place, point in enumerate(points)
    )


def exclusive_volume(point: Array, others: Array, reference: Array) -> float:
    """Return how much `point`, shape (k,), adds to the hypervolume of `others`, shape (n, k)."""
    if (point >= reference).any():
        return 0.0
    own = float(np.prod(reference - point))
    limited = np.maximum(others, point)
    return max(own - hypervolume(limited, reference), 0.0)


def contributions(losses: Array, reference: Array) -> Array:
    """Return by how much each point alone increases the hypervolume of all, shape (n,).

    For `losses` and `reference` see `hypervolume`.
    """
    rows = range(len(losses))
    return np.array(
        [exclusive_volume(losses[k], np.delete(losses, k, axis=0), reference) for k in rows]
    )
