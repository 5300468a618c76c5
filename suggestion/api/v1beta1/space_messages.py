"""Between messages of search spaces and domain objects: parameters, and graphs of architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.problem.architectures import ArchitectureSpace, Graph, Operation
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import LONGEST_NAME, Parameter
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace, size_violations

_DISTRIBUTIONS: Final = {
    api.DISTRIBUTION_UNSPECIFIED: Distribution.UNIFORM,
    api.UNIFORM: Distribution.UNIFORM,
    api.LOG_UNIFORM: Distribution.LOG_UNIFORM,
    api.NORMAL: Distribution.NORMAL,
    api.LOG_NORMAL: Distribution.LOG_NORMAL,
}
_BY_DISTRIBUTION: Final = {
    "unknown": api.DISTRIBUTION_UNSPECIFIED,
    "uniform": api.UNIFORM,
    "logUniform": api.LOG_UNIFORM,
    "normal": api.NORMAL,
    "logNormal": api.LOG_NORMAL,
}


# -------------------------------------------------------------------- from messages


def read(spec: api.ExperimentSpec, found: list[Violation]) -> SearchSpace | None:
    """Return the search space of an experiment, or None with its violations added to `found`."""
    parameters = spec.parameter_specs.parameters
    if not spec.HasField("nas_config") or (parameters and not spec.nas_config.ByteSize()):
        return _read_parameters(parameters, found)
    if parameters:
        rule = "an experiment has parameters or a nasConfig, got both"
        found.append(Violation(("graph",), f"nasConfig: {rule}"))
    try:
        return ArchitectureSpace.of(_read_graph(spec.nas_config))
    except Invalid as error:
        found += [violation.under("graph") for violation in error.violations]
        return None


def _read_graph(message: api.NasConfig) -> Graph:
    """Return the graph of architectures that `message` describes.

    Raises:
        Invalid: With every rule that it breaks.
    """
    given = message.operations.operation
    counts = [len(each.parameter_specs.parameters) for each in given]
    listed = sum(len(p.feasible_space.list) for e in given for p in e.parameter_specs.parameters)
    if too_many := size_violations(len(given) + sum(counts), listed):
        raise Invalid(Violation(("operations",), each.description) for each in too_many)
    found = Violations()
    operations = []
    for index, each in enumerate(given):
        parameters: list[Parameter] = []
        for place, parameter in enumerate(each.parameter_specs.parameters):
            try:
                parameters.append(_read_parameter(parameter))
            except Invalid as error:
                path = ("operations", index, "parameters", place)
                found += [violation.under(*path) for violation in error.violations]
        operations.append(Operation(each.operation_type, tuple(parameters)))
    graph = message.graph_config
    sizes = tuple(graph.input_sizes), tuple(graph.output_sizes)
    try:
        made = Graph(graph.num_layers, tuple(operations), *sizes)
    except Invalid as error:
        found += error.violations
    if found:
        raise Invalid(found)
    return made


def _read_parameters(
    messages: Sequence[api.ParameterSpec], found: list[Violation]
) -> SearchSpace | None:
    """Return the space of `messages`, or None with its violations added to `found`."""
    # Looked at before anything is read.
    listed = sum(len(message.feasible_space.list) for message in messages)
    if too_many := size_violations(len(messages), listed):
        found += too_many
        return None
    parameters: list[Parameter] = []
    before = len(found)
    for index, message in enumerate(messages):
        try:
            parameters.append(_read_parameter(message))
        except Invalid as error:
            found += [v.under("parameters", index) for v in error.violations]
            # Takes the place of the broken one, so that repeated names are still found.
            if 0 < len(message.name) <= LONGEST_NAME:
                parameters.append(Int(message.name, 0, 0))
    try:
        space = SearchSpace(tuple(parameters))
    except Invalid as error:
        if parameters or not messages:
            found += error.violations
        return None
    return space if len(found) == before else None


def _read_parameter(message: api.ParameterSpec) -> Parameter:
    feasible = message.feasible_space
    kind = message.parameter_type
    listed = kind in (api.DISCRETE, api.CATEGORICAL)
    found: list[Violation] = []
    subject = f"parameter {quote(message.name)}"
    if kind not in (api.DOUBLE, api.INT, api.DISCRETE, api.CATEGORICAL):
        found.append(
            Violation(
                ("type",),
                f"{subject}: type must be double, int, discrete or categorical, got "
                f"{enum_name(api.ParameterType, kind)}",
            )
        )
        raise Invalid(found)
    noun = api.ParameterType.Name(kind).lower()
    noun = f"an {noun}" if kind == api.INT else f"a {noun}"
    distribution = _DISTRIBUTIONS.get(feasible.distribution)
    if distribution is None:
        found.append(
            Violation(
                ("distribution",),
                f"{subject}: distribution must be uniform, logUniform, normal or logNormal, got "
                f"{feasible.distribution}",
            )
        )
        distribution = Distribution.UNIFORM
    if listed:
        numeric = [(key, getattr(feasible, key)) for key in ("min", "max", "step")]
        found += [
            Violation((key,), f"{subject}: {noun} has no {key}, got {quote(it)}")
            for key, it in numeric
            if it
        ]
        if distribution is not Distribution.UNIFORM:
            found.append(
                Violation(
                    ("distribution",),
                    f"{subject}: distribution {distribution.value} is for double and int, "
                    f"got it for {noun}",
                )
            )
    elif feasible.list:
        found.append(
            Violation(
                ("list",),
                f"{subject}: a list is for discrete and categorical, got one for {noun}",
            )
        )
    try:
        parameter: Parameter
        if kind == api.DISCRETE:
            parameter = Discrete(message.name, tuple(feasible.list))
        elif kind == api.CATEGORICAL:
            parameter = Categorical(message.name, tuple(feasible.list))
        else:
            number = Double if kind == api.DOUBLE else Int
            parameter = number(
                message.name, feasible.min, feasible.max, feasible.step or None, distribution
            )
    except Invalid as error:
        found += error.violations
    if found:
        raise Invalid(found)
    return parameter


def enum_name(enum: object, number: int) -> str:
    """Return the name and the number of a value of `enum`, as messages say them."""
    names = {value: name for name, value in enum.items()}  # type: ignore[attr-defined]
    return f"{names.get(number, 'an undefined value')} ({number})"


# ---------------------------------------------------------------------- to messages


def write(out: api.ExperimentSpec, spec: Mapping[str, Any]) -> None:
    """Add the search space of a checked Experiment document to a message.

    Args:
        spec: The document's ``spec``.
    """
    for parameter in spec.get("parameters") or ():
        _write_parameter(out.parameter_specs.parameters.add(), parameter)
    given = spec.get("nasConfig")
    if given is None:
        return
    out.nas_config.SetInParent()
    graph = given.get("graphConfig") or {}
    out.nas_config.graph_config.num_layers = int(graph.get("numLayers") or 0)
    out.nas_config.graph_config.input_sizes.extend(map(int, graph.get("inputSizes") or ()))
    out.nas_config.graph_config.output_sizes.extend(map(int, graph.get("outputSizes") or ()))
    for operation in given.get("operations") or ():
        added = out.nas_config.operations.operation.add(operation_type=operation["operationType"])
        for parameter in operation.get("parameters") or ():
            _write_parameter(added.parameter_specs.parameters.add(), parameter)


def _write_parameter(out: api.ParameterSpec, parameter: Mapping[str, Any]) -> None:
    feasible = parameter["feasibleSpace"]
    out.name = parameter["name"]
    out.parameter_type = named(api.ParameterType, parameter["parameterType"])
    for key in ("min", "max", "step"):
        setattr(out.feasible_space, key, feasible.get(key) or "")
    out.feasible_space.list.extend(feasible.get("list") or ())
    distribution = feasible.get("distribution")
    if distribution:
        out.feasible_space.distribution = _BY_DISTRIBUTION[distribution]


def named(enum: Any, name: str) -> Any:
    """Return the value of `enum` that documents call `name`."""
    return enum.Value(name.upper())
