"""Acquisition functions of a minimised output, averaged over fantasies of pending outcomes.

Leading axes, written `...` here, are those of several surrogates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import numpy as np

from suggestion.numerics.normal import log_cdf, log_h, log_h_and_slope
from suggestion.problem.parameters import Array

#: Called with means (..., m, fantasies) and deviations (..., m); returns values (..., m), which are
#: maximised, and their derivatives by both.
Slopes: TypeAlias = Callable[[Array, Array], tuple[Array, Array, Array]]


class Acquisition(Protocol):
    """A function of predictions that a search maximises."""

    def values(self, mean: Array, deviation: Array) -> Array:
        """Return values (..., m) at means (..., m, fantasies) and deviations (..., m)."""
        ...

    def slopes(self, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        """Return the same values, and their derivatives by means and by deviations."""
        ...


#: Number of deviations of `LCB`, and the improvement required by `PI`, in standard deviations of
#: the outputs; the values of scikit-optimize.
KAPPA: Final = 1.96
XI: Final = 0.01
#: Number of deviations of `narrow LCB`, which explores less.
NARROW_KAPPA: Final = 1.0


class ExpectedImprovement:
    """Logarithm of the expected improvement [Jones1998]_, eq. (8) of [Ament2023]_.

    Args:
        best: Lowest output so far in each fantasy, shape (..., fantasies).

    .. [Jones1998] D. R. Jones, M. Schonlau, W. J. Welch. Efficient global optimization of expensive
       black-box functions. J. Global Optimization 13, 1998.
    """

    def __init__(self, best: Array) -> None:
        self._best = best[..., None, :]

    def values(self, mean: Array, deviation: Array) -> Array:
        scale = deviation[..., None]
        return _log_mean(log_h((self._best - mean) / scale) + np.log(scale))[0]

    def slopes(self, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        scale = deviation[..., None]
        h = log_h_and_slope((self._best - mean) / scale)
        values, shares = _log_mean(h.value + np.log(scale))
        by_mean = -shares * h.cdf / scale
        by_deviation = (shares * h.pdf / scale).sum(axis=-1)
        return values, by_mean, by_deviation


class ProbabilityOfImprovement:
    """Logarithm of the probability of an improvement by more than `XI` [Kushner1964]_.

    Args:
        best: As for `ExpectedImprovement`.

    .. [Kushner1964] H. J. Kushner. A new method of locating the maximum point of an arbitrary
       multipeak curve in the presence of noise. J. Basic Engineering 86, 1964.
    """

    def __init__(self, best: Array) -> None:
        self._target = best[..., None, :] - XI

    def values(self, mean: Array, deviation: Array) -> Array:
        return _log_mean(log_cdf((self._target - mean) / deviation[..., None]))[0]

    def slopes(self, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        scale = deviation[..., None]
        u = (self._target - mean) / scale
        logs = log_cdf(u)
        values, shares = _log_mean(logs)
        # phi / Phi, bounded where both underflow
        ratio = np.exp(np.minimum(-u * u / 2 - 0.5 * math.log(2 * math.pi) - logs, 300.0))
        by_u = shares * ratio
        return values, -by_u / scale, -(by_u * u).sum(axis=-1) / deviation


class LowerConfidenceBound:
    """Minus the confidence bound, `kappa` deviations below the mean [CoxJohn1997]_.

    Args:
        kappa: Number of deviations, at least 0; larger values explore more.

    .. [CoxJohn1997] D. D. Cox, S. John. SDO: a statistical method for global optimization.
       Multidisciplinary Design Optimization: State of the Art, 1997.
    """

    def __init__(self, kappa: float) -> None:
        self._kappa = kappa

    def values(self, mean: Array, deviation: Array) -> Array:
        values: Array = self._kappa * deviation - mean.mean(axis=-1)
        return values

    def slopes(self, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        by_mean = np.full_like(mean, -1 / mean.shape[-1])
        return self.values(mean, deviation), by_mean, np.full_like(deviation, self._kappa)


def _log_mean(logs: Array) -> tuple[Array, Array]:
    """Return the logarithm of the mean of exponentials along the last axis, and each
    one's share.
    """
    top = logs.max(axis=-1, keepdims=True)
    exponentials = np.exp(logs - top)
    total = exponentials.sum(axis=-1, keepdims=True)
    values = top[..., 0] + np.log(total[..., 0] / logs.shape[-1])
    return values, exponentials / total
