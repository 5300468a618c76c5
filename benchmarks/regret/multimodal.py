"""Further problems for choosing: many peaks, noise, many dimensions.

Half A has few problems on which a surrogate is of little use; these are some. They stand apart from
the two halves: nothing is reported on them but what was chosen by them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from benchmarks.regret.problem import Problem, cube, synthetic, vector
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace


def _shift(name: str, dimension: int, reach: float) -> Array:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return (2 * rng.random(dimension) - 1) * reach


def _peaks(dimension: int, number: int, power: float, ratio: float, seed: int) -> Problem:
    """The highest of many rotated Gaussian peaks decides [Gallagher2006]_.

    .. [Gallagher2006] M. Gallagher, B. Yuan. A general-purpose tunable landscape generator. IEEE
       Trans. Evolutionary Computation 10(5), 2006.
    """
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-4.5, 4.5, (number, dimension))
    centres[0] = rng.uniform(-3.5, 3.5, dimension)
    heights = np.append(10, 1.5 + 8 * np.arange(number - 1) / (number - 2))
    rotation = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    powers = np.arange(dimension) / (dimension - 1) - 0.5
    curvatures = np.empty((number, dimension))
    for k in range(number):
        condition = ratio ** rng.uniform(0, 1)
        curvatures[k] = 0.6 * dimension * rng.permutation(condition**powers)
    turned = centres @ rotation

    def f(x: Array) -> float:
        squared = np.sum(curvatures * np.square(x @ rotation - turned), axis=1)
        return float((10 - np.max(heights * np.exp(-0.5 / dimension * squared))) ** power)

    return synthetic(f"m-peaks-{dimension}", dimension, -5, 5, f, 0.0)


def _michalewicz() -> Problem:
    def f(x: Array) -> float:
        waves = np.sin(np.arange(1, 6) * x * x / math.pi) ** 20
        return -float(np.sum(np.sin(x) * waves))

    return synthetic("m-michalewicz-5", 5, 0, math.pi, f, -4.687658)


def _rastrigin() -> Problem:
    shift = _shift("ras8", 8, 1.5)

    def f(x: Array) -> float:
        z = x - shift
        return float(np.sum(z**2 + 10 - 10 * np.cos(2 * math.pi * z / 4)))

    return synthetic("m-rastrigin-8", 8, -5, 5, f, 0.0)


_SHEKEL_CENTRES: Final = np.array(
    [
        [4, 4, 4, 4], [1, 1, 1, 1], [8, 8, 8, 8], [6, 6, 6, 6], [3, 7, 3, 7],
        [2, 9, 2, 9], [5, 5, 3, 3], [8, 1, 8, 1], [6, 2, 6, 2], [7, 3.6, 7, 3.6],
    ]
)  # fmt: skip
_SHEKEL_WIDTHS: Final = 0.1 * np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5])


def _shekel() -> Problem:
    def f(x: Array) -> float:
        squared = np.sum((x - _SHEKEL_CENTRES) ** 2, axis=1)
        return -float(np.sum(1 / (squared + _SHEKEL_WIDTHS)))

    return synthetic("m-shekel-4", 4, 0, 10, f, -10.5364)


def _mixed() -> Problem:
    """A peak for every pair of categories, and a ripple."""
    rng = np.random.default_rng(5)
    pairs = [(a, b) for a in "abc" for b in "xyzw"]
    centres = {pair: rng.random(3) for pair in pairs}
    heights = {pair: rng.uniform(0.3, 0.9) for pair in pairs}
    heights["b", "z"] = 1.1
    space = SearchSpace(
        (
            Double("r", 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
            Double("u", 0, 1),
            Int("k", 1, 40),
            Categorical("a", tuple("abc")),
            Categorical("b", tuple("xyzw")),
        )
    )

    def f(q: Mapping[str, Any]) -> float:
        z = np.array([math.log10(q["r"]) / 5 + 1, q["u"], (q["k"] - 1) / 39])
        pair = q["a"], q["b"]
        peak = heights[pair] * math.exp(-6 * np.sum((z - centres[pair]) ** 2))
        return 1.1 - peak + 0.02 * math.cos(25 * z.sum())

    return Problem("m-mixed-5", space, f, -0.02)


def _noisy() -> Problem:
    """A bowl under noise that is always the same at the same point."""
    centre = _shift("noi", 6, 0.25) + 0.5
    weights = np.array([3, 2, 1, 0.5, 0.2, 0.1])

    def f(a: Assignment) -> float:
        x = vector(a)
        noise = np.random.default_rng(zlib.crc32(repr(x.round(9).tolist()).encode()))
        return float(weights @ (x - centre) ** 2) + 0.05 * float(noise.standard_normal())

    return Problem("m-noisy-6", cube(0, 1, 6), f, -0.08)


def _fifteen() -> Problem:
    centre = _shift("d15", 15, 0.3) + 0.5
    weights = 10 ** np.linspace(0, -1.5, 15)

    def f(x: Array) -> float:
        z = x - centre
        return float(np.sum(weights * z**2) + 0.3 * (1 - math.cos(9 * z[0])))

    return synthetic("m-fifteen-15", 15, 0, 1, f, 0.0)


PROBLEMS: Final[dict[str, Callable[[], Problem]]] = {
    "m-peaks-3": lambda: _peaks(3, 30, 1.0, 20.0, 1),
    "m-peaks-5": lambda: _peaks(5, 80, 1.5, 30.0, 2),
    "m-peaks-6": lambda: _peaks(6, 100, 2.0, 10.0, 3),
    "m-michalewicz-5": _michalewicz,
    "m-rastrigin-8": _rastrigin,
    "m-shekel-4": _shekel,
    "m-mixed-5": _mixed,
    "m-noisy-6": _noisy,
    "m-fifteen-15": _fifteen,
}
