"""Optuna's samplers, asked and told.

Numeric lists are given as the index into the sorted list, which serves its samplers better than
calling them categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import optuna
from optuna import distributions as of
from optuna import samplers

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task

_SAMPLERS: Final[Mapping[str, Callable[[int], Any]]] = {
    "default": lambda seed: samplers.TPESampler(seed=seed),
    "tpe-multivariate": lambda seed: samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True
    ),
    "tpe-univariate": lambda seed: samplers.TPESampler(
        seed=seed, multivariate=False, constant_liar=True
    ),
    "cmaes": lambda seed: samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "gp": lambda seed: samplers.GPSampler(seed=seed),
}


def _distribution(d: Dimension) -> Any:
    if d.kind == "real":
        return of.FloatDistribution(d.low, d.high, log=d.log)
    if d.kind == "category":
        return of.CategoricalDistribution(list(range(d.count)))
    return of.IntDistribution(int(d.low), int(d.high), log=d.log)


class Rival:
    """A study with one of its samplers."""

    def __init__(self, task: Task) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=_SAMPLERS[task.variant](task.seed))
        self._distributions = {d.name: _distribution(d) for d in task.dimensions}
        self._trials: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._trials = [self._study.ask(self._distributions) for _ in range(count)]
        return [[trial.params[name] for name in self._distributions] for trial in self._trials]

    def tell(self, losses: Sequence[float]) -> None:
        for trial, loss in zip(self._trials, losses, strict=True):
            self._study.tell(trial, loss)
