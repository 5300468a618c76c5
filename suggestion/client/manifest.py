"""Experiment files: YAML as users have it, checked against a schema, with line numbers.

Scalars stay as they were written: ``1e-3`` and ``0.10`` reach the server as those texts, quoted or
not. All problems of a file are reported at once, each with file, line, path, value and rule.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from suggestion.client import expansion
from suggestion.problem.errors import quote
from suggestion.problem.locations import Location, dotted
from suggestion.problem.spelling import likely_meant

if TYPE_CHECKING:
    import jsonschema

FieldPath: TypeAlias = Location


class Severity(enum.StrEnum):
    """What a finding means for whoever runs the file."""

    ERROR = "error"  #: the file cannot be used
    CLUSTER = "cluster"  #: it can, but a cluster refuses it
    NOTE = "note"  #: it can, but something is probably a mistake


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a file, for people and for machines.

    Attributes:
        source: The file's name, or the option that the finding is about.
        line: From 1; 0 if it is about no line.
        field: Path of the field, ``spec.parameters[0].name``; may be empty.
        text: The rule, and what was there instead.
    """

    severity: Severity
    source: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        line = ": ".join(filter(None, (place, self.field, self.text)))
        # Names in a file may hold what a terminal would obey.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class ManifestError(ValueError):
    """A file that cannot be used; the text has a line for each finding."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A YAML document and where each of its fields stands.

    Attributes:
        document: Mappings, lists, texts and None; numbers and booleans are texts as written.
        source: Name of the file, for messages.
        origin: Where in the file is what stands at a path of the document, if it is not the same.
    """

    document: Any
    source: str
    root: yaml.Node
    origin: Callable[[FieldPath], FieldPath] | None = None

    def line(self, path: FieldPath) -> int:
        """The line, from 1, of the field at `path`, or of the nearest one around it."""
        node = self.root
        line = node.start_mark.line + 1
        for step in self._in_file(path):
            child = _child(node, step)
            if child is None:
                break
            node = child
            line = node.start_mark.line + 1
        return line

    def finding(self, path: FieldPath, rule: str, severity: Severity = Severity.ERROR) -> Finding:
        """Return what is wrong at `path`."""
        field = dotted(self._in_file(path)) or "the file"
        return Finding(severity, self.source, self.line(path), field, rule)

    def has(self, path: FieldPath) -> bool:
        """Return whether something stands at `path` in the file itself."""
        return self._node(path) is not None

    def nulls(self, path: FieldPath) -> Iterator[FieldPath]:
        """Yield where the file has a null at or below `path`, which the document leaves out."""
        left = [(path, self._node(path))]
        while left:
            where, node = left.pop()
            if isinstance(node, yaml.MappingNode):
                left += [((*where, key.value), child) for key, child in reversed(node.value)]
            elif isinstance(node, yaml.SequenceNode):
                left += [((*where, k), child) for k, child in enumerate(node.value)]
            elif isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
                yield where

    def type_of(self, path: FieldPath) -> str:
        """Return what the scalar at `path` is to a cluster, which reads YAML as Go does.

        Returns:
            ``text``, ``whole number``, ``number``, ``boolean``, ``nothing``; empty if the file
            has no scalar there, or another one than the document.
        """
        node = self._node(path)
        value = self.document
        for step in path:
            value = value[step]
        if isinstance(node, yaml.ScalarNode) and node.value == value:
            return _type_of(node)
        return ""

    def _in_file(self, path: FieldPath) -> FieldPath:
        return path if self.origin is None else self.origin(path)

    def type_as_written(self, path: FieldPath) -> str:
        """Return what the scalar at `path` of the document is; one that an option has set is plain.

        Returns:
            As `type_of`, never empty.
        """
        value = self.document
        for step in path:
            value = value[step]
        return self.type_of(path) or _type_of(yaml.ScalarNode("", str(value)))

    def _node(self, path: FieldPath) -> yaml.Node | None:
        node: yaml.Node | None = self.root
        for step in self._in_file(path):
            node = None if node is None else _child(node, step)
        return node


def in_file(location: Location) -> FieldPath:
    """Return where ``experiment.spec.parameter_specs.parameters[0]`` of a request is in a file."""
    path: list[str | int] = []
    for step in location:
        if isinstance(step, int):
            path.append(step)
        elif step not in {"experiment", "parameter_specs", "operation"}:
            head, *rest = step.split("_")
            path.append(head + "".join(part.capitalize() for part in rest))
    if path[:1] != ["spec"] and path[:1] != ["name"]:
        path.insert(0, "spec")
    return tuple(path)


