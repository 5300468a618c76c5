"""A callback for Keras 3 that reports each epoch and stops (extra ``keras``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import SupportsFloat

from keras.callbacks import Callback

from suggestion.integrations.steps import Steps


class ReportCallback(Callback):
    """Report the metrics of each epoch, and end the training when the trial should stop.

    Args:
        metric: Which metric is the objective, such as ``val_loss``; None if it is the only one, or
            is found by its name.
    """

    def __init__(self, metric: str | None = None) -> None:
        super().__init__()
        self._steps = Steps(metric)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        if self._steps.report(epoch, logs or {}):
            self.model.stop_training = True
