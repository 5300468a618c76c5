"""Trial templates: from a pod somewhere in a Kubernetes object to a command on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from suggestion.client import containers, demand, references
from suggestion.client.containers import DEADLINE, SILENT, USED, Problem
from suggestion.client.demand import ANY, GPUS, Demand
from suggestion.client.manifest import FieldPath
from suggestion.client.references import METADATA, REFERENCE, metadata

_VARIABLE: Final = re.compile(r"\$(\$\([A-Za-z_][\w.-]*\)|\(([A-Za-z_][\w.-]*)\))", re.ASCII)
# More digits than any number of GPUs or seconds has are no number.
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
# Kubeflow's SDK makes a script of a function, and writes it to a file named like the user's source.
_SCRIPT: Final = re.compile(r"\$\{?SCRIPT\}?\"?\s*>\s*\"?(?![\s$/])")
# A script that a command writes itself, and a script that it names.
_WRITTEN: Final = re.compile(r"(?<!>)>\s*[\"']?([^\s\"'$/&;|<>]+\.py)\b")
_NAMED: Final = re.compile(r"[\s\"'/]([^\s\"'$/&;|<>]+\.py)\b")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A trial's process, with every parameter in its place.

    Attributes:
        argv: Command and arguments; empty if the image's own is meant.
        env: Variables that the template sets, on top of those of the runner.
        cwd: Working directory as written; None if none is.
        image: To run it in; empty without one.
        commanded: Whether `argv` begins with a command; else it is arguments for the image's own.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    image: str
    commanded: bool = True


@dataclass(frozen=True)
class Template:
    """The trial template of an Experiment, read once.

    Attributes:
        container: The primary container, unrendered.
        references: What each ``${trialParameters.name}`` stands for: a parameter of the space, or
            ``${trialSpec.…}``.
        meta: The trial's object, unrendered; its metadata are what ``${trialSpec.…}`` names.
        namespace: Of the experiment.
        ignored: Paths of what the file says that has no meaning on one machine.
        gpus: That one trial asks for.
        deadline: Seconds after which a trial is stopped; None without a limit.
        own_folder: The trial writes a file of its program into its working directory, which must
            not be that of the user's sources.
        demand: What a trial needs of the machines that it runs on.
        place: Where the container stands in the file.
    """

    container: Mapping[str, Any]
    references: Mapping[str, str]
    meta: Mapping[str, Any]
    namespace: str
    ignored: tuple[FieldPath, ...]
    gpus: int
    deadline: float | None
    own_folder: bool = False
    demand: Demand = ANY
    place: FieldPath = containers.TEMPLATE

    def render(self, trial: str, assignment: Mapping[str, str]) -> Invocation:
        """The process of `trial`.

        Raises:
            KeyError: If `assignment` lacks a parameter that the template uses.
        """
        container = self._rendered(self.container, trial, assignment)
        env: dict[str, str] = {}
        for entry in container.get("env") or ():
            if not entry.get("valueFrom"):  # without a value it is empty, as in Kubernetes
                env[entry["name"]] = _expand(entry.get("value") or "", env)
            elif "fieldRef" in (entry.get("valueFrom") or {}):
                path = entry["valueFrom"]["fieldRef"].get("fieldPath", "")
                known = {"metadata.name": trial, "metadata.namespace": self.namespace}
                if path in known:
                    env[entry["name"]] = known[path]
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        argv = tuple(_expand(word, env) for word in words)
        image = container.get("image") or ""
        commanded = bool(container.get("command"))
        return Invocation(argv, env, container.get("workingDir"), image, commanded)

    def render_object(self, trial: str, assignment: Mapping[str, str]) -> Mapping[str, Any]:
        """The object of `trial`, as a cluster gets it; empty if the template has none.

        Raises:
            KeyError: If `assignment` lacks a parameter that the template uses.
        """
        made: Mapping[str, Any] = self._rendered(self.meta, trial, assignment)
        return made

    def _rendered(self, node: Any, trial: str, assignment: Mapping[str, str]) -> Any:
        def substitute(match: re.Match[str]) -> str:
            if match[1] == "trialSpec":
                return self._spec(trial, match[2])
            reference = self.references[match[2]]
            inner = REFERENCE.fullmatch(reference)
            if inner is not None and inner[1] == "trialSpec":
                return self._spec(trial, inner[2])
            return assignment[reference]

        return _map(node, lambda text: REFERENCE.sub(substitute, text))

    def _spec(self, trial: str, field: str) -> str:
        plain = {
            "Name": trial,
            "Namespace": self.namespace,
            "Kind": self.meta.get("kind", ""),
            "APIVersion": self.meta.get("apiVersion", ""),
        }
        if field in plain:
            return str(plain[field])
        match = METADATA.fullmatch(field)
        assert match is not None, field  # checked by `read`
        return str(metadata(self.meta, match[1])[match[2]])


def _runs_its_own(word: str) -> bool:
    """Return whether a command writes a script to its folder and names it after that."""
    written: dict[str, int] = {}
    for match in _WRITTEN.finditer(word):
        written.setdefault(match[1], match.end())
    return any(m.start() >= written.get(m[1], len(word)) for m in _NAMED.finditer(word))


def read(
    document: Mapping[str, Any],
    command: str | None = None,
    runs: bool = True,
    begun: bool = False,
    whole: bool = False,
    complete: bool = True,
) -> tuple[Template, list[Problem], list[Problem]]:
    """Return the template of an Experiment document, the rules that it breaks, probable mistakes.

    Args:
        document: Whose shape has been checked against the schema.
        command: Replaces the container's command and arguments.
        runs: Whether trials run here; else only the parameters are looked at.
        begun: Whether it is too late to refuse a parameter that is not used.
        whole: Whether a trial is made of all of the template; else of its primary container.
        complete: Whether nothing was left out of the document, where parameters could be used.
    """
    primary = containers.primary(document, command)
    meta = primary.meta
    podless = containers.orchestrated(meta) or not any(containers.pods(meta, ()))
    if not runs or (whole and meta and podless):
        primary.found.clear()
    names = references.references(document, primary, runs and not whole, begun, whole, complete)
    container, path, ignored = primary.container, primary.path, primary.ignored
    resources = container.get("resources") or {}
    gpus = 0
    for kind in ("requests", "limits"):
        for key, value in (resources.get(kind) or {}).items():
            if key not in GPUS:
                ignored.append((*path, "resources", kind, key))
            elif _WHOLE.fullmatch(str(value).strip()):
                gpus = int(value)
    ignored += [(*path, key) for key in container if key not in {*USED, *SILENT, "resources"}]
    for index, entry in enumerate(container.get("env") or ()):
        source = entry.get("valueFrom")
        field = ((source or {}).get("fieldRef") or {}).get("fieldPath")
        if source and field not in ("metadata.name", "metadata.namespace"):
            ignored.append((*path, "env", index, "valueFrom"))
    used = {key: value for key, value in container.items() if key in USED}
    namespace = document["metadata"].get("namespace") or "default"
    deadline = _deadline(primary.meta)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    writes = any(_SCRIPT.search(word) or _runs_its_own(word) for word in words)
    made = Template(
        used,
        names,
        primary.meta,
        namespace,
        tuple(ignored),
        gpus,
        deadline,
        writes,
        demand.read(resources, (*path, "resources"), primary.meta),
        path,
    )
    return made, primary.found, primary.notes


def _deadline(meta: Mapping[str, Any]) -> float | None:
    """The least ``activeDeadlineSeconds`` of an object, in seconds."""

    def limits(node: Any) -> Iterator[float]:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if key == DEADLINE and _WHOLE.fullmatch(str(value).strip()):
                    yield float(value)
                yield from limits(value)

    return min(limits(meta), default=None)


def _map(node: Any, change: Any) -> Any:
    if isinstance(node, str):
        return change(node)
    if isinstance(node, Mapping):
        return {change(key): _map(value, change) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_map(value, change) for value in node]
    return node


def _expand(text: str, env: Mapping[str, str]) -> str:
    """`text` with ``$(NAME)`` replaced as Kubernetes does; ``$$(NAME)`` stands for the text."""

    def value(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[1]
        return env.get(match[2], match[0])

    return _VARIABLE.sub(value, text)


def moved(invocation: Invocation, paths: Sequence[tuple[str, str]]) -> Invocation:
    """`invocation` with paths of the container replaced by those of this machine.

    Args:
        paths: Pairs of a path in the container and the one that takes its place; whole paths and
            their beginnings are replaced, wherever they stand in arguments and variables.
    """

    def change(text: str) -> str:
        for old, new in paths:
            if not old.strip("/"):  # the root is the beginning of every path
                continue
            text = re.sub(
                rf"(?<![\w./-]){re.escape(old.rstrip('/'))}(?=$|[/\s'\":;,)])",
                lambda _, new=new: new,  # type: ignore[misc]
                text,
            )
        return text

    return replace(
        invocation,
        argv=tuple(change(word) for word in invocation.argv),
        env={name: change(value) for name, value in invocation.env.items()},
    )
