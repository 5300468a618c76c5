"""The primary container of a trial: where it stands in an object, and what is around it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from suggestion.client import manifest, schema
from suggestion.client.manifest import FieldPath
from suggestion.problem.errors import quote

#: Where something is wrong, and the rule that it breaks.
Problem: TypeAlias = tuple[FieldPath, str]

TEMPLATE: Final[FieldPath] = ("spec", "trialTemplate")
#: What a container is elsewhere, in a TrainJob.
TRAINER: Final[FieldPath] = (*TEMPLATE, "trialSpec", "spec", "trainer")
#: Fields of a container that have an effect on one machine.
USED: Final = frozenset({"name", "image", "command", "args", "env", "workingDir"})
# Without a meaning on one machine, and also without consequence: nobody needs to hear of them.
SILENT: Final = frozenset(
    {"imagePullPolicy", "restartPolicy", "terminationMessagePath", "terminationMessagePolicy"}
)
# The replica whose metrics count, where a job has several: the first of these.
_LEADERS: Final = ("Master", "Chief", "Launcher", "Worker")
_COPIES: Final = frozenset({"replicas", "parallelism", "completions"})
_NO_CONDITIONS: Final = ("successCondition", "failureCondition", "retain")
DEADLINE: Final = "activeDeadlineSeconds"


@dataclass(slots=True)
class Primary:
    """The container whose process a trial is.

    Attributes:
        container: As written, or as ``--command`` and the short form make it.
        path: Where it stands.
        meta: The trial's object: apiVersion, kind, metadata; empty without one.
        plain: Whether the command was written for this machine: in the short form, or as
            ``--command``.
        notes: What is probably a mistake, though it can be run.
        ignored: Paths of what is around it without a meaning on one machine.
        found: Rules that are broken.
    """

    container: dict[str, Any] = field(default_factory=dict)
    path: FieldPath = TEMPLATE
    meta: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False
    notes: list[Problem] = field(default_factory=list)
    ignored: list[FieldPath] = field(default_factory=list)
    found: list[Problem] = field(default_factory=list)


def primary(document: Mapping[str, Any], command: str | None) -> Primary:
    """Return the primary container of an Experiment document.

    Args:
        document: Whose shape has been checked against the schema.
        command: Replaces the container's command and arguments; it can stand in for a container.
    """
    template: Mapping[str, Any] = document["spec"].get("trialTemplate") or {}
    made = Primary()
    if "namespace" in document["metadata"]:
        made.ignored.append(("metadata", "namespace"))
    made.ignored += [(*TEMPLATE, key) for key in _NO_CONDITIONS if key in template]
    if "trialSpec" in template:
        made.meta = template["trialSpec"]
        _in_object(template, made, command is not None)
    elif "configMap" in template:
        made.path = (*TEMPLATE, "configMap")
        if command is None:
            rule = "lives in a cluster; write the template under trialSpec, or give --command"
            made.found.append((made.path, rule))
    else:
        made.plain = True
        made.container = _short(template, made.found)
        if not made.container["command"] and not made.container["image"] and command is None:
            made.found.append((TEMPLATE, "needs a trialSpec or a command, got neither"))
    if made.path != TEMPLATE:
        made.found += [
            ((*TEMPLATE, field), "has no effect beside a trialSpec or configMap")
            for field in schema.SHORT_FORM
            if field in template
        ]
    if command is not None:
        made.plain = True
        made.container = {**made.container, "command": split(command), "args": []}
    return made


def split(command: str) -> list[str]:
    """Return `command` as words, as a shell splits them.

    Raises:
        ValueError: If a quotation mark is open.
    """
    return shlex.split(command)


def shapes(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the shape of the containers of a trial."""
    template = document["spec"].get("trialTemplate") or {}
    root: FieldPath = (*TEMPLATE, "trialSpec")
    spec = template.get("trialSpec")
    for pod in pods(spec, root):
        for index, container in enumerate(pod.spec["containers"]):
            for where, rule in manifest.violations(container, schema.CONTAINER):
                yield (*pod.path, "containers", index, *where), rule
    if isinstance(spec, Mapping) and _is_train_job(spec):
        for where, rule in manifest.violations(_trainer(spec), schema.CONTAINER):
            yield (*TRAINER, *where), rule


