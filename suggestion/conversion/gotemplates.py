"""Trial templates of v1alpha1 to v1alpha3: Go templates, of which the loop over parameters is kept.

What users have is one form: ``{{- range .HyperParameters}}`` around ``{{.Name}}={{.Value}}``, and
the names of the trial, the study and the namespace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from suggestion.client.containers import pods
from suggestion.conversion.definition import Loss, aliases, reference
from suggestion.conversion.experiment import CONTAINER

_LOOP: Final = re.compile(
    r"[ \t]*\{\{-?\s*with\s+\.HyperParameters\s*-?\}\}(?P<body>.*?)\{\{-?\s*end\s*-?\}\}\s*?\n?"
    r"[ \t]*\{\{-?\s*end\s*-?\}\}"
    r"|[ \t]*\{\{-?\s*range\s+\.HyperParameters\s*-?\}\}(?P<only>.*?)\{\{-?\s*end\s*-?\}\}",
    re.DOTALL,
)
_RANGE: Final = re.compile(r"[ \t]*\{\{-?\s*range\s+\.\s*-?\}\}\s*?\n?", re.DOTALL)
_ACTION: Final = re.compile(r"\{\{-?\s*(?P<what>[^{}]*?)\s*-?\}\}")
_NAMES: Final = {
    ".Trial": "${trialSpec.Name}",
    ".WorkerID": "${trialSpec.Name}",
    ".TrialID": "${trialSpec.Name}",
    ".NameSpace": "${trialSpec.Namespace}",
}


def read(
    raw: str, names: Sequence[str], place: str, losses: list[Loss], retain: bool
) -> dict[str, Any] | None:
    """Return today's trial template for the text of an old one; None if it cannot be read.

    Args:
        names: Of the parameters.
        place: Where the text stands.
        retain: Whether the objects of trials are kept.
    """
    made = aliases(names)

    def loop(match: re.Match[str]) -> str:
        body = _RANGE.sub("", match["only"] or match["body"]).strip("\n").rstrip()
        lines = []
        for name, alias in made.items():
            lines.append(_filled(body, {".Name": name, ".Value": reference(alias)}))
        return "\n".join(lines)

    text = _filled(_LOOP.sub(loop, raw), _NAMES)
    left = sorted({match[0] for match in _ACTION.finditer(text)})
    if left:
        losses.append(Loss(place, f"the Go template has {', '.join(left)}, which is not evaluated"))
        return None
    try:
        spec = yaml.safe_load(text)
    except yaml.YAMLError as error:
        losses.append(Loss(place, f"is no YAML once it is filled in: {error}"))
        return None
    if not isinstance(spec, dict):
        losses.append(Loss(place, "must be an object of Kubernetes"))
        return None
    return template(spec, made, retain)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with a value in place of each action that has one."""
    return _ACTION.sub(lambda match: values.get(match["what"], match[0]), text)


def template(spec: dict[str, Any], names: Mapping[str, str], retain: bool) -> dict[str, Any]:
    """Return a trial template around an object; the controller names the object itself."""
    metadata = {k: v for k, v in (spec.get("metadata") or {}).items() if k not in _OWN}
    spec = {key: value for key, value in spec.items() if key != "metadata"}
    if metadata:
        spec["metadata"] = metadata
    primary = _primary(spec)
    return {
        "primaryContainerName": primary,
        **({"retain": True} if retain else {}),
        "trialParameters": [{"name": a, "reference": n} for n, a in names.items()],
        "trialSpec": spec,
    }


_OWN: Final = frozenset({"name", "namespace"})


def _primary(spec: dict[str, Any]) -> str:
    """Return the name of the first container; those named after the trial get a name that stays."""
    listed = [entry for pod in pods(spec, ()) for entry in pod.spec["containers"]]
    every = [entry for entry in listed if isinstance(entry, dict)]
    for container in every:
        if "${trialSpec." in str(container.get("name")):
            container["name"] = CONTAINER
    return str(every[0].get("name")) if every else CONTAINER
