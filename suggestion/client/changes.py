"""Changes to an Experiment file from the command line: ``--set spec.maxTrialCount=20``.

The value ``null`` removes a field, since a null is an absent field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from suggestion.client import schema
from suggestion.client.manifest import Finding, Severity
from suggestion.problem.errors import halved, quote
from suggestion.problem.locations import dotted
from suggestion.problem.spelling import likely_meant

_Steps: TypeAlias = tuple[str | int, ...]
_Schema: TypeAlias = dict[str, Any]

_CHANGE: Final = re.compile(r"\.?([^.=\[\]\s]+(?:\.[^.=\[\]\s]+|\[\d{1,6}\])*)=(.*)", re.DOTALL)
# Removes a field.
_NOTHING: Final = "null"
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def apply(document: Any, change: str) -> Iterator[Finding]:
    """Set one field of `document`; yield what is wrong with the change."""
    match = _CHANGE.fullmatch(change)
    if match is None:
        yield _finding("--set", f"must be FIELD=VALUE, got {quote(change)}")
        return
    steps = tuple(int(index) if index else name for name, index in _STEP.findall(match[1]))
    subject = f"--set {change}"
    if not _is_field(steps):
        meant = _meant(steps)
        hint = f"; did you mean {dotted(meant)}?" if meant else ""
        yield _finding(subject, f"an Experiment has no field {dotted(steps)}{hint}")
        return
    if unwritable(match[2]):
        yield _finding(subject, "must be text that UTF-8 can hold, without NUL")
    elif not _set(document, steps, match[2]):
        yield _finding(subject, f"there is no {dotted(steps)}")


def unwritable(text: str) -> bool:
    """Return whether no file, and no program's arguments, can hold `text`."""
    return "\0" in text or halved(text)


def _set(node: Any, steps: _Steps, text: str) -> bool:
    """Set the field at `steps` below `node`, or leave all as it is and return False."""
    step, *rest = steps
    if isinstance(step, int):
        if not isinstance(node, list) or step >= len(node) or (not rest and text == _NOTHING):
            return False
    elif not isinstance(node, dict):
        return False
    if not rest and text == _NOTHING:
        node.pop(step, None)
    elif not rest:
        node[step] = text
    elif isinstance(node, dict) and node.get(str(step)) is None:
        made: dict[str, Any] = {}
        if not _set(made, tuple(rest), text):
            return False
        if made:
            node[str(step)] = made
    else:
        return _set(node[step], tuple(rest), text)
    return True


def _finding(subject: str, text: str) -> Finding:
    return Finding(Severity.ERROR, subject, 0, "", text)


def _is_field(steps: _Steps) -> bool:
    """Whether an Experiment can have a field at `steps`, as the schema has it."""
    return bool(steps) and _below(schema.EXPERIMENT, steps) is not None


def _below(node: _Schema, steps: _Steps) -> _Schema | None:
    """The schema at `steps` below `node`; None if there is no such field.

    What an object of any fields holds has the schema ``{}``, which everything fits.
    """
    for step in steps:
        if not node:
            return node
        types = node.get("type", ())
        fields: dict[str, _Schema] = node.get("properties", {})
        if isinstance(step, int):
            if "array" not in types:
                return None
            node = node.get("items", {})
        elif step in fields:
            node = fields[step]
        elif "object" in types and node.get("additionalProperties") is not False:
            node = {}
        else:
            return None
    return node


def _meant(steps: _Steps) -> _Steps | None:
    """The field that `steps` is likely a slip of."""
    # The beginning was left out: maxTrialCount, objective.goal.
    for prefix in _prefixes(schema.EXPERIMENT, ()):
        named = (_below(schema.EXPERIMENT, prefix) or {}).get("properties", {})
        if steps[0] in named and _is_field((*prefix, *steps)):
            return (*prefix, *steps)
    # One step is misspelt, perhaps with the beginning left out.
    for prefix in _prefixes(schema.EXPERIMENT, ()):
        node = _below(schema.EXPERIMENT, prefix)
        for place, step in enumerate(steps):
            fields = (node or {}).get("properties")
            if fields and isinstance(step, str) and step not in fields:
                known = likely_meant(step, fields)
                fixed = (*prefix, *steps[:place], known or "", *steps[place + 1 :])
                # With a beginning that was left out, what fits everything is not meant.
                if known and (_is_field(fixed) if not prefix else _below(schema.EXPERIMENT, fixed)):
                    return fixed
                break
            node = None if node is None else _below(node, (step,))
    return None


def _prefixes(node: _Schema, path: _Steps) -> Iterator[_Steps]:
    """The paths of all objects that name all their fields, outer ones first."""
    level: list[tuple[_Steps, _Schema]] = [(path, node)]
    while level:
        below: list[tuple[_Steps, _Schema]] = []
        for where, each in level:
            if each.get("additionalProperties") is False:
                yield where
                below += [((*where, name), sub) for name, sub in each["properties"].items()]
        level = below
