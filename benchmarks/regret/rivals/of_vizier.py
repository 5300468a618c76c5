"""Vizier's Gaussian-process bandit, the designer that its service uses by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from vizier import algorithms as va
from vizier import pyvizier as vz
from vizier.algorithms import designers

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _add(root: Any, d: Dimension) -> None:
    scale = vz.ScaleType.LOG if d.log else vz.ScaleType.LINEAR
    if d.kind == "category":
        root.add_categorical_param(d.name, [str(k) for k in range(d.count)])
    elif d.kind == "real":
        root.add_float_param(d.name, d.low, d.high, scale_type=scale)
    else:
        root.add_int_param(d.name, int(d.low), int(d.high), scale_type=scale)


class Rival:
    """One designer."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        problem = vz.ProblemStatement()
        for d in task.dimensions:
            _add(problem.search_space.root, d)
        problem.metric_information.append(
            vz.MetricInformation("loss", goal=vz.ObjectiveMetricGoal.MINIMIZE)
        )
        self._designer = designers.VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(task.seed))
        self._trials: list[Any] = []
        self._told = 0

    def ask(self, count: int) -> list[Point]:
        suggestions = self._designer.suggest(count)
        self._trials = [s.to_trial(self._told + k + 1) for k, s in enumerate(suggestions)]
        return [
            [d.clipped(float(trial.parameters.get_value(d.name))) for d in self._dimensions]
            for trial in self._trials
        ]

    def tell(self, losses: Sequence[float]) -> None:
        for trial, loss in zip(self._trials, losses, strict=True):
            trial.complete(vz.Measurement(metrics={"loss": loss}))
        self._told += len(self._trials)
        self._designer.update(va.CompletedTrials(self._trials), va.ActiveTrials())
