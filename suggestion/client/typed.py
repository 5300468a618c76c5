"""The object of a trial template with the types that a cluster wants: documents hold only texts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from suggestion.client.manifest import FieldPath, Manifest

_PATH: Final[FieldPath] = ("spec", "trialTemplate", "trialSpec")
#: Below these everything is a text, whatever it looks like.
_TEXTS: Final = frozenset(
    {"annotations", "apiVersion", "args", "command", "image", "kind", "labels", "matchLabels"}
    | {"name", "nodeSelector", "value", "workingDir"}
)
_TRUE: Final = frozenset({"true", "yes", "on"})


def trial_spec(read: Manifest) -> dict[str, Any]:
    """Return the ``trialSpec`` of a file, whose scalars are texts, numbers and booleans."""
    node = read.document
    for step in _PATH:
        node = node[step]
    made: dict[str, Any] = _typed(read, node, _PATH)
    return made


def _typed(read: Manifest, node: Any, path: FieldPath) -> Any:
    if isinstance(node, dict):
        return {key: _typed(read, value, (*path, key)) for key, value in node.items()}
    if isinstance(node, list):
        return [_typed(read, value, (*path, index)) for index, value in enumerate(node)]
    if not isinstance(node, str) or not _TEXTS.isdisjoint(path[len(_PATH) :]):
        return node
    kind = read.type_as_written(path)
    if kind == "boolean":
        return node.lower() in _TRUE
    if kind == "whole number":
        digits = node.replace("_", "")
        with suppress(ValueError):
            return int(digits, 0)
        with suppress(ValueError):  # 010, which Go reads as 8
            return int(digits, 8)
    if kind == "number":
        with suppress(ValueError):
            return float(node)
    return node
