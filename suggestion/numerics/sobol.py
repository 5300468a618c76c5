"""The Sobol sequence, scrambled."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.numerics.randomness import GOLDEN, key, mix
from suggestion.problem.parameters import Array

#: Most dimensions that `sobol` has direction numbers for.
SOBOL_DIMENSIONS: Final = 1024
_SOBOL_BITS: Final = 32
_OUTPUT_BITS: Final = 53
_WORD: Final = 2**64 - 1


@lru_cache(maxsize=1)
def _joe_kuo() -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    from importlib import resources  # noqa: PLC0415  (for Sobol alone)

    path = resources.files("suggestion.numerics") / "data" / "joe-kuo-d6.npz"
    with path.open("rb") as file, np.load(file) as data:
        return data["degree"], data["coefficients"], data["initial"]


@lru_cache(maxsize=8)
def _directions(dimension: int) -> NDArray[np.uint64]:
    """Direction numbers, shape (32, dimension), by eq. (2) and (3) of [JoeKuo2008]_."""
    bits = _SOBOL_BITS
    columns = [[1 << (bits - 1 - k) for k in range(bits)]]
    degrees, coefficients, initial = _joe_kuo()
    for column in range(1, dimension):
        degree, a = int(degrees[column]), int(coefficients[column])
        m = [int(x) for x in initial[column, :degree]]
        for k in range(degree, bits):
            new = m[k - degree] ^ (m[k - degree] << degree)
            for i in range(1, degree):
                if a >> (degree - 1 - i) & 1:
                    new ^= m[k - i] << i
            m.append(new)
        columns.append([m[k] << (bits - 1 - k) for k in range(bits)])
    return np.array(columns, dtype=np.uint64).T


def sobol(seed: int, start: int, count: int, dimension: int) -> Array:
    """Points of the Sobol sequence with Owen's nested uniform scrambling, shape (count, dimension).

    Row r is point ``start + r`` of the sequence that `seed` scrambles, in [0, 1).
    Direction numbers are those of [JoeKuo2008]_; the scrambling is [Owen1998]_'s: the flip of a
    digit is a random function of the digits above it, here a hash of them.

    Raises:
        ValueError: If `dimension` exceeds `SOBOL_DIMENSIONS`.

    .. [JoeKuo2008] S. Joe, F. Y. Kuo. Constructing Sobol sequences with better two-dimensional
       projections. SIAM J. Sci. Comput. 30(5), 2008.
    .. [Owen1998] A. B. Owen. Scrambling Sobol' and Niederreiter-Xing points. J. Complexity
       14, 1998.
    """
    keys = [key(seed, "sobol", column) & _WORD for column in range(dimension)]
    scrambled = _scramble(sobol_digits(start, count, dimension), np.array(keys, dtype=np.uint64))
    return scrambled.astype(np.float64) * 2.0**-_OUTPUT_BITS


def sobol_digits(start: int, count: int, dimension: int) -> NDArray[np.uint64]:
    """Return the Sobol sequence before scrambling, as 32-bit fractions, shape (count, dimension).

    Raises:
        ValueError: If `dimension` exceeds `SOBOL_DIMENSIONS`.
    """
    if dimension > SOBOL_DIMENSIONS:
        raise ValueError(f"sobol has at most {SOBOL_DIMENSIONS} dimensions, got {dimension}")
    index = np.arange(start, start + count, dtype=np.uint64) & np.uint64(2**_SOBOL_BITS - 1)
    gray = index ^ (index >> np.uint64(1))
    used = max(int(gray.max()).bit_length(), 1) if count else 1
    directions = _directions(dimension)
    digits = np.zeros((count, dimension), dtype=np.uint64)
    for k in range(used):
        digits ^= ((gray >> np.uint64(k)) & np.uint64(1))[:, None] * directions[k]
    return digits


def _scramble(digits: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Owen's scrambling of 32-bit fractions, continued to 53 bits, as integers below 2**53.

    Args:
        digits: Shape (n, d).
        keys: One for each column, shape (d,).
    """
    with np.errstate(over="ignore"):
        counters = np.arange(1, _SOBOL_BITS + 2, dtype=np.uint64) * GOLDEN
        salts = mix(counters[:, None] + keys)
        flips = np.zeros_like(digits)
        for k in range(_SOBOL_BITS):
            shift = np.uint64(_SOBOL_BITS - k)  # the k digits above digit k stay
            flip = mix((digits >> shift) ^ salts[k]) >> np.uint64(63)
            flips |= flip << (shift - np.uint64(1))
        # Below the last digit of the sequence everything is random.
        extra = _OUTPUT_BITS - _SOBOL_BITS
        tail = mix(digits ^ salts[_SOBOL_BITS]) >> np.uint64(64 - extra)
        return ((digits ^ flips) << np.uint64(extra)) | tail
