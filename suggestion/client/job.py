"""The fields of a Kubernetes Job, since a cluster refuses others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from suggestion.client.containers import Problem
from suggestion.client.manifest import FieldPath, Manifest
from suggestion.problem.errors import quote
from suggestion.problem.spelling import likely_meant

#: What a scalar may be in YAML for each type of a field.
_FITTING: Final[Mapping[str, frozenset[str]]] = {
    "str": frozenset({"text"}),
    "int": frozenset({"whole number"}),
    "bool": frozenset({"boolean"}),
}
_NOUNS: Final = {"str": "text", "int": "a whole number", "bool": "true or false"}
#: Their names are those of any resource, and their amounts are texts or numbers.
_RESOURCES: Final = frozenset({"limits", "requests"})
#: The webhook compares a Job with what Go has read of it, which writes no empty field.
_LEFT_OUT: Final = "must be left out, or not be empty, in a Job"
#: Fields that are empty if they are false; that others are false is written.
_FALSE_IS_EMPTY: Final = frozenset(
    {"tty", "stdin", "stdinOnce", "hostNetwork", "hostPID", "hostIPC", "readOnly"}
)
_AMOUNT: Final = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII
)


def is_job(spec: Mapping[str, Any]) -> bool:
    """Return whether `spec` is an object that the webhook reads as a Job."""
    return spec.get("apiVersion") == "batch/v1" and spec.get("kind") == "Job"


def problems(read: Manifest, spec: Mapping[str, Any], path: FieldPath) -> Iterator[Problem]:
    """Yield every field of the Job `spec`, which stands at `path`, that a Job does not have."""
    yield from _class(read, spec, path, "V1Job")
    for where in read.nulls(path):
        if where[-2] not in _RESOURCES:
            yield where, f"{_LEFT_OUT}, got null"


@cache
def _classes() -> Mapping[str, Mapping[str, str]]:
    text = files("suggestion.client").joinpath("data", "job.json").read_text(encoding="utf-8")
    made: Mapping[str, Mapping[str, str]] = json.loads(text)
    return made


def _class(read: Manifest, node: Any, path: FieldPath, name: str) -> Iterator[Problem]:
    if not isinstance(node, Mapping):
        yield path, f"must be a mapping, got {_noun(node)}"
        return
    fields = _classes()[name]
    for key, value in node.items():
        where = (*path, key)
        empty = key in fields and _is_empty(key, value, fields[key])
        if empty and not any(read.nulls(where)):  # of an amount, null is 0
            yield where, f"{_LEFT_OUT}, got {quote(value) if value == '' else value}"
        elif key not in fields:
            meant = likely_meant(key, fields)
            hint = f"; did you mean {meant}?" if meant else ""
            yield where, f"a Job has no field {key} here{hint}"
        elif key in _RESOURCES:
            yield from _amounts(value, where)
        else:
            yield from _value(read, value, where, fields[key])


def _is_empty(key: str, value: Any, kind: str) -> bool:
    if kind.startswith(("List[", "Dict[")):
        return value in ([], {})
    return (kind == "str" and value == "") or (key in _FALSE_IS_EMPTY and value == "false")


def _amounts(node: Any, path: FieldPath) -> Iterator[Problem]:
    if not isinstance(node, Mapping):
        yield path, f"must be a mapping, got {_noun(node)}"
        return
    for key, value in node.items():
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value.strip()):
            got = quote(value) if isinstance(value, str) else _noun(value)
            yield (*path, key), f"must be an amount, such as 500m, 2 or 1Gi, got {got}"


def _value(read: Manifest, node: Any, path: FieldPath, kind: str) -> Iterator[Problem]:
    outer, _, inner = kind.removesuffix("]").partition("[")
    if outer == "List":
        if not isinstance(node, list):
            yield path, f"must be a list, got {_noun(node)}"
            return
        for index, value in enumerate(node):
            yield from _value(read, value, (*path, index), inner)
    elif outer == "Dict":
        if not isinstance(node, Mapping):
            yield path, f"must be a mapping, got {_noun(node)}"
            return
        for key, value in node.items():
            yield from _value(read, value, (*path, key), inner.removeprefix("str, "))
    elif kind in _classes():
        yield from _class(read, node, path, kind)
    elif not isinstance(node, str):
        yield path, f"must be {_NOUNS.get(kind, 'a scalar')}, got {_noun(node)}"
    else:
        written = read.type_of(path)
        if written and kind in _FITTING and written not in _FITTING[kind]:
            yield path, f"must be {_NOUNS[kind]}, got the {written} {node}"


def _noun(node: Any) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    if node is None:
        return "nothing"
    return "a list" if isinstance(node, list) else "a scalar"
