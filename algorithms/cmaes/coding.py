"""Convert between assignments and the solutions of `CatCMAwM`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from suggestion.algorithms.cmaes.package import CatCmaWithMargin
from suggestion.numerics.region import region_of
from suggestion.problem.parameters import Array, Parameter
from suggestion.problem.space import Assignment, SearchSpace

#: Coordinates are rounded to multiples of 1 / _GRID before they are decoded, so that differences
#: between machines in the last bits do not change the assignment.
_GRID: Final = 2.0**30
#: A lattice of more values than this is treated as continuous, and points are rounded to it.
_FINEST: Final = 1000


class Coding:
    """Map a search space to the variables of CMA-ES.

    Continuous parameters are its ``x``. Lattices and numeric lists are its ``z``, at the middles of
    their cells in the unit cube. Categories are its ``c``, and so is every parameter of two values,
    as the authors of the package advise. Parameters of one value are left out.

    Args:
        check: Called between steps of a search for feasible points; may raise, see
            `Deadline.check`.
    """

    def __init__(self, space: SearchSpace, check: Callable[[], None]) -> None:
        self._space, self._check = space, check
        self._x: list[int] = []
        self._z: list[int] = []
        self._c: list[int] = []
        for column, parameter in enumerate(space.parameters):
            levels = parameter.levels
            if levels is None or (parameter.ordered and levels > _FINEST):
                self._x.append(column)
            elif levels == 2 or (not parameter.ordered and levels > 1):
                self._c.append(column)
            elif levels > 1:
                self._z.append(column)
        self._middles = {k: _middles(space.parameters[k]) for k in (*self._z, *self._c)}

    @property
    def numeric(self) -> int:
        """Dimension of the normal distribution."""
        return len(self._x) + len(self._z)

    @property
    def centre(self) -> Array:
        """Where the normal distribution begins: the middle, or a feasible point near it."""
        if not self._space.constraints:
            return np.full(self.numeric, 0.5)
        anchors = region_of(self._space, self._check).anchors
        nearest = anchors[int(np.argmin(np.sum(np.square(anchors - 0.5), axis=1)))]
        return np.asarray(nearest[[*self._x, *self._z]])

    @property
    def dimension(self) -> int:
        """Number of parameters that have more than one value."""
        return self.numeric + len(self._c)

    def optimizer(self, population: int, mean: Array, sigma: float) -> Any:
        """Make a distribution with standard deviation `sigma` around `mean`, in the unit cube."""
        numeric: dict[str, Any] = {}
        if self.numeric:
            numeric = {"mean": mean.copy(), "sigma": sigma, "cov": np.eye(self.numeric)}
        return CatCmaWithMargin(
            x_space=[[0.0, 1.0]] * len(self._x) or None,
            z_space=[self._middles[k] for k in self._z] or None,
            c_space=[len(self._middles[k]) for k in self._c] or None,
            population_size=population,
            seed=0,
            **numeric,
        )

    def decode(self, solutions: Sequence[Any]) -> list[Assignment]:
        """Return the assignments of `solutions`."""
        points = np.full((len(solutions), self._space.dimension), 0.5)
        for row, solution in enumerate(solutions):
            if self._x:
                points[row, self._x] = np.rint(solution.x * _GRID) / _GRID
            if self._z:
                points[row, self._z] = solution.z
            for number, k in enumerate(self._c):
                points[row, k] = self._middles[k][int(np.argmax(solution.c[number]))]
        return self._space.decode(points)


def _middles(parameter: Parameter) -> Array:
    assert parameter.levels is not None
    lower, upper = parameter.cells(np.arange(parameter.levels, dtype=np.int64))
    return np.asarray((lower + upper) / 2)
