"""`cmaes.CatCMAwM` on the unit cube, with its own defaults.

Ordered values are its integers, categories its categories. A batch that ends in the middle of a
generation is completed by the next one; what a batch has beyond a generation opens the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cmaes
import numpy as np

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _value(d: Dimension, unit: float) -> float:
    """Return the real value at `unit` of its range."""
    if d.log:
        low, high = math.log(d.low), math.log(d.high)
        return math.exp(low + min(max(unit, 0.0), 1.0) * (high - low))
    return d.low + unit * (d.high - d.low)


class Rival:
    """One CatCMA with margin."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        self._x = [d for d in task.dimensions if d.kind == "real"]
        self._z = [d for d in task.dimensions if d.kind in ("integer", "index")]
        self._c = [d for d in task.dimensions if d.kind == "category"]
        self._middles = [
            np.array([d.middle(int(d.low) + k) for k in range(d.count)]) for d in self._z
        ]
        self._optimizer = cmaes.CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._x) or None,
            z_space=self._middles or None,
            c_space=[d.count for d in self._c] or None,
            seed=task.seed,
        )
        self._asked: list[Any] = []
        self._done: list[tuple[Any, float]] = []

    def ask(self, count: int) -> list[Point]:
        self._asked = [self._optimizer.ask() for _ in range(count)]
        return [self._point(solution) for solution in self._asked]

    def _point(self, solution: Any) -> Point:
        found: dict[str, float | int] = {}
        for d, unit in zip(self._x, () if solution.x is None else solution.x, strict=True):
            found[d.name] = d.clipped(_value(d, float(unit)))
        units = () if solution.z is None else solution.z
        for d, middles, unit in zip(self._z, self._middles, units, strict=True):
            found[d.name] = int(d.low) + int(np.argmin(np.abs(middles - unit)))
        for d, row in zip(self._c, () if solution.c is None else solution.c, strict=True):
            found[d.name] = int(np.argmax(row))
        return [found[d.name] for d in self._dimensions]

    def tell(self, losses: Sequence[float]) -> None:
        self._done += zip(self._asked, losses, strict=True)
        size = self._optimizer.population_size
        while len(self._done) >= size:
            self._optimizer.tell(self._done[:size])
            self._done = self._done[size:]
