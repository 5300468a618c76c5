"""Vizier's StudySpec as JSON: of the open-source library, and of Vertex AI around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from suggestion.conversion import spaces
from suggestion.conversion.definition import (
    ConversionError,
    Definition,
    Loss,
    plain_name,
    quoted,
)
from suggestion.conversion.fields import Fields, scalar
from suggestion.engine import goals
from suggestion.problem.errors import Violation
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.problem import Goal, Metric, Role

_ALGORITHMS: Final = {
    "ALGORITHM_UNSPECIFIED": "bayesianoptimization",
    "DEFAULT": "bayesianoptimization",
    "GAUSSIAN_PROCESS_BANDIT": "bayesianoptimization",
    "GP_UCB_PE": "bayesianoptimization",
    "GRID_SEARCH": "grid",
    "RANDOM_SEARCH": "random",
    "QUASI_RANDOM_SEARCH": "sobol",
    "NSGA2": "nsga2",
    "CMA_ES": "cmaes",
}
_LOG: Final = "UNIT_LOG_SCALE"
_SCALES: Final = frozenset({"", "SCALE_TYPE_UNSPECIFIED", "UNIT_LINEAR_SCALE", _LOG})
_PARENTS: Final = (
    "parentCategoricalValues",
    "parentDiscreteValues",
    "parentIntValues",
)
_VALUES: Final = (
    "doubleValueSpec",
    "integerValueSpec",
    "discreteValueSpec",
    "categoricalValueSpec",
)
# Settings that say what is asked of metrics.
_SHARED: Final = ("objectives", "metric_constraints")
# Algorithms that know no other metric than the objective.
_ONE_METRIC: Final = frozenset({"cmaes"})
_STOPPING: Final = (
    "decayCurveStoppingSpec",
    "medianAutomatedStoppingSpec",
    "convexAutomatedStoppingSpec",
    "automatedStoppingSpec",
    "defaultStoppingSpec",
)


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what a StudySpec says, alone or in a job of Vertex AI."""
    root = Fields(data, "", losses)
    spec = root.fields("studySpec") if "studySpec" in root else root
    metrics = tuple(_metric(Fields(e, place, losses)) for place, e in spec.entries("metrics"))
    builder = spaces.Builder(losses)
    for place, entry in spec.entries("parameters"):
        _add(builder, Fields(entry, place, losses), place, "")
    # Proto3's JSON leaves out what is unspecified.
    given = "algorithm" in spec
    algorithm = spec.known(_ALGORITHMS, "algorithm") if given else _ALGORITHMS["DEFAULT"]
    stopping = ""
    for key in _STOPPING:
        if key in spec:
            rule = spec.fields(key)
            stopping = "medianstop" if key.startswith("median") else ""
            if stopping:
                rule.close()
            else:
                spec.lose(key, "there is no such rule here")
    objectives = [metric for metric in metrics if metric.role is not Role.CONSTRAINT]
    main = objectives[0] if objectives else None
    others = tuple(metric for metric in metrics if metric is not main)
    settings = {}
    if others and algorithm in _ONE_METRIC:
        named = ", ".join(metric.name for metric in others)
        spec.lose("metrics", f"{algorithm} takes one metric; {named} are collected beside it")
    elif others:
        settings = _settings(others)
    ending = spec.fields("studyStoppingConfig")
    most = ending.whole("maxNumTrials")
    ending.close()
    name = root.text("displayName", "name").rpartition("/")[2]
    made = Definition(
        plain_name(name),
        builder.finish(),
        tuple(builder.conditions),
        main.name if main else "",
        main.goal is Goal.MAXIMIZE if main else None,
        metrics=tuple(dict.fromkeys(metric.name for metric in others)),
        algorithm=algorithm,
        settings=settings,
        stopping=stopping,
        trials=root.whole("maxTrialCount") or most,
        parallel=root.whole("parallelTrialCount"),
        failures=root.whole("maxFailedTrialCount"),
        # The last measurement of a trial is what counts in Vizier.
        extra={"metricStrategies": [{"name": m.name, "value": "latest"} for m in others]}
        if settings
        else {},
    )
    if spec is not root:
        spec.close()
    root.close()
    return made


def _metric(fields: Fields) -> Metric:
    """Return a metric; one with a threshold is no objective, but on the better side of it safe."""
    name = fields.text("metricId", "metric_id")
    maximize = fields.text("goal") == "MAXIMIZE"
    goal = Goal.MAXIMIZE if maximize else Goal.MINIMIZE
    if "safetyConfig" not in fields:
        fields.close()
        return Metric(name, goal)
    safety = fields.fields("safetyConfig")
    bound = float(safety.number("safetyThreshold") or 0)  # proto3's JSON leaves out what is zero
    for each in (safety, fields):
        each.close()
    return Metric(name, goal, Role.CONSTRAINT, bound)


def _settings(metrics: Sequence[Metric]) -> dict[str, str]:
    """Return what is asked of metrics beside the main objective, as settings."""
    objectives = [m for m in metrics if m.role is Role.OBJECTIVE]
    bounds = [m for m in metrics if m.role is Role.CONSTRAINT]
    texts = {
        "objectives": "; ".join(f"{quoted(m.name)}: {m.goal.value}" for m in objectives),
        "metric_constraints": "; ".join(replace(m, name=quoted(m.name)).rule for m in bounds),
    }
    return {name: text for name, text in texts.items() if text}


