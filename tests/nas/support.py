"""Experiments on architectures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as api
from tests.support.requests import categorical, experiment, integer

CONVOLUTION = (categorical("filter_size", "3", "5"), integer("num_filter", "32", "96", "32"))
POOLING = (categorical("reduction_type", "max_pooling", "avg_pooling"),)
#: Six convolutions, then two reductions.
OPERATIONS: Mapping[str, Sequence[api.ParameterSpec]] = {
    "convolution": CONVOLUTION,
    "reduction": POOLING,
}


def network(
    algorithm: str = "enas",
    layers: int = 4,
    operations: Mapping[str, Sequence[api.ParameterSpec]] = OPERATIONS,
    settings: Iterable[tuple[str, str]] = (),
    max_trials: int = 0,
) -> api.Experiment:
    """An experiment on the architectures of so many layers."""
    message = experiment(algorithm, (), settings=settings, max_trials=max_trials)
    graph = message.spec.nas_config.graph_config
    graph.num_layers = layers
    graph.input_sizes.extend([32, 32, 3])
    graph.output_sizes.append(10)
    for kind, parameters in operations.items():
        added = message.spec.nas_config.operations.operation.add(operation_type=kind)
        added.parameter_specs.parameters.extend(parameters)
    return message


def read(text: str) -> Any:
    """What a trial does with the text of an assignment."""
    return json.loads(text.replace("'", '"'))
