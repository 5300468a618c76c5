"""A callback for LightGBM that reports each round and stops (extra ``lightgbm``)."""

from __future__ import annotations

from lightgbm.callback import CallbackEnv, EarlyStopException

from suggestion.integrations.steps import Steps


class ReportCallback:
    """Report the metrics of each round, and end the training when the trial should stop.

    Names of metrics have the data before them: ``valid_0-l2``.

    Args:
        metric: Which metric is the objective; None if it is the only one, or is found by its name.
    """

    order = 20  # after the evaluation has been recorded, before LightGBM's own early stopping

    def __init__(self, metric: str | None = None) -> None:
        self._steps = Steps(metric)

    def __call__(self, env: CallbackEnv) -> None:
        """Take the results of a round."""
        results = env.evaluation_result_list or []
        metrics = {f"{data}-{name}": value for data, name, value, *_ in results}
        if self._steps.report(env.iteration, metrics):
            raise EarlyStopException(env.iteration, results)
