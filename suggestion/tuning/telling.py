"""What is told of a point: the objective alone, or all metrics by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, SupportsFloat, TypeAlias

from suggestion.reporting.numbers import float_of, refusal
from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.objectives import Objective

#: The objective; or all metrics by name; or None for a trial that has failed.
Told: TypeAlias = SupportsFloat | Mapping[str, SupportsFloat] | None

_VALUE: Final = "value"


def metrics_of(value: Told, objective: Objective) -> Mapping[str, float]:
    """Return the metrics that `value` tells; empty if the trial has failed.

    Raises:
        InvalidArgument: If one is no number, or an objective is lacking.
    """
    if value is None:
        return {}
    named = isinstance(value, Mapping)
    told = value if isinstance(value, Mapping) else {objective.metric: value}
    metrics: dict[str, float] = {}
    broken = []
    for name, each in told.items():
        number = float_of(each)
        if number is None:
            broken.append(BrokenRule(f"{_VALUE}[{name!r}]" if named else _VALUE, refusal(each)))
        else:
            metrics[name] = number
    lacking = [name for name in objective.directions if name not in told]
    if lacking:
        names = ", ".join(map(repr, lacking))
        rule = f"must hold {names}, got {', '.join(told) or 'nothing'}"
        broken.append(BrokenRule(_VALUE, rule))
    if broken:
        raise InvalidArgument(broken)
    return metrics
