"""Today's Experiment files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from suggestion.client import containers, manifest, schema
from suggestion.client.manifest import FieldPath
from suggestion.conversion import spaces
from suggestion.conversion.definition import (
    ConversionError,
    Definition,
    Loss,
    aliases,
    reference,
)
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.locations import dotted
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.priors import Distribution

#: Name of the container whose process a trial is, where a file does not name it.
CONTAINER: Final = "training-container"
#: An image that a user puts their own in place of.
IMAGE: Final = "example.com/team/image:tag"
#: What is kept of an object's metadata beside its name.
METADATA: Final = ("namespace", "labels", "annotations")
_UNIFORM: Final = ("", "uniform", "unknown")
_CONDITIONS: Final = "conditions"
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


# ------------------------------------------------------------------------ reading


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what an Experiment of v1beta1 says.

    Raises:
        ConversionError: If a field that is read has not the shape that it should have.
    """
    root = Fields(data, "", losses)
    root.ignore("apiVersion", "kind", "status")
    metadata = root.fields("metadata")
    name = metadata.text("name") or metadata.text("generateName").rstrip("-.")
    metadata.ignore("generateName", "creationTimestamp", "uid", "resourceVersion")
    metadata.ignore("generation", "managedFields", "selfLink")
    kept = {key: metadata.take(key) for key in METADATA}
    spec = root.fields("spec")
    _check_template(spec.take("trialTemplate"))
    made = replace(read_spec(spec, name), metadata={k: v for k, v in kept.items() if v})
    for fields in (spec, metadata, root):
        fields.close()
    return made


def _check_template(template: object) -> None:
    """Check the shape of a trial template, if there is one.

    Raises:
        ConversionError: With all that is wrong.
    """
    if template is None:
        return
    broken = [
        ((*containers.TEMPLATE, *where), rule)
        for where, rule in manifest.violations(template, schema.TEMPLATE)
    ] or list(containers.shapes({"spec": {"trialTemplate": template}}))
    if broken:
        raise ConversionError([Loss(dotted(where), rule) for where, rule in broken])


def read_spec(spec: Fields, name: str) -> Definition:
    """Return what the spec of an Experiment says, of v1alpha2 and later."""
    objective = spec.fields("objective")
    kind = objective.text("type")
    algorithm, settings = section(spec.fields("algorithm"))
    stopping, stopping_settings = section(spec.fields("earlyStopping"))
    builder = spaces.Builder(spec.losses)
    for place, entry in spec.entries("parameters"):
        read_parameter(builder, place, entry)
    extra = {"resumePolicy": spec.take("resumePolicy"), "nasConfig": _nas(spec.take("nasConfig"))}
    extra["metricStrategies"] = objective.take("metricStrategies")
    made = Definition(
        name,
        builder.finish(),
        _conditions(settings),
        objective.text("objectiveMetricName", "objectiveMetricsName"),
        None if not kind else kind == "maximize",
        objective.number("goal"),
        objective.texts("additionalMetricNames", "additionalMetricsNames"),
        algorithm,
        {key: value for key, value in settings.items() if key != _CONDITIONS},
        stopping,
        stopping_settings,
        spec.whole("maxTrialCount"),
        spec.whole("parallelTrialCount"),
        spec.whole("maxFailedTrialCount"),
        template=spec.take("trialTemplate"),
        collector=spec.mapping("metricsCollectorSpec"),
        extra={key: value for key, value in extra.items() if value is not None},
    )
    objective.close()
    return made


def _nas(given: Any) -> Any:
    """Return a ``nasConfig`` whose sizes are whole numbers, as a cluster wants them."""
    graph = given.get("graphConfig") if isinstance(given, Mapping) else None
    if not isinstance(graph, Mapping):
        return given
    return {**given, "graphConfig": {key: _whole(value) for key, value in graph.items()}}


def _whole(value: Any) -> Any:
    """Return the whole numbers in a value that are texts as numbers."""
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def section(fields: Fields) -> tuple[str, dict[str, str]]:
    """Return the name and the settings of ``algorithm`` or ``earlyStopping``."""
    name = fields.text("algorithmName", "earlyStoppingAlgorithmName")
    settings = {}
    for place, entry in fields.entries("algorithmSettings", "earlyStoppingSettings"):
        one = Fields(entry, place, fields.losses)
        settings[one.text("name")] = one.text("value")
        one.close()
    fields.close()
    return name, settings


def _conditions(settings: Mapping[str, str]) -> tuple[str, ...]:
    parts = (part.strip() for part in settings.get(_CONDITIONS, "").split(";"))
    return tuple(part for part in parts if part)


