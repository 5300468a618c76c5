"""What a cluster refuses of an Experiment file that runs here.

A cluster's webhook has rules of its own, and its reader of YAML keeps numbers, booleans and texts
apart. Nothing here stops a run unless the user asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.client import job
from suggestion.client.collector import FILTERS
from suggestion.client.collector import PATH as COLLECTOR
from suggestion.client.containers import TEMPLATE, Problem
from suggestion.client.filters import BadFilter, compile_filter
from suggestion.client.manifest import FieldPath, Manifest
from suggestion.client.references import REFERENCE, texts
from suggestion.client.schema import EXPERIMENT, SHORT_FORM
from suggestion.problem.errors import quote

_LONGEST_NAME: Final = 40
_RANDOM_LETTERS: Final = 5  # that a cluster adds to a generateName
#: Their success and failure conditions have defaults.
_KNOWN_KINDS: Final = frozenset(
    {"Job", "TFJob", "PyTorchJob", "XGBoostJob", "MPIJob", "MXJob", "PaddleJob", "JAXJob"}
    | {"TrainJob"}
)
_SPEC: Final[FieldPath] = (*TEMPLATE, "trialSpec")


def refusals(read: Manifest) -> Iterator[Problem]:
    """Yield every rule of a cluster that the file breaks, whatever else is wrong with it."""
    document = _mapping(read.document)
    spec = _mapping(document.get("spec"))
    template = _mapping(spec.get("trialTemplate"))
    yield from _metadata(read, _mapping(document.get("metadata")))
    yield from _counts(spec)
    yield from _objective(_mapping(spec.get("objective")))
    yield from _template(template)
    yield from _parameters(template)
    yield from _object(read, template)
    yield from _collector(_mapping(spec.get("metricsCollectorSpec")))
    yield from _types(read, document, EXPERIMENT, ())


def _metadata(read: Manifest, metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if not isinstance(name, str) or not name:
        return
    where: FieldPath = ("metadata", "name")
    length = len(name)
    if isinstance(prefix, str) and not read.has(where):
        where, length = ("metadata", "generateName"), len(prefix) + _RANDOM_LETTERS
    if length > _LONGEST_NAME:
        yield where, f"must have at most {_LONGEST_NAME} characters, got {length}"
    if not ("a" <= name[0] <= "z"):
        yield where, f"must begin with a lower-case letter, got {quote(name)}"


def _counts(spec: Mapping[str, Any]) -> Iterator[Problem]:
    most = _count(spec.get("maxTrialCount"))
    for field in ("parallelTrialCount", "maxFailedTrialCount"):
        count = _count(spec.get(field))
        if most is not None and count is not None and count > most:
            yield ("spec", field), f"must be at most maxTrialCount, {most}, got {count}"


def _count(text: object) -> int | None:
    """The count that `text` holds; None if it holds none, which is a matter of the schema."""
    fits = isinstance(text, str) and len(text) <= 20 and text.strip().isascii()
    return int(str(text)) if fits and str(text).strip().isdigit() else None


def _objective(objective: Mapping[str, Any]) -> Iterator[Problem]:
    metric = objective.get("objectiveMetricName")
    if metric is not None and metric in _sequence(objective.get("additionalMetricNames")):
        yield (
            ("spec", "objective", "additionalMetricNames"),
            f"must not hold the objective's metric, got {quote(metric)}",
        )


def _template(template: Mapping[str, Any]) -> Iterator[Problem]:
    short = [field for field in SHORT_FORM if field in template]
    if short and not {"trialSpec", "configMap"} & set(template):
        yield (
            (*TEMPLATE, short[0]),
            "the short form is for one machine; a cluster needs trialSpec, primaryContainerName "
            "and trialParameters",
        )
        return
    if "trialSpec" in template and "configMap" in template:
        yield (*TEMPLATE, "configMap"), "must not stand beside trialSpec"
    elif "configMap" in template:
        for field in ("configMapName", "configMapNamespace", "templatePath"):
            if not _mapping(template["configMap"]).get(field):
                yield (*TEMPLATE, "configMap"), f"needs {field}"
    if not template.get("primaryContainerName"):
        yield TEMPLATE, "needs primaryContainerName"
    if "trialParameters" not in template:
        yield TEMPLATE, "needs trialParameters"


def _parameters(template: Mapping[str, Any]) -> Iterator[Problem]:
    written = list(texts(template.get("trialSpec"), _SPEC))
    used = [
        (where, match[2])
        for where, text in written
        for match in REFERENCE.finditer(text)
        if match[1] == "trialParameters"
    ]
    names = {name for _, name in used}
    declared: set[str] = set()
    references: set[str] = set()
    for index, entry in enumerate(_sequence(template.get("trialParameters"))):
        name, reference = (_mapping(entry).get(key) for key in ("name", "reference"))
        where = (*TEMPLATE, "trialParameters", index)
        if not isinstance(name, str) or not isinstance(reference, str):
            continue
        if not name or not reference or {"{", "}"} & set(name):
            yield where, f"needs a reference, and a name without braces, got {quote(name)}"
        if reference in references:
            yield (*where, "reference"), f"must be there once, got {quote(reference)} again"
        if "trialSpec" in template and name not in names:
            yield (*where, "name"), f"must be used by the trialSpec, got {quote(name)}"
        declared.add(name)
        references.add(reference)
    if "trialParameters" in template:
        for where, name in used:
            if name not in declared:
                got = f"${{trialParameters.{name}}}"
                yield where, f"must name one of the trialParameters, got {got}"


def _object(read: Manifest, template: Mapping[str, Any]) -> Iterator[Problem]:
    spec = template.get("trialSpec")
    if not isinstance(spec, Mapping):
        return
    for field in ("apiVersion", "kind"):
        if not spec.get(field):
            yield _SPEC, f"needs {field}"
    for field in ("name", "namespace"):
        if _mapping(spec.get("metadata")).get(field):
            yield (*_SPEC, "metadata", field), "must be left out; each trial has its own"
    kind = spec.get("kind")
    if isinstance(kind, str) and kind not in _KNOWN_KINDS:
        for field in ("successCondition", "failureCondition"):
            if not template.get(field):
                yield TEMPLATE, f"needs {field}, since trials are of kind {kind}"
    if job.is_job(spec):
        yield from job.problems(read, spec, _SPEC)


def _collector(spec: Mapping[str, Any]) -> Iterator[Problem]:
    collector = spec.get("collector")
    kind = _mapping(collector).get("kind") or "StdOut"
    if isinstance(collector, Mapping) and not collector.get("kind"):
        yield (*COLLECTOR, "collector"), "needs kind; without the collector it is StdOut"
    source = _mapping(spec.get("source"))
    files = _mapping(source.get("fileSystemPath"))
    where: FieldPath = (*COLLECTOR, "source", "fileSystemPath")
    path = files.get("path")
    if kind == "None":
        yield (*COLLECTOR, "collector", "kind"), "None has been replaced by Push"
    if kind in ("File", "TensorFlowEvent"):
        if isinstance(path, str) and not path.startswith("/"):
            yield (*where, "path"), f"must be absolute, got {quote(path)}"
        wanted = "File" if kind == "File" else "Directory"
        if files.get("kind", wanted) != wanted:
            yield (*where, "kind"), f"must be {wanted}, got {files['kind']}"
    if kind == "File" and files.get("format") == "JSON" and "filter" in source:
        yield (*COLLECTOR, "source", "filter"), "must be left out where the format is JSON"
    if kind == "TensorFlowEvent" and "format" in files:
        yield (*where, "format"), "must be left out for TensorFlowEvent"
    if kind == "PrometheusMetric":
        get = _mapping(source.get("httpGet"))
        port, url = get.get("port", "80"), get.get("path", "/")
        if not _count(port):
            yield (*COLLECTOR, "source", "httpGet", "port"), f"must be a port, got {quote(port)}"
        if not isinstance(url, str) or not url.startswith("/"):
            yield (*COLLECTOR, "source", "httpGet", "path"), f"must begin with /, got {quote(url)}"
    if kind == "Custom" and "customCollector" not in _mapping(collector):
        yield (*COLLECTOR, "collector"), "kind Custom needs customCollector"
    for index, text in enumerate(_sequence(_mapping(source.get("filter")).get("metricsFormat"))):
        if isinstance(text, str):
            yield from _filter(text, (*FILTERS, index))


def _filter(text: str, where: FieldPath) -> Iterator[Problem]:
    try:
        refusal = compile_filter(text).refusal
    except BadFilter:
        return  # refused here, too
    if refusal:
        yield (
            where,
            (
                f"must be a Go (RE2) expression, without lookaround and backreferences: {refusal}, "
                f"got {quote(text)}"
            ),
        )


#: Fields that are not texts, by their last name; those of ``metadata`` that a cluster writes.
_NOT_TEXT: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "goal": ("a number", frozenset({"number", "whole number"})),
    "retain": ("true or false", frozenset({"boolean"})),
    "parallelTrialCount": ("a whole number", frozenset({"whole number"})),
    "maxTrialCount": ("a whole number", frozenset({"whole number"})),
    "maxFailedTrialCount": ("a whole number", frozenset({"whole number"})),
    "numLayers": ("a whole number", frozenset({"whole number"})),
    "inputSizes": ("a whole number", frozenset({"whole number"})),
    "outputSizes": ("a whole number", frozenset({"whole number"})),
    "generation": ("a whole number", frozenset({"whole number"})),
    "deletionGracePeriodSeconds": ("a whole number", frozenset({"whole number"})),
}
# Go reads 010 as 8, and 1_0 as 10.
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_TEXT: Final = ("text, in quotes", frozenset({"text"}))


def _types(read: Manifest, node: Any, schema: Mapping[str, Any], path: FieldPath) -> Iterator[
    Problem
]:  # fmt: skip
    """Scalars that are of another type to a cluster than it wants."""
    if isinstance(node, str) and path:
        field = next((step for step in reversed(path) if isinstance(step, str)), "")
        noun, fitting = _NOT_TEXT.get(field, _TEXT)
        written = read.type_of(path)
        if written and written not in fitting:
            yield path, f"must be {noun}, got the {written} {quote(node)}"
        elif written == "whole number" and not _DECIMAL.fullmatch(node.strip()):
            yield path, f"must be written in decimal digits, the same to every reader, got {node}"
    elif isinstance(node, Mapping):
        fields: Mapping[str, Any] = schema.get("properties", {})
        for key, value in node.items():
            if key in fields and not (path == TEMPLATE and key in SHORT_FORM):
                yield from _types(read, value, fields[key], (*path, key))
            elif path in _LABELS:
                yield from _types(read, value, {}, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _types(read, value, schema.get("items", {}), (*path, index))


_LABELS: Final[frozenset[FieldPath]] = frozenset(
    {("metadata", "labels"), ("metadata", "annotations"), (*TEMPLATE, "primaryPodLabels")}
)


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _sequence(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []
