"""A Gaussian process: its hyperparameters by maximum a posteriori, and its posterior."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from algorithms.bayesopt.descent import minimise
from algorithms.bayesopt.kernel import inverse_triangle, matern, squared_distances
from suggestion.space import Array

#: Least variance of the noise, of outputs whose variance is 1.
LEAST_NOISE: Final = 1e-6

_LOG_WEIGHT: Final = (-8.0, 8.0)
_LOG_SIGNAL: Final = (-5.0, 5.0)
_LOG_NOISE: Final = (-14.0, 1.0)
_HALF_LOG_2PI: Final = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Of a Gaussian process on outputs of about mean 0 and variance 1.

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
    theta: Array, features: Array, groups: NDArray[np.intp], y: Array
) -> tuple[Array, Array]:
    """Minus the log of likelihood times prior, eq. (2.30) of [RW2006]_, and its gradient, eq. (5.9).

    The priors are those that Optuna's GPSampler uses: they keep inverse squared length scales near
    1 without forbidding others, and the noise low.

    Args:
        theta: Logarithms of weights, signal and noise, shape (b, parameters + 2).
        features: Shape (n, p).
        groups: Parameter of each feature, shape (p,).
        y: Outputs, shape (n,).

    Returns:
        Values (b,), inf where the matrix is not positive definite, and gradients like `theta`.
    """
    n, d = len(y), theta.shape[1] - 2
    weights = np.exp(theta[:, :d])
    signal, noise = np.exp(theta[:, d]), np.exp(theta[:, d + 1]) + LEAST_NOISE
    scaled = features * np.sqrt(weights)[:, None, groups]
    squared = squared_distances(scaled, scaled)
    diagonal = np.arange(n)
    squared[:, diagonal, diagonal] = 0.0
    correlation, slope = matern(squared)
    covariance = signal[:, None, None] * correlation
    covariance[:, diagonal, diagonal] += noise[:, None]
    lower, definite = _cholesky(covariance)
    inverse = inverse_triangle(lower)
    white = inverse @ y
    alpha = np.matmul(white[:, None, :], inverse)[:, 0]
    values = (
        0.5 * np.sum(white**2, axis=1)
        + np.sum(np.log(lower[:, diagonal, diagonal]), axis=1)
        + n * _HALF_LOG_2PI
    )
    # W = K^-1 - alpha alpha^T; the slope by a hyperparameter t is tr(W dK/dt) / 2.
    w = np.matmul(np.swapaxes(inverse, 1, 2), inverse)
    w -= alpha[:, :, None] * alpha[:, None, :]
    gradient = np.empty_like(theta)
    gradient[:, d] = 0.5 * signal * np.sum(w * correlation, axis=(1, 2))
    gradient[:, d + 1] = 0.5 * (noise - LEAST_NOISE) * np.trace(w, axis1=1, axis2=2)
    # sum_ij G_ij (z_i - z_j)^2 = 2 sum_i z_i^2 sum_j G_ij - 2 z^T G z
    w *= slope
    w *= signal[:, None, None]
    by_feature = np.sum(scaled**2 * np.sum(w, axis=2)[:, :, None], axis=1)
    by_feature -= np.sum(scaled * (w @ scaled), axis=1)
    for group in range(d):
        gradient[:, group] = np.sum(by_feature[:, groups == group], axis=1)
    prior, prior_gradient = _prior(weights, signal, noise)
    values += prior
    gradient += prior_gradient
    values[~definite] = np.inf
    gradient[~definite] = 0.0
    return values, gradient


def _prior(weights: Array, signal: Array, noise: Array) -> tuple[Array, Array]:
    """Minus the log of the prior, up to a constant, and its gradient by the logarithms."""
    values = np.sum(0.1 / weights + 0.1 * weights, axis=1)
    values += signal - np.log(signal)  # Gamma(2, 1)
    values += 30 * noise - 0.1 * np.log(noise)  # Gamma(1.1, rate 30)
    by_noise = (30 - 0.1 / noise) * (noise - LEAST_NOISE)
    return values, np.column_stack([0.1 * weights - 0.1 / weights, signal - 1, by_noise])


def _cholesky(matrices: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Factors, and which of the matrices, shape (b, n, n), are positive definite."""
    definite = np.ones(len(matrices), dtype=bool)
    try:
        return np.linalg.cholesky(matrices), definite
    except np.linalg.LinAlgError:
        factors = np.empty_like(matrices)
        for k, matrix in enumerate(matrices):
            try:
                factors[k] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                factors[k] = np.eye(matrix.shape[-1])
                definite[k] = False
        return factors, definite


