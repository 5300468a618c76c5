"""Logarithms of what a trial is expected to gain, in each fantasy of the pending outcomes.

Everything is minimised. Predictions of k outputs at m points are means of shape (k, m, fantasies)
and deviations of shape (k, m); the outputs are independent Gaussian variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from suggestion.numerics.normal import log_cdf, log_h_and_slope
from suggestion.problem.parameters import Array
from suggestion.problem.tradeoffs import nondominated

_FAR: Final = 1e3  # below every output; they have a standard deviation of 1
_LEAST: Final = 1e-15
_HALF_LOG_2PI: Final = 0.5 * math.log(2 * math.pi)

#: Directions and steps along each in which `Rays` looks for improvements. The steps are relative to
#: the distance from the reference point to the front.
RAYS: Final = 64
STEPS: Final = np.array([0.0, 0.01, 0.03, 0.1, 0.3, 1.0])


class Terms(NamedTuple):
    """Values (m, fantasies), and their derivatives by means and deviations (k, m, fantasies)."""

    logs: Array
    by_mean: Array
    by_deviation: Array


class Gain(Protocol):
    """The logarithm of an expectation."""

    def terms(self, mean: Array, deviation: Array) -> Terms:
        """Return it with its derivatives at means (k, m, fantasies), deviations (k, m)."""
        ...

    @property
    def size(self) -> int:
        """Numbers that are computed for each point."""
        ...


class Improvement:
    """Expected improvement of one output.

    Args:
        best: Lowest output in each fantasy, shape (fantasies,).
    """

    def __init__(self, best: Array) -> None:
        self._best = best
        self.size = len(best)

    def terms(self, mean: Array, deviation: Array) -> Terms:
        scale = deviation[..., None]
        h = log_h_and_slope((self._best - mean) / scale)
        logs = (h.value + np.log(scale))[0]
        return Terms(logs, -h.cdf / scale, h.pdf / scale)


class Feasibility:
    """Probability that all outputs are below their bounds [Gardner2014]_.

    Args:
        bounds: Shape (k,).

    .. [Gardner2014] J. R. Gardner, M. J. Kusner, Z. Xu, K. Q. Weinberger, J. P. Cunningham.
       Bayesian optimization with inequality constraints. ICML 2014.
    """

    def __init__(self, bounds: Array) -> None:
        self._bounds = bounds[:, None, None]
        self.size = len(bounds)

    def terms(self, mean: Array, deviation: Array) -> Terms:
        scale = deviation[..., None]
        u = (self._bounds - mean) / scale
        logs = log_cdf(u)
        ratio = _hazard(u, logs)
        return Terms(logs.sum(axis=0), -ratio / scale, -ratio * u / scale)


class Strips:
    """Expected improvement of the hypervolume of two outputs, exact.

    The region that no point of the front dominates is cut into strips, one to the left of each
    point and one to the right of the last. A strip that reaches from a to b in the first output and
    up to t in the second adds E[(b - y)+] - E[(a - y)+] times E[(t - z)+], as in [Yang2019]_.

    Args:
        fronts: Of each fantasy, non-dominated points below the reference point, shape (n, 2).
        reference: Shape (2,).

    .. [Yang2019] K. Yang, M. Emmerich, A. Deutz, T. Bäck. Efficient computation of expected
       hypervolume improvement using box decomposition algorithms. J. Global Optimization 75, 2019.
    """

    def __init__(self, fronts: Sequence[Array], reference: Array) -> None:
        most = max(len(front) for front in fronts)
        #: Ends of strips, shape (fantasies, most + 2); their tops (fantasies, most + 1), -inf where
        #: a fantasy has fewer.
        ends = np.full((len(fronts), most + 2), reference[0])
        ends[:, 0] = -_FAR
        tops = np.full((len(fronts), most + 1), reference[1])
        closed = np.zeros(tops.shape)
        for row, front in enumerate(fronts):
            ordered = front[np.argsort(front[:, 0], kind="stable")]
            ends[row, 1 : len(front) + 1] = ordered[:, 0]
            tops[row, 1 : len(front) + 1] = ordered[:, 1]
            closed[row, len(front) + 1 :] = -np.inf
        self._ends, self._tops, self._closed = ends, tops, closed
        self.size = ends.size

    def terms(self, mean: Array, deviation: Array) -> Terms:
        scale = deviation[..., None, None]
        left = log_h_and_slope((self._ends - mean[0][..., None]) / scale[0])
        low = log_h_and_slope((self._tops - mean[1][..., None]) / scale[1])
        # All that is below the right end, without the share below the left end.
        share = np.exp(np.minimum(left.value[..., :-1] - left.value[..., 1:], 0.0))
        rest = np.maximum(1 - share, _LEAST)
        wide = left.value[..., 1:] + np.log(rest)
        logs, weights = _log_sum(wide + low.value + self._closed)
        by_end = (left.cdf[..., 1:] - share * left.cdf[..., :-1]) / rest
        by_spread = (left.pdf[..., 1:] - share * left.pdf[..., :-1]) / rest
        by_mean = [-(weights * by_end).sum(axis=-1), -(weights * low.cdf).sum(axis=-1)]
        by_deviation = [(weights * by_spread).sum(axis=-1), (weights * low.pdf).sum(axis=-1)]
        own = deviation[..., None]
        units = np.log(own).sum(axis=0)
        return Terms(logs + units, np.array(by_mean) / own, np.array(by_deviation) / own)


class Rays:
    """Expected improvement of the hypervolume of any number of outputs, along random rays.

    The hypervolume is the mean, over directions from the reference point, of a power of the
    distance to the front [ZhangGolovin2020]_. A point improves it where it dominates a target
    beyond the front: the expected improvement is the integral, over the targets of all directions,
    of the probability that they are dominated. Here it is a sum over `RAYS` directions, divided
    among the fantasies, and over steps of growing length on each.

    Args:
        fronts: Of each fantasy, non-dominated points below the reference point, shape (n, k).
        reference: Shape (k,).
        directions: Positive, shape (RAYS, k), of length 1.

    .. [ZhangGolovin2020] R. Zhang, D. Golovin. Random hypervolume scalarizations for provable
       multi-objective black box optimization. ICML 2020.
    """

    def __init__(self, fronts: Sequence[Array], reference: Array, directions: Array) -> None:
        own = len(directions) // len(fronts)
        targets, weights = [], []
        middles, lengths = (STEPS[1:] + STEPS[:-1]) / 2, np.diff(STEPS)
        power = len(reference) - 1
        for row, front in enumerate(fronts):
            rays = directions[row * own : (row + 1) * own]
            reached = ((reference - front)[None] / rays[:, None]).min(axis=2).max(axis=1)
            distances = reached[:, None] * (1 + middles)
            places = reference - distances[..., None] * rays[:, None]
            targets.append(places.reshape(-1, len(reference)))
            logs = power * np.log(distances) + np.log(reached[:, None] * lengths)
            weights.append(logs.ravel())
        self._targets = np.array(targets)  # shape (fantasies, targets, k)
        self._weights = np.array(weights)
        self.size = self._targets.size

    def terms(self, mean: Array, deviation: Array) -> Terms:
        total = self._weights
        parts = []
        for output, (centre, scale) in enumerate(zip(mean, deviation, strict=True)):
            u = (self._targets[..., output] - centre[..., None]) / scale[:, None, None]
            logs = log_cdf(u)
            total = total + logs
            parts.append((u, logs))
        values, weights = _log_sum(total)
        own = deviation[..., None]
        hazards = [weights * _hazard(u, logs) for u, logs in parts]
        by_mean = -np.array([each.sum(axis=-1) for each in hazards])
        moved = [(each * u).sum(axis=-1) for each, (u, _) in zip(hazards, parts, strict=True)]
        return Terms(values, by_mean / own, -np.array(moved) / own)


def front_of(values: Array, reference: Array, most: int) -> Array:
    """Return the non-dominated points of `values` (n, k) below the reference, at most `most`.

    Where there are more, they are chosen evenly in the order of their first value. At least one is
    returned: the reference point itself where there is none.
    """
    inside = values[(values < reference).all(axis=1)]
    front = np.unique(inside[nondominated(inside)], axis=0)
    if not len(front):
        return reference[None]
    if len(front) <= most:
        return front
    return front[np.linspace(0, len(front) - 1, most).round().astype(np.intp)]


def directions(number: int, outputs: int, rng: np.random.Generator) -> Array:
    """Return positive directions of length 1, uniformly distributed, shape (number, outputs)."""
    drawn = np.abs(rng.standard_normal((number, outputs))) + 1e-3
    return np.asarray(drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True)))


def log_mean(logs: Array) -> tuple[Array, Array]:
    """Return the logarithm of the mean of exponentials along the last axis, and shares in it."""
    values, shares = _log_sum(logs)
    return values - math.log(logs.shape[-1]), shares


def _log_sum(logs: Array) -> tuple[Array, Array]:
    top = logs.max(axis=-1, keepdims=True)
    exponentials = np.exp(logs - top)
    total = exponentials.sum(axis=-1, keepdims=True)
    return top[..., 0] + np.log(total[..., 0]), exponentials / total


def _hazard(u: Array, logs: Array) -> Array:
    """Return phi / Phi where log Phi is `logs`, bounded where both underflow."""
    return np.exp(np.minimum(-u * u / 2 - _HALF_LOG_2PI - logs, 300.0))
