"""The objects that a cluster gets: an owner, and a trial's own with what we add. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from suggestion.controller.runtime import LaunchSpec, Whose
from suggestion.runtimes.kubernetes import sidecar
from suggestion.runtimes.kubernetes.kinds import EXPERIMENT, SIDECAR, TRIAL, Conditions

_LONGEST_LABEL: Final = 63
# Room for what operators put behind it: ``-master-0``.
_LONGEST_NAME: Final = 54
_DIGITS: Final = 8
# Told to a trial of this machine; paths and devices of a pod are its own.
_OF_THIS_MACHINE: Final = frozenset(
    {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SUGGEST_METRICS_PATH", "SUGGEST_RULES_FILE"}
    | {"SUGGEST_ARTIFACTS_DIR", "SUGGEST_SLOT", "SUGGEST_TRIAL_DIR"}
)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def experiment_label(whose: Whose) -> str:
    """Return the label of all that belongs to an experiment: its name, and what makes it unique."""
    return _label(whose.name, whose.id)


def _label(name: str, key: str, longest: int = _LONGEST_LABEL) -> str:
    """Return a DNS label of at most `longest` characters that begins like `name`."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return f"{plain[: longest - _DIGITS - 1].rstrip('-')}-{_digest(key)}".lstrip("-")


def object_name(whose: Whose, trial: str, attempt: int) -> str:
    """Return the name of an attempt's object: a DNS label of its own, always the same."""
    return _label(trial, f"{whose.id}/{trial}/{attempt}", _LONGEST_NAME)


def owner(whose: Whose) -> dict[str, Any]:
    """Return the config map that owns the objects of all trials: deleting it deletes them."""
    name = experiment_label(whose)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {EXPERIMENT: name}},
        "data": {
            "experiment": whose.name,
            "directory": str(whose.directory),
            "document": json.dumps(whose.document, indent=1, ensure_ascii=False),
        },
    }


def reference(name: str, uid: str) -> dict[str, str]:
    """Return how an object names the config map that owns it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}


@dataclass(frozen=True, slots=True)
class Shape:
    """What we add to the objects of an experiment's trials.

    Attributes:
        label: Of the experiment.
        image: For the side-car; empty: that of the primary container.
    """

    label: str
    conditions: Conditions
    image: str = ""


def trial_object(spec: LaunchSpec, name: str, shape: Shape) -> dict[str, Any]:
    """Return the object of an attempt.

    Args:
        name: Of the object.
    """
    made: dict[str, Any] = copy.deepcopy(dict(spec.object)) or _job(spec)
    labels = {EXPERIMENT: shape.label, TRIAL: name}
    metadata = _section(made, "metadata")
    metadata.pop("namespace", None)
    metadata.pop("generateName", None)
    metadata["name"] = name
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata.pop("ownerReferences", None)
    if made.get("kind") == "Workflow":
        pods = _section(_section(made, "spec"), "podMetadata")
        pods["labels"] = {**(pods.get("labels") or {}), **labels}
    for pod in _pods(made):
        inside = _section(pod, "metadata")
        inside["labels"] = {**(inside.get("labels") or {}), **labels}
        for container in pod["spec"]["containers"]:
            _tell(container, spec)
        container = primary(pod, shape.conditions.container)
        if container is not None and spec.metrics_path:
            _collect(pod["spec"], container, spec, shape.image)
    return made


def _job(spec: LaunchSpec) -> dict[str, Any]:
    """Return the Job that the short form of a template stands for."""
    invocation = spec.invocation
    container: dict[str, Any] = {
        "name": "trial",
        "image": invocation.image,
        "command" if invocation.commanded else "args": list(invocation.argv),
        "env": [{"name": name, "value": value} for name, value in invocation.env.items()],
    }
    if invocation.cwd:
        container["workingDir"] = invocation.cwd
    amounts = {"cpu": spec.demand.cpus, "memory": spec.demand.memory}
    limits = {name: str(amount) for name, amount in amounts.items() if amount is not None}
    if spec.demand.gpus:
        limits["nvidia.com/gpu"] = str(spec.demand.gpus)
    if limits:
        container["resources"] = {"limits": limits}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"backoffLimit": 0, "template": template},
    }


def _section(node: dict[str, Any], name: str) -> dict[str, Any]:
    found = node.get(name)
    if not isinstance(found, dict):
        found = node[name] = {}
    return found


def _pods(node: Any) -> Iterator[dict[str, Any]]:
    """Yield what holds the spec of a pod: a pod, or a template of pods."""
    if isinstance(node, dict):
        spec = node.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            yield node
        for value in node.values():
            yield from _pods(value)
    elif isinstance(node, list):
        for value in node:
            yield from _pods(value)


def has_pods(document: Mapping[str, Any]) -> bool:
    """Return whether an object holds the spec of a pod."""
    return next(_pods(document), None) is not None


def primary(pod: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return the primary container of a pod; None if it has none."""
    containers: list[dict[str, Any]] = pod["spec"]["containers"]
    named = (container for container in containers if container.get("name") == name)
    return next(named, None) if name else containers[0]


