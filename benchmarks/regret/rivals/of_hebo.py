"""HEBO with its defaults; a list of numbers is the integer of its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _parameter(d: Dimension) -> dict[str, Any]:
    if d.kind == "category":
        return {"name": d.name, "type": "cat", "categories": list(range(d.count))}
    kind = {
        ("real", False): "num",
        ("real", True): "pow",
        ("integer", False): "int",
        ("integer", True): "pow_int",
        ("index", False): "int",
    }[d.kind, d.log]
    return {"name": d.name, "type": kind, "lb": d.low, "ub": d.high}


class Rival:
    """One optimiser."""

    def __init__(self, task: Task) -> None:
        np.random.seed(task.seed)
        torch.manual_seed(task.seed)
        torch.set_num_threads(1)
        self._dimensions = task.dimensions
        space = DesignSpace().parse([_parameter(d) for d in task.dimensions])
        self._optimizer = HEBO(space, scramble_seed=task.seed)
        self._asked: Any = None

    def ask(self, count: int) -> list[Point]:
        self._asked = self._optimizer.suggest(n_suggestions=count)
        rows = self._asked.to_dict("records")
        return [[d.clipped(row[d.name]) for d in self._dimensions] for row in rows]

    def tell(self, losses: Sequence[float]) -> None:
        self._optimizer.observe(self._asked, np.array(losses, dtype=np.float64)[:, None])
