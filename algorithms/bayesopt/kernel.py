"""The kernel: Matern-5/2 with a weight for each parameter."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from suggestion.space import Array


def matern(squared: Array) -> tuple[Array, Array]:
    """Matern-5/2 and its slope as functions of the squared distance, eq. (4.17) of [RW2006]_.

    Args:
        squared: Weighted squared distances, not negative; any shape but a scalar.

    Returns:
        Correlations, and their derivatives by `squared`; shaped alike.

    .. [RW2006] C. E. Rasmussen, C. K. I. Williams. Gaussian processes for machine learning. MIT
       Press, 2006.
    """
    # In place: with some hundred rows, most of the time is what fresh memory costs.
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
    """Between all rows of `a`, shape (..., n, p), and of `b`, shape (..., m, p): (..., n, m)."""
    squared: Array = np.matmul(-2 * a, np.swapaxes(b, -1, -2))
    squares = (a * a).sum(axis=-1)
    squared += squares[..., :, None]
    squared += (squares if b is a else (b * b).sum(axis=-1))[..., None, :]
    return np.maximum(squared, 0.0, out=squared)


def inverse_triangle(lower: Array) -> Array:
    """Inverse of lower triangular matrices, shape (..., n, n), by halves.

    A third of the work of a general inverse, and nearly all of it matrix products.
    """
    n = lower.shape[-1]
    if n <= 48:
        return np.where(_triangle(n), np.linalg.inv(lower), 0.0)
    half = n // 2
    inverse = np.zeros_like(lower)
    first, last = lower[..., :half, :half], lower[..., half:, half:]
    if n % 2 == 0:  # in one call, whose cost for small matrices is mostly its own
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
