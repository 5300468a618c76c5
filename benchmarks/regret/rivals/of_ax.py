"""Ax's client with the generation strategy that it chooses by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _parameter(d: Dimension) -> Any:
    if d.kind == "category" or d.count == 1:
        return ChoiceParameterConfig(
            name=d.name, values=list(range(d.count)), parameter_type="int", is_ordered=False
        )
    return RangeParameterConfig(
        name=d.name,
        bounds=(d.low, d.high) if d.kind == "real" else (int(d.low), int(d.high)),
        parameter_type="float" if d.kind == "real" else "int",
        scaling="log" if d.log else "linear",
    )


class Rival:
    """One experiment."""

    def __init__(self, task: Task) -> None:
        logging.disable(logging.WARNING)
        self._dimensions = task.dimensions
        self._client = Client(random_seed=task.seed)
        self._client.configure_experiment(parameters=[_parameter(d) for d in task.dimensions])
        self._client.configure_optimization(objective="-loss")
        self._asked: list[int] = []
        self._told: list[int] = []

    def ask(self, count: int) -> list[Point]:
        found: dict[int, Any] = {}
        while len(found) < count:  # it may give fewer at a time
            more = self._client.get_next_trials(max_trials=count - len(found))
            if not more:
                break
            found.update(more)
        self._asked = list(found)
        return [[d.clipped(values[d.name]) for d in self._dimensions] for values in found.values()]

    def tell(self, losses: Sequence[float]) -> None:
        for trial, loss in zip(self._asked, losses, strict=True):
            self._client.complete_trial(trial, raw_data={"loss": loss})
        self._told += self._asked

    def recommended(self) -> int | None:
        """Return the place of the trial that its model takes for the best."""
        return self._told.index(self._client.get_best_parameterization()[2])
