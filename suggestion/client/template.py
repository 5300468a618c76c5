"""Trial templates: from a pod somewhere in a Kubernetes object to a command on this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from suggestion.client.manifest import FieldPath
from suggestion.problem.errors import quote

#: Where something is wrong, and the rule that it breaks.
Problem: TypeAlias = tuple[FieldPath, str]

_REFERENCE: Final = re.compile(r"\$\{(trialParameters|trialSpec)\.([^}]*)\}")
_VARIABLE: Final = re.compile(r"\$(\$\([A-Za-z_][\w.-]*\)|\(([A-Za-z_][\w.-]*)\))", re.ASCII)
_METADATA: Final = re.compile(r"(Labels|Annotations)\[(.+)\]")
# The replica whose metrics count, where a job has several: the first of these.
_LEADERS: Final = ("Master", "Chief", "Launcher", "Worker")
_USED: Final = frozenset({"name", "image", "command", "args", "env", "workingDir"})
# Without a meaning on one machine, and also without consequence: nobody needs to hear of them.
_SILENT: Final = frozenset(
    {"imagePullPolicy", "restartPolicy", "terminationMessagePath", "terminationMessagePolicy"}
)
_GPUS: Final = frozenset({"nvidia.com/gpu", "amd.com/gpu"})
_COPIES: Final = frozenset({"replicas", "parallelism", "completions"})
_NO_CONDITIONS: Final = ("successCondition", "failureCondition", "retain")
_DEADLINE: Final = "activeDeadlineSeconds"
_PATH: Final[FieldPath] = ("spec", "trialTemplate")


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
        meta: Of the trial's object, for ``${trialSpec.…}``: apiVersion, kind, metadata.
        namespace: Of the experiment.
        ignored: Paths of what the file says that has no meaning on one machine.
        gpus: That one trial asks for.
        deadline: Seconds after which a trial is stopped; None without a limit.
    """

    container: Mapping[str, Any]
    references: Mapping[str, str]
    meta: Mapping[str, Any]
    namespace: str
    ignored: tuple[FieldPath, ...]
    gpus: int
    deadline: float | None

    def render(self, trial: str, assignment: Mapping[str, str]) -> Invocation:
        """The process of `trial`.

        Raises:
            KeyError: If `assignment` lacks a parameter that the template uses.
        """

        def substitute(match: re.Match[str]) -> str:
            if match[1] == "trialSpec":
                return self._spec(trial, match[2])
            reference = self.references[match[2]]
            inner = _REFERENCE.fullmatch(reference)
            if inner is not None and inner[1] == "trialSpec":
                return self._spec(trial, inner[2])
            return assignment[reference]

        container = _map(self.container, lambda text: _REFERENCE.sub(substitute, text))
        env: dict[str, str] = {}
        for entry in container.get("env") or ():
            if entry.get("value") is not None:
                env[entry["name"]] = _expand(entry["value"], env)
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

    def _spec(self, trial: str, field: str) -> str:
        metadata = self.meta.get("metadata") or {}
        plain = {
            "Name": trial,
            "Namespace": self.namespace,
            "Kind": self.meta.get("kind", ""),
            "APIVersion": self.meta.get("apiVersion", ""),
        }
        if field in plain:
            return str(plain[field])
        match = _METADATA.fullmatch(field)
        assert match is not None, field  # checked by `read`
        return str((metadata.get(match[1].lower()) or {})[match[2]])


def read(document: Mapping[str, Any], command: str | None = None) -> tuple[Template, list[Problem]]:
    """The template of an Experiment document, and every rule that it breaks.

    Args:
        document: Whose shape has been checked against the schema.
        command: Replaces the container's command and arguments.
    """
    found: list[Problem] = []
    template: Mapping[str, Any] = document["spec"].get("trialTemplate") or {}
    namespace = (document.get("metadata") or {}).get("namespace") or "default"
    ignored: list[FieldPath] = [(*_PATH, key) for key in _NO_CONDITIONS if key in template]
    if "namespace" in (document.get("metadata") or {}):
        ignored.insert(0, ("metadata", "namespace"))
    meta: Mapping[str, Any] = {}
    container: dict[str, Any] = {}
    path = _PATH
    if "trialSpec" in template:
        meta = template["trialSpec"]
        container, path = _primary(template, meta, ignored, found)
    elif "configMap" in template:
        path = (*_PATH, "configMap")
        if command is None:
            rule = "lives in a cluster; write the template under trialSpec, or give --command"
            found.append((path, rule))
    else:
        container = _short(template, found)
        if not container["command"] and not container["image"] and command is None:
            found.append((_PATH, "needs a trialSpec or a command, got neither"))
    if command is not None:
        container = {**container, "command": split(command), "args": []}
    references = _references(document, template, container, path, meta, found)
    resources = container.get("resources") or {}
    gpus = 0
    for kind in ("requests", "limits"):
        for key, value in (resources.get(kind) or {}).items():
            if key not in _GPUS:
                ignored.append((*path, "resources", kind, key))
            elif str(value).isdigit():
                gpus = int(value)
    ignored += [(*path, key) for key in container if key not in {*_USED, *_SILENT, "resources"}]
    for index, entry in enumerate(container.get("env") or ()):
        source = entry.get("valueFrom")
        field = ((source or {}).get("fieldRef") or {}).get("fieldPath")
        if source and field not in ("metadata.name", "metadata.namespace"):
            ignored.append((*path, "env", index, "valueFrom"))
    used = {key: value for key, value in container.items() if key in _USED}
    deadline = _deadline(meta)
    return Template(used, references, meta, namespace, tuple(ignored), gpus, deadline), found


def split(command: str) -> list[str]:
    """`command` as words, as a shell splits them.

    Raises:
        ValueError: If a quotation mark is open.
    """
    return shlex.split(command)


