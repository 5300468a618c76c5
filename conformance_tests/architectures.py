"""Experiments with a nasConfig, and what the contract demands of the answers to them.

Trials read texts: JSON with ' in place of ". A server of the kind of ``enas`` answers with whole
architectures, one of the kind of ``darts`` with what a trial searches in by itself.
"""

from __future__ import annotations

import itertools
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.messages import categorical, discrete, double, integer
from suggestion.conformance.space import Parameter, Space, decimal

_SKIP: Final = "skip_connection"


def _operation(kind: str, *parameters: pb.ParameterSpec) -> pb.Operation:
    specs = pb.Operation.ParameterSpecs(parameters=parameters)
    return pb.Operation(operation_type=kind, parameter_specs=specs)


def _config(layers: int, *operations: pb.Operation) -> pb.NasConfig:
    graph = pb.GraphConfig(num_layers=layers, input_sizes=[32, 32, 3], output_sizes=[10])
    return pb.NasConfig(
        graph_config=graph, operations=pb.NasConfig.Operations(operation=operations)
    )


class Network(Space):
    """The search space of an experiment with a nasConfig.

    Attributes:
        config: The nasConfig.
        names: Names of a suggestion's texts.
    """

    #: The nasConfig of most experiments, and that of few architectures.
    standard: ClassVar[pb.NasConfig]
    small: ClassVar[pb.NasConfig]

    def __init__(
        self, experiment: pb.Experiment, parameters: Iterable[pb.ParameterSpec], *names: str
    ) -> None:
        super().__init__(parameters)
        self.config = experiment.spec.nas_config
        self.names = names
        # Suggestions hold texts, not these parameters.
        self.by_name = {}

    @abstractmethod
    def broken(self, assignment: Mapping[str, str]) -> str | None:
        """Return the rule that a suggestion breaks, if any; texts that lack break another one."""

    def fits(self, assignment: Mapping[str, str]) -> bool:
        return {*self.names} <= {*assignment} and self.broken(assignment) is None


class Architectures(Network):
    """Whole architectures: layer by layer the number of a choice, and skip connections."""

    standard = _config(
        4,
        _operation(
            "convolution",
            categorical("filter_size", "3", "5"),
            integer("filters", "32", "96", "32"),
        ),
        _operation("dropout", double("rate", "0.1", "0.3", step="0.1")),
        _operation("pooling", discrete("pool_size", "2", "3")),
        _operation("identity"),
    )
    #: As many architectures as the smallest space of parameters has points.
    small = _config(
        1,
        _operation("pooling", discrete("size", "2", "3", "4"), integer("stride", "1", "3")),
        _operation("dropout", double("rate", "0.1", "0.3", step="0.1")),
    )

    def __init__(self, experiment: pb.Experiment) -> None:
        config = experiment.spec.nas_config
        self.choices = [*_choices(config)]
        self.layers = config.graph_config.num_layers
        numbers = [str(number) for number in range(len(self.choices))]
        rows = [
            [categorical(f"layer {layer}", *numbers)]
            + [categorical(f"layer {layer} reads {k}", "0", "1") for k in range(layer - 1)]
            for layer in range(1, self.layers + 1)
        ]
        super().__init__(experiment, itertools.chain(*rows), "architecture", "nn_config")

    def point(self, shares: Iterable[float]) -> dict[str, str]:
        pairs = zip(self.parameters, shares, strict=True)
        numbers = iter([int(parameter.text(share)) for parameter, share in pairs])
        rows = [[*itertools.islice(numbers, layer)] for layer in range(1, self.layers + 1)]
        graph = self.config.graph_config
        described = {
            "num_layers": graph.num_layers,
            "input_sizes": [*graph.input_sizes],
            "output_sizes": [*graph.output_sizes],
            "embedding": {str(row[0]): self._embedding(row[0]) for row in rows},
        }
        return {"architecture": json.dumps(rows), "nn_config": _text(described)}

    def shares(self, assignment: Mapping[str, str]) -> list[float]:
        numbers = itertools.chain(*_read(assignment["architecture"]))
        return [p.share(str(n)) for p, n in zip(self.parameters, numbers, strict=True)]

    def key(self, assignment: Mapping[str, str]) -> tuple[object, ...]:
        text = assignment.get("architecture", "")
        return (json.dumps(_read(text)) or text,)

    def broken(self, assignment: Mapping[str, str]) -> str | None:
        rows = _read(assignment.get("architecture", "[]"))
        if not self._is_architecture(rows):
            rule = f"must be {self.layers} layers, the k-th with the number of one of "
            rule += f"{len(self.choices)} choices and k - 1 numbers that are 0 or 1"
            return f"architecture: {rule}, got {assignment.get('architecture')!r}"
        text = assignment.get("nn_config", "")
        described = _read(text)
        if not isinstance(described, dict):
            return f"nn_config: must be JSON with ' in place of \", got {text!r}"
        graph = self.config.graph_config
        for name in ("num_layers", "input_sizes", "output_sizes"):
            value = getattr(graph, name)
            wanted = value if isinstance(value, int) else [*value]
            if described.get(name) != wanted:
                return f"nn_config, {name}: must be {wanted}, got {described.get(name)!r}"
        embedding = described.get("embedding")
        for number in sorted({row[0] for row in rows}):
            got = embedding.get(str(number)) if isinstance(embedding, dict) else None
            if not self._is_embedding(got, number):
                rule = f"must be {self._embedding(number)}"
                return f"nn_config, embedding of {number}: {rule}, got {got!r}"
        return None

    def _is_architecture(self, rows: Any) -> bool:
        if not isinstance(rows, list) or len(rows) != self.layers:
            return False
        return all(
            isinstance(row, list)
            and len(row) == layer
            and all(type(number) is int and number >= 0 for number in row)
            and row[0] < len(self.choices)
            and max(row[1:], default=0) <= 1
            for layer, row in enumerate(rows, 1)
        )

    def _embedding(self, number: int) -> dict[str, object]:
        kind, values = self.choices[number]
        return {"opt_id": number, "opt_type": kind, "opt_params": values}

    def _is_embedding(self, got: Any, number: int) -> bool:
        """Return whether `got` describes a choice; numbers may be written in any way."""
        if not isinstance(got, dict) or not isinstance(got.get("opt_params"), dict):
            return False
        values = {key: _value(value) for key, value in got["opt_params"].items()}
        wanted = {key: _value(value) for key, value in self.choices[number][1].items()}
        return values == wanted and {**got, "opt_params": {}} == {
            **self._embedding(number),
            "opt_params": {},
        }


