"""Vizier's StudySpec as JSON: of the open-source library, and of Vertex AI around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from suggestion.conversion import spaces
from suggestion.conversion.definition import Definition, Loss, plain_name, quoted
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

_ALGORITHMS: Final = {
    "ALGORITHM_UNSPECIFIED": "bayesianoptimization",
    "DEFAULT": "bayesianoptimization",
    "GAUSSIAN_PROCESS_BANDIT": "bayesianoptimization",
    "GP_UCB_PE": "bayesianoptimization",
    "GRID_SEARCH": "grid",
    "RANDOM_SEARCH": "random",
    "QUASI_RANDOM_SEARCH": "sobol",
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
    metrics = []
    for place, entry in spec.entries("metrics"):
        metric = Fields(entry, place, losses)
        metrics.append((metric.text("metricId", "metric_id"), metric.text("goal")))
        metric.close()
    builder = spaces.Builder(losses)
    for place, entry in spec.entries("parameters"):
        _add(builder, Fields(entry, place, losses), place, "")
    algorithm = spec.known(_ALGORITHMS, "algorithm")
    stopping = ""
    for key in _STOPPING:
        if key in spec:
            spec.take(key)
            stopping = "medianstop" if key.startswith("median") else ""
            if not stopping:
                spec.lose(key, "there is no such rule here")
    if len(metrics) > 1:
        others = ", ".join(name for name, _ in metrics[1:])
        why = f"one metric is the objective, {metrics[0][0]}; {others} are collected beside it"
        spec.lose("metrics", why)
    ending = spec.fields("studyStoppingConfig")
    most = ending.whole("maxNumTrials")
    ending.close()
    name = root.text("displayName", "name").rpartition("/")[2]
    made = Definition(
        plain_name(name),
        builder.finish(),
        tuple(builder.conditions),
        metrics[0][0] if metrics else "",
        metrics[0][1] == "MAXIMIZE" if metrics and metrics[0][1] else None,
        metrics=tuple(name for name, _ in metrics[1:]),
        algorithm=algorithm,
        stopping=stopping,
        trials=root.whole("maxTrialCount") or most,
        parallel=root.whole("parallelTrialCount"),
        failures=root.whole("maxFailedTrialCount"),
    )
    if spec is not root:
        spec.close()
    root.close()
    return made


def _add(builder: spaces.Builder, fields: Fields, place: str, condition: str) -> None:
    name = fields.text("parameterId")
    scale = fields.text("scaleType")
    if scale not in _SCALES:
        fields.lose("scaleType", f"there is no {scale!r} here; the scale is linear")
    fields.ignore("externalType")
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
    for subject, given in (
        ("algorithm settings", made.settings),
        ("conditions", made.conditions),
        ("goal", made.target),
        ("trialTemplate", made.template or made.command),
        ("metricsCollectorSpec", made.collector),
        ("maxTrialCount", made.trials),
        ("parallelTrialCount", made.parallel),
        ("maxFailedTrialCount", made.failures),
        ("additionalMetricNames", made.metrics),
        *((key, value) for key, value in made.extra.items()),
    ):
        if given:
            losses.append(Loss(subject, "a StudySpec does not hold it"))
    spec: dict[str, Any] = {
        "algorithm": algorithm,
        "metrics": [{"metricId": made.metric, "goal": "MAXIMIZE" if made.maximize else "MINIMIZE"}],
        "parameters": [{"parameterId": p.name, **_written(p, losses)} for p in made.parameters],
    }
    if made.stopping == "medianstop":
        spec["medianAutomatedStoppingSpec"] = {}
    elif made.stopping:
        losses.append(Loss("earlyStopping", f"Vizier has no {made.stopping!r}"))
    return spec


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
            losses.append(Loss(parameter.name, "its steps become a list of values"))
            return {"discreteValueSpec": {"values": listed}}
        losses.append(Loss(parameter.name, "Vizier has no steps; they are left out"))
    scale = _LOG if parameter.distribution.is_log else "UNIT_LINEAR_SCALE"
    if isinstance(parameter, Int):  # an int64 is a text in the JSON of protobuf
        ends = {"minValue": str(parameter.min), "maxValue": str(parameter.max)}
        return {"integerValueSpec": ends, "scaleType": scale}
    numbers = {"minValue": parameter.min, "maxValue": parameter.max}
    return {"doubleValueSpec": numbers, "scaleType": scale}
