"""One entry of Katib's configuration: the container that it starts for an algorithm or a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from suggestion.deployment.images import Kind

#: The restricted profile of the Pod Security Standards, and a read-only file system.
SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
#: Algorithms that copy checkpoints of trials, which Katib keeps in a volume of the experiment.
_WITH_VOLUME: Final = frozenset({"pbt"})
_MOUNT: Final = "/opt/katib/data"  # Katib's default
_DATA_DIR: Final = "SUGGEST_DATA_DIR"
#: What they need: a new volume usually belongs to root, and trials write as whoever they are.
_ROOT: Final[Mapping[str, Any]] = {
    **SECURITY,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "capabilities": {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]},
}
_CLAIM: Final[Mapping[str, Any]] = {
    "accessModes": ["ReadWriteMany"],
    "resources": {"requests": {"storage": "5Gi"}},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One algorithm or rule, and the image that Katib starts for it.

    Attributes:
        name: Its name in experiments.
        kind: Whether it is an algorithm or a rule.
        reference: The image with registry and tag.
        memory: Memory limit in MiB.
        args: Arguments of the container, if it needs any.
    """

    name: str
    kind: Kind
    reference: str
    memory: int
    args: tuple[str, ...] = ()

    def fields(self, *, probes: bool = False) -> dict[str, Any]:
        """Return the fields of a new entry, without its name.

        Memory is requested as it is limited, because pods over their request are evicted first.
        Entries of early stopping take nothing but the image, its pull policy and resources.

        Args:
            probes: Whether the release of Katib knows no probes of gRPC servers.
        """
        memory = f"{self.memory}Mi"
        made: dict[str, Any] = {
            "image": self.reference,
            "resources": {
                "limits": {"cpu": "500m", "memory": memory},
                "requests": {"cpu": "50m", "memory": memory},
            },
        }
        if self.kind is Kind.EARLY_STOPPING:
            return made
        if self.args:
            made["args"] = list(self.args)
        if probes:
            made |= _probes(self.kind.health_name)
        if self.name in _WITH_VOLUME:
            made["env"] = [{"name": _DATA_DIR, "value": _MOUNT}]
            made["volumeMountPath"] = _MOUNT
            made["persistentVolumeClaimSpec"] = dict(_CLAIM)
            made["securityContext"] = dict(_ROOT)
        else:
            made["securityContext"] = dict(SECURITY)
        return made

    def into(self, installed: Mapping[str, Any], *, probes: bool = False) -> dict[str, Any]:
        """Return `installed`, an entry of the same name, with this image.

        Whatever it says stays, apart from the image and the arguments that the image needs; what
        it does not say, or says null of, is added.
        """
        made = self.fields(probes=probes)
        installed = {key: value for key, value in installed.items() if value is not None}
        merged = {**installed, **{key: made[key] for key in made if key not in installed}}
        merged["image"] = made["image"]
        if self.args:
            merged["args"] = made["args"]
        if self.name in _WITH_VOLUME:
            env = list(installed.get("env") or ())
            if all(variable.get("name") != _DATA_DIR for variable in env):
                env.append({"name": _DATA_DIR, "value": merged["volumeMountPath"]})
            merged["env"] = env
        return merged

    def shortage(self, installed: Mapping[str, Any]) -> str:
        """Return what `installed`, an entry of the same name, limits memory to, if it is too low.

        Empty if it is enough, or cannot be told.
        """
        limits = (installed.get("resources") or {}).get("limits") or {}
        limit = str(limits.get("memory", ""))
        for unit, size in (("Mi", 1), ("Gi", 1024)):
            number = limit.removesuffix(unit)
            if limit.endswith(unit) and number.isdecimal():
                return limit if int(number) * size < self.memory else ""
        return ""


def _probes(service: str) -> dict[str, Any]:
    """Return probes by a command in the container, with Katib's own times."""
    command = ["suggest", "health", "--service", service]
    probe = {"exec": {"command": command}, "timeoutSeconds": 10, "initialDelaySeconds": 10}
    return {
        "readinessProbe": {**probe, "periodSeconds": 10},
        "livenessProbe": {**probe, "periodSeconds": 120, "failureThreshold": 12},
    }
