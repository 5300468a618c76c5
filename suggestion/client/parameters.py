"""What the trials of an Experiment file receive: its parameters, or those of an architecture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from suggestion.problem.architectures import ASSIGNED, SEARCHED_BY_TRIAL

#: Algorithms that hand out other names than `ASSIGNED`.
_ASSIGNED_BY: Final = {"darts": SEARCHED_BY_TRIAL}


def assigned_by(algorithm: str) -> Sequence[str]:
    """Return the names of what `algorithm` hands out for an architecture."""
    return _ASSIGNED_BY.get(algorithm, ASSIGNED)


def parameters_of(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the parameters of a sound Experiment, in the form of ``spec.parameters``.

    Those of a nasConfig are categorical ones with an empty list: their values cannot be listed.
    """
    spec = document["spec"]
    if not is_architecture(document):
        given: Sequence[Mapping[str, Any]] = spec["parameters"]
        return given
    names = assigned_by(spec["algorithm"]["algorithmName"])
    return [
        {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": []}}
        for name in names
    ]


def columns_of(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the parameters that a table for people has columns for.

    Of a nasConfig the first one: the others describe it at length, or are the same in every trial.
    """
    parameters = parameters_of(document)
    return parameters[:1] if is_architecture(document) else parameters


def with_values(
    parameters: Sequence[Mapping[str, Any]], assignments: Iterable[Mapping[str, str]]
) -> Sequence[Mapping[str, Any]]:
    """Return `parameters` with the values of `assignments` in lists that are empty."""
    seen: dict[str, dict[str, None]] = {p["name"]: {} for p in parameters if not is_listed(p)}
    for assignment in assignments:
        for name in seen.keys() & assignment.keys():
            seen[name][assignment[name]] = None
    return [
        {**p, "feasibleSpace": {"list": list(seen[p["name"]])}} if p["name"] in seen else p
        for p in parameters
    ]


def is_listed(parameter: Mapping[str, Any]) -> bool:
    """Whether the values of a parameter are known beforehand."""
    return bool(parameter["feasibleSpace"].get("list") != [])


def is_architecture(document: Mapping[str, Any]) -> bool:
    """Whether a sound Experiment searches for architectures."""
    return document["spec"].get("nasConfig") is not None
