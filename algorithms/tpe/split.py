"""Which trials are good, with several objectives or constraints on metrics.

.. [Ozaki2020] Y. Ozaki, Y. Tanigaki, S. Watanabe, M. Onishi. Multiobjective tree-structured Parzen
   estimator for computationally expensive optimization problems. GECCO 2020.
.. [Watanabe2023b] S. Watanabe, F. Hutter. c-TPE: tree-structured Parzen estimator with inequality
   constraints for expensive hyperparameter optimization. IJCAI 2023.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np

from suggestion.problem.parameters import Array
from suggestion.problem.terms import Flags
from suggestion.problem.tradeoffs import best_first, crowding, feasible, ranks
from suggestion.problem.volumes import contributions, exclusive_volume

#: Most objectives for which hypervolumes are computed; with more, crowding distances decide.
MOST_MEASURED: Final = 3
#: Most points of a front among which some are chosen by hypervolume.
_MOST_CHOSEN_FROM: Final = 60
_REFERENCE: Final = 1.1  # in units of the range of the losses
_FLAT: Final = 1e-12


def split(losses: Array, violations: Array, number: int) -> tuple[Sequence[int], Array]:
    """Return the order of n trials, good ones first, and the weights of the good ones.

    Feasible trials come before infeasible ones, and these by their violations, as in
    [Watanabe2023b]_, section 4; feasible ones by non-domination. Of the front that is only in part
    good, those are taken that add most to the hypervolume, one after the other; the weight of a
    good trial is what it alone adds: section 3 of [Ozaki2020]_. Infeasible trials weigh alike.

    Args:
        losses: Shape (n, k), n >= 1.
        violations: Shape (n, c).
        number: Number of good trials, 1 <= number <= n.

    Returns:
        All n indices, and weights of shape (number,) whose mean is 1.
    """
    if losses.shape[1] == 1:
        return best_first(losses, violations).tolist(), np.ones(number)
    level = ranks(losses, violations, most=number)
    units = _units(losses)
    order: list[int] = []
    for rank in np.unique(level).tolist():
        front = np.flatnonzero(level == rank)
        missing = number - len(order)
        if 0 < missing < len(front):
            chosen = _spread(units[front], missing)
            rest = np.setdiff1d(np.arange(len(front)), chosen)
            front = front[[*chosen, *rest.tolist()]]
        order += front.tolist()
    return order, _weights(units[order[:number]], feasible(violations[order[:number]]))


def _units(losses: Array) -> Array:
    """Return losses in units of their range, from 0 to 1 in each objective."""
    halves = losses / 2  # the difference of two floats can overflow
    low = halves.min(axis=0)
    width = halves.max(axis=0) - low
    return np.asarray((halves - low) / np.where(width > 0, width, 1.0))


def _spread(units: Array, number: int) -> list[int]:
    """Return `number` points of a front, by greedy choice of what adds most to the hypervolume."""
    crowded = np.argsort(-crowding(units), kind="stable")
    if units.shape[1] > MOST_MEASURED:
        return [int(k) for k in crowded[:number]]
    reference = np.full(units.shape[1], _REFERENCE)
    candidates = crowded[: max(_MOST_CHOSEN_FROM, number)].tolist()
    # What a point adds only falls while others are chosen, so it is computed again when it leads.
    heap = [(-float(np.prod(reference - units[k])), k, 0) for k in candidates]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < number:
        gain, k, seen = heapq.heappop(heap)
        if seen == len(chosen):
            chosen.append(k)
        else:
            gain = -exclusive_volume(units[k], units[chosen], reference)
            heapq.heappush(heap, (gain, k, len(chosen)))
    return chosen


def _weights(units: Array, met: Flags) -> Array:
    """Return the weights of good trials, of which `met` are feasible."""
    found = np.zeros(len(units))
    if units.shape[1] <= MOST_MEASURED and met.any():
        reference = np.full(units.shape[1], _REFERENCE)
        found[met] = contributions(units[met], reference)
    if not found.max(initial=0.0) > 0:
        return np.ones(len(units))
    found = found / found.max() + _FLAT
    return np.asarray(found / found.mean())
