"""What has become of a trial, from its object and pods as clusters have described them."""

from __future__ import annotations

from typing import Any

import pytest

from suggestion.runtimes.kubernetes.judging import Phase, Pod, Verdict, judge, read_pod
from suggestion.runtimes.kubernetes.kinds import conditions

JOB = conditions({}, "Job")


def of(*entries: tuple[str, str, str], kind: str = "Job") -> dict[str, Any]:
    """An object with conditions: type, reason, message."""
    made = [{"type": t, "status": "True", "reason": r, "message": m} for t, r, m in entries]
    return {"kind": kind, "metadata": {"name": "o"}, "status": {"conditions": made}}


def pod(created: str = "2026-01-01T00:00:00Z", restarts: str = "Never", **status: Any) -> (
    dict[str, Any]
):  # fmt: skip
    metadata = {"uid": created, "name": "p", "creationTimestamp": created, "labels": {"role": "a"}}
    spec = {"restartPolicy": restarts, "containers": [{"name": "main"}, {"name": "side"}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "side", "state": {"running": {}}}, {"name": "main", **state}]


def terminated(code: int, reason: str = "Error", message: str = "") -> list[dict[str, Any]]:
    ended = {"exitCode": code, "reason": reason, "startedAt": "2026-01-01T00:00:01Z"}
    return container(state={"terminated": {**ended, "message": message}})


def verdict(document: dict[str, Any], *pods: dict[str, Any]) -> Verdict:
    return judge(JOB, document, [read_pod(each, JOB) for each in pods])


EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
EVICTED |= {"message": "Taint manager: deleting due to NoExecute taint"}
LIMIT = ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")


def test_a_job_from_beginning_to_end() -> None:
    assert verdict(of()) == Verdict(Phase.QUEUED)
    assert verdict(of(), pod(phase="Pending")).phase is Phase.QUEUED
    running = container(state={"running": {"startedAt": "2026-01-01T00:00:01Z"}})
    assert verdict(of(), pod(phase="Running", containerStatuses=running)).phase is Phase.RUNNING
    done = pod(phase="Succeeded", containerStatuses=terminated(0, "Completed"))
    assert verdict(of(("Complete", "", "")), done) == Verdict(Phase.SUCCEEDED, 0)


def test_a_failed_container_tells_its_status() -> None:
    failed = pod(phase="Failed", containerStatuses=terminated(3))
    assert verdict(of(LIMIT), failed) == Verdict(Phase.FAILED, 3)


def test_a_container_out_of_memory() -> None:
    failed = pod(phase="Failed", containerStatuses=terminated(137, "OOMKilled"))
    reason = "exit status 137, killed by SIGKILL: OOMKilled"
    assert verdict(of(LIMIT), failed) == Verdict(Phase.FAILED, 137, reason)


def test_a_deadline_says_more_than_the_status() -> None:
    late = ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    reason = f"exit status 143, killed by SIGTERM, {late[1]}: {late[2]}"
    ended = pod(phase="Failed", containerStatuses=terminated(143))
    assert verdict(of(late), ended) == Verdict(Phase.FAILED, 143, reason)
    assert verdict(of(late)) == Verdict(Phase.FAILED, None, f"{late[1]}: {late[2]}")


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [EVICTED], "containerStatuses": terminated(143)},
        {"reason": "Evicted", "message": "The node was low on resource: memory."},
        {"reason": "OutOfcpu", "message": "Node didn't have enough resource"},
        {"containerStatuses": terminated(137, "ContainerStatusUnknown", "could not be located")},
    ],
    ids=["tainted", "node pressure", "rejected", "restarted node"],
)
def test_a_disrupted_pod_is_lost(status: dict[str, Any]) -> None:
    found = verdict(of(LIMIT), pod(phase="Failed", **status))
    assert found.phase is Phase.LOST
    assert found.reason.startswith("pod p: ")


def test_a_pod_on_a_dead_node_never_ends() -> None:
    """The Job waits for it, and says only that it will fail."""
    stuck = pod(phase="Running", conditions=[EVICTED])
    assert verdict(of(), stuck).phase is Phase.QUEUED
    giving_up = of(("FailureTarget", "BackoffLimitExceeded", ""))
    assert verdict(giving_up, stuck).phase is Phase.LOST


def test_a_job_that_starts_another_pod_goes_on() -> None:
    first = pod(phase="Failed", conditions=[EVICTED], containerStatuses=terminated(143))
    second = pod("2026-01-01T00:01:00Z", phase="Failed", containerStatuses=terminated(2))
    assert verdict(of(), first, second).phase is Phase.RUNNING
    assert verdict(of(LIMIT), first, second) == Verdict(Phase.FAILED, 2)


def test_failure_comes_first() -> None:
    assert verdict(of(("Complete", "", ""), LIMIT)).phase is Phase.FAILED


def test_a_container_that_starts_again() -> None:
    ended = terminated(1)[1]["state"]
    again = container(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended)
    read = read_pod(pod(restarts="OnFailure", phase="Running", containerStatuses=again), JOB)
    assert read.started
    assert not read.ended
    over = read_pod(
        pod(restarts="OnFailure", phase="Running", containerStatuses=terminated(0)), JOB
    )
    assert over.ended
    assert not over.finished


def test_the_primary_container_and_pod() -> None:
    wanted = conditions({"primaryContainerName": "main", "primaryPodLabels": {"role": "a"}}, "Job")
    assert read_pod(pod(), wanted).container == "main"
    assert read_pod(pod(), wanted).primary
    assert not read_pod(pod(), conditions({"primaryContainerName": "other"}, "Job")).primary
    assert not read_pod(pod(), conditions({"primaryPodLabels": {"role": "b"}}, "Job")).primary


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"containerStatuses": container(state={"waiting": {"reason": "ContainerCreating"}})}, ""),
        (
            {
                "containerStatuses": container(
                    state={"waiting": {"reason": "ErrImagePull", "message": "not\nfound"}}
                )
            },
            "ErrImagePull: not found",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                ]
            },
            "Unschedulable",
        ),
    ],
)
def test_why_a_pod_waits(status: dict[str, Any], expected: str) -> None:
    found: Pod = read_pod(pod(phase="Pending", **status), JOB)
    assert found.waiting == expected
