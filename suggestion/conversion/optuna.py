"""Optuna's distributions as JSON: a mapping of names to what ``distribution_to_json`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from suggestion.conversion import spaces
from suggestion.conversion.definition import Definition, Loss
from suggestion.conversion.fields import Fields
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

# By name: whether the numbers are whole, and whether they are logarithmic; None: an attribute.
_NUMERIC: Final[Mapping[str, tuple[bool, bool | None]]] = {
    "FloatDistribution": (False, None),
    "IntDistribution": (True, None),
    # Of Optuna 1 and 2.
    "UniformDistribution": (False, False),
    "LogUniformDistribution": (False, True),
    "DiscreteUniformDistribution": (False, False),
    "IntUniformDistribution": (True, False),
    "IntLogUniformDistribution": (True, True),
}


def is_distribution(node: object) -> bool:
    """Return whether `node` is what ``distribution_to_json`` writes, as text or as data."""
    data = _data(node)
    return (
        isinstance(data, Mapping)
        and str(data.get("name")).endswith("Distribution")
        and "attributes" in data
    )


def _data(node: object) -> Any:
    if isinstance(node, str) and node.lstrip().startswith("{"):
        try:
            return json.loads(node)
        except ValueError:
            return None
    return node


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return the search space that distributions describe."""
    builder = spaces.Builder(losses)
    for name, node in data.items():
        fields = Fields(_data(node), str(name), losses)
        kind = fields.text("name")
        attributes = fields.fields("attributes")
        if kind == "CategoricalDistribution":
            builder.listed(str(name), str(name), attributes.take("choices"))
        elif kind in _NUMERIC:
            whole, log = _NUMERIC[kind]
            given = attributes.take("log")
            step = attributes.take("step", "q")
            logarithmic = bool(given) if log is None else log
            if whole and step == 1:
                step = None
            low, high = attributes.take("low"), attributes.take("high")
            builder.ranged(
                str(name), str(name), low, high, step, whole=whole, log=logarithmic
            )  # fmt: skip
        else:
            builder.refuse(str(name), f"must be one of Optuna's distributions, got {kind!r}")
        attributes.close()
        fields.close()
    return Definition(parameters=builder.finish())


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return distributions by name."""
    if made.conditions:
        losses.append(Loss("conditions", "distributions have none; each one is always active"))
    made.space_only(losses, "distributions hold")
    return {
        parameter.name: json.dumps(_written(parameter, losses)) for parameter in made.parameters
    }


def _written(parameter: Parameter, losses: list[Loss]) -> dict[str, Any]:
    if isinstance(parameter, Discrete | Categorical):
        return _of("CategoricalDistribution", choices=spaces.values(parameter))
    assert isinstance(parameter, Double | Int)
    log = parameter.distribution.is_log
    if parameter.distribution.is_normal:
        losses.append(Loss(parameter.name, "Optuna has no normal distribution; it is uniform"))
    step = parameter.step
    if log and spaces.stepped(parameter):
        losses.append(Loss(parameter.name, "Optuna has no steps on a logarithm; they are left out"))
        step = None
    if isinstance(parameter, Int):
        width = 1 if step is None else step
        return _of(
            "IntDistribution", log=log, step=width, low=parameter.min, high=parameter.max
        )  # fmt: skip
    return _of("FloatDistribution", step=step, low=parameter.min, high=parameter.max, log=log)


def _of(name: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "attributes": attributes}
