"""Experiment files for ``suggest run``: the whole schema, and changes from the command line."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from suggestion.client import manifest, template
from suggestion.client.filters import BadFilter, compile_filter
from suggestion.client.manifest import FieldPath, Manifest, ManifestError
from suggestion.client.numbers import finite
from suggestion.client.template import Problem, Template
from suggestion.problem.errors import quote
from suggestion.problem.locations import dotted

_TEXT: Final = {"type": "string"}
_WORDS: Final = {"type": "array", "items": _TEXT}
_COUNT: Final = {"type": "string", "pattern": r"^\s*[1-9][0-9]*\s*$", "description": "at least 1"}
_ENV: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "value": {"type": ["string", "null"], "description": "text"},
            "valueFrom": {"type": "object"},
        },
    },
}
_TEMPLATE: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "primaryContainerName": _TEXT,
        "primaryPodLabels": {"type": "object"},
        "successCondition": _TEXT,
        "failureCondition": _TEXT,
        "retain": _TEXT,
        "trialParameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "reference"],
                "additionalProperties": False,
                "properties": {
                    "name": _TEXT,
                    "reference": _TEXT,
                    "description": {"type": ["string", "null"]},
                },
            },
        },
        "trialSpec": {"type": "object"},
        "configMap": {"type": "object"},
        # The short form, for those without a cluster.
        "command": {"type": ["string", "array"], "description": "text or a list", "items": _TEXT},
        "args": _WORDS,
        "env": {"type": ["object", "array"]},
        "workingDir": _TEXT,
        "image": _TEXT,
        "resources": {"type": "object"},
    },
}
KINDS: Final = (
    "StdOut",
    "File",
    "TensorFlowEvent",
    "Push",
    "None",
    "PrometheusMetric",
    "Custom",
)
_COLLECTOR: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "collector": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"kind": {"enum": list(KINDS)}, "customCollector": {"type": "object"}},
        },
        "source": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "fileSystemPath": {
                    "type": "object",
                    "required": ["path"],
                    "additionalProperties": False,
                    "properties": {
                        "path": _TEXT,
                        "kind": {"enum": ["File", "Directory"]},
                        "format": {"enum": ["TEXT", "JSON"]},
                    },
                },
                "filter": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"metricsFormat": _WORDS},
                },
                "httpGet": {"type": "object"},
            },
        },
    },
}
# What a container says of its process; the rest of a pod is Kubernetes' business.
_CONTAINER: Final = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "image": _TEXT,
        "command": _WORDS,
        "args": _WORDS,
        "env": _ENV,
        "workingDir": _TEXT,
    },
}


def _schema() -> dict[str, Any]:
    schema = copy.deepcopy(manifest.EXPERIMENT_SCHEMA)
    spec = schema["properties"]["spec"]
    spec["properties"] |= {
        "parallelTrialCount": _COUNT,
        "maxTrialCount": _COUNT,
        "trialTemplate": _TEMPLATE,
        "metricsCollectorSpec": _COLLECTOR,
        "resumePolicy": {"enum": ["Never", "LongRunning", "FromVolume"]},
        "nasConfig": {"type": "object"},
    }
    spec["additionalProperties"] = False
    # It becomes a part of paths and of the trials' names.
    schema["properties"]["metadata"]["properties"]["name"] = {
        "type": "string",
        "pattern": r"\A[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z",
        "description": "lower-case letters, digits, - and .",
    }
    return schema


SCHEMA: Final = _schema()
_CHANGE: Final = re.compile(r"([\w.\[\]-]+)=(.*)", re.DOTALL)
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Collector:
    """How the metrics of a trial are found.

    Attributes:
        kind: ``StdOut``, ``File``, ``TensorFlowEvent``, ``Push`` or ``None``.
        path: In the container, of the file or folder; empty for StdOut.
        json: Whether lines are JSON objects.
        filters: Regular expressions; the default one if there are none.
    """

    kind: str
    path: str
    json: bool
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An Experiment file that can be run.

    Attributes:
        manifest: The file, with the changes.
        folder: That the file lies in.
    """

    manifest: Manifest
    template: Template
    collector: Collector
    folder: Path

    @property
    def document(self) -> dict[str, Any]:
        """The Experiment, with changes from the command line; scalars are texts."""
        made: dict[str, Any] = self.manifest.document
        return made


