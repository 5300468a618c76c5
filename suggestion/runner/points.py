"""Points that users give for an experiment, checked against its space before they are enqueued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suggestion.api.v1beta1 import messages as wire
from suggestion.client.parameters import is_architecture
from suggestion.engine.declared import CONDITIONS, PARAMETER_CONSTRAINTS, declare, given
from suggestion.engine.initial import rule_of
from suggestion.problem.errors import Invalid, quote
from suggestion.problem.parameters import Value
from suggestion.problem.space import SearchSpace

# What follows "The point" on the page.
_NO_POINTS = (
    "cannot be given in a search for architectures; the setting initial_points has those to begin "
    "with"
)
_SHARED = (CONDITIONS.name, PARAMETER_CONSTRAINTS.name)


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of a point.

    Attributes:
        assignment: Texts of all parameters, as suggestions have them; empty if something is wrong.
        inactive: Parameters whose condition is not met by the values so far.
        errors: What is wrong, by parameter; by an empty name that of a constraint, or of any point.
    """

    assignment: Mapping[str, str]
    inactive: frozenset[str]
    errors: Mapping[str, str]


def examine(document: Mapping[str, Any], texts: Mapping[str, str]) -> Point:
    """Return what is known of the point that has `texts`, by parameter.

    Args:
        document: The Experiment object.
    """
    if is_architecture(document):
        return Point({}, frozenset(), {"": _NO_POINTS})
    space = _space(document)
    known = {parameter.name: parameter for parameter in space.parameters}
    errors: dict[str, str] = {}
    values: dict[str, Value] = {}
    for name, text in texts.items():
        if name not in known:
            errors[name] = f"must be one of {', '.join(map(quote, known))}, got {quote(name)}"
            continue
        value = known[name].parse(text)
        if value is None or value not in known[name]:
            errors[name] = f"{rule_of(known[name])}, got {quote(text)}"
        else:
            values[name] = value
    inactive = space.inactive(values)
    for name, parameter in known.items():
        if name in inactive and name in values:
            errors[name] = "is inactive with these values, and must have none"
        elif name not in inactive and name not in texts:
            errors[name] = f"{rule_of(parameter)}, got none"
    if not errors and not space.feasible(values):
        broken = [
            quote(rule.text)
            for rule in space.constraints
            if all(name in values for name in rule.names) and not rule.at(values)
        ]
        errors[""] = f"must meet {', '.join(broken)}"
    assignment = {} if errors else space.format(space.filled(values))
    return Point(assignment, inactive, errors)


def _space(document: Mapping[str, Any]) -> SearchSpace:
    message = wire.write_experiment(document)
    settings = given(wire.read_algorithm(message.spec.algorithm).settings)
    problem = wire.read_problem(message)
    try:
        shared = {name: settings[name] for name in _SHARED if name in settings}
        return declare(problem, shared).space
    except Invalid:  # another server reads them in a way of its own
        return problem.space
