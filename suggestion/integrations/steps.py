"""What the callbacks for training libraries share: a step of training becomes a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import SupportsFloat

from suggestion.reporting.reporter import report, should_stop
from suggestion.tuning.errors import BrokenRule, InvalidArgument

# Fields of a report.
_TAKEN = ("value", "step", "timestamp")


class Steps:
    """Reports the steps of one training.

    Args:
        metric: Which of the library's metrics is the objective; None if the objective is found by
            its name, or there is only one metric.
    """

    def __init__(self, metric: str | None) -> None:
        self._metric = metric

    def report(self, step: int, metrics: Mapping[str, SupportsFloat]) -> bool:
        """Report a step, and return whether the training should stop.

        Characters of a name that collectors do not read become ``_``: ``val/loss`` is ``val_loss``.

        Raises:
            InvalidArgument: If the objective is not among `metrics`.
            TrialStopped: In a trial of `suggestion.tune` that will not win.
        """
        if not metrics:
            return should_stop()
        metric = self._metric
        if metric is None and len(metrics) == 1:
            metric = next(iter(metrics))
        if metric is not None and metric not in metrics:
            rule = f"must be one of {', '.join(metrics)}, got {metric!r}"
            raise InvalidArgument([BrokenRule("metric", rule)])
        value = None if metric is None else metrics[metric]
        others = {reported(name): float(n) for name, n in metrics.items() if name != metric}
        report(value, step, **others)
        return should_stop()


def reported(name: str) -> str:
    """Return the name under which a metric is reported."""
    clean = re.sub(r"[^\w-]", "_", name)
    return f"{clean}_" if clean in _TAKEN else clean
