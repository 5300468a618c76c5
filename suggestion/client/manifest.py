"""Experiment files: YAML as users have it, checked against a schema, with line numbers.

Scalars stay as they were written: ``1e-3`` and ``0.10`` reach the server as those texts, quoted or
not. All problems of a file are reported at once, each with file, line, path, value and rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from suggestion.problem.errors import quote
from suggestion.problem.locations import Location, dotted

if TYPE_CHECKING:
    import jsonschema

FieldPath: TypeAlias = Location

API_VERSION: Final = "kubeflow.org/v1beta1"

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "string", "description": "a number"}
_COUNT: Final = {"type": "string", "pattern": r"^\s*[0-9]+\s*$", "description": "a whole number"}
_SETTINGS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "additionalProperties": False,
        "properties": {"name": _TEXT, "value": _TEXT},
    },
}
_ALGORITHM: Final = {
    "type": "object",
    "required": ["algorithmName"],
    "additionalProperties": False,
    "properties": {"algorithmName": _TEXT, "algorithmSettings": _SETTINGS},
}
_FEASIBLE_SPACE: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "min": _NUMBER,
        "max": _NUMBER,
        "step": _NUMBER,
        "list": {"type": "array", "items": _TEXT},
        "distribution": {"enum": ["uniform", "logUniform", "normal", "logNormal"]},
    },
}

#: What a suggestion server needs of an Experiment; other fields are left alone.
EXPERIMENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": "Experiment"},
        "metadata": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
        "spec": {
            "type": "object",
            "required": ["objective", "algorithm", "parameters"],
            "properties": {
                "parallelTrialCount": _COUNT,
                "maxTrialCount": _COUNT,
                "maxFailedTrialCount": _COUNT,
                "objective": {
                    "type": "object",
                    "required": ["type", "objectiveMetricName"],
                    "additionalProperties": False,
                    "properties": {
                        "type": {"enum": ["minimize", "maximize"]},
                        "goal": _NUMBER,
                        "objectiveMetricName": _TEXT,
                        "additionalMetricNames": {"type": "array", "items": _TEXT},
                        "metricStrategies": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name", "value"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": _TEXT,
                                    "value": {"enum": ["min", "max", "latest"]},
                                },
                            },
                        },
                    },
                },
                "algorithm": _ALGORITHM,
                "earlyStopping": _ALGORITHM,
                "parameters": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "parameterType", "feasibleSpace"],
                        "additionalProperties": False,
                        "properties": {
                            "name": _TEXT,
                            "parameterType": {"enum": ["double", "int", "discrete", "categorical"]},
                            "feasibleSpace": _FEASIBLE_SPACE,
                        },
                    },
                },
            },
        },
    },
}

#: The short form in which ``suggest ask --trials`` takes trials.
TRIALS_SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["parameters"],
        "additionalProperties": False,
        "properties": {
            "name": _TEXT,
            "parameters": {"type": "object", "additionalProperties": _TEXT},
            "condition": {
                "enum": [
                    "Created",
                    "Running",
                    "Succeeded",
                    "Killed",
                    "Failed",
                    "MetricsUnavailable",
                    "EarlyStopped",
                    "Unknown",
                ]
            },
            "metrics": {"type": "object", "additionalProperties": _TEXT},
            "startTime": _TEXT,
            "completionTime": _TEXT,
        },
    },
}


class ManifestError(ValueError):
    """A file that cannot be used; the text has a line for each problem."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A YAML document and where each of its fields stands.

    Attributes:
        document: Mappings, lists, texts and None; numbers and booleans are texts as written.
        source: Name of the file, for messages.
    """

    document: Any
    source: str
    root: yaml.Node

    def line(self, path: FieldPath) -> int:
        """The line, from 1, of the field at `path`, or of the nearest one around it."""
        node = self.root
        line = node.start_mark.line + 1
        for step in path:
            child = _child(node, step)
            if child is None:
                break
            node = child
            line = node.start_mark.line + 1
        return line

    def problem(self, path: FieldPath, rule: str) -> str:
        """One line of a `ManifestError`."""
        return f"{self.source}:{self.line(path)}: {dotted(path) or 'the file'}: {rule}"


def load(path: Path, schema: dict[str, Any], *, kind: str | None = None) -> Manifest:
    """Reads and checks `path`.

    Args:
        schema: A JSON schema; all scalars are strings to it.
        kind: If the file has several documents, the ``kind`` of the one meant.

    Raises:
        ManifestError: With every problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from error
    try:
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
        manifests = [Manifest(_construct(node, {}), str(path), node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = "" if mark is None else f"{mark.line + 1}:"
        raise ManifestError(f"{path}:{line} not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"{path}: not YAML: {error}") from error
    chosen = [m for m in manifests if kind is None or _kind(m.document) == kind]
    if len(chosen) != 1 and len(manifests) == 1:
        chosen = manifests
    if len(chosen) != 1:
        what = f"documents of kind {kind}" if kind else "documents"
        raise ManifestError(f"{path}: must hold one, got {len(chosen)} {what}")
    problems = list(check(chosen[0], schema))
    if problems:
        raise ManifestError("\n".join(problems))
    return chosen[0]


def check(manifest: Manifest, schema: dict[str, Any]) -> Iterator[str]:
    """Every way in which the document breaks `schema`, as lines for people."""
    for where, rule in violations(manifest.document, schema):
        yield manifest.problem(where, rule)


def violations(document: Any, schema: dict[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Every way in which `document` breaks `schema`: where, and the rule."""
    import jsonschema  # noqa: PLC0415  (what it looks for to check formats takes a second)

    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(
        validator.iter_errors(document), key=lambda e: [str(p) for p in e.absolute_path]
    )
    for error in errors:
        yield from _rules(error, tuple(error.absolute_path))


def _rules(error: jsonschema.ValidationError, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    got = quote(error.instance) if isinstance(error.instance, str) else _noun(error.instance)
    expected: Any = error.validator_value
    instance: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "required":
            missing = [name for name in expected if name not in instance]
            # jsonschema reports each missing name by itself.
            name = next(n for n in missing if f"'{n}'" in error.message)
            yield path, f"{name} is required"
        case "additionalProperties" if expected is False:
            known = schema.get("properties", {})
            for name in instance:
                if name not in known:
                    yield (*path, name), f"unknown field; there is {', '.join(known)}"
        case "enum":
            yield path, f"must be one of {', '.join(expected)}, got {got}"
        case "const":
            yield path, f"must be {expected}, got {got}"
        case "pattern":
            yield path, f"must be {schema.get('description', expected)}, got {got}"
        case "type":
            nouns = {"string": "text", "array": "a list", "object": "a mapping"}
            types = [expected] if isinstance(expected, str) else list(expected)
            noun = " or ".join(nouns.get(t, t) for t in types)
            yield path, f"must be {schema.get('description', noun)}, got {got}"
        case _:
            yield path, error.message


def _noun(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else quote(value)


def _kind(document: object) -> object:
    return document.get("kind") if isinstance(document, dict) else None


def _construct(node: yaml.Node, done: dict[int, Any]) -> Any:
    """The data below `node`; an alias is the same object as its anchor."""
    if id(node) in done:
        if done[id(node)] is _UNDER_WAY:
            raise yaml.YAMLError("an alias must not refer to a node that it is part of")
        return done[id(node)]
    done[id(node)] = _UNDER_WAY
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = None if node.tag == "tag:yaml.org,2002:null" else node.value
    elif isinstance(node, yaml.SequenceNode):
        value = [_construct(child, done) for child in node.value]
    else:
        assert isinstance(node, yaml.MappingNode)
        yaml.constructor.SafeConstructor().flatten_mapping(node)
        value = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text", key.start_mark
                )
            if key.value in value:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {quote(key.value)} is used twice", key.start_mark
                )
            value[key.value] = _construct(child, done)
    done[id(node)] = value
    return value


_UNDER_WAY: Final = object()


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    children: Sequence[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else ()
    return children[step] if isinstance(step, int) and step < len(children) else None
