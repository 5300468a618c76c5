"""Acquisition functions of a minimised output, averaged over fantasies of pending outcomes.

Leading axes, here written `...`, are those of several surrogates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from algorithms.bayesopt.normal import log_cdf, log_h
from suggestion.space import Array

#: Takes means (..., m, fantasies) and deviations (..., m); returns values (..., m), to be
#: maximised, and their derivatives by both.
Acquisition: TypeAlias = Callable[[Array, Array], tuple[Array, Array, Array]]

#: Deviations below the mean that `LCB` looks, and the improvement that `PI` asks for, in standard
#: deviations of the outputs: as in scikit-optimize.
KAPPA: Final = 1.96
XI: Final = 0.01
#: Deviations that `narrow LCB` looks below the mean: it explores less.
NARROW_KAPPA: Final = 1.0


def expected_improvement(best: Array) -> Acquisition:
    """Logarithm of the expected improvement [Jones1998]_, eq. (8) of [Ament2023]_.

    Args:
        best: Lowest output so far in each fantasy, shape (..., fantasies).

    .. [Jones1998] D. R. Jones, M. Schonlau, W. J. Welch. Efficient global optimization of expensive
       black-box functions. J. Global Optimization 13, 1998.
    """

    def acquisition(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        scale = deviation[..., None]
        h = log_h((best[..., None, :] - mean) / scale)
        values, shares = _log_mean(h.value + np.log(scale))
        by_mean = -shares * h.cdf / scale
        by_deviation = np.sum(shares * h.pdf / scale, axis=-1)
        return values, by_mean, by_deviation

    return acquisition


def probability_of_improvement(best: Array) -> Acquisition:
    """Logarithm of the probability of an improvement by more than `XI` [Kushner1964]_.

    .. [Kushner1964] H. J. Kushner. A new method of locating the maximum point of an arbitrary
       multipeak curve in the presence of noise. J. Basic Engineering 86, 1964.
    """

    def acquisition(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        scale = deviation[..., None]
        u = (best[..., None, :] - XI - mean) / scale
        logs = log_cdf(u)
        values, shares = _log_mean(logs)
        # phi / Phi, bounded where both underflow
        ratio = np.exp(np.minimum(-u * u / 2 - 0.5 * math.log(2 * math.pi) - logs, 300.0))
        by_u = shares * ratio
        return values, -by_u / scale, -np.sum(by_u * u, axis=-1) / deviation

    return acquisition


def lower_confidence_bound(kappa: float) -> Acquisition:
    """Minus the confidence bound `kappa` deviations below the mean [CoxJohn1997]_.

    Args:
        kappa: At least 0; the larger, the more it explores.

    .. [CoxJohn1997] D. D. Cox, S. John. SDO: a statistical method for global optimization.
       Multidisciplinary Design Optimization: State of the Art, 1997.
    """

    def acquisition(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        count = mean.shape[-1]
        values = kappa * deviation - np.mean(mean, axis=-1)
        return values, np.full_like(mean, -1 / count), np.full_like(deviation, kappa)

    return acquisition


def _log_mean(logs: Array) -> tuple[Array, Array]:
    """Logarithm of the mean of exponentials along the last axis, and each one's share in it."""
    top = np.max(logs, axis=-1, keepdims=True)
    exponentials = np.exp(logs - top)
    total = np.sum(exponentials, axis=-1, keepdims=True)
    values = top[..., 0] + np.log(total[..., 0] / logs.shape[-1])
    return values, exponentials / total