def _tell(container: dict[str, Any], spec: LaunchSpec) -> None:
    """Tell a container what its trial is told; what it says itself counts more."""
    told = {
        "PYTHONUNBUFFERED": "1",
        **{name: text for name, text in spec.variables.items() if name not in _OF_THIS_MACHINE},
    }
    if spec.metrics_path:
        told["SUGGEST_METRICS_PATH"] = spec.metrics_path
    own = container.get("env") or []
    names = {entry.get("name") for entry in own}
    container["env"] = [
        *({"name": name, "value": text} for name, text in told.items() if name not in names),
        *own,
    ]


def _collect(pod: dict[str, Any], container: dict[str, Any], spec: LaunchSpec, image: str) -> None:
    """Add the side-car that prints what the primary container writes to its metrics path.

    It is an init container that restarts: it begins before the trial, and the kubelet ends it when
    the trial has ended.
    """
    mount = _mount(pod, container, spec)
    own = container.get("securityContext") or {}
    context = {
        **{key: own[key] for key in ("runAsUser", "runAsGroup", "runAsNonRoot") if key in own},
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": own.get("seccompProfile") or {"type": "RuntimeDefault"},
    }
    made = {
        "name": SIDECAR,
        "image": image or container.get("image"),
        "command": ["python3", "-I", "-S", "-u", "-c", sidecar.source(), spec.metrics_path],
        "restartPolicy": "Always",
        "volumeMounts": [mount],
        "securityContext": context,
        "resources": {
            "requests": {"cpu": "50m", "memory": "32Mi"},
            "limits": {"cpu": "500m", "memory": "64Mi"},
        },
    }
    if "imagePullPolicy" in container:
        made["imagePullPolicy"] = container["imagePullPolicy"]
    pod["initContainers"] = [*(pod.get("initContainers") or ()), made]


def _mount(pod: dict[str, Any], container: dict[str, Any], spec: LaunchSpec) -> dict[str, Any]:
    """Return the volume that both containers see below the metrics path, which may be there."""
    folder = posixpath.dirname(spec.metrics_path) if spec.metrics_file else spec.metrics_path
    folder = posixpath.normpath(folder)
    for known in container.get("volumeMounts") or ():
        inside = posixpath.normpath(str(known.get("mountPath")))
        if folder == inside or folder.startswith(f"{inside.rstrip('/')}/"):
            return {**known, "readOnly": True}
    mount: dict[str, Any] = {"name": SIDECAR, "mountPath": folder}
    container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    pod["volumes"] = [*(pod.get("volumes") or ()), {"name": SIDECAR, "emptyDir": {}}]
    return {**mount, "readOnly": True}
