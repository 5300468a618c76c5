"""A callback for XGBoost that reports each round and stops (extra ``xgboost``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import SupportsFloat

from xgboost.callback import TrainingCallback

from suggestion.integrations.steps import Steps


class ReportCallback(TrainingCallback):
    """Report the metrics of each round, and end the training when the trial should stop.

    Names of metrics have the data before them: ``validation-rmse``.

    Args:
        metric: Which metric is the objective; None if it is the only one, or is found by its name.
    """

    def __init__(self, metric: str | None = None) -> None:
        super().__init__()
        self._steps = Steps(metric)

    def after_iteration(
        self,
        model: object,
        epoch: int,
        evals_log: Mapping[str, Mapping[str, Sequence[SupportsFloat | tuple[SupportsFloat, ...]]]],
    ) -> bool:
        metrics = {
            f"{data}-{name}": _mean(values[-1])
            for data, logged in evals_log.items()
            for name, values in logged.items()
        }
        return self._steps.report(epoch, metrics)


def _mean(value: SupportsFloat | tuple[SupportsFloat, ...]) -> float:
    """Return a metric; of cross-validation, which gives mean and deviation, the mean."""
    return float(value[0] if isinstance(value, tuple) else value)