def _add(builder: spaces.Builder, fields: Fields, place: str, condition: str) -> None:
    name = fields.text("parameterId")
    scale = fields.text("scaleType")
    if scale not in _SCALES:
        fields.lose("scaleType", f"there is no {scale!r} here; the scale is linear")
    if fields.text("externalType").upper() not in ("", "AS_INTERNAL"):
        fields.lose("externalType", "values come to a trial as they are declared")
    text = False
    if not any(key in fields for key in _VALUES):
        builder.refuse(place, f"must have one of {', '.join(_VALUES)}, got none")
    for key, whole in (("doubleValueSpec", False), ("integerValueSpec", True)):
        if key in fields:
            spec = fields.fields(key)
            # Proto3's JSON leaves out what is zero.
            low, high = (spec.text(end) or "0" for end in ("minValue", "maxValue"))
            builder.ranged(name, place, low, high, whole=whole, log=scale == _LOG)
            _close(spec)
    for key, ordered in (("discreteValueSpec", True), ("categoricalValueSpec", False)):
        if key in fields:
            text = not ordered
            spec = fields.fields(key)
            values = [value for _, value in spec.entries("values")]
            if ordered and scale == _LOG:
                builder.losses.append(Loss(place, "a list has no scale here"))
            builder.listed(name, place, [_plain(v) for v in values], ordered=ordered)
            _close(spec)
    if condition:
        builder.conditions.append(f"{quoted(name)} if {condition}")
    for where, entry in fields.entries("conditionalParameterSpecs"):
        child = Fields(entry, where, builder.losses)
        values = []
        for key in _PARENTS:
            values += child.fields(key).texts("values") if key in child else ()
        listed = ", ".join(builder.literal(where, value) if text else value for value in values)
        if not values:
            builder.refuse(where, "must have values of the parent, got none")
        met = f"{quoted(name)} in ({listed})"
        _add(builder, child.fields("parameterSpec"), f"{where}.parameterSpec", met)
        child.close()
    fields.close()


def _close(spec: Fields) -> None:
    default = spec.take("defaultValue")
    if default is not None:
        spec.lose("defaultValue", f"write it as an initial point, got {scalar(default)!r}")
    spec.close()


def _plain(value: Any) -> Any:
    """Return 16 for 16.0: all of Vizier's discrete values are doubles."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return a StudySpec."""
    names = {here: there for there, here in reversed(_ALGORITHMS.items())}
    algorithm = names.get(made.algorithm, "ALGORITHM_UNSPECIFIED")
    if made.algorithm not in names:
        losses.append(Loss("algorithm", f"Vizier has no {made.algorithm!r}; it takes its default"))
    metrics, rest = _written_metrics(made, losses)
    rest.lose(losses, "a StudySpec does not hold it", "objective", "algorithm", "earlyStopping")
    spec: dict[str, Any] = {
        "algorithm": algorithm,
        "metrics": metrics,
        "parameters": [{"parameterId": p.name, **_written(p, losses)} for p in made.parameters],
    }
    if made.stopping == "medianstop":
        spec["medianAutomatedStoppingSpec"] = {}
    elif made.stopping:
        losses.append(Loss("earlyStopping", f"Vizier has no {made.stopping!r}"))
    return spec


def _written_metrics(
    made: Definition, losses: list[Loss]
) -> tuple[list[dict[str, Any]], Definition]:
    """Return the metrics, and the definition without what they say."""
    shared = {name: (0, made.settings[name]) for name in _SHARED if name in made.settings}
    broken: list[Violation] = []
    main = Metric(made.metric, Goal.MAXIMIZE if made.maximize else Goal.MINIMIZE)
    reported = [Metric(name, role=Role.REPORTED) for name in made.metrics]
    declared = goals.declare([main, *reported], shared, broken)
    if broken:
        raise ConversionError([Loss("algorithm settings", each.description) for each in broken])
    written: dict[str, dict[str, Any]] = {}
    for metric in declared:
        if metric.role is Role.REPORTED:
            continue
        if metric.name in written:
            losses.append(Loss(metric.name, f"a metric has one role there; {metric.rule} is lost"))
            continue
        entry: dict[str, Any] = {"metricId": metric.name, "goal": metric.goal.name}
        if metric.role is Role.CONSTRAINT:
            entry["safetyConfig"] = {"safetyThreshold": metric.bound}
            if metric.strict:
                losses.append(Loss(metric.name, "its bound itself is safe there"))
        written[metric.name] = entry
    left = {name: text for name, text in made.settings.items() if name not in shared}
    others = tuple(name for name in made.metrics if name not in written)
    return [*written.values()], replace(made, settings=left, metrics=others)


def _written(parameter: Parameter, losses: list[Loss]) -> Mapping[str, Any]:
    if isinstance(parameter, Discrete):
        return {"discreteValueSpec": {"values": sorted(spaces.values(parameter))}}
    if isinstance(parameter, Categorical):
        return {"categoricalValueSpec": {"values": spaces.values(parameter)}}
    assert isinstance(parameter, Double | Int)
    if parameter.distribution.is_normal:
        losses.append(Loss(parameter.name, "Vizier has no normal distribution; it is uniform"))
    if spaces.stepped(parameter):
        listed = spaces.lattice(parameter)
        if listed is not None:
            losses.append(Loss(parameter.name, spaces.listing(parameter)))
            return {"discreteValueSpec": {"values": listed}}
        losses.append(Loss(parameter.name, "Vizier has no steps; they are left out"))
    scale = _LOG if parameter.distribution.is_log else "UNIT_LINEAR_SCALE"
    if isinstance(parameter, Int):  # an int64 is a text in the JSON of protobuf
        ends = {"minValue": str(parameter.min), "maxValue": str(parameter.max)}
        return {"integerValueSpec": ends, "scaleType": scale}
    numbers = {"minValue": parameter.min, "maxValue": parameter.max}
    return {"doubleValueSpec": numbers, "scaleType": scale}
