"""The objective of an experiment with what its algorithm's settings ask of further metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from suggestion.controller.observation import Objective

#: Settings that declare what additional metrics are for.
_DECLARING: Final = frozenset({"objectives", "metric_constraints"})


def read(document: Mapping[str, Any]) -> Objective:
    """Return the objective of an Experiment document that has been validated.

    It has the further objectives and the constraints of the algorithm's settings.
    """
    objective = Objective.of(document)
    settings = document["spec"].get("algorithm", {}).get("algorithmSettings") or ()
    if not any(entry["name"] in _DECLARING for entry in settings):
        return objective
    from suggestion.client.roles import metrics  # noqa: PLC0415  (imports the engine)
    from suggestion.problem.problem import Role  # noqa: PLC0415

    found = tuple(each for each in metrics(document)[1:] if each.role is not Role.REPORTED)
    return replace(objective, roles=found)
