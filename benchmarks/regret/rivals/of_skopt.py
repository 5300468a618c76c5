"""`skopt.Optimizer` with its defaults: a Gaussian process and gp_hedge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import skopt
from skopt import space as of

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _dimension(d: Dimension) -> Any:
    prior = "log-uniform" if d.log else "uniform"
    if d.kind == "category":
        return of.Categorical(list(range(d.count)))
    if d.kind == "real":
        return of.Real(d.low, d.high, prior=prior)
    return of.Integer(int(d.low), int(d.high), prior=prior)


class Rival:
    """One optimiser."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        self._optimizer = skopt.Optimizer(
            [_dimension(d) for d in task.dimensions], random_state=task.seed
        )
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._asked = [self._optimizer.ask()] if count == 1 else self._optimizer.ask(count)
        return [
            [d.clipped(value) for d, value in zip(self._dimensions, point, strict=True)]
            for point in self._asked
        ]

    def tell(self, losses: Sequence[float]) -> None:
        self._optimizer.tell(self._asked, list(losses))