class Cells(Network):
    """What a trial that searches by itself is told: settings, operations, number of layers."""

    standard = small = _config(
        3,
        _operation("separable_convolution", discrete("filter_size", "3", "5")),
        _operation("max_pooling", categorical("filter_size", "3")),
        _operation(_SKIP),
    )

    def __init__(self, experiment: pb.Experiment) -> None:
        super().__init__(experiment, (), "algorithm-settings", "search-space", "num-layers")
        self.settings = {
            setting.name: setting.value for setting in experiment.spec.algorithm.algorithm_settings
        }

    def point(self, shares: Iterable[float]) -> dict[str, str]:
        texts = _text(self.settings), _text(self._operations()), str(self._layers)
        return dict(zip(self.names, texts, strict=True))

    def key(self, assignment: Mapping[str, str]) -> tuple[object, ...]:
        return tuple(assignment.get(name) for name in self.names)

    def broken(self, assignment: Mapping[str, str]) -> str | None:
        settings, operations, layers = (assignment.get(name, "") for name in self.names)
        if layers != str(self._layers):
            return f"num-layers: must be {self._layers}, got {layers!r}"
        if (got := _read(operations)) != (wanted := self._operations()):
            return f"search-space: must be {wanted}, as JSON with ' in place of \", got {got!r}"
        known = _read(settings)
        if not isinstance(known, dict):
            return f"algorithm-settings: must be JSON with ' in place of \", got {settings!r}"
        for name, value in self.settings.items():
            if _value(known.get(name)) != _value(value):
                return f"algorithm-settings, {name}: must be {value}, got {known.get(name)!r}"
        return None

    @property
    def _layers(self) -> int:
        return self.config.graph_config.num_layers

    def _operations(self) -> list[str]:
        return [
            kind if kind == _SKIP else f"{kind}_{size}x{size}"
            for kind, values in _choices(self.config)
            for size in [*values.values()] or [""]
        ]


def _choices(config: pb.NasConfig) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each operation with each combination of values, the last parameter changing first."""
    for operation in config.operations.operation:
        parameters = [Parameter(spec) for spec in operation.parameter_specs.parameters]
        columns = [[*_values(parameter)] for parameter in parameters]
        for values in itertools.product(*columns):
            names = (parameter.name for parameter in parameters)
            yield operation.operation_type, dict(zip(names, values, strict=True))


def _values(parameter: Parameter) -> Iterator[str]:
    for level in range(parameter.size or 0):
        yield parameter.text((level + 0.5) / (parameter.size or 1))


def _read(text: str) -> Any:
    """Return the data of a text, as trials read it; None if they cannot."""
    try:
        return json.loads(text.replace("'", '"'))
    except (ValueError, RecursionError):
        return None


def _text(data: object) -> str:
    return json.dumps(data).replace('"', "'")


def _value(value: object) -> object:
    """Return what compares equal for equal numbers, as numbers or as texts."""
    number = decimal(str(value))
    return str(value) if number is None else float(number)


def space_of(experiment: pb.Experiment, network: type[Any] | None = None) -> Space:
    """Return the search space of an experiment.

    Args:
        network: Reads its nasConfig; None if it has parameters.
    """
    if network is None:
        return Space(experiment.spec.parameter_specs.parameters)
    made: Space = network(experiment)
    return made


def parameters_of(experiment: pb.Experiment) -> Any:
    """Return its parameters, or those of its first operation."""
    if experiment.spec.HasField("nas_config"):
        return experiment.spec.nas_config.operations.operation[0].parameter_specs.parameters
    return experiment.spec.parameter_specs.parameters
