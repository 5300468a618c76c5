"""Metrics collectors, by the kind that an Experiment file names.

To add one: a module or folder here, and its line in `suggestion.client.schema.COLLECTORS`. A
collector follows the protocol `suggestion.controller.context.Collector`; it is made of its settings
and the names of the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from suggestion.client.collector import Collector as Settings
from suggestion.client.schema import COLLECTORS
from suggestion.controller.context import Collector
from suggestion.engine import installed


def collector(settings: Settings, metrics: Sequence[str]) -> Collector:
    """Return the collector that `settings` name.

    Args:
        metrics: To collect, the objective first.
    """
    made: Collector = installed.load(COLLECTORS[settings.kind])(settings, metrics)
    return made
