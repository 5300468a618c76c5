"""Katib's objects before v1beta1: StudyJob of v1alpha1, Experiment of v1alpha2 and v1alpha3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from suggestion.client.parameters import assigned_by
from suggestion.conversion import experiment, gotemplates, spaces, study2018
from suggestion.conversion.definition import Definition, Loss
from suggestion.conversion.fields import Fields
from suggestion.problem.errors import quote

#: What the search by reinforcement learning was called that became enas.
_REINFORCE: Final = "nasrl"
VERSIONS: Final = ("kubeflow.org/v1alpha1", "kubeflow.org/v1alpha2", "kubeflow.org/v1alpha3")


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what an object of an alpha version says."""
    root = Fields(data, "", losses)
    job = root.text("apiVersion") == VERSIONS[0] or root.text("kind") == "StudyJob"
    root.ignore("kind", "status")
    metadata = root.fields("metadata")
    name = metadata.text("name") or metadata.text("generateName").rstrip("-.")
    metadata.ignore("creationTimestamp", "generateName")
    kept = {key: metadata.take(key) for key in experiment.METADATA}
    spec = root.fields("spec")
    made = _study_job(spec, name) if job else _experiment(spec, name)
    made = replace(made, metadata={key: value for key, value in kept.items() if value})
    for fields in (spec, metadata, root):
        fields.close()
    return made


def _experiment(spec: Fields, name: str) -> Definition:
    algorithm = Fields(spec.take("algorithm") or {}, "", []).text("algorithmName")
    names = [Fields(e, p, []).text("name") for p, e in spec.entries("parameters")]
    names = names or _searched(spec, algorithm)
    template = _template(spec.fields("trialTemplate"), names, "retain")
    collector = spec.take("metricsCollectorSpec")
    if isinstance(collector, dict) and "goTemplate" in collector:
        why = "collectors are no CronJobs any more; write spec.metricsCollectorSpec if trials do "
        spec.lose("metricsCollectorSpec", f"{why}not print NAME=VALUE")
        collector = None
    made = experiment.read_spec(spec, name)
    made = replace(made, template=template, collector=collector)
    if made.stopping.lower() in study2018.STOPPING:
        stopping = study2018.STOPPING[made.stopping.lower()]
        renamed = study2018.renamed(stopping)
        rules = {renamed.get(k.lower(), k): text for k, text in made.stopping_settings.items()}
        made = replace(made, stopping=stopping, stopping_settings=rules)
    if made.algorithm != _REINFORCE:
        return made
    known = study2018.renamed("enas")
    for lost in sorted(made.settings.keys() - known.keys()):
        why = f"the setting {quote(lost)} has no counterpart here"
        spec.fields("algorithm").lose("algorithmSettings", why)
    settings = {known[key]: text for key, text in made.settings.items() if key in known}
    return replace(made, algorithm="enas", settings=settings)


def _searched(spec: Fields, algorithm: str) -> list[str]:
    """Return the names of what trials receive of a nasConfig, if there is one."""
    if "nasConfig" not in spec:
        return []
    return [*assigned_by(algorithm)]


def _study_job(spec: Fields, name: str) -> Definition:
    study = spec.text("studyName")
    goal = spec.text("optimizationtype").lower()
    suggestion = spec.fields("suggestionSpec")
    algorithm = suggestion.known(
        {**study2018.ALGORITHMS, _REINFORCE: "enas"}, "suggestionAlgorithm"
    )
    grid = study2018.read_grid(suggestion, "suggestionParameters", algorithm)
    settings, _, _ = study2018.read_settings(suggestion, "suggestionParameters", algorithm, grid)
    each = suggestion.whole("requestNumber")
    suggestion.close()
    rounds = spec.whole("requestcount")
    stopping_spec = spec.fields("earlyStoppingSpec")
    stopping = stopping_spec.known(study2018.STOPPING, "earlyStoppingAlgorithm")
    rules, _, _ = study2018.read_settings(stopping_spec, "earlyStoppingParameters", stopping)
    stopping_spec.close()
    builder = spaces.Builder(spec.losses)
    for place, entry in spec.entries("parameterconfigs"):
        study2018.read_parameter(builder, place, entry, grid)
    parameters = builder.finish()
    metric = spec.text("objectivevaluename")
    names = [p.name for p in parameters] or _searched(spec, algorithm)
    template = _template(spec.fields("workerSpec"), names, "retain")
    network = _network(spec.fields("nasConfig")) if "nasConfig" in spec else None
    if spec.take("metricsCollectorSpec") is not None:
        why = "collectors are no CronJobs any more; trials print NAME=VALUE"
        spec.lose("metricsCollectorSpec", why)
    return Definition(
        name or study,
        parameters,
        (),
        metric,
        goal == "maximize" if goal else None,
        spec.number("optimizationgoal"),
        tuple(known for known in spec.texts("metricsnames") if known != metric),
        algorithm,
        settings,
        stopping,
        rules,
        None if rounds is None else rounds * (each or 1),
        each,
        template=template,
        extra={} if network is None else {"nasConfig": network},
    )


def _network(fields: Fields) -> dict[str, Any]:
    """Return today's nasConfig for that of v1alpha1, with its names."""
    graph = fields.fields("graphConfig")
    layers = graph.whole("numLayers")
    sizes = {
        there: [int(text) if text.isdecimal() else text for text in graph.texts(here)]
        for here, there in (("inputSize", "inputSizes"), ("outputSize", "outputSizes"))
    }
    operations = []
    for place, entry in fields.entries("operations"):
        one = Fields(entry, place, fields.losses)
        parameters = []
        for where, inner in one.entries("parameterconfigs"):
            parameter = Fields(inner, where, fields.losses)
            name, kind = parameter.text("name"), parameter.text("parametertype")
            feasible = dict(parameter.mapping("feasible") or {})
            made = {"name": name, "parameterType": kind, "feasibleSpace": feasible}
            parameters.append(made)
            parameter.close()
        operations.append({"operationType": one.text("operationType"), "parameters": parameters})
        one.close()
    graph.close()
    fields.close()
    return {"graphConfig": {"numLayers": layers, **sizes}, "operations": operations}


def _template(fields: Fields, names: list[str], key: str) -> dict[str, Any] | None:
    """Return today's trial template for one with a Go template in it."""
    retain = fields.text(key).lower() == "true"
    go = fields.fields("goTemplate")
    raw = go.take("rawTemplate")
    for other in ("templatePath", "templateSpec"):
        if other in go:
            go.lose(other, "names a template in a cluster; write it under spec.trialTemplate")
            go.ignore(other)
    go.close()
    fields.close()
    if not isinstance(raw, str):
        return None
    return gotemplates.read(raw, names, go.at("rawTemplate"), fields.losses, retain)
