"""What of a document has its shape: the rules between fields are applied to that, not to the rest.

So a misspelt type of a parameter hides nothing of what is wrong with the trial template.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Final

from suggestion.client import containers, schema
from suggestion.client.containers import TEMPLATE, Problem
from suggestion.client.manifest import FieldPath

#: Fields of a template without which it cannot be read.
_NEEDED: Final = frozenset({*schema.SHORT_FORM, "trialSpec", "primaryContainerName", "configMap"})


class Sound:
    """Tells whether sections of a document's spec are as the schema wants them.

    Args:
        document: An Experiment.
        broken: Paths of what has not its shape.
    """

    def __init__(self, document: Any, broken: Sequence[FieldPath]) -> None:
        self._spec = document.get("spec") if isinstance(document, dict) else None
        metadata = document.get("metadata") if isinstance(document, dict) else None
        self._usable = isinstance(self._spec, dict) and isinstance(metadata, dict)
        self._paths = tuple(broken)
        self._broken = {where[:2] for where in broken}

    def __call__(self, *sections: str) -> bool:
        """Whether `sections` are sound; one that may be absent is."""
        if "parameters" in sections and "nasConfig" in (self._spec or ()):
            sections = (*(part for part in sections if part != "parameters"), "nasConfig")
        required = {"objective", "algorithm", "parameters"}.intersection(sections)
        return (
            self._usable
            and required <= set(self._spec or ())
            and not any(("spec", part) in self._broken for part in sections)
        )

    def template(self) -> bool:
        """Whether the trial template can be read; other fields of it may lack their shape."""
        return self._usable and not any(
            len(path) == len(TEMPLATE) or path[len(TEMPLATE)] in _NEEDED
            for path in self._paths
            if path[: len(TEMPLATE)] == TEMPLATE
        )

    def named(self) -> bool:
        """Whether the names of all parameters are known."""
        if self("parameters"):
            return True
        given = (self._spec or {}).get("parameters")
        return (
            self._usable
            and "nasConfig" not in (self._spec or ())
            and isinstance(given, list)
            and all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in given)
        )


def without(document: Any, problems: Iterable[Problem]) -> Any:
    """Return a copy of a document without the fields of containers that have not their shape.

    Args:
        document: An Experiment.
        problems: Of `suggestion.client.containers.shapes`.

    Returns:
        None if a container is none at all.
    """
    made = copy.deepcopy(document)
    for where, _ in problems:
        path = _field(where)
        *outer, name = path
        node = made
        for step in outer:
            node = node[step]
        if not isinstance(node, dict):
            return None
        node.pop(name, None)
    return made


def _field(path: FieldPath) -> FieldPath:
    """Return the path of the container's field in which `path` is; `path` if it is no field."""
    for place, step in enumerate(path):
        if step == "containers" and isinstance(path[place + 1], int):
            return path[: place + 3]
    return path[: len(containers.TRAINER) + 1]