def _short(template: Mapping[str, Any], found: list[Problem]) -> dict[str, Any]:
    """The container that the short form describes."""
    command = template.get("command")
    if isinstance(command, str):
        try:
            command = split(command)
        except ValueError as error:
            found.append(((*TEMPLATE, "command"), f"{error}, got {quote(command)}"))
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
    """Yield every object with a list of containers below `node`."""
    if isinstance(node, Mapping):
        if isinstance(node.get("containers"), list):
            yield Pod(rank, path, node)
        for key, value in node.items():
            below = _LEADERS.index(key) if key in _LEADERS else rank
            yield from pods(value, (*path, key), below)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from pods(value, (*path, index), rank)


#: Groups of objects whose pods are not trials by themselves: something in the cluster runs steps.
_CLUSTER_GROUPS: Final = ("argoproj.io", "ray.io", "tekton.dev")


def orchestrated(spec: Mapping[str, Any]) -> bool:
    """Return whether something in a cluster runs the steps of an object."""
    return str(spec.get("apiVersion")).partition("/")[0] in _CLUSTER_GROUPS


def _in_object(template: Mapping[str, Any], made: Primary, commanded: bool) -> None:
    """Find the primary container in the trial's object."""
    root: FieldPath = (*TEMPLATE, "trialSpec")
    if "namespace" in _mapping(made.meta.get("metadata")):
        made.ignored.append((*root, "metadata", "namespace"))
    if _is_train_job(made.meta):
        _in_train_job(made, root, commanded)
        return
    found_pods = (
        [] if orchestrated(made.meta) else sorted(pods(made.meta, root), key=lambda pod: pod.rank)
    )
    named = [
        (pod, index, container)
        for pod in found_pods
        for index, container in enumerate(pod.spec["containers"])
        if isinstance(container, Mapping)
    ]
    name = template.get("primaryContainerName")
    fitting = [entry for entry in named if name is None or entry[2].get("name") == name]
    if not fitting:
        made.path = root
        if commanded:
            made.ignored.append(root)
        elif named:
            names = ", ".join(sorted({str(container.get("name")) for _, _, container in named}))
            rule = f"must name a container of the trialSpec ({names}), got {quote(name)}"
            made.found.append(((*TEMPLATE, "primaryContainerName"), rule))
        else:
            kind = made.meta.get("kind")
            what = f"; a trial of kind {kind} runs on a cluster only" if kind else ""
            rule = f"must hold a pod with containers, got none{what}; --command can stand in for it"
            made.found.append((root, rule))
        return
    pod, index, container = fitting[0]
    kept = {*SILENT, "containers", DEADLINE}
    made.ignored += [(*pod.path, key) for key in pod.spec if key not in kept]
    made.ignored += [
        (*pod.path, "containers", other)
        for other in range(len(pod.spec["containers"]))
        if other != index
    ]
    made.ignored += [other.path for other in found_pods if other is not pod]
    made.ignored += list(_replicas(made.meta, root))
    made.container = dict(container)
    made.path = (*pod.path, "containers", index)


def _is_train_job(spec: Any) -> bool:
    """Whether `spec` is a TrainJob of Kubeflow's Trainer, which has no pod of its own."""
    return (
        isinstance(spec, Mapping)
        and spec.get("kind") == "TrainJob"
        and str(spec.get("apiVersion")).startswith("trainer.kubeflow.org/")
    )


def _trainer(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(spec.get("spec")).get("trainer"))


def _in_train_job(made: Primary, root: FieldPath, commanded: bool) -> None:
    """The trainer of a TrainJob is what a container is elsewhere; its runtime adds the pod."""
    trainer = dict(_trainer(made.meta))
    made.path = TRAINER
    if not commanded and not trainer.get("command"):
        rule = (
            "has no command, and what its runtime would run cannot be known here; write "
            "spec.trainer.command, or give --command"
        )
        made.found.append((made.path, rule))
    resources = trainer.pop("resourcesPerNode", None)
    if isinstance(resources, Mapping):
        trainer["resources"] = resources
    made.ignored += [
        (*root, "spec", key) for key in _mapping(made.meta.get("spec")) if key != "trainer"
    ]
    made.container = trainer


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _replicas(node: Any, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _COPIES and str(value).strip() != "1":
                yield (*path, key)
            yield from _replicas(value, (*path, key))
