"""Metrics collectors, by the kind that an Experiment file names.

To add one: a module or folder here, and its line in `COLLECTORS`. A collector follows the protocol
`suggestion.controller.context.Collector`; it is made of its settings and the names of the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from suggestion.client.document import Collector as Settings
from suggestion.controller.context import Collector

COLLECTORS: Final = {
    "StdOut": "lines:Output",
    "File": "lines:File",
    "TensorFlowEvent": "tensorboard:Events",
    "Push": "pushed:Pushed",
    "None": "pushed:Absent",
}


def collector(settings: Settings, metrics: Sequence[str]) -> Collector:
    """Return the collector that `settings` name.

    Args:
        metrics: To collect, the objective first.
    """
    module, _, name = COLLECTORS[settings.kind].partition(":")
    made: Collector = getattr(import_module(f"{__name__}.{module}"), name)(settings, metrics)
    return made
