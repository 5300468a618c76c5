"""From locations of the problem to paths of the messages, as ``field_violations`` have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.problem.errors import Invalid, Violation
from suggestion.problem.locations import Location


@contextmanager
def written(path_of: Callable[[Location], Location]) -> Iterator[None]:
    """Within it, the violations of `Invalid` get the locations that `path_of` returns."""
    try:
        yield
    except Invalid as error:
        raise Invalid(
            Violation(path_of(found.location), found.description) for found in error.violations
        ) from error


def in_request(location: Location, experiment: api.Experiment) -> Location:
    """Return the path of `location` in a request that holds `experiment`."""
    match location:
        case ("count",):
            return ("current_request_number",)
        case ("max_trial_count" | "parallel_trial_count" as count,):
            return ("experiment", "spec", count)
        case ("space",) | ("conditions" | "constraints", *_):
            return ("experiment", "spec", "parameter_specs")
        case ("parameters", *rest):
            path = _in_parameters(rest, experiment)
            return ("experiment", "spec", "parameter_specs", "parameters", *path)
        case ("graph", *rest):
            return ("experiment", "spec", "nas_config", *_in_graph(rest))
        case ("metrics", *rest):
            return ("experiment", "spec", "objective", *_in_objective(rest, experiment))
        case ("algorithm",) | ("settings", *_):
            return ("experiment", "spec", "algorithm", *in_algorithm(location))
        case ("trials", *_):
            return location
        case ("prior",):
            return ("experiment", "spec", "algorithm", "algorithm_name")
    return ("experiment", *location)


def in_algorithm(location: Location) -> Location:
    """Return the path of an algorithm's name, or of a setting, in the message that has both."""
    match location:
        case ("settings", int(), *_):
            return ("algorithm_settings", *location[1:])
        case ("settings", *_):  # one that has its default value is not in the message
            return ("algorithm_settings",)
    return ("algorithm_name",)


def _in_parameters(rest: list[str | int], experiment: api.Experiment) -> Location:
    """Return the path of a parameter, or of a part of it, in the list of parameters."""
    if not rest:
        return ()
    which, *part = rest
    if isinstance(which, str):
        names = [spec.name for spec in experiment.spec.parameter_specs.parameters]
        if which not in names:
            return ()
        which = names.index(which)
    return (which, *_in_parameter(part))


def _in_parameter(part: list[str | int]) -> Location:
    match part:
        case ["name"]:
            return ("name",)
        case ["type"]:
            return ("parameter_type",)
    return ("feasible_space", *part) if part else ()


def _in_graph(rest: list[str | int]) -> Location:
    """Return the path of a part of a graph of architectures in its message."""
    match rest:
        case ["layers"]:
            return ("graph_config", "num_layers")
        case ["input_sizes" | "output_sizes" as which]:
            return ("graph_config", which)
        case ["operations"]:
            return ("operations",)
        case ["operations", int(index), "kind"]:
            return ("operations", "operation", index, "operation_type")
        case ["operations", int(index), "parameters"]:
            return ("operations", "operation", index, "parameter_specs")
        case ["operations", int(index), "parameters", place, *part]:
            path = ("parameter_specs", "parameters", place, *_in_parameter(part))
            return ("operations", "operation", index, *path)
    return ()


def _in_objective(rest: list[str | int], experiment: api.Experiment) -> Location:
    """Return the path of a metric, or of a part of it, in the message of the objective."""
    if not rest:
        return ()
    which, *part = rest
    others = list(experiment.spec.objective.additional_metric_names)
    if isinstance(which, str):
        which = others.index(which) + 1 if which in others else 0
    if which > 0:
        return ("additional_metric_names", which - 1)
    match part:
        case ["goal"]:
            return ("type",)
        case ["name"]:
            return ("objective_metric_name",)
    return ()