def fit(
    features: Array,
    groups: NDArray[np.intp],
    y: Array,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> Hyperparameters:
    """The most probable hyperparameters, by L-BFGS from several starts.

    Args:
        features: Shape (n, p).
        groups: Parameter of each feature, shape (p,), numbered from 0 without gaps.
        y: Outputs, shape (n,), of about mean 0 and variance 1.
        go_on: Asked between steps; False ends with the best so far.
    """
    d = int(groups.max()) + 1 if len(groups) else 0
    starts = np.array([
        [0.0] * d + [0.0, math.log(0.01)],
        [-2.0] * d + [0.5, math.log(0.1)],
        [2.0] * d + [0.0, math.log(1e-3)],
    ])
    lower, upper = np.array([_LOG_WEIGHT] * d + [_LOG_SIGNAL, _LOG_NOISE]).T

    def objective(theta: Array, _: NDArray[np.intp]) -> tuple[Array, Array]:
        return negative_log_posterior(theta, features, groups, y)

    theta, values = minimise(
        objective,
        starts,
        lower,
        upper,
        iterations=60,
        gradient_tolerance=1e-2,
        value_tolerance=1e-3,
        go_on=go_on,
    )
    best = theta[int(np.argmin(values))]
    return Hyperparameters(
        np.exp(best[:d]),
        float(np.exp(best[d])),
        float(np.exp(best[d + 1])) + LEAST_NOISE,
        float(np.min(values)),
    )


class Posterior:
    """A Gaussian process given data, in whitened coordinates.

    With K = L L^T, v(x) = L^-1 k(x) and beta = L^-1 y, the mean is v(x) beta and the variance
    signal - v(x) v(x), eq. (2.25) and (2.26) of [RW2006]_. A further point appends one row to L^-1
    and to beta; the latter is the point's deviation from its own prediction in standard
    deviations. So several fantasies of its outcome are a row of normal numbers.

    Args:
        hyperparameters: As fitted.
        features, groups: As for `fit`.
        y: Outputs, shape (n,).

    Attributes:
        inverse: L^-1, shape (n, n).
        beta: Shape (n, fantasies).
    """

    def __init__(
        self, hyperparameters: Hyperparameters, features: Array, groups: NDArray[np.intp], y: Array
    ) -> None:
        self.hyperparameters = hyperparameters
        self._scale = np.sqrt(hyperparameters.weights)[groups]
        self._points = features * self._scale
        covariance = self.covariance(features)
        noise = hyperparameters.noise
        while True:
            covariance[np.diag_indices(len(y))] = hyperparameters.signal + noise
            try:
                self.inverse = inverse_triangle(np.linalg.cholesky(covariance))
                break
            except np.linalg.LinAlgError:  # pragma: no cover - the noise has always sufficed
                noise *= 10
        self.beta = (self.inverse @ y)[:, None]
        self._alpha: Array | None = None

    def covariance(self, features: Array) -> Array:
        """Between the function at `features`, shape (m, p), and at the data: (m, n)."""
        squared = squared_distances(features * self._scale, self._points)
        return self.hyperparameters.signal * matern(squared)[0]

    def whiten(self, features: Array) -> Array:
        """v(x), shape (m, n)."""
        return self.covariance(features) @ self.inverse.T

    def deviation(self, white: Array) -> Array:
        """Standard deviations of the function from v(x), shape (m,)."""
        variance = self.hyperparameters.signal - np.sum(white * white, axis=1)
        return np.sqrt(np.maximum(variance, 1e-12))

    def append(self, features: Array, normals: Array) -> tuple[Array, Array]:
        """Adds one point whose outcomes lie `normals` deviations from their predictions.

        Args:
            features: Shape (p,).
            normals: Shape (fantasies,); with a single fantasy so far, that one is repeated.

        Returns:
            The fantasised outcomes, shape (fantasies,), and the coefficients by which v(x) of
            other points gets its new entry (see `extend`), shape (n + 1,).
        """
        n = len(self.inverse)
        white = self.whiten(features[None])[0]
        noise = min(self.hyperparameters.noise, 1e-4)
        spread = math.sqrt(max(self.hyperparameters.signal - white @ white, 1e-12) + noise)
        inverse = np.zeros((n + 1, n + 1))
        inverse[:n, :n] = self.inverse
        inverse[n, :n] = -(white @ self.inverse) / spread
        inverse[n, n] = 1 / spread
        outcomes = white @ self.beta + spread * normals
        beta = np.broadcast_to(self.beta, (n, len(normals)))
        self.beta = np.vstack([beta, normals])
        self.inverse = inverse
        self._points = np.vstack([self._points, features * self._scale])
        self._alpha = None
        return outcomes, np.append(-white / spread, 1 / spread)

    def gradients(
        self, features: Array, combine: Callable[[Array, Array], tuple[Array, Array, Array]]
    ) -> tuple[Array, Array]:
        """A function of means and deviations, and its slope in the features.

        Args:
            features: Shape (m, p).
            combine: Takes means, shape (m, fantasies), and deviations, shape (m,); returns its
                values (m,) and its derivatives by both.

        Returns:
            Values (m,) and slopes (m, p).
        """
        if self._alpha is None:
            self._alpha = self.inverse.T @ self.beta
        scaled = features * self._scale
        signal = self.hyperparameters.signal
        correlation, slope = matern(squared_distances(scaled, self._points))
        white = (signal * correlation) @ self.inverse.T
        deviation = self.deviation(white)
        values, by_mean, by_deviation = combine(white @ self.beta, deviation)
        # d deviation / dk = -K^-1 k / deviation
        by_covariance = by_mean @ self._alpha.T
        by_covariance -= (by_deviation / deviation)[:, None] * (white @ self.inverse)
        by_covariance *= 2 * signal * slope  # chain rule through the squared distance
        gradient = scaled * np.sum(by_covariance, axis=1)[:, None] - by_covariance @ self._points
        return values, gradient * self._scale
