"""A callback for the Trainer of transformers (extra ``transformers``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import SupportsFloat

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from suggestion.integrations.steps import Steps


class ReportCallback(TrainerCallback):
    """Report the metrics of each evaluation, and end the training when the trial should stop.

    With several processes the first one reports.

    Args:
        metric: Which metric is the objective, such as ``eval_loss``; None if it is the only one,
            or is found by its name.
    """

    def __init__(self, metric: str | None = None) -> None:
        self._steps = Steps(metric)
        self._trains = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        self._trains = True

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        self._trains = False

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, SupportsFloat] | None = None,
        **kwargs: object,
    ) -> None:
        if not self._trains or not state.is_world_process_zero:
            return
        if self._steps.report(state.global_step, metrics or {}):
            control.should_training_stop = True
