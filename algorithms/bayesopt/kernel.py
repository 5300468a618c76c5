"""The Matern-5/2 kernel with a weight for each parameter."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array


def matern(squared: Array) -> tuple[Array, Array]:
    """Return Matern-5/2 and its slope as functions of the squared distance, eq. (4.17) of
    [RW2006]_.

    Args:
        squared: Weighted squared distances, not negative; any shape but a scalar.

    Returns:
        Correlations, and their derivatives by `squared`; the same shape.

    .. [RW2006] C. E. Rasmussen, C. K. I. Williams. Gaussian processes for machine learning. MIT
       Press, 2006.
    """
    # In place, because with some hundred rows most of the time is spent on new memory.
    slope = 5 * squared
    np.sqrt(slope, out=slope)
    correlation = np.negative(slope)
    np.exp(correlation, out=correlation)
    slope += 1
    slope *= correlation
    correlation *= 5 / 3
    correlation *= squared
    correlation += slope
    slope *= -5 / 6
    return correlation, slope


def squared_distances(a: Array, b: Array) -> Array:
    """Return squared distances of all rows of `a`, shape (..., n, p), and `b`, shape
    (..., m, p).
    """
    squared: Array = np.matmul(-2 * a, np.swapaxes(b, -1, -2))
    squares = (a * a).sum(axis=-1)
    squared += squares[..., :, None]
    squared += (squares if b is a else (b * b).sum(axis=-1))[..., None, :]
    return np.maximum(squared, 0.0, out=squared)


def inverse_triangle(lower: Array) -> Array:
    """Invert lower triangular matrices, shape (..., n, n), by halves.

    This takes a third of the work of a general inverse, and most of it is matrix products.
    """
    n = lower.shape[-1]
    if n <= 48:
        return np.where(_triangle(n), np.linalg.inv(lower), 0.0)
    half = n // 2
    inverse = np.zeros_like(lower)
    first, last = lower[..., :half, :half], lower[..., half:, half:]
    if n % 2 == 0:  # one call, because small matrices cost little more than the call
        first, last = inverse_triangle(np.stack([first, last]))
    else:
        first, last = inverse_triangle(first), inverse_triangle(last)
    inverse[..., :half, :half] = first
    inverse[..., half:, half:] = last
    inverse[..., half:, :half] = -(last @ (lower[..., half:, :half] @ first))
    return inverse


@cache
def _triangle(n: int) -> NDArray[np.bool_]:
    return np.tri(n, dtype=bool)
