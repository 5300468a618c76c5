"""Algorithms of hyperopt on a Trials object.

Within a batch each point is drawn with a seed of its own; with one seed, as its own `fmin` does not
do either, a batch would be one point repeated.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import hyperopt
import numpy as np
from hyperopt import anneal, hp, tpe

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _expression(d: Dimension) -> Any:
    if d.kind == "category":
        return hp.choice(d.name, list(range(d.count)))
    if d.kind == "real":
        if d.log:
            return hp.loguniform(d.name, math.log(d.low), math.log(d.high))
        return hp.uniform(d.name, d.low, d.high)
    low, high = d.low - 0.5, d.high + 0.5
    if d.log:
        return hp.qloguniform(d.name, math.log(low), math.log(high), 1)
    return hp.quniform(d.name, low, high, 1)


class Rival:
    """One experiment of `tpe` or `anneal`, with their defaults."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        self._rng = np.random.default_rng(task.seed)
        self._suggest = {"tpe": tpe, "anneal": anneal}[task.variant].suggest
        expression = {d.name: _expression(d) for d in task.dimensions}
        self._domain = hyperopt.base.Domain(lambda _: 0.0, expression)
        self._trials = hyperopt.Trials()
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._asked = []
        for identifier in self._trials.new_trial_ids(count):
            seed = int(self._rng.integers(2**31 - 1))
            self._asked += self._suggest([identifier], self._domain, self._trials, seed)
        values = [document["misc"]["vals"] for document in self._asked]
        return [[d.clipped(found[d.name][0]) for d in self._dimensions] for found in values]

    def tell(self, losses: Sequence[float]) -> None:
        for document, loss in zip(self._asked, losses, strict=True):
            document["state"] = hyperopt.JOB_STATE_DONE
            document["result"] = {"status": hyperopt.STATUS_OK, "loss": loss}
        self._trials.insert_trial_docs(copy.deepcopy(self._asked))
        self._trials.refresh()