def load(path: Path, schema: dict[str, Any], *, kind: str | Sequence[str] = ()) -> Manifest:
    """Reads and checks `path`.

    Args:
        schema: A JSON schema; all scalars are strings to it.
        kind: If the file has several documents, the ``kind`` of the one meant, or several.

    Raises:
        ManifestError: With every problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, f"cannot be read: {error}") from error
    try:
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
        for node in nodes:
            expansion.check(node, len(text))
            _unique_keys(node, set())
        manifests = [Manifest(_construct(node, {}), str(path), node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = 0 if mark is None else mark.line + 1
        raise _unusable(path, f"not YAML: {error.problem}", line) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _unusable(path, f"not YAML: {error}") from error
    kinds = (kind,) if isinstance(kind, str) else kind
    chosen = [m for m in manifests if not kinds or _kind(m.document) in kinds]
    if len(chosen) != 1 and len(manifests) == 1:
        chosen = manifests
    if len(chosen) != 1:
        what = f"documents of kind {' or '.join(kinds)}" if kinds else "documents"
        raise _unusable(path, f"must hold one, got {len(chosen)} {what}")
    read = chosen[0]
    problems = [read.finding(*problem) for problem in violations(read.document, schema)]
    if problems:
        raise ManifestError(problems)
    return read


def _unusable(path: Path, text: str, line: int = 0) -> ManifestError:
    return ManifestError([Finding(Severity.ERROR, str(path), line, "", text)])


# `katib.search.categorical` of kubeflow-katib 0.19.0 makes such a file.
_LISTED: Final = (
    "; values belong under list. A program that makes this with search.categorical([...]) of "
    "kubeflow-katib writes V1beta1ParameterSpec(parameter_type='categorical', "
    "feasible_space=V1beta1FeasibleSpace(list=[...])) instead"
)


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
                    meant = likely_meant(name, known)
                    hint = f"; did you mean {meant}?" if meant else ""
                    yield (*path, name), f"unknown field; there is {', '.join(known)}{hint}"
        case "enum":
            hint = _LISTED if path[-1:] == ("distribution",) and isinstance(instance, list) else ""
            yield path, f"must be one of {', '.join(expected)}, got {got}{hint}"
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


def without_nulls(node: Any) -> Any:
    """Return a document without the fields that are null: they are absent."""
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    return [without_nulls(value) for value in node] if isinstance(node, list) else node


def _noun(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else quote(value)


def _kind(document: object) -> object:
    return document.get("kind") if isinstance(document, dict) else None


def _construct(node: yaml.Node, done: dict[int, Any]) -> Any:
    """The data below `node`; an alias is the same object as its anchor, a null an absent field."""
    if id(node) in done:
        if done[id(node)] is _UNDER_WAY:
            raise yaml.YAMLError("an alias must not refer to a node that it is part of")
        return done[id(node)]
    done[id(node)] = _UNDER_WAY
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = None if node.tag == "tag:yaml.org,2002:null" else _text(node)
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
            value[_text(key)] = _construct(child, done)
        value = {key: child for key, child in value.items() if child is not None}
    done[id(node)] = value
    return value


_UNDER_WAY: Final = object()


def _unique_keys(node: yaml.Node, done: set[int]) -> None:
    """Check that no key is used twice in a mapping, before merge keys are followed.

    What a mapping says itself takes the place of what it merges.
    """
    if id(node) in done or isinstance(node, yaml.ScalarNode):
        return
    done.add(id(node))
    used: set[str] = set()
    for entry in node.value:
        pair = entry if isinstance(node, yaml.MappingNode) else (entry,)
        key = pair[0]
        if len(pair) == 2 and isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
            if key.value in used:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {quote(key.value)} is used twice", key.start_mark
                )
            used.add(key.value)
        for child in pair:
            _unique_keys(child, done)


def _text(node: yaml.ScalarNode) -> str:
    """The text of a scalar, which every program and every message can hold."""
    text: str = node.value
    if not text.isascii():
        try:  # escapes like JSON's may write one letter as two surrogates
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise yaml.constructor.ConstructorError(
                None, None, "a text must not hold half of a letter (a lone surrogate)",
                node.start_mark,
            ) from error  # fmt: skip
    if "\0" in text:
        raise yaml.constructor.ConstructorError(
            None, None, "a text must not hold the character NUL", node.start_mark
        )
    return text


# How Go's reader of YAML, which a cluster uses, tells the types of plain scalars.
_GO_WHOLE: Final = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|[0-9][0-9_]*)", re.ASCII)
_GO_NUMBER: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", re.ASCII
)
_GO_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_GO_BOOLEAN: Final = re.compile(
    r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|[yYnN]"
)


def _type_of(node: yaml.ScalarNode) -> str:
    if node.tag == "tag:yaml.org,2002:null":
        return "nothing"
    if node.style in {"'", '"', "|", ">"}:
        return "text"
    for pattern, name in (
        (_GO_WHOLE, "whole number"),
        (_GO_NUMBER, "number"),
        (_GO_SPECIAL, "number"),
        (_GO_BOOLEAN, "boolean"),
    ):
        if pattern.fullmatch(node.value):
            return name
    return "text"


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        # The last one counts: those before it were merged.
        return next((value for key, value in reversed(node.value) if key.value == step), None)
    children: Sequence[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else ()
    return children[step] if isinstance(step, int) and step < len(children) else None
