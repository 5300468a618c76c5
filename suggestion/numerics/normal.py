"""The standard normal distribution in numpy; scipy.special would cost a server 20 MiB."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

_SQRT2: Final = math.sqrt(2.0)
_SQRT_2PI: Final = math.sqrt(2 * math.pi)
_FAR: Final = -50.0  # below this an asymptotic series replaces a difference of close numbers
# Chebyshev fit of the complementary error function, relative error below 1.2e-7 [Press2007]_.
_ERFC: Final = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806,
    0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
)  # fmt: skip


def _scaled_erfc(x: float) -> float:
    """Return exp(x^2) erfc(x) of one x >= 0."""
    if x < 25:
        return math.exp(x * x) * math.erfc(x)
    s = 1 / (2 * x * x)
    return (1 - s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s)))) / (x * math.sqrt(math.pi))


def _coefficients(degree: int) -> Array:
    """Return the polynomial in t = (x-4)/(x+4) for (1+2x) exp(x^2) erfc(x)
    [ShepherdLaframboise1981].

    It interpolates at Chebyshev nodes; highest power first.
    """
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    x = 4 * (1 + nodes) / (1 - nodes)
    values = np.array([(1 + 2 * v) * _scaled_erfc(v) for v in x.tolist()])
    chebyshev = np.array(
        [
            (2 - (k == 0)) / (degree + 1) * np.sum(values * np.cos(k * np.arccos(nodes)))
            for k in range(degree + 1)
        ]
    )
    # From Chebyshev polynomials to powers: T(k+1) = 2 t T(k) - T(k-1).
    before, current = np.zeros(degree + 1), np.zeros(degree + 1)
    before[0], current[1] = 1.0, 1.0
    powers = chebyshev[0] * before + chebyshev[1] * current
    for k in range(2, degree + 1):
        before, current = current, 2 * np.roll(current, 1) - before
        powers += chebyshev[k] * current
    return np.asarray(powers[::-1])


_POWERS: Final = _coefficients(26)


def erfcx(x: Array) -> Array:
    """Return exp(x^2) erfc(x) for x >= 0, to about 13 digits; any shape.

    .. [ShepherdLaframboise1981] M. M. Shepherd, J. G. Laframboise. Chebyshev approximation of
       (1+2x) exp(x^2) erfc x in 0 <= x < inf. Mathematics of Computation 36, 1981.
    """
    t = 1 - 8 / (x + 4)
    total = np.full_like(t, _POWERS[0])
    for power in _POWERS[1:].tolist():
        total *= t
        total += power
    total /= 1 + 2 * x
    return total


def cdf(x: Array) -> Array:
    """Return probabilities below `x`, any shape, with a relative error below 1.2e-7.

    .. [Press2007] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery. Numerical
       Recipes, 3rd edition, section 6.2.2. Cambridge University Press, 2007.
    """
    z = np.abs(x) / math.sqrt(2)
    t = 1 / (1 + z / 2)
    exponent = np.full_like(t, _ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        exponent *= t
        exponent += coefficient
    tail = t * np.exp(exponent - z * z) / 2
    return np.where(x > 0, 1 - tail, tail)


def log_cdf(u: Array) -> Array:
    """Return log Phi(u), accurate far in the tails; any shape."""
    tail = erfcx(np.abs(u) / _SQRT2) / 2
    with np.errstate(under="ignore"):
        return np.where(u < 0, np.log(tail) - u * u / 2, np.log1p(-tail * np.exp(-u * u / 2)))


class LogH(NamedTuple):
    """log h, Phi / h and phi / h, where h(u) = phi(u) + u Phi(u)."""

    value: Array
    cdf: Array
    pdf: Array


def log_h(u: Array) -> Array:
    """Return the logarithm of h(u) = phi(u) + u Phi(u), eq. (9) of [Ament2023]_; any shape.

    .. [Ament2023] S. Ament et al. Unexpected improvements to expected improvement for Bayesian
       optimization. NeurIPS 2023.
    """
    return _h(u).log


def log_h_and_slope(u: Array) -> LogH:
    """Return `log_h`, and the terms of its slopes."""
    h = _h(u)
    return LogH(
        h.log,
        np.where(h.low, _SQRT_2PI * h.tail / h.bracket, h.cdf / h.plain),
        np.where(h.low, 1 / h.bracket, h.pdf / h.plain),
    )


class _H(NamedTuple):
    """h(u) as `plain`, or at `low` u, where that would cancel, as phi(u) times `bracket`."""

    log: Array
    low: NDArray[np.bool_]
    plain: Array  # 1 where u is low
    bracket: Array  # 1 where u is not low
    tail: Array  # Phi(-|u|) / exp(-u^2/2)
    cdf: Array
    pdf: Array


def _h(u: Array) -> _H:
    half = u * u / 2
    tail = erfcx(np.abs(u) / _SQRT2) / 2
    with np.errstate(under="ignore"):
        bell = np.exp(-half)
        below = tail * bell
        cdf = np.where(u < 0, below, 1 - below)
    pdf = bell / _SQRT_2PI
    low = u < -1
    plain = np.where(low, 1.0, pdf + np.maximum(u, -1.0) * cdf)
    # The bracket decreases like 1/u^2.
    bracket = 1 + np.minimum(np.maximum(u, _FAR), -1.0) * _SQRT_2PI * tail
    bracket = np.where(low, bracket, 1.0)
    far = u < _FAR
    if far.any():
        s = 1 / np.square(np.minimum(u, _FAR))
        bracket = np.where(far, s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s))), bracket)
    log = np.log(np.where(low, bracket, plain))
    log = np.where(low, log - half - math.log(_SQRT_2PI), log)
    return _H(log, low, plain, bracket, tail, cdf, pdf)


def quantile(p: Array) -> Array:
    """Invert Phi for p in (0, 1); any shape."""
    from statistics import NormalDist  # noqa: PLC0415

    inverse = NormalDist().inv_cdf
    return np.array([inverse(x) for x in p.ravel().tolist()]).reshape(p.shape)
