"""What a problem is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from suggestion.numerics import randomness
from suggestion.problem.numeric import Double
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace

_DRAWS: Final = 2001


@dataclass(frozen=True)
class Problem:
    """A function to minimise.

    Attributes:
        name: Unique; the first letter is the half it belongs to.
        space: Where it is defined.
        loss: Finite everywhere in `space`.
        best: The lowest loss that is known.
        truth: The loss without noise, which is what is judged; None where there is no noise.
    """

    name: str
    space: SearchSpace
    loss: Callable[[Assignment], float]
    best: float
    truth: Callable[[Assignment], float] | None = None

    @property
    def half(self) -> str:
        return self.name[0].upper()

    @cached_property
    def median(self) -> float:
        """The median loss of draws from the prior."""
        points = randomness.uniforms(0, 0, _DRAWS, self.space.dimension, "median", self.name)
        loss = self.truth or self.loss
        return float(np.median([loss(a) for a in self.space.decode(points)]))

    def regret(self, loss: float) -> float:
        """0 for the best known loss, 1 for the median of random draws."""
        return (loss - self.best) / (self.median - self.best)


def vector(assignment: Assignment) -> Array:
    return np.array(list(assignment.values()), dtype=np.float64)


def cube(low: float, high: float, dimension: int) -> SearchSpace:
    return SearchSpace(tuple(Double(f"x{k}", low, high) for k in range(dimension)))


def synthetic(
    name: str, dimension: int, low: float, high: float, f: Callable[[Array], float], best: float
) -> Problem:
    return Problem(name, cube(low, high, dimension), lambda a: f(vector(a)), best)
