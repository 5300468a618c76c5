"""Syne Tune's schedulers for whole trials, asked and told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syne_tune import config_space as of
from syne_tune.optimizer import baselines
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

from benchmarks.regret.rivals.dimensions import Dimension, Point, Task


def _domain(d: Dimension) -> Any:
    if d.kind == "category":
        return of.choice(list(range(d.count)))
    if d.kind == "real":
        return (of.loguniform if d.log else of.uniform)(d.low, d.high)
    return (of.lograndint if d.log else of.randint)(int(d.low), int(d.high))


class Rival:
    """One scheduler."""

    def __init__(self, task: Task) -> None:
        self._dimensions = task.dimensions
        scheduler = {"cqr": baselines.CQR, "bore": baselines.BORE}[task.variant]
        space = {d.name: _domain(d) for d in task.dimensions}
        self._scheduler = AskTellScheduler(
            base_scheduler=scheduler(space, metric="loss", random_seed=task.seed)
        )
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._asked = [self._scheduler.ask() for _ in range(count)]
        return [
            [d.clipped(trial.config[d.name]) for d in self._dimensions] for trial in self._asked
        ]

    def tell(self, losses: Sequence[float]) -> None:
        for trial, loss in zip(self._asked, losses, strict=True):
            self._scheduler.tell(trial, {"loss": loss})
