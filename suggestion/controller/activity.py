"""Which parameters of a trial are inactive, by the setting ``conditions`` of its experiment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from suggestion.problem.errors import Invalid

#: Returns the inactive parameters of an assignment, texts by name.
Inactive: TypeAlias = Callable[[Mapping[str, str]], frozenset[str]]

_CONDITIONS = "conditions"


def none(_: Mapping[str, str]) -> frozenset[str]:
    """Return that no parameter is inactive."""
    return frozenset()


def inactive_of(document: Mapping[str, Any]) -> Inactive:
    """Return the function that tells inactive parameters of the trials of an experiment.

    Args:
        document: The Experiment object. Where another server reads its conditions in a way of its
            own, no parameter is taken for inactive.
    """
    settings = document["spec"].get("algorithm", {}).get("algorithmSettings") or ()
    if not any(entry["name"] == _CONDITIONS for entry in settings):
        return none
    from suggestion.api.v1beta1 import messages as wire  # noqa: PLC0415  (for conditions alone)
    from suggestion.engine.declared import declare, given  # noqa: PLC0415

    message = wire.write_experiment(document)
    choice = wire.read_algorithm(message.spec.algorithm)
    kept = {name: item for name, item in given(choice.settings).items() if name == _CONDITIONS}
    try:
        space = declare(wire.read_problem(message), kept).space
    except Invalid:
        return none
    known = {parameter.name: parameter for parameter in space.parameters}

    def inactive(assignment: Mapping[str, str]) -> frozenset[str]:
        values = {
            name: value
            for name, text in assignment.items()
            if name in known and (value := known[name].parse(text)) is not None
        }
        return space.inactive(values)

    return inactive


def active_texts(assignment: Mapping[str, str], inactive: Inactive) -> dict[str, str]:
    """Return the active parameters of a trial."""
    left_out = inactive(assignment)
    return {name: text for name, text in assignment.items() if name not in left_out}


def active_json(assignment: Mapping[str, str], inactive: Inactive) -> str:
    """Return the active parameters of a trial as a JSON object of texts."""
    return json.dumps(active_texts(assignment, inactive))
