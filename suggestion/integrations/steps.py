"""What the callbacks for training libraries share: a step of training becomes a report."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import SupportsFloat

from suggestion.reporting.reporter import report, should_stop

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
        self._warned = False

    def report(self, step: int, metrics: Mapping[str, SupportsFloat]) -> bool:
        """Report a step, and return whether the training should stop.

        Characters of a name that collectors do not read become ``_``: ``val/loss`` is ``val_loss``.

        A step without the objective, as one after which nothing is validated, has none.

        Raises:
            TrialStopped: In a trial of `suggestion.tune` that will not win.
        """
        if not metrics:
            return should_stop()
        if self._metric is None and len(metrics) == 1:
            self._metric = next(iter(metrics))
        metric = self._metric
        if metric is not None and metric not in metrics and not self._warned:
            self._warned = True
            text = f"metric: must be one of {', '.join(metrics)} to count at this step"
            warnings.warn(f"{text}, got {metric!r}", stacklevel=3)
        value = None if metric is None else metrics.get(metric)
        others = {reported(name): float(n) for name, n in metrics.items() if name != metric}
        report(value, step, **others)
        return should_stop()


def reported(name: str) -> str:
    """Return the name under which a metric is reported."""
    clean = re.sub(r"[^\w-]", "_", name)
    return f"{clean}_" if clean in _TAKEN else clean
