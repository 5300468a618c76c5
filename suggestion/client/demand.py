"""What a trial needs of the machines that it runs on: processors, memory, GPUs, replicas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from suggestion.client.containers import Problem, pods
from suggestion.client.manifest import FieldPath
from suggestion.problem.errors import quote

#: Resources that are whole GPUs.
GPUS: Final = frozenset({"nvidia.com/gpu", "amd.com/gpu"})
# Kubernetes' quantities: 500m, 1.5, 2Gi, 1e9.
_QUANTITY: Final = re.compile(
    r"\+?(?P<number>\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})"
    r"(?P<unit>[num]|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?"
)
_UNITS: Final = {
    "": 1.0,
    **{"n": 1e-9, "u": 1e-6, "m": 1e-3},
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)},
}
#: Kinds whose replicas are processes of one program, told apart by RANK.
DISTRIBUTED: Final = frozenset({"PyTorchJob", "TrainJob"})
_COUNTS: Final = frozenset({"replicas", "parallelism", "completions", "numNodes"})


@dataclass(frozen=True, slots=True)
class Demand:
    """What each process of a trial needs.

    Attributes:
        cpus: Number of processors; None: whatever there is.
        memory: In bytes; None: whatever there is.
        gpus: Number of GPUs.
        replicas: Processes of the trial, each with all of that.
        unmet: What of it cannot be had outside a cluster of Kubernetes.
    """

    cpus: float | None = None
    memory: int | None = None
    gpus: int = 0
    replicas: int = 1
    unmet: tuple[Problem, ...] = ()


#: Whatever there is, for one process.
ANY: Final = Demand()


def quantity(text: str) -> float:
    """Return the number that a quantity of Kubernetes stands for: ``500m`` is 0.5, ``2Gi`` 2^31.

    Raises:
        ValueError: If it is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be a quantity such as 500m, 2 or 4Gi, got {quote(text)}")
    unit = match["unit"] or ""
    if unit[:1] in ("e", "E") and len(unit) > 1 and unit != "Ei":
        return float(f"{match['number']}{unit}")
    return float(match["number"]) * _UNITS[unit]


def read(resources: Mapping[str, Any], path: FieldPath, root: Mapping[str, Any]) -> Demand:
    """Return what a trial needs.

    Args:
        resources: Of its primary container; limits come before requests.
        path: Where they stand.
        root: The trial's object; empty without one.
    """
    unmet: list[Problem] = []
    amounts: dict[str, float] = {}
    for kind in ("requests", "limits"):
        for name, text in (resources.get(kind) or {}).items():
            try:
                amounts[name] = quantity(str(text))
            except ValueError as error:
                unmet.append(((*path, kind, name), str(error)))
    known = {"cpu", "memory", *GPUS}
    unmet += [
        ((*path, kind, name), "cannot be had there; cpu, memory and GPUs can")
        for kind in ("requests", "limits")
        for name in (resources.get(kind) or {})
        if name not in known and name != "ephemeral-storage"
    ]
    unmet += [
        ((*path, "limits" if name in (resources.get("limits") or {}) else "requests", name),
         f"must be a whole number of GPUs, got {amounts[name]:g}")
        for name in sorted(GPUS)
        if not amounts.get(name, 0.0).is_integer()
    ]  # fmt: skip
    replicas, wrong = _replicas(root)
    memory = amounts.get("memory")
    gpus = max((amounts[name] for name in GPUS if name in amounts), default=0.0)
    return Demand(
        amounts.get("cpu"),
        None if memory is None else int(memory),
        int(gpus),
        replicas,
        (*unmet, *wrong),
    )


def _replicas(root: Mapping[str, Any]) -> tuple[int, list[Problem]]:
    """Return the processes of a trial's object, and why some of them cannot be run as such."""
    where: FieldPath = ("spec", "trialTemplate", "trialSpec")
    counts = list(_counts(root, where))
    kind = root.get("kind")
    if kind not in DISTRIBUTED:
        rule = "only replicas of a PyTorchJob or TrainJob can be had there, got {} in a {}"
        several = [(path, text) for path, text in counts if text != "1"]
        return 1, [(path, rule.format(text, kind or "trial")) for path, text in several]
    wrong = [
        (path, f"must be a whole number from 1 to 9999, got {quote(text)}")
        for path, text in counts
        if not re.fullmatch("[1-9][0-9]{0,3}", text)
    ]
    if wrong:
        return 1, wrong
    if kind == "TrainJob":
        return int(counts[0][1]) if counts else 1, []
    specs, where = _below(root, where, "spec", "pytorchReplicaSpecs")
    each = [_below(specs, where, name) for name in specs] if isinstance(specs, Mapping) else []
    for found, path in [(specs, where), *each]:
        if not isinstance(found, Mapping):
            return 1, [(path, f"must be a mapping, got {quote(found)}")]
        if isinstance(found.get("replicas"), Mapping | list):
            rule = f"must be a whole number from 1 to 9999, got {quote(found['replicas'])}"
            return 1, [((*path, "replicas"), rule)]
    total = sum(int(str(spec.get("replicas", 1)).strip()) for spec, _ in each) or 1
    programs = [
        [pod.spec["containers"][0].get(key) for key in ("image", "command", "args", "env")]
        for pod in pods(specs, where)
        if pod.spec["containers"]
    ]
    if any(program != programs[0] for program in programs):
        rule = "all replicas must run the same program there, got several"
        return total, [(where, rule)]
    return total, []


def _below(node: Any, path: FieldPath, *names: str) -> tuple[Any, FieldPath]:
    """Return what names lead to from a node, and its path; an empty mapping if it is not there."""
    for name in names:
        node, path = (node.get(name, {}) if isinstance(node, Mapping) else node), (*path, name)
    return node, path


def _counts(node: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _COUNTS and not isinstance(value, Mapping | list):
                yield (*path, key), str(value).strip()
            yield from _counts(value, (*path, key))
