"""From a tuned function to an Experiment file for a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from suggestion.client.writing import to_yaml
from suggestion.runtimes.python.command import MODULE
from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.function import name_of
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import Listed

_CONTAINER: Final = "trial"
_UNSAFE: Final = re.compile(r"[\"\\\n\r]")


def write(
    path: Path,
    document: Mapping[str, Any],
    space: Space,
    function: Callable[..., object] | None,
    image: str,
    command: Sequence[str] | None,
    namespace: str | None,
) -> None:
    """Write an Experiment file; see `Result.experiment_file`."""
    words = list(command) if command is not None else _command(space, function)
    made = manifest(document, space, image, words, namespace)
    path.write_text(to_yaml(made), encoding="utf-8")


def manifest(
    document: Mapping[str, Any],
    space: Space,
    image: str,
    command: Sequence[str],
    namespace: str | None,
) -> dict[str, Any]:
    """Return an Experiment that a cluster accepts.

    Args:
        document: The Experiment as it was run here.
    """
    old = document["spec"]
    spec: dict[str, Any] = {"objective": _objective(old["objective"])}
    for key in ("algorithm", "earlyStopping"):
        if key in old:
            spec[key] = old[key]
    for key in ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount"):
        if key in old:
            spec[key] = int(old[key])
    if "maxTrialCount" in spec:
        for key in ("parallelTrialCount", "maxFailedTrialCount"):
            if key in spec:
                spec[key] = min(spec[key], spec["maxTrialCount"])
    spec["resumePolicy"] = "Never"
    spec["parameters"] = space.declarations()
    spec["metricsCollectorSpec"] = {"collector": {"kind": "StdOut"}}
    names = _aliases(space)
    used = [name for name in names if any(f"${{trialParameters.{name}}}" in w for w in command)]
    rendered = [_renamed(word, names) for word in command]
    container = {"name": _CONTAINER, "image": image, "command": rendered}
    spec["trialTemplate"] = {
        "primaryContainerName": _CONTAINER,
        # With early stopping the controller reads the observation of a trial after its end.
        "retain": "earlyStopping" in spec,
        "trialParameters": [{"name": names[name], "reference": name} for name in used],
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
            },
        },
    }
    metadata = {"name": document["metadata"]["name"]}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": metadata,
        "spec": spec,
    }


def _objective(old: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(old)
    if "goal" in made:
        made["goal"] = float(made["goal"])
    return made


def _aliases(space: Space) -> dict[str, str]:
    """Return names without braces for the parameters, which trial templates need."""
    names: dict[str, str] = {}
    for name in space.parameters:
        plain = re.sub(r"[{}$]", "_", name)
        while plain in names.values():
            plain += "_"
        names[name] = plain
    return names


def _renamed(word: str, names: Mapping[str, str]) -> str:
    for name, plain in names.items():
        word = word.replace(f"${{trialParameters.{name}}}", f"${{trialParameters.{plain}}}")
    return word


def _command(space: Space, function: Callable[..., object] | None) -> list[str]:
    """Return the command that calls the function in a container.

    Raises:
        InvalidArgument: If the function, or a value, cannot be named on a command line.
    """
    broken: list[BrokenRule] = []
    words = ["python", "-m", MODULE, _target(function, broken)]
    for name, parameter in space.parameters.items():
        quotes = ""
        if isinstance(parameter, Listed) and not parameter.ordered:
            texts = [isinstance(value, str) for value in parameter.values]
            quotes = '"' if all(texts) else ""
            plain = all(
                not _UNSAFE.search(text) if quotes else literal == text
                for text, literal in zip(parameter.texts, parameter.literals() or (), strict=True)
            )
            if not plain:
                rule = "has values that cannot be written on a command line; give command"
                broken.append(BrokenRule(space.place(name), rule))
        words.append(f"{name}={quotes}${{trialParameters.{name}}}{quotes}")
    if broken:
        raise InvalidArgument(broken)
    return words


def _target(function: Callable[..., object] | None, broken: list[BrokenRule]) -> str:
    name = "function" if function is None else name_of(function)
    qualified = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "")
    if function is None or qualified != getattr(function, "__name__", None) or "<" in qualified:
        rule = "must be a function of a module or a script; else give command"
        broken.append(BrokenRule(name, rule))
        return ""
    if module != "__main__":
        return f"{module}:{qualified}"
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        return f"{spec.name}:{qualified}"
    # Kernels of notebooks make up a file for each cell, but have none as a whole.
    script = getattr(main, "__file__", None)
    if script is None:
        rule = (
            "is defined in no file that an image could have, but in a notebook, a prompt or a text "
            "that Python was given; move it to a module, or give command"
        )
        broken.append(BrokenRule(name, rule))
        return ""
    return f"{Path(script).name}:{qualified}"
