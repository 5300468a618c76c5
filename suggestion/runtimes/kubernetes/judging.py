"""What has become of a trial, from its object and its pods as the cluster describes them. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from suggestion.controller.outcomes import exit_text
from suggestion.runtimes.kubernetes.gjson import holds
from suggestion.runtimes.kubernetes.kinds import SIDECAR, Conditions

# Why the kubelet ends or rejects a pod that has done nothing wrong; also ``OutOfcpu`` and its like.
_EVICTED: Final = frozenset(
    {"Evicted", "NodeAffinity", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"}
    | {"UnexpectedAdmissionError"}
)
# The kubelet does not know what has become of a container: the node was restarted.
_UNKNOWN: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
# Ends of a container whose exit status says it all.
_PLAIN: Final = frozenset({"", "Completed", "Error"})
# A Job that ends for one of these says less than its pod does.
_COUNTED: Final = frozenset({"", "BackoffLimitExceeded", "PodFailurePolicy"})
# Waiting for one of these is no trouble.
_BEGINNING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


class Phase(enum.Enum):
    """How far a trial is."""

    QUEUED = enum.auto()
    RUNNING = enum.auto()
    SUCCEEDED = enum.auto()
    FAILED = enum.auto()
    LOST = enum.auto()

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self not in {Phase.QUEUED, Phase.RUNNING}


@dataclass(frozen=True, slots=True)
class Pod:
    """What counts of a pod.

    Attributes:
        created: When, RFC 3339.
        container: Name of its primary container.
        primary: Whether that container's output counts.
        started: When that container first ran, RFC 3339; empty: it has not yet.
        ended: It has ended, and will not start again.
        finished: So have all containers of the pod.
        status: Its exit status; None if nobody knows.
        reason: Why it has ended, for people; empty if the status says it.
        lost: Why the pod was ended through no fault of its own; empty if it was not.
        waiting: What keeps it from running, for people; empty if nothing unusual does.
        leaving: It is being deleted.
        cut: Its side-car did not end by itself: it may not have printed everything.
    """

    uid: str
    name: str
    created: str
    container: str
    primary: bool
    started: str = ""
    ended: bool = False
    finished: bool = False
    status: int | None = None
    reason: str = ""
    lost: str = ""
    waiting: str = ""
    leaving: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has become of a trial.

    Attributes:
        status: Exit status of one that has failed; None if nobody knows.
        reason: Why it has failed or was lost, for people; empty if the status says it.
    """

    phase: Phase
    status: int | None = None
    reason: str = ""


def read_pod(pod: Mapping[str, Any], conditions: Conditions) -> Pod:
    """Return what counts of a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    names = [container["name"] for container in pod["spec"]["containers"]]
    name = conditions.container if conditions.container in names else names[0]
    primary = all(labels.get(key) == value for key, value in conditions.primary.items())
    if conditions.container and conditions.container not in names:
        primary = False
    state = _state(status, "containerStatuses", name)
    side_car = _state(status, "initContainerStatuses", SIDECAR).get("terminated") or {}
    finished = status.get("phase") in {"Succeeded", "Failed"}
    terminated = state.get("terminated") or {}
    begun = terminated or state.get("running") or {}
    restarts = pod["spec"].get("restartPolicy", "Always")
    again = restarts == "Always" or (restarts == "OnFailure" and terminated.get("exitCode") != 0)
    return Pod(
        metadata["uid"],
        metadata["name"],
        metadata.get("creationTimestamp") or "",
        name,
        primary,
        begun.get("startedAt") or "",
        finished or (bool(terminated) and not again),
        finished,
        terminated.get("exitCode"),
        _why(terminated),
        _lost(status, terminated),
        _waiting(status, state),
        bool(metadata.get("deletionTimestamp")),
        bool(side_car.get("exitCode")),
    )


def _state(status: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    """Return the state of a container, or the one before if it is about to start again."""
    for known in status.get(kind) or ():
        if known["name"] == name:
            state: Mapping[str, Any] = known.get("state") or {}
            last = known.get("lastState") or {}
            return {**state, **last} if "waiting" in state and "terminated" in last else state
    return {}


def _why(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason") or ""
    if not terminated or reason in _PLAIN:
        return ""
    message = " ".join(str(terminated.get("message") or "").split())
    return ": ".join(filter(None, (exit_text(terminated.get("exitCode")), reason, message)))


def _lost(status: Mapping[str, Any], terminated: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _told(condition)
    reason = status.get("reason") or ""
    if reason in _EVICTED or reason.startswith("OutOf"):
        return _told(status)
    if terminated.get("reason") in _UNKNOWN:
        return _told(terminated)
    return ""


def _waiting(status: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    waiting = state.get("waiting") or {}
    if (waiting.get("reason") or "") not in _BEGINNING:
        return _told(waiting)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _told(condition)
    return ""


def _told(entry: Mapping[str, Any]) -> str:
    texts = (str(entry.get("reason") or ""), " ".join(str(entry.get("message") or "").split()))
    return ": ".join(filter(None, texts))


def judge(conditions: Conditions, document: Mapping[str, Any], pods: Iterable[Pod]) -> Verdict:
    """Return what has become of a trial; that it has failed comes before that it has succeeded.

    An attempt that has failed since a pod of it was evicted, preempted, or on a node that has died,
    is lost, unless the object has started another pod in its place.
    """
    ordered = sorted(pods, key=lambda pod: pod.created)
    lost = _disruption(conditions, ordered)
    failure = holds(conditions.failure, document) if conditions.failure else None
    if failure is not None:
        return Verdict(Phase.LOST, None, lost) if lost else _failed(failure, ordered)
    # A Job waits for all of its pods to end, and a pod on a dead node never ends.
    going = conditions.kind == "Pod" and "deletionTimestamp" in document["metadata"]
    if lost and (going or _is_giving_up(document)):
        return Verdict(Phase.LOST, None, lost)
    if conditions.success and holds(conditions.success, document) is not None:
        return Verdict(Phase.SUCCEEDED, 0)
    runs = any(pod.started for pod in ordered)
    return Verdict(Phase.RUNNING if runs else Phase.QUEUED)


def _disruption(conditions: Conditions, ordered: Sequence[Pod]) -> str:
    """Return why the last pod of a Job, or any pod of a distributed trial, was disrupted."""
    counted = ordered[-1:] if conditions.kind == "Job" else ordered
    return next((f"pod {pod.name}: {pod.lost}" for pod in counted if pod.lost), "")


def _is_giving_up(document: Mapping[str, Any]) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(
        known.get("type") == "FailureTarget" and known.get("status") == "True"
        for known in conditions
    )


def _failed(failure: Mapping[str, Any], ordered: Sequence[Pod]) -> Verdict:
    ended = [pod for pod in ordered if pod.primary and pod.status]
    told = _told(failure)
    if ended and str(failure.get("reason") or "") in _COUNTED:
        return Verdict(Phase.FAILED, ended[-1].status, ended[-1].reason)
    if not ended:
        return Verdict(Phase.FAILED, None, told or "its failure condition holds")
    status = ended[-1].status
    return Verdict(Phase.FAILED, status, ", ".join(filter(None, (exit_text(status), told))))
