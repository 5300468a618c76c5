"""NNI's search spaces, and the experiment files around them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from suggestion.conversion import spaces
from suggestion.conversion.definition import ConversionError, Definition, Loss, plain_name, quoted
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.errors import quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

_TYPE: Final = "_type"
_VALUE: Final = "_value"
_NAME: Final = "_name"
_TUNERS: Final = {
    "anneal": "anneal",
    "gridsearch": "grid",
    "gptuner": "bayesianoptimization",
    "gp": "bayesianoptimization",
    "hyperband": "hyperband",
    "random": "random",
    "tpe": "tpe",
}
_ASSESSORS: Final = {"medianstop": "medianstop"}


def is_space(node: object) -> bool:
    """Return whether `node` is a search space: a mapping of names to types with values."""
    return (
        isinstance(node, Mapping)
        and bool(node)
        and all(isinstance(entry, Mapping) and _TYPE in entry for entry in node.values())
    )


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what a search space says, or the file of an experiment that holds one."""
    if is_space(data):
        return Definition(**_space(data, "", losses))
    root = Fields(data, "", losses)
    if root.text("searchSpaceFile"):
        rule = "convert the file that it names, or write what is in it under searchSpace"
        raise ConversionError(
            [Loss("searchSpaceFile", f"{rule}, got {quote(root.text('searchSpaceFile'))}")]
        )
    space = root.take("searchSpace")
    if not is_space(space):
        root.lose("searchSpace", "must be a search space; give the file of the space itself")
        space = {}
    tuner, assessor = root.fields("tuner"), root.fields("assessor")
    algorithm = tuner.known(_TUNERS, "name", "builtinTunerName")
    stopping = assessor.known(_ASSESSORS, "name", "builtinAssessorName")
    arguments = tuner.fields("classArgs")
    mode = arguments.text("optimize_mode")
    rules = assessor.fields("classArgs")
    step = rules.text("start_step")
    rules.ignore("optimize_mode")
    made = Definition(
        **_space(space, "searchSpace", losses),
        name=plain_name(root.text("experimentName")),
        metric="default" if mode else "",
        maximize=mode == "maximize" if mode else None,
        algorithm=algorithm,
        stopping=stopping,
        stopping_settings={"start_step": step} if step else {},
        trials=root.whole("maxTrialNumber", "maxTrialNum"),
        parallel=root.whole("trialConcurrency"),
        command=tuple(shlex.split(root.text("trialCommand"))),
    )
    if made.command:
        why = "the program asks NNI for its parameters; here they come in SUGGEST_PARAMETERS"
        losses.append(Loss("trialCommand", why))
    for fields in (arguments, rules, tuner, assessor, root):
        fields.close()
    return made


def _space(data: Mapping[str, Any], place: str, losses: list[Loss]) -> dict[str, Any]:
    builder = spaces.Builder(losses)
    _add(builder, data, "", place, "")
    return {"parameters": builder.finish(), "conditions": tuple(builder.conditions)}


def _add(
    builder: spaces.Builder, data: Mapping[str, Any], prefix: str, place: str, condition: str
) -> None:
    """Add the parameters of a space, which may lie in a choice of another one."""
    for key, node in data.items():
        if key == _NAME:
            continue
        name = f"{prefix}{key}"
        where = f"{place}.{key}" if place else str(key)
        fields = Fields(node, where, builder.losses)
        _parameter(builder, name, where, fields.text(_TYPE), fields.take(_VALUE))
        fields.close()
        if condition:
            builder.conditions.append(f"{quoted(name)} if {condition}")


def _parameter(builder: spaces.Builder, name: str, place: str, kind: str, values: Any) -> None:
    numbers = values if isinstance(values, list) else []
    if kind in ("choice", "layer_choice"):
        _choice(builder, name, place, numbers)
    elif kind == "randint" and len(numbers) == 2:
        builder.ranged(name, place, numbers[0], spaces.before(numbers[1]), whole=True)
    elif kind in ("uniform", "loguniform") and len(numbers) == 2:
        builder.ranged(name, place, *numbers, log=kind == "loguniform")
    elif kind in ("quniform", "qloguniform") and len(numbers) == 3:
        builder.quantised(name, place, *numbers, log=kind == "qloguniform")
    elif kind in ("normal", "lognormal") and len(numbers) == 2:
        builder.normal(name, place, *numbers, log=kind == "lognormal")
    elif kind in ("qnormal", "qlognormal") and len(numbers) == 3:
        builder.normal(name, place, *numbers, log=kind == "qlognormal")
    else:
        rule = "must be one of NNI's types with its values"
        builder.refuse(place, f"{rule}, got {quote(kind)} with {quote(values)}")


def _choice(builder: spaces.Builder, name: str, place: str, values: list[Any]) -> None:
    nested = [entry for entry in values if isinstance(entry, Mapping) and _NAME in entry]
    texts = [entry[_NAME] if entry in nested else entry for entry in values]
    builder.listed(name, place, texts, ordered=False if nested else None)
    for entry in nested:
        text = scalar(entry[_NAME])
        condition = f"{quoted(name)} == {builder.literal(place, text)}"
        _add(builder, entry, f"{name}.{text}.", f"{place}.{text}", condition)
    if any(len(entry) > 1 for entry in nested):
        why = "what a choice holds becomes parameters of their own, with dots in their names"
        builder.losses.append(Loss(place, why))


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return a search space."""
    if made.conditions:
        losses.append(Loss("conditions", "NNI has none; every parameter is always active"))
    made.space_only(losses, "the file holds")
    return {
        parameter.name: {_TYPE: kind, _VALUE: values}
        for parameter in made.parameters
        for kind, values in [_written(parameter, losses)]
    }


def _written(parameter: Parameter, losses: list[Loss]) -> tuple[str, list[Any]]:
    if isinstance(parameter, Discrete | Categorical):
        return "choice", spaces.values(parameter)
    assert isinstance(parameter, Double | Int)
    distribution = parameter.distribution
    log = "log" if distribution.is_log else ""
    if distribution.is_normal:
        mean, deviation = spaces.moments(parameter)
        losses.append(Loss(parameter.name, "its normal distribution has no bounds in NNI"))
        if parameter.step is None:
            return f"{log}normal", [mean, deviation]
        return f"q{log}normal", [mean, deviation, parameter.step]
    plain = isinstance(parameter, Int) and not log
    if plain and parameter.step == 1:
        return "randint", [parameter.min, parameter.max + 1]
    if parameter.step is None:
        return f"{log}uniform", [parameter.min, parameter.max]
    listed = None if log else spaces.lattice(parameter)
    if plain and listed is not None:
        losses.append(Loss(parameter.name, spaces.listing(parameter)))
        return "choice", listed
    if isinstance(parameter, Int):
        losses.append(Loss(parameter.name, "NNI has no such ints; its values are floats"))
    if not spaces.multiples(parameter):
        losses.append(Loss(parameter.name, "NNI rounds to multiples of the step"))
    return f"q{log}uniform", [parameter.min, parameter.max, parameter.step]