def load(
    path: Path, changes: Sequence[str] = (), command: str | None = None, image: bool = False
) -> Loaded:
    """Reads and checks an Experiment file.

    Args:
        changes: ``spec.maxTrialCount=20``, applied before the checks.
        command: Replaces the trial's command.
        image: Trials run in the container's image; else its command runs here.

    Raises:
        ManifestError: With every problem.
    """
    read = manifest.load(path, {}, kind="Experiment")
    changing = [problem for change in changes for problem in _apply(read.document, change)]
    if command is not None:
        try:
            template.split(command)
        except ValueError as error:
            changing.append(f"--command: {error}, got {quote(command)}")
            command = None
    document: dict[str, Any] = read.document
    found: list[Problem] = list(manifest.violations(document, SCHEMA))
    broken = {where[:2] for where, _ in found}
    spec = document.get("spec") if isinstance(document, dict) else None

    def sound(*sections: str) -> bool:
        """Whether `sections` of the spec are there as the schema wants them."""
        return isinstance(spec, dict) and not any(("spec", part) in broken for part in sections)

    if sound("objective") and "objective" in (spec or ()):
        found += _objective(document)
    collector = None
    if sound("metricsCollectorSpec"):
        collector, wrong = _collector(document)
        found += wrong
    made = None
    if sound("trialTemplate", "parameters") and "parameters" in (spec or ()):
        wrong = list(_containers(document))
        if not wrong:
            made, wrong = template.read(document, command)
            wrong = wrong or list(_runnable(made, image))
        found += wrong
    if found or changing or made is None or collector is None:
        raise ManifestError("\n".join([*changing, *_lines(read, found)]))
    return Loaded(read, made, collector, path.resolve().parent)


def _runnable(made: Template, image: bool) -> Iterator[Problem]:
    """Whether there is something to run."""
    path: FieldPath = ("spec", "trialTemplate")
    if image:
        if not made.container.get("image"):
            yield path, "a runtime of containers needs an image, got none"
    elif not made.container.get("command"):
        yield (
            path,
            "the primary container has no command, and what its image would run cannot be known "
            "here; give --command, or --runtime docker",
        )


def _lines(read: Manifest, found: Sequence[Problem]) -> list[str]:
    return list(dict.fromkeys(read.problem(where, rule) for where, rule in found))


def _apply(document: Any, change: str) -> Iterator[str]:
    """Sets one field; yields what is wrong with it."""
    match = _CHANGE.fullmatch(change)
    if match is None:
        yield f"--set: must be FIELD=VALUE, got {quote(change)}"
        return
    steps: list[str | int] = [
        int(index) if index else name for name, index in _STEP.findall(match[1])
    ]
    node = document
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        fits = isinstance(node, list) if isinstance(step, int) else isinstance(node, dict)
        if not fits or (isinstance(step, int) and step >= len(node)):
            yield f"--set {change}: there is no {dotted(tuple(steps))}"
            return
        if following is None:
            node[step] = match[2]
        elif isinstance(node, dict) and node.get(str(step)) is None:
            node[str(step)] = {}
        node = node[step]


def _containers(document: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the shape of a container."""
    spec = (document["spec"].get("trialTemplate") or {}).get("trialSpec")
    for pod in template.pods(spec, ("spec", "trialTemplate", "trialSpec")):
        for index, container in enumerate(pod.spec["containers"]):
            for where, rule in manifest.violations(container, _CONTAINER):
                yield (*pod.path, "containers", index, *where), rule


def _objective(document: dict[str, Any]) -> Iterator[Problem]:
    objective = document["spec"]["objective"]
    path: FieldPath = ("spec", "objective")
    if objective.get("goal") is not None and finite(objective["goal"]) is None:
        yield (*path, "goal"), f"must be a finite number, got {quote(objective['goal'])}"
    known = [objective["objectiveMetricName"], *(objective.get("additionalMetricNames") or ())]
    for index, entry in enumerate(objective.get("metricStrategies") or ()):
        if entry["name"] not in known:
            rule = f"must be a metric of the objective ({', '.join(known)})"
            where = (*path, "metricStrategies", index, "name")
            yield where, f"{rule}, got {quote(entry['name'])}"


def _collector(document: dict[str, Any]) -> tuple[Collector, list[Problem]]:
    spec = document["spec"].get("metricsCollectorSpec") or {}
    path: FieldPath = ("spec", "metricsCollectorSpec")
    kind = (spec.get("collector") or {}).get("kind") or "StdOut"
    source = spec.get("source") or {}
    files = source.get("fileSystemPath") or {}
    filters = tuple((source.get("filter") or {}).get("metricsFormat") or ())
    made = Collector(kind, files.get("path") or "", files.get("format") == "JSON", filters)
    found: list[Problem] = []
    if kind in {"PrometheusMetric", "Custom"}:
        rule = "cannot be run here; there is StdOut, File, TensorFlowEvent, Push, None"
        found.append(((*path, "collector", "kind"), f"{rule}, got {kind}"))
    if kind in {"File", "TensorFlowEvent"} and not made.path:
        found.append((path, f"kind {kind} needs source.fileSystemPath.path"))
    if kind == "TensorFlowEvent" and find_spec("tensorboard") is None:
        rule = (
            "TensorFlowEvent needs the package tensorboard, which is not installed; "
            "pip install 'suggestion-servers[tensorboard]'"
        )
        found.append(((*path, "collector", "kind"), rule))
    for index, text in enumerate(filters):
        where = (*path, "source", "filter", "metricsFormat", index)
        try:
            compile_filter(text)
        except BadFilter as error:
            found.append((where, str(error)))
    return made, found
