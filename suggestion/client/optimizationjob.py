"""OptimizationJob files of Kubeflow's Trainer, read as the Experiment that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from suggestion.client import manifest, schema
from suggestion.client.containers import Problem
from suggestion.client.manifest import FieldPath, Manifest
from suggestion.problem.errors import quote

API_VERSION: Final = "trainer.kubeflow.org/v1alpha1"
KIND: Final = "OptimizationJob"
#: Before the name of a parameter in upper case: the variable in which a trial finds its value.
PREFIX: Final = "KUBEFLOW_TRAINER_OPT_"
MOST_TRIALS: Final = 100
#: What the names of parameters are made of.
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LONGEST: Final = 64
_NODE: Final = "node"


def is_one(document: object) -> bool:
    """Return whether `document` is an OptimizationJob."""
    return isinstance(document, Mapping) and document.get("kind") == KIND


def problems(document: Any) -> list[Problem]:
    """Return where an OptimizationJob has not the shape that it should have."""
    found = list(manifest.violations(document, schema.OPTIMIZATION_JOB))
    if found:
        return found
    spec = document["spec"]
    exactly: list[tuple[FieldPath, Any, str]] = [
        (("spec", "parameters", index, "searchSpace"), entry["searchSpace"], _SPACES)
        for index, entry in enumerate(spec["parameters"])
    ]
    if "searchAlgorithm" in spec:
        exactly.append((("spec", "searchAlgorithm"), spec["searchAlgorithm"], "random, grid"))
    found = [
        (where, f"must hold exactly one of {known}, got {', '.join(node) or 'none'}")
        for where, node, known in exactly
        if len(node) != 1
    ]
    if len(spec["objectives"]) != 1:
        found.append((("spec", "objectives"), f"must be one, got {len(spec['objectives'])}"))
    variables: dict[str, str] = {}
    for index, entry in enumerate(spec["parameters"]):
        name = entry["name"]
        if not NAME.fullmatch(name):  # else no shell can read its variable
            rule = "must be letters, digits and _, and not begin with a digit"
            found.append((("spec", "parameters", index, "name"), f"{rule}, got {quote(name)}"))
        other = variables.setdefault(name.upper(), name)
        if other != name:
            rule = f"must differ in more than upper and lower case from {quote(other)}"
            found.append((("spec", "parameters", index, "name"), f"{rule}, got {quote(name)}"))
    return found


_SPACES: Final = "uniform, logUniform, categorical"


def as_experiment(read: Manifest) -> Manifest:
    """Return the Experiment that an OptimizationJob means; its paths lead back to the file's.

    Args:
        read: A file without `problems`.
    """
    return replace(read, document=experiment(read.document), origin=_Origin(read.document))


def experiment(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Experiment that an OptimizationJob without `problems` means."""
    given = document["spec"]
    (objective,) = given["objectives"]
    search = given.get("searchAlgorithm") or {"random": {}}
    ((algorithm, options),) = search.items()
    section: dict[str, Any] = {"algorithmName": algorithm}
    if "seed" in options:
        section["algorithmSettings"] = [{"name": "random_state", "value": options["seed"]}]
    spec = {
        "objective": {
            "type": objective.get("direction", "Minimize").lower(),
            "objectiveMetricName": objective["metric"],
        },
        "algorithm": section,
        "parallelTrialCount": given.get("parallelTrials", "1"),
        "maxTrialCount": given.get("numTrials", "1"),
        "parameters": [_parameter(entry) for entry in given["parameters"]],
        "trialTemplate": _template(given["trainJobTemplate"], given["parameters"]),
    }
    metadata = document["metadata"]
    return {"apiVersion": schema.API_VERSION, "kind": "Experiment", "metadata": metadata} | {
        "spec": spec
    }


