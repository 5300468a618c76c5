"""A Gaussian process: maximum a posteriori hyperparameters, and the posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.bayesopt.acquisition import Slopes
from suggestion.algorithms.bayesopt.fits import Fits
from suggestion.algorithms.bayesopt.kernel import inverse_triangle, matern, squared_distances
from suggestion.numerics.quasi_newton import minimise
from suggestion.problem.parameters import Array

#: Least variance of the noise, for outputs of variance 1.
LEAST_NOISE: Final = 1e-6
#: Of a parameter with more features than this, the squared distances are computed once for a fit.
_MOST_FEATURES: Final = 128

_LOG_WEIGHT: Final = (-8.0, 8.0)
_LOG_SIGNAL: Final = (-5.0, 5.0)
_LOG_NOISE: Final = (-14.0, 1.0)
_HALF_LOG_2PI: Final = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of a Gaussian process on outputs of mean 0 and variance 1, approximately.

    Attributes:
        weights: Inverse squared length scales in units of the cube, shape (parameters,).
        signal: Variance of the function.
        noise: Variance of the noise.
        loss: Minus the logarithm of likelihood times prior.
    """

    weights: Array
    signal: float
    noise: float
    loss: float = math.inf


def negative_log_posterior(
    theta: Array,
    features: Array,
    groups: NDArray[np.intp],
    y: Array,
    apart: Mapping[int, Array] | None = None,
) -> tuple[Array, Array]:
    """Return minus the log of likelihood times prior, eq. (2.30) and (5.9) of [RW2006]_, and its
    slopes.

    The priors are those of Optuna's GPSampler: they keep inverse squared length scales near 1
    without excluding others, and the noise low.

    Args:
        theta: Logarithms of weights, signal and noise, shape (b, parameters + 2).
        features: Shape (n, p).
        groups: Parameter of each feature, shape (p,).
        y: Outputs, shape (n,).
        apart: Squared distances, shape (n, n), in parameters that are not among `features`.

    Returns:
        Values (b,), inf where the matrix is not positive definite, and gradients like `theta`.
    """
    n, d = len(y), theta.shape[1] - 2
    weights = np.exp(theta[:, :d])
    signal, noise = np.exp(theta[:, d]), np.exp(theta[:, d + 1]) + LEAST_NOISE
    scaled = features * np.sqrt(weights)[:, None, groups]
    squared = squared_distances(scaled, scaled)
    for parameter, distances in (apart or {}).items():
        squared += weights[:, parameter, None, None] * distances
    _diagonals(squared)[:] = 0.0
    correlation, slope = matern(squared)
    covariance = np.multiply(signal[:, None, None], correlation, out=squared)
    _diagonals(covariance)[:] += noise[:, None]
    lower, definite = _cholesky(covariance)
    inverse = inverse_triangle(lower)
    white = inverse @ y
    alpha = np.matmul(white[:, None, :], inverse)[:, 0]
    diagonal = np.arange(n)  # a copy, because the order of a sum decides its last digit
    values = (
        0.5 * (white**2).sum(axis=1)
        + np.log(lower[:, diagonal, diagonal]).sum(axis=1)
        + n * _HALF_LOG_2PI
    )
    # W = K^-1 - alpha alpha^T; the slope by a hyperparameter t is tr(W dK/dt) / 2.
    w = np.matmul(np.swapaxes(inverse, 1, 2), inverse)
    w -= np.multiply(alpha[:, :, None], alpha[:, None, :], out=covariance)
    correlation *= w
    gradient = np.empty_like(theta)
    gradient[:, d] = 0.5 * signal * correlation.sum(axis=(1, 2))
    gradient[:, d + 1] = 0.5 * (noise - LEAST_NOISE) * _diagonals(w).sum(axis=1)
    # sum_ij G_ij (z_i - z_j)^2 = 2 sum_i z_i^2 sum_j G_ij - 2 z^T G z
    w *= slope
    w *= signal[:, None, None]
    by_feature = (scaled**2 * w.sum(axis=2)[:, :, None]).sum(axis=1)
    by_feature -= (scaled * (w @ scaled)).sum(axis=1)
    sizes = np.bincount(groups, minlength=d)
    alone = sizes[groups] == 1  # parameters with one feature each
    gradient[:, groups[alone]] = by_feature[:, alone]
    for group in np.flatnonzero(sizes > 1):
        gradient[:, group] = by_feature[:, groups == group].sum(axis=1)
    for parameter, distances in (apart or {}).items():
        by_distance = (w * distances).sum(axis=(1, 2))
        gradient[:, parameter] = 0.5 * weights[:, parameter] * by_distance
    prior, prior_gradient = _prior(weights, signal, noise)
    values += prior
    gradient += prior_gradient
    values[~definite] = np.inf
    gradient[~definite] = 0.0
    return values, gradient


