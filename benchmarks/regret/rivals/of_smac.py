"""SMAC3's facades for hyperparameters (a random forest) and for black boxes (a Gaussian process).

A list of numbers is an ordinal of it. The initial design of its default is a quarter of the trials
at most, so it is told how many there will be.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ConfigSpace
from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _hyperparameter(d: Dimension) -> Any:
    if d.kind == "real":
        return ConfigSpace.Float(d.name, (d.low, d.high), log=d.log)
    if d.kind == "category":
        return ConfigSpace.Categorical(d.name, list(range(d.count)))
    if d.count == 1:
        return ConfigSpace.Constant(d.name, int(d.low))
    return ConfigSpace.Integer(d.name, (int(d.low), int(d.high)), log=d.log)


class Rival:
    """One facade, asked and told."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        space = ConfigSpace.ConfigurationSpace(seed=task.seed)
        space.add([_hyperparameter(d) for d in task.dimensions])
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=task.trials,
            seed=task.seed,
            output_directory=Path(self._folder.name),
        )
        facade = {"hpo": HyperparameterOptimizationFacade, "blackbox": BlackBoxFacade}
        self._smac = facade[task.variant](
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._asked = [self._smac.ask() for _ in range(count)]
        return [[d.clipped(info.config[d.name]) for d in self._dimensions] for info in self._asked]

    def tell(self, losses: Sequence[float]) -> None:
        for info, loss in zip(self._asked, losses, strict=True):
            self._smac.tell(info, TrialValue(cost=loss, time=0.0), save=False)
