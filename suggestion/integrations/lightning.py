"""A callback for PyTorch Lightning that reports each validation and stops (extra ``lightning``)."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from suggestion.integrations.steps import Steps


class ReportCallback(Callback):
    """Report what is logged at each validation, and end the training when the trial should stop.

    With several processes the first one reports.

    Args:
        metric: Which metric is the objective, such as ``val_loss``; None if it is the only one, or
            is found by its name.
    """

    def __init__(self, metric: str | None = None) -> None:
        super().__init__()
        self._steps = Steps(metric)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":  # no step of the training
            return
        stop = False
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            stop = self._steps.report(trainer.current_epoch, metrics)
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            trainer.should_stop = True