def _short(template: Mapping[str, Any], found: list[Problem]) -> dict[str, Any]:
    """The container that the short form describes."""
    command = template.get("command")
    if isinstance(command, str):
        try:
            command = split(command)
        except ValueError as error:
            found.append(((*_PATH, "command"), f"{error}, got {quote(command)}"))
            command = []
    env = template.get("env") or {}
    if isinstance(env, Mapping):
        env = [{"name": name, "value": value} for name, value in env.items()]
    return {
        "command": command,
        "args": template.get("args") or [],
        "env": env,
        "workingDir": template.get("workingDir"),
        "image": template.get("image") or "",
        "resources": template.get("resources") or {},
    }


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's spec somewhere in an object.

    Attributes:
        rank: Of the replica that it belongs to; the least leads.
    """

    rank: int
    path: FieldPath
    spec: Mapping[str, Any]


def pods(node: Any, path: FieldPath, rank: int = len(_LEADERS)) -> Iterator[Pod]:
    """Every object with a list of containers below `node`."""
    if isinstance(node, Mapping):
        if isinstance(node.get("containers"), list):
            yield Pod(rank, path, node)
        for key, value in node.items():
            below = _LEADERS.index(key) if key in _LEADERS else rank
            yield from pods(value, (*path, key), below)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from pods(value, (*path, index), rank)


def _primary(
    template: Mapping[str, Any],
    meta: Mapping[str, Any],
    ignored: list[FieldPath],
    found: list[Problem],
) -> tuple[dict[str, Any], FieldPath]:
    """The primary container and its path; what else there is goes to `ignored`."""
    root: FieldPath = (*_PATH, "trialSpec")
    found_pods = sorted(pods(meta, root), key=lambda pod: pod.rank)
    named = [
        (pod, index, container)
        for pod in found_pods
        for index, container in enumerate(pod.spec["containers"])
        if isinstance(container, Mapping)
    ]
    name = template.get("primaryContainerName")
    fitting = [entry for entry in named if name is None or entry[2].get("name") == name]
    if not named:
        found.append((root, "must hold a pod with containers, got none"))
        return {}, root
    if not fitting:
        names = ", ".join(sorted({str(container.get("name")) for _, _, container in named}))
        rule = f"must name a container of the trialSpec ({names}), got {quote(name)}"
        found.append(((*_PATH, "primaryContainerName"), rule))
        return {}, root
    pod, index, container = fitting[0]
    if "namespace" in (meta.get("metadata") or {}):
        ignored.append((*root, "metadata", "namespace"))
    kept = {*_SILENT, "containers", _DEADLINE}
    ignored += [(*pod.path, key) for key in pod.spec if key not in kept]
    ignored += [
        (*pod.path, "containers", other)
        for other in range(len(pod.spec["containers"]))
        if other != index
    ]
    ignored += [other.path for other in found_pods if other is not pod]
    ignored += list(_replicas(meta, root))
    return dict(container), (*pod.path, "containers", index)


def _replicas(node: Any, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _COPIES and str(value).strip() != "1":
                yield (*path, key)
            yield from _replicas(value, (*path, key))


def _deadline(meta: Mapping[str, Any]) -> float | None:
    """The least ``activeDeadlineSeconds`` of an object, in seconds."""

    def limits(node: Any) -> Iterator[float]:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if key == _DEADLINE and str(value).strip().isdigit():
                    yield float(value)
                yield from limits(value)

    return min(limits(meta), default=None)


def _references(
    document: Mapping[str, Any],
    template: Mapping[str, Any],
    container: Mapping[str, Any],
    path: FieldPath,
    meta: Mapping[str, Any],
    found: list[Problem],
) -> dict[str, str]:
    """What the names of trial parameters stand for; adds what is wrong with them to `found`."""
    space = [parameter["name"] for parameter in document["spec"]["parameters"]]
    declared = template.get("trialParameters") or ()
    # The short form may leave them out: then every parameter goes by its own name.
    references: dict[str, str] = {} if declared else {name: name for name in space}
    for index, entry in enumerate(declared):
        name, reference = entry["name"], entry["reference"]
        inner = _REFERENCE.fullmatch(reference)
        where = (*_PATH, "trialParameters", index)
        if name in references:
            found.append(((*where, "name"), f"must be there once, got {quote(name)} again"))
        references[name] = reference
        if inner is not None and inner[1] == "trialSpec":
            found += _check_spec(inner[2], meta, (*where, "reference"))
        elif reference not in space:
            rule = f"must be a parameter of the experiment ({', '.join(space)})"
            found.append(((*where, "reference"), f"{rule}, got {quote(reference)}"))
    for where, text in _texts(container, path):
        for match in _REFERENCE.finditer(text):
            if match[1] == "trialSpec":
                found += _check_spec(match[2], meta, where)
            elif match[2] not in references:
                known = ", ".join(references) or "none"
                found.append((where, f"must name a trial parameter ({known}), got {match[0]}"))
    return references


def _check_spec(field: str, meta: Mapping[str, Any], where: FieldPath) -> Iterator[Problem]:
    match = _METADATA.fullmatch(field)
    if field in {"Name", "Namespace", "Kind", "APIVersion"}:
        return
    got = f"${{trialSpec.{field}}}"
    if match is None:
        yield (
            where,
            "must be ${trialSpec.X} with X one of Name, Namespace, Kind, APIVersion, Labels[key], "
            f"Annotations[key], got {got}",
        )
    elif match[2] not in ((meta.get("metadata") or {}).get(match[1].lower()) or {}):
        yield where, f"must name one of the trialSpec's metadata.{match[1].lower()}, got {got}"


def _texts(node: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*path, index))


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