def _prior(weights: Array, signal: Array, noise: Array) -> tuple[Array, Array]:
    """Return minus the log prior, up to a constant, and its gradient by the logarithms."""
    values = (0.1 / weights + 0.1 * weights).sum(axis=1)
    values += signal - np.log(signal)  # Gamma(2, 1)
    values += 30 * noise - 0.1 * np.log(noise)  # Gamma(1.1, rate 30)
    gradient = np.empty((len(weights), weights.shape[1] + 2))
    gradient[:, :-2] = 0.1 * weights - 0.1 / weights
    gradient[:, -2] = signal - 1
    gradient[:, -1] = (30 - 0.1 / noise) * (noise - LEAST_NOISE)
    return values, gradient


def _diagonals(matrices: Array) -> Array:
    """Return a view of the diagonals, shape (b, n), of matrices, shape (b, n, n)."""
    return np.asarray(np.einsum("kii->ki", matrices))


def _cholesky(matrices: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return factors, and which of the matrices, shape (b, n, n), are positive definite."""
    definite = np.ones(len(matrices), dtype=bool)
    try:
        return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64), definite
    except np.linalg.LinAlgError:
        factors = np.empty_like(matrices)
        for k, matrix in enumerate(matrices):
            try:
                factors[k] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                factors[k] = np.eye(matrix.shape[-1])
                definite[k] = False
        return factors, definite


_FITS: Final = Fits[Hyperparameters]()


def forget() -> None:
    """Clear the cache of fits, for measurements."""
    _FITS.clear()


def fit(
    features: Array,
    groups: NDArray[np.intp],
    y: Array,
    *,
    warm: Hyperparameters | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> Hyperparameters:
    """Fit the most probable hyperparameters by L-BFGS from several starts.

    Args:
        features: Shape (n, p).
        groups: Parameter of each feature, shape (p,), from 0 without gaps.
        y: Outputs, shape (n,), of about mean 0 and variance 1.
        warm: Hyperparameters of similar outputs, to start from.
        go_on: Called between steps; False ends with the best so far.
    """
    like = np.empty(0) if warm is None else np.array([*warm.weights, warm.signal, warm.noise])
    key = _FITS.key(features, groups, y, like)
    known = _FITS.get(key)
    if known is not None:
        return known
    fitted = _fit(features, groups, y, warm, go_on)
    if go_on():
        _FITS.put(key, fitted)
    return fitted


def _fit(
    features: Array,
    groups: NDArray[np.intp],
    y: Array,
    warm: Hyperparameters | None,
    go_on: Callable[[], bool],
) -> Hyperparameters:
    d = int(np.max(groups)) + 1 if len(groups) else 0
    starts = np.array(
        [
            [0.0] * d + [0.0, math.log(0.01)],
            [-2.0] * d + [0.5, math.log(0.1)],
            [2.0] * d + [0.0, math.log(1e-3)],
        ]
    )
    if warm is not None:
        noise = max(warm.noise - LEAST_NOISE, 1e-6)
        start = np.log([*warm.weights, warm.signal, noise])
        starts = np.vstack([start, starts[0]])
    lower, upper = np.array([_LOG_WEIGHT] * d + [_LOG_SIGNAL, _LOG_NOISE]).T

    wide = np.flatnonzero(np.bincount(groups, minlength=d) > _MOST_FEATURES)
    columns = [features[:, groups == group] for group in wide]
    apart = {int(g): squared_distances(c, c) for g, c in zip(wide, columns, strict=True)}
    together = ~np.isin(groups, wide)
    narrow, their_groups = features[:, together], groups[together]

    def objective(theta: Array, _: NDArray[np.intp]) -> tuple[Array, Array]:
        return negative_log_posterior(theta, narrow, their_groups, y, apart)

    def climb(starts: Array, iterations: int) -> tuple[Array, Array]:
        return minimise(
            objective,
            starts,
            lower,
            upper,
            iterations=iterations,
            gradient_tolerance=1e-2,
            value_tolerance=1e-2,
            go_on=go_on,
        )

    # After a few steps only the best start is continued.
    theta, values = climb(starts, 8)
    theta, values = climb(theta[[int(np.argmin(values))]], 40)
    best = theta[int(np.argmin(values))]
    return Hyperparameters(
        np.exp(best[:d]),
        float(np.exp(best[d])),
        float(np.exp(best[d + 1])) + LEAST_NOISE,
        float(np.min(values)),
    )


class Posterior:
    """Gaussian processes of several outputs at the same points, in whitened coordinates.

    With K = L L^T, v(x) = L^-1 k(x) and beta = L^-1 y, the mean is v(x) beta and the variance
    signal - v(x) v(x), eq. (2.25) and (2.26) of [RW2006]_. A further point appends one row to L^-1
    and to beta; its entry of beta is its deviation from its own prediction in standard deviations.
    So several fantasies of its outcome are a row of standard normal numbers.

    The processes are computed together, because with few trials numpy's cost per call dominates.

    Args:
        hyperparameters: Fitted hyperparameters of each process.
        features: Shape (n, p).
        groups: Parameter of each feature, shape (p,).
        y: Outputs of each process, shape (k, n).
    """

    def __init__(
        self,
        hyperparameters: Sequence[Hyperparameters],
        features: Array,
        groups: NDArray[np.intp],
        y: Array,
    ) -> None:
        self._signal = np.array([each.signal for each in hyperparameters])
        weights = np.array([each.weights for each in hyperparameters])
        self._scale = np.sqrt(weights)[:, None, groups]  # shape (k, 1, p)
        self._points = features * self._scale  # shape (k, n, p)
        n = len(features)
        self._inverse = np.empty((len(hyperparameters), n, n))  # L^-1
        for index, each in enumerate(hyperparameters):
            covariance = self._covariance(index, self._points[index])
            self._inverse[index] = _inverse_factor(covariance, each.signal, each.noise)
            del covariance
        self._beta = self._inverse @ y[:, :, None]  # shape (k, n, fantasies)
        self._alpha: Array | None = None
        self._at_tracked: tuple[Array, Array] | None = None
        self._tracked = np.empty((len(hyperparameters), 0, len(groups)))
        self._tracked_white = np.empty((len(hyperparameters), 0, n))

    def _covariance(self, which: int | slice, scaled: Array) -> Array:
        """Between the functions at scaled features (..., m, p) and at the data: (..., m, n)."""
        correlation, _ = matern(squared_distances(scaled, self._points[which]))
        correlation *= self._signal[which, ..., None, None]
        return correlation

    def _deviation(self, white: Array) -> Array:
        variance = self._signal[:, None] - np.einsum("kij,kij->ki", white, white)
        return np.asarray(np.sqrt(np.maximum(variance, 1e-12)))

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Means, shape (k, m, fantasies), and deviations (k, m) at `features` (m, p)."""
        covariance = self._covariance(slice(None), features * self._scale)
        white = covariance @ np.swapaxes(self._inverse, 1, 2)
        return white @ self._beta, self._deviation(white)

    def covariances(self, features: Array, point: Array) -> Array:
        """Return covariances of the functions at `features` (m, p) and at `point` (p,): (k, m)."""
        scaled, other = features * self._scale, point * self._scale
        white, at_point = (
            self._covariance(slice(None), each) @ np.swapaxes(self._inverse, 1, 2)
            for each in (scaled, other)
        )
        correlation, _ = matern(squared_distances(scaled, other)[:, :, 0])
        prior = self._signal[:, None] * correlation
        return np.asarray(prior - np.einsum("kij,kj->ki", white, at_point[:, 0]))

    def track(self, features: Array) -> None:
        """Names the points that `tracked` predicts; points appended later cost little there."""
        self._at_tracked = None
        self._tracked = features * self._scale
        k, n = self._inverse.shape[:2]
        self._tracked_white = np.empty((k, len(features), n))
        for index, tracked in enumerate(self._tracked):  # one after the other, for memory
            covariance = self._covariance(index, tracked)
            self._tracked_white[index] = covariance @ self._inverse[index].T

    def tracked(self) -> tuple[Array, Array]:
        """Return what `predict` returns at the points set by `track`."""
        if self._at_tracked is None:
            white = self._tracked_white
            self._at_tracked = white @ self._beta, self._deviation(white)
        return self._at_tracked

    def append(self, features: Array, normals: Array) -> Array:
        """Add one point whose outcomes are `normals` deviations from their predictions.

        Args:
            features: Shape (p,).
            normals: Shape (fantasies,), or (k, fantasies) for processes that do not depend on each
                other; as many fantasies for every point.

        Returns:
            The fantasised outcomes, shape (k, fantasies).
        """
        k, n = self._inverse.shape[:2]
        point = features * self._scale
        covariance = self._covariance(slice(None), point)
        white = covariance @ np.swapaxes(self._inverse, 1, 2)  # shape (k, 1, n)
        # A fantasy is a value of the function without noise; the jitter keeps L^-1 bounded.
        variance = self._signal - np.einsum("kij,kij->k", white, white)
        spread = np.sqrt(np.maximum(variance, 0.0) + LEAST_NOISE)[:, None]
        outcomes = (white @ self._beta)[:, 0] + spread * normals
        inverse = np.zeros((k, n + 1, n + 1))
        inverse[:, :n, :n] = self._inverse
        inverse[:, n, :n] = (white @ self._inverse)[:, 0] / -spread
        inverse[:, n, n] = 1 / spread[:, 0]
        added = (self._tracked_white @ np.swapaxes(white, 1, 2))[:, :, 0]
        correlation, _ = matern(squared_distances(self._tracked, point)[:, :, 0])
        added -= self._signal[:, None] * correlation
        added /= -spread
        self._tracked_white = np.concatenate([self._tracked_white, added[:, :, None]], axis=2)
        self._inverse = inverse
        self._points = np.concatenate([self._points, point], axis=1)
        fantasies = normals.shape[-1]
        before = np.broadcast_to(self._beta, (k, n, fantasies))
        row = np.broadcast_to(normals[..., None, :], (k, 1, fantasies))
        self._beta = np.concatenate([before, row], axis=1)
        self._alpha = self._at_tracked = None
        return np.asarray(outcomes)

    def gradients(self, features: Array, slopes: Slopes) -> tuple[Array, Array]:
        """Return an acquisition function and its slopes: (k, m) and (k, m, p) at
        `features` (m, p).
        """
        if self._alpha is None:
            self._alpha = np.swapaxes(self._inverse, 1, 2) @ self._beta
        scaled = features * self._scale
        signal = self._signal[:, None, None]
        correlation, slope = matern(squared_distances(scaled, self._points))
        correlation *= signal
        white = correlation @ np.swapaxes(self._inverse, 1, 2)
        deviation = self._deviation(white)
        values, by_mean, by_deviation = slopes(white @ self._beta, deviation)
        # d mean / dk = alpha, and d deviation / dk = -K^-1 k / deviation
        by_covariance = by_mean @ np.swapaxes(self._alpha, 1, 2)
        by_covariance -= (by_deviation / deviation)[:, :, None] * (white @ self._inverse)
        slope *= 2 * signal  # the chain rule through the squared distance
        by_covariance *= slope
        gradient = scaled * by_covariance.sum(axis=2)[:, :, None]
        gradient -= by_covariance @ self._points
        return values, gradient * self._scale


def _inverse_factor(covariance: Array, signal: float, noise: float) -> Array:
    """Return L^-1 of `covariance` (n, n) plus noise, increased until it is positive definite."""
    diagonal = np.diag_indices(len(covariance))
    for _ in range(12):
        covariance[diagonal] = signal + noise
        lower, definite = _cholesky(covariance[None])
        if definite[0]:
            break
        noise *= 10
    return inverse_triangle(lower[0])
