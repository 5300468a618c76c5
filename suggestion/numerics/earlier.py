"""Earlier studies: where their trials lie in a space, and how well they tell the order of its own.

.. [Feurer2018] M. Feurer, B. Letham, E. Bakshy. Scalable meta-learning for Bayesian optimization
   using ranking-weighted Gaussian process ensembles. AutoML workshop at ICML, 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter, Value
from suggestion.problem.space import Assignment, SearchSpace

#: How fast weights fall with the share of pairs in wrong order, for each trial, and the most
#: trials that count.
RANKING_RATE: Final = 1.0
MOST_RANKED: Final = 30
#: Number of trials from which on sources are doubted that order a larger share of pairs wrongly
#: than `MOST_WRONG`.
FEWEST_JUDGED: Final = 4
MOST_WRONG: Final = 0.45

_FARTHEST: Final = 2.0  # ranges outside the range of a parameter


def ranking_weights(y: Array, means: Array) -> Array:
    """Return how much each source is believed, shape (s,), of sum 1.

    They fall exponentially with the share of pairs of trials that a source puts in wrong order.

    Args:
        y: Outputs, shape (n,).
        means: Of the sources, shape (s, n).
    """
    if len(y) < 2:
        return np.full(len(means), 1 / len(means))
    wrong = wrong_pairs(y, means)
    logs = -RANKING_RATE * min(len(y), MOST_RANKED) * (wrong - wrong.min())
    weights: Array = np.exp(logs) / np.exp(logs).sum()
    return weights


def doubtful(y: Array, means: Array) -> bool:
    """Return whether the sources put too many pairs of trials in wrong order to be believed.

    Args:
        y: Outputs, shape (n,).
        means: Of the sources, shape (s, n).
    """
    if len(y) < FEWEST_JUDGED:
        return False
    ensemble = ranking_weights(y, means) @ means
    return float(wrong_pairs(y, ensemble[None])[0]) > MOST_WRONG


def wrong_pairs(y: Array, means: Array) -> Array:
    """Return the share of pairs of different `y`, shape (n,), that means (s, n) put in wrong order.

    Pairs of equal means count half. The result has shape (s,).
    """
    better = np.sign(y[:, None] - y[None, :])
    pairs = float(np.abs(better).sum())
    # One source at a time: the pairs of all of them together take hundreds of MiB.
    agreed = [float((better * np.sign(each[:, None] - each[None, :])).sum()) for each in means]
    shares: Array = (pairs - np.array(agreed)) / 2 / max(pairs, 1.0)
    return shares


def places(assignments: Sequence[Assignment], space: SearchSpace) -> Array:
    """Return where `assignments` of an earlier study lie in the unit cube of `space`.

    Returns:
        Shape (n, dimension). A value outside a range is at the place outside [0, 1] where it would
        be if the range went on; a parameter that is lacking, or a category that `space` lacks, is
        NaN.
    """
    points = np.full((len(assignments), space.dimension), np.nan)
    for column, parameter in enumerate(space.parameters):
        name = parameter.name
        rows = [row for row, assignment in enumerate(assignments) if name in assignment]
        points[rows, column] = _coordinates(parameter, [assignments[row][name] for row in rows])
    return points


def _coordinates(parameter: Parameter, values: Sequence[Value]) -> Array:
    """Return the coordinates of `values`, shape (n,); NaN for an unknown category."""
    if isinstance(parameter, Categorical):
        known = [value if value in parameter else None for value in values]
        places = np.full(len(values), np.nan)
        rows = [row for row, value in enumerate(known) if value is not None]
        places[rows] = parameter.encode([values[row] for row in rows])
        return places
    numbers = np.array(values, dtype=np.float64)
    if isinstance(parameter, Discrete):
        middles = parameter.encode(parameter.numbers)
        return np.asarray(np.interp(numbers, parameter.numbers, middles))
    assert isinstance(parameter, Double | Int)
    low, high = float(parameter.min), float(parameter.max)
    if low == high:
        return np.full(len(numbers), 0.5)
    inside = np.clip(numbers, low, high)
    whole: list[Value] = [*inside.tolist()]
    if isinstance(parameter, Int):
        whole = [round(value) for value in inside.tolist()]
    # Halves, because differences can overflow.
    outside, width = numbers / 2 - inside / 2, high / 2 - low / 2
    if parameter.distribution.is_log:
        outside, width = np.log(numbers) - np.log(inside), np.log(high) - np.log(low)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ranges = np.clip(np.nan_to_num(outside / width), -_FARTHEST, _FARTHEST)
    return parameter.encode(whole) + ranges