def read_parameter(builder: spaces.Builder, place: str, entry: Any) -> None:
    """Add a parameter as Experiments of any version declare it."""
    fields = Fields(entry, place, builder.losses)
    name = fields.text("name")
    kind = fields.text("parameterType").lower()
    feasible = fields.fields("feasibleSpace", "feasible")
    if kind in ("discrete", "categorical"):
        listed = feasible.texts("list")
        if (distribution := feasible.text("distribution")).lower() not in _UNIFORM:
            feasible.lose("distribution", f"values are equally probable, got {distribution!r}")
        builder.listed(name, place, listed, ordered=kind == "discrete")
    elif kind in ("double", "int"):
        low, high, step = (feasible.text(key) for key in ("min", "max", "step"))
        distribution = feasible.text("distribution")
        builder.ranged(
            name, place, low, high, step or None,
            whole=kind == "int",
            log=distribution.lower().startswith("log"),
            normal=distribution.lower().endswith("normal"),
        )  # fmt: skip
    else:
        rule = "parameterType must be double, int, discrete or categorical"
        builder.refuse(place, f"{rule}, got {kind!r}")
    feasible.close(f"has no effect on {kind}")
    fields.close()


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return an Experiment that runs here, and on a cluster if its template has an object."""
    return _document(made, losses, cluster=False)


def write_for_cluster(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return an Experiment whose template is a Job, if it is no other object."""
    return _document(made, losses, cluster=True)


def _document(made: Definition, losses: list[Loss], cluster: bool) -> dict[str, Any]:
    extra = dict(made.extra)
    objective: dict[str, Any] = {"type": "maximize" if made.maximize else "minimize"}
    if made.target:
        objective["goal"] = spaces.number(made.target)
    objective["objectiveMetricName"] = made.metric
    if made.metrics:
        objective["additionalMetricNames"] = list(made.metrics)
    if "metricStrategies" in extra:
        objective["metricStrategies"] = extra.pop("metricStrategies")
    settings = dict(made.settings)
    if made.conditions:
        settings[_CONDITIONS] = "; ".join(made.conditions)
    spec: dict[str, Any] = {
        "objective": objective,
        "algorithm": _section(made.algorithm, settings),
    }
    if made.stopping:
        spec["earlyStopping"] = _section(made.stopping, made.stopping_settings)
    counts = {
        "parallelTrialCount": made.parallel,
        "maxTrialCount": made.trials,
        "maxFailedTrialCount": made.failures,
    }
    spec |= {key: count for key, count in counts.items() if count is not None}
    spec |= extra
    if made.parameters:
        spec["parameters"] = [declaration(parameter) for parameter in made.parameters]
    if made.collector is not None:
        spec["metricsCollectorSpec"] = made.collector
    spec["trialTemplate"] = _template(made, losses, cluster)
    return {
        "apiVersion": schema.API_VERSION,
        "kind": "Experiment",
        "metadata": {"name": made.name, **made.metadata},
        "spec": spec,
    }


def _section(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"algorithmName": name}
    if settings:
        made["algorithmSettings"] = [{"name": k, "value": v} for k, v in settings.items()]
    return made


def declaration(parameter: Parameter) -> dict[str, Any]:
    """Return a parameter as an Experiment file declares it."""
    feasible: dict[str, Any]
    if isinstance(parameter, Discrete | Categorical):
        kind = "discrete" if isinstance(parameter, Discrete) else "categorical"
        feasible = {"list": list(parameter.values)}
    else:
        assert isinstance(parameter, Double | Int)
        kind = "int" if isinstance(parameter, Int) else "double"
        feasible = {"min": scalar(parameter.min), "max": scalar(parameter.max)}
        if spaces.stepped(parameter):
            feasible["step"] = scalar(parameter.step)
        if parameter.distribution is not Distribution.UNIFORM:
            feasible["distribution"] = parameter.distribution.value
    return {"name": parameter.name, "parameterType": kind, "feasibleSpace": feasible}