def _parameter(entry: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, space),) = entry["searchSpace"].items()
    if kind == "categorical":
        made, feasible = "categorical", {"list": space["choices"]}
    else:
        made = "int" if space.get("type") == "Int" else "double"
        feasible = {"min": space["min"], "max": space["max"], "distribution": kind}
        if kind == "uniform":
            del feasible["distribution"]
    return {"name": entry["name"], "parameterType": made, "feasibleSpace": feasible}


def _template(job: Mapping[str, Any], parameters: Any) -> dict[str, Any]:
    """Return the trial template: the TrainJob, with a variable for each parameter."""
    names = [entry["name"] for entry in parameters]
    trainer = dict(job["spec"].get("trainer") or {})
    trainer["env"] = [
        *(trainer.get("env") or ()),
        *({"name": f"{PREFIX}{n.upper()}", "value": f"${{trialParameters.{n}}}"} for n in names),
    ]
    metadata = {"metadata": job["metadata"]} if job.get("metadata") else {}
    return {
        "primaryContainerName": _NODE,
        "trialParameters": [{"name": name, "reference": name} for name in names],
        "trialSpec": {
            "apiVersion": API_VERSION,
            "kind": "TrainJob",
            **metadata,
            "spec": {**job["spec"], "trainer": trainer},
        },
    }


class _Origin:
    """Finds in an OptimizationJob what is at a path of its Experiment."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._kinds = [next(iter(e["searchSpace"])) for e in document["spec"]["parameters"]]
        self._algorithm = next(iter(document["spec"].get("searchAlgorithm") or ("random",)))

    def __call__(self, path: FieldPath) -> FieldPath:
        if path[:1] != ("spec",):
            return path
        match path[1:]:
            case ("objective", "objectiveMetricName"):
                return ("spec", "objectives", 0, "metric")
            case ("objective", *_):
                return ("spec", "objectives", 0, "direction")
            case ("algorithm", "algorithmSettings", *_):
                return ("spec", "searchAlgorithm", self._algorithm, "seed")
            case ("algorithm", *_):
                return ("spec", "searchAlgorithm")
            case ("maxTrialCount",):
                return ("spec", "numTrials")
            case ("parallelTrialCount",):
                return ("spec", "parallelTrials")
            case ("parameters", int(index), "feasibleSpace", *rest):
                inner = [{"list": "choices"}.get(str(step), step) for step in rest]
                return ("spec", "parameters", index, "searchSpace", self._kinds[index], *inner)
            case ("parameters", int(index), "parameterType"):
                return ("spec", "parameters", index, "searchSpace", self._kinds[index], "type")
            case ("trialTemplate", "trialSpec", *rest):
                return ("spec", "trainJobTemplate", *rest)
            case ("trialTemplate", *_):
                return ("spec", "trainJobTemplate")
        return path


def refusals(read: Manifest) -> Iterator[Problem]:
    """Yield what a cluster refuses in an OptimizationJob that runs here.

    Args:
        read: Its Experiment, whose paths are those of what is yielded.
    """
    spec = read.document["spec"]
    try:
        trials, parallel = int(spec["maxTrialCount"]), int(spec["parallelTrialCount"])
    except (KeyError, ValueError):  # a change from the command line, which is refused anyway
        return
    if trials > MOST_TRIALS:
        yield ("spec", "maxTrialCount"), f"must be at most {MOST_TRIALS}, got {trials}"
    if parallel > trials:
        where: FieldPath = ("spec", "parallelTrialCount")
        yield where, f"must be at most numTrials, {trials}, got {parallel}"
    grid = spec["algorithm"]["algorithmName"] == "grid"
    for index, parameter in enumerate(spec["parameters"]):
        where = ("spec", "parameters", index)
        if grid and parameter["parameterType"] != "categorical":
            yield where, f"grid takes categorical parameters only, got {quote(parameter['name'])}"
        if len(parameter["name"]) > _LONGEST:
            got = len(parameter["name"])
            yield (*where, "name"), f"must have at most {_LONGEST} characters, got {got}"