def _template(made: Definition, losses: list[Loss], cluster: bool) -> Mapping[str, Any]:
    """Return the trial template."""
    given = made.template
    if given is not None and not (cluster and _is_short(given)):
        return given
    template: dict[str, Any] = dict(given or {})
    command = template.get("command") or list(made.command)
    if not cluster:
        return {**template, "command": command} | parameters_of(made.parameters)
    if isinstance(command, str):
        command = containers.split(command)
    image = template.get("image")
    if not image:
        image = IMAGE
        losses.append(Loss("trialTemplate", f"put your image in place of {IMAGE}"))
    container: dict[str, Any] = {"name": CONTAINER, "image": image, "command": command}
    for key in ("args", "workingDir", "resources"):
        if key in template:
            container[key] = template[key]
    if env := template.get("env"):
        pairs = isinstance(env, Mapping)
        container["env"] = [{"name": k, "value": v} for k, v in env.items()] if pairs else env
    declared = template.get("trialParameters")
    own = {"trialParameters": declared} if declared else own_names(made.parameters)
    made_up = (*schema.SHORT_FORM, "trialParameters", "primaryContainerName")
    around = {key: value for key, value in template.items() if key not in made_up}
    return {**job(container, own, retain=bool(made.stopping)), **around}


def _is_short(template: Mapping[str, Any]) -> bool:
    return "trialSpec" not in template and "configMap" not in template


def parameters_of(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return ``trialParameters`` where a reference cannot be a parameter's own name."""
    names = aliases([parameter.name for parameter in parameters])
    plain = all(name == alias for name, alias in names.items())
    return {} if plain else own_names(parameters)


def own_names(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return ``trialParameters`` that declare every parameter."""
    names = aliases([parameter.name for parameter in parameters])
    return {"trialParameters": [{"name": a, "reference": n} for n, a in names.items()]}


def job(
    container: Mapping[str, Any],
    parameters: Mapping[str, Any],
    pod: Mapping[str, Any] | None = None,
    retain: bool = False,
) -> dict[str, Any]:
    """Return a trial template whose object is a Job with one container.

    Args:
        parameters: ``trialParameters``.
        pod: Further fields of the pod.
        retain: Keep the Job of a trial that has ended, which early stopping on a cluster needs.
    """
    inside = {"containers": [container], "restartPolicy": "Never", **(pod or {})}
    return {
        "primaryContainerName": container["name"],
        **({"retain": True} if retain else {}),
        **parameters,
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"backoffLimit": 0, "template": {"spec": inside}},
        },
    }


# ------------------------------------------------------------------------ commands


_REFERENCE: Final = re.compile(r"\$\{trialParameters\.([^}]*)\}")


def container_of(made: Definition, losses: list[Loss], *, kept: bool = False) -> dict[str, Any]:
    """Return the primary container of a template: command, args, env, image, …

    References are to parameters by their own names.

    Args:
        losses: Told of what is around the container.
        kept: Whether the object around it is kept, of which nothing is said then.
    """
    template: Mapping[str, Any] = made.template or {"command": list(made.command)}
    found = containers.primary({"metadata": {}, "spec": {"trialTemplate": template}}, None)
    losses += [Loss(dotted(where), rule) for where, rule in found.found]
    around = [(*containers.TEMPLATE, key) for key in template if key not in _USED]
    if not kept:
        around += _around(
            template.get("trialSpec"), (*containers.TEMPLATE, "trialSpec"), found.path
        )
    losses += [Loss(dotted(where), "is left out") for where in around]
    declared = {
        entry["name"]: entry["reference"] for entry in template.get("trialParameters") or ()
    } or {alias: name for name, alias in aliases([p.name for p in made.parameters]).items()}
    own = {alias: reference(name) for alias, name in declared.items()}
    return {key: substituted(value, own) for key, value in found.container.items() if value}


# Of a template: what is read, and what only says where the container is.
_USED: Final = frozenset(
    {"trialSpec", "configMap", "trialParameters", "primaryContainerName", *schema.SHORT_FORM}
)
# What another system does as well without being told.
_PLAIN: Final = frozenset({("backoffLimit", "0"), ("restartPolicy", "Never")})


def _around(node: Any, place: FieldPath, path: FieldPath) -> Iterator[FieldPath]:
    """Yield the places beside the way from an object at `place` to what is at `path` in it."""
    if place == path:
        return
    if isinstance(node, Mapping):
        entries: list[tuple[Any, Any]] = list(node.items())
    else:
        entries = list(enumerate(node)) if isinstance(node, list) else []
    for key, value in entries:
        where = (*place, key)
        if path[: len(where)] == where:
            yield from _around(value, where, path)
        elif key not in ("apiVersion", "kind") and (key, str(value)) not in _PLAIN:
            yield where


def substituted(node: Any, texts: Mapping[str, str]) -> Any:
    """Return a part of a container with references replaced by `texts`, by what they name."""
    if isinstance(node, str):
        return _REFERENCE.sub(lambda match: texts.get(match[1], match[0]), node)
    if isinstance(node, Mapping):
        return {key: substituted(value, texts) for key, value in node.items()}
    return [substituted(value, texts) for value in node] if isinstance(node, list) else node
