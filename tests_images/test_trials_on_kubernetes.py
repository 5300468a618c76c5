"""`suggest run --runtime kubernetes` on a real cluster of two nodes, and its faults."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from suggestion.controller.runtime import Unavailable
from suggestion.controller.trials import Condition, Trial
from suggestion.runtimes.kubernetes import admission, api
from tests_images.containers import ROOT
from tests_images.kubernetes import (
    LIMIT,
    PROGRAM,
    Cluster,
    Run,
    conditions,
    experiment,
    image,
    job,
    until,
)  # fmt: skip
from tests_images.operators import OPERATORS, definition

pytestmark = pytest.mark.skipif(not PROGRAM, reason="TEST_CLUSTER names no program")

LINES = 4
#: Some lines in some seconds, and how often it has run.
STEPS = f"for i in $(seq {LINES}); do echo step=$i loss=$X; sleep 0.4; done"


def fault(*arguments: str) -> None:
    subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)


def on(node: str) -> dict[str, Any]:
    """What holds for a node of this name alone."""
    return {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}


def some_run(count: int) -> Any:
    """Whether so many trials have ended and others run."""
    return lambda trials: (
        sum(not trial.condition.active for trial in trials) >= count
        and any(trial.condition is Condition.RUNNING for trial in trials)
    )


def expect_whole(run: Run, trials: Sequence[Trial], count: int) -> None:
    """Each trial has succeeded, with each line of its output once; nothing is left running."""
    assert conditions(trials) == {Condition.SUCCEEDED: count}, run.said
    for trial in trials:
        value = trial.assignment["x"]
        assert run.output(trial) == [f"step={i} loss={value}" for i in range(1, LINES + 1)]
        assert trial.series["loss"].latest == value
    assert run.cluster.pods() == []
    assert run.cluster.get("jobs", "--selector", "suggestion/trial") == []


def test_another_runner_goes_on_after_kill_9(kubeconfig: str, tmp_path: Path) -> None:
    """In a namespace that enforces the restricted profile."""
    cluster = Cluster(kubeconfig, **{"pod-security.kubernetes.io/enforce": "restricted"})
    run = Run(cluster, tmp_path, experiment(job(STEPS), maxTrialCount=20))
    process = run.start()
    run.until(some_run(6))
    process.kill()
    process.wait()
    seen = {item["metadata"]["uid"] for item in cluster.get("jobs")}
    trials = run.finish()
    expect_whole(run, trials, 20)
    assert {trial.attempt for trial in trials} == {1}, run.said
    assert len(seen) <= 8


@pytest.mark.faults
def test_a_dead_node_loses_its_trials(cluster: Cluster, tmp_path: Path) -> None:
    # The scheduler may find the other node better for each of them.
    rather = [{"weight": 100, "preference": {"matchExpressions": [on("node-2")]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": rather}}
    made = job(f"{STEPS}; sleep 6", affinity=affinity)
    run = Run(cluster, tmp_path, experiment(made, maxTrialCount=8))
    cluster.kubectl("wait", "--for=condition=Ready", "node/node-2", f"--timeout={LIMIT}s")
    process = run.start()

    def runs_there() -> bool:
        assert process.poll() is None, run.said
        return any(
            pod["spec"].get("nodeName") == "node-2" and pod["status"]["phase"] == "Running"
            for pod in cluster.pods()
        )

    until(runs_there, lambda: run.said)
    fault("kill-node", "2")
    try:
        trials = run.end(process)
    finally:
        fault("start-node", "2")
        cluster.kubectl("wait", "--for=condition=Ready", "node/node-2", f"--timeout={LIMIT}s")
    assert conditions(trials) == {Condition.SUCCEEDED: 8}, run.said
    lost = [trial for trial in trials if trial.losses]
    assert lost, run.said
    assert all(trial.attempt == 1 + trial.losses and not trial.failures for trial in trials)


@pytest.mark.faults
def test_the_api_server_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    run = Run(cluster, tmp_path, experiment(job(STEPS), maxTrialCount=8))
    process = run.start()
    run.until(some_run(1))
    fault("pause-api", "60")
    trials = run.end(process)
    expect_whole(run, trials, 8)
    assert {trial.losses for trial in trials} == {0}


def test_an_evicted_pod_is_no_failure(cluster: Cluster, tmp_path: Path) -> None:
    run = Run(cluster, tmp_path, experiment(job(f"{STEPS}; sleep 3"), maxTrialCount=2))
    process = run.start()
    run.until(lambda trials: any(trial.series for trial in trials))
    (pod, *_) = (p for p in cluster.pods() if p["status"]["phase"] == "Running")
    name = pod["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": cluster.namespace},
    }
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
    cluster.kubectl("create", "--raw", path, "--filename", "-", text=json.dumps(eviction))
    trials = run.end(process)
    expect_whole(run, trials, 2)
    assert sorted((t.losses, t.failures) for t in trials) == [(0, 0), (1, 0)], run.said
    assert "EvictionByEvictionAPI" in run.said


def test_failures_say_why(cluster: Cluster, tmp_path: Path) -> None:
    spec = {"maxTrialCount": 1, "maxFailedTrialCount": 1}
    run = Run(cluster, tmp_path, experiment(job("echo $X; exit 7"), **spec))
    (trial,) = run.finish(status=1)
    assert (trial.condition, trial.reason) == (Condition.FAILED, "exit status 7")


def test_pods_that_are_forbidden_fail_their_trial(kubeconfig: str, tmp_path: Path) -> None:
    cluster = Cluster(kubeconfig, **{"pod-security.kubernetes.io/enforce": "restricted"})
    made = job("echo $X")
    del made["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    spec = {"maxTrialCount": 1, "maxFailedTrialCount": 1}
    run = Run(cluster, tmp_path, experiment(made, **spec))
    (trial,) = run.finish(status=1)
    assert trial.condition is Condition.FAILED
    assert 'violates PodSecurity "restricted:latest"' in trial.reason


def test_early_stopping_deletes_the_object(cluster: Cluster, tmp_path: Path) -> None:
    settings = [{"name": "random_state", "value": "1"}]
    stopping = [
        {"name": "min_trials_required", "value": "2"},
        {"name": "start_step", "value": "2"},
    ]
    document = experiment(
        job("for i in $(seq 50); do echo loss=$X; sleep 0.2; done"),
        maxTrialCount=8,
        algorithm={"algorithmName": "random", "algorithmSettings": settings},
        earlyStopping={"algorithmName": "medianstop", "algorithmSettings": stopping},
    )
    run = Run(cluster, tmp_path, document)
    trials = run.finish("--grace", "1s")
    found = conditions(trials)
    assert set(found) == {Condition.SUCCEEDED, Condition.EARLY_STOPPED}, run.said
    for trial in trials:
        if trial.condition is Condition.EARLY_STOPPED:
            assert 2 <= len(run.output(trial)) < 50
            assert trial.series["loss"].latest == trial.assignment["x"]
    assert cluster.pods() == []
    assert cluster.get("jobs") == []


def test_a_metrics_file_comes_by_a_side_car(kubeconfig: str, tmp_path: Path) -> None:
    cluster = Cluster(kubeconfig, **{"pod-security.kubernetes.io/enforce": "restricted"})
    source = {"fileSystemPath": {"path": "/katib/train.log", "kind": "File"}}
    collector = {"collector": {"kind": "File"}, "source": source}
    script = f"({STEPS}) >>$SUGGEST_METRICS_PATH; echo printed"
    # As long as Kubernetes gives it by default: on a busy machine the side-car needs some seconds
    # until it heeds the signal that ends it.
    made = job(script, terminationGracePeriodSeconds=30)
    document = experiment(made, maxTrialCount=4, metricsCollectorSpec=collector)
    run = Run(cluster, tmp_path, document)
    trials = run.finish()
    assert conditions(trials) == {Condition.SUCCEEDED: 4}, run.said
    for trial in trials:
        assert run.output(trial) == ["printed"]
        assert trial.series["loss"].latest == trial.assignment["x"]


def documented() -> list[dict[str, Any]]:
    """The documented role, and an account that has it."""
    return list(yaml.safe_load_all((ROOT / "deploy/kubernetes/run/role.yaml").read_text()))


def account(cluster: Cluster, *without: str) -> str:
    """A kubeconfig for an account with the documented role, but for some verbs."""
    role, *rest = documented()
    for rule in role["rules"]:
        rule["verbs"] = [verb for verb in rule["verbs"] if verb not in without]
    cluster.apply(role, *rest)
    token = cluster.kubectl("create", "token", "suggest-run").strip()
    with open(cluster.kubeconfig, encoding="utf-8") as file:
        known = yaml.safe_load(file)
    known["users"] = [{"name": "test", "user": {"token": token}}]
    return yaml.safe_dump(known)


def test_a_missing_right_is_named_before_the_first_trial(cluster: Cluster, tmp_path: Path) -> None:
    run = Run(cluster, tmp_path, experiment(job(STEPS)))
    (file := tmp_path / "kubeconfig").write_text(account(cluster, "watch"))
    run.end(run.start(kubeconfig=str(file)), status=1)
    for resource in ("jobs.batch", "pods"):
        assert f"may not watch {resource} in namespace '{cluster.namespace}'" in run.said
    assert run.trials() == []
    # The whole role is enough.
    file.write_text(account(cluster))
    trials = run.end(run.start(kubeconfig=str(file)))
    expect_whole(run, trials, 4)


def test_each_right_of_the_role_is_missed(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none but them; the events are only read for what they tell people."""
    (file := tmp_path / "kubeconfig").write_text(account(cluster))
    monkeypatch.setenv("KUBECONFIG", str(file))
    connected = api.connect(None, cluster.namespace)

    def said() -> list[str]:
        try:
            admission.expect_rights(connected, *admission.JOB)
        except Unavailable as error:
            return str(error).splitlines()
        return []

    def expect(*missing: str) -> None:
        """The API server knows of a changed role a moment later."""
        where = f"in namespace '{cluster.namespace}'; deploy/kubernetes/run/role.yaml grants"
        lines = [f"this account may not {right} {where}" for right in missing]

        def holds() -> bool:
            found = said()
            return len(found) == len(lines) and all(map(str.__contains__, found, lines))

        until(holds, lambda: f"{lines} in {said()}")

    expect()
    role, *_ = documented()
    for rule in role["rules"]:
        (resource,), (group,) = rule["resources"], rule["apiGroups"]
        name = f"{resource}.{group}" if group else resource
        verbs = rule["verbs"]
        for verb in verbs:
            rule["verbs"] = [known for known in verbs if known != verb] or ["update"]
            cluster.apply(role)
            expect(*([] if resource == "events" else [f"{verb} {name}"]))
        rule["verbs"] = verbs


def test_deleting_the_config_map_ends_everything(cluster: Cluster, tmp_path: Path) -> None:
    run = Run(cluster, tmp_path, experiment(job("echo loss=$X; sleep 300")))
    process = run.start()
    run.until(lambda trials: sum(bool(trial.series) for trial in trials) == 4)
    cluster.kubectl("delete", "configmap", "--selector", "suggestion/experiment")
    run.end(process, status=1)
    assert "was deleted, and with it all trials" in run.said
    cluster.kubectl("wait", "--for=delete", "pods", "--all", f"--timeout={LIMIT}s")


def test_the_runner_is_a_job_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """As `deploy/kubernetes/run` has it; its pod is deleted in the middle."""
    folder = ROOT / "deploy" / "kubernetes" / "run"
    documents = [*yaml.safe_load_all((folder / "role.yaml").read_text())]
    documents += yaml.safe_load_all((folder / "runner.yaml").read_text())
    pod = documents[-1]["spec"]["template"]["spec"]
    pod["containers"][0] |= {"image": image(), "imagePullPolicy": "IfNotPresent"}
    # The volumes of this cluster belong to root, whatever fsGroup says.
    pod["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
    pod["containers"][0]["securityContext"] |= {"runAsNonRoot": False}
    file = yaml.safe_dump(experiment(job(STEPS), maxTrialCount=8))
    data = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"experiment.yaml": file}}
    cluster.apply(*documents, {**data, "metadata": {"name": "suggest-run"}})
    trials = lambda: cluster.get("jobs", "--selector", "suggestion/trial")  # noqa: E731
    until(lambda: bool(trials()))
    mine = "app.kubernetes.io/name=suggest-run"
    cluster.kubectl("delete", "pod", "--selector", mine)
    cluster.kubectl("wait", "--for=condition=Complete", "job/suggest-run", f"--timeout={LIMIT}s")
    said = cluster.kubectl("logs", "--selector", mine, "--tail=-1")
    assert "still running, adopted" in said
    assert "study succeeded after 8 trials" in said
    assert trials() == []
    assert cluster.pods() == []


@pytest.mark.parametrize("kind", list(OPERATORS))
def test_a_kind_by_the_status_that_its_operator_writes(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    operator = OPERATORS[kind]
    cluster.apply(definition(operator.trial["apiVersion"], kind))
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{operator.resource}")
    document = experiment(operator.trial, parallelTrialCount=2, maxTrialCount=2)
    document["spec"]["trialTemplate"] |= operator.template
    run = Run(cluster, tmp_path, document)
    process = run.start()

    def over() -> bool:
        operator.work(cluster)
        return process.poll() is not None

    until(over, lambda: run.said)
    trials = run.end(process)
    assert conditions(trials) == {Condition.SUCCEEDED: 2}, run.said
    assert all(t.series["loss"].latest == t.assignment["x"] for t in trials)
    assert cluster.get(operator.resource) == []


def test_devices_and_mounted_files(cluster: Cluster, tmp_path: Path) -> None:
    """A node with one GPU, as far as the scheduler can tell: trials that want it wait for it."""
    gpu = {"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"}
    cluster.kubectl(
        "patch", "node", "node-1", "--subresource=status", "--type=json", "--patch",
        json.dumps([gpu]),
    )  # fmt: skip
    allocatable = r"jsonpath={.status.allocatable.nvidia\.com/gpu}"
    until(lambda: cluster.kubectl("get", "node", "node-1", "--output", allocatable) == "1")
    files = {"metadata": {"name": "words"}, "data": {"word": "mounted"}}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", **files})
    volume = {"name": "words", "configMap": {"name": "words"}}
    made = job("cat /words/word; echo; sleep 2; echo loss=$X", volumes=[volume])
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["volumeMounts"] = [{"name": "words", "mountPath": "/words"}]
    container["resources"]["limits"] = {"nvidia.com/gpu": "1"}
    run = Run(cluster, tmp_path, experiment(made, parallelTrialCount=2, maxTrialCount=2))
    trials = run.finish()
    assert conditions(trials) == {Condition.SUCCEEDED: 2}, run.said
    assert {run.output(trial)[0] for trial in trials} == {"mounted"}
    assert "Insufficient nvidia.com/gpu" in run.said


PUSH = """
import os
import grpc
from suggestion.api.v1beta1 import api_pb2, api_pb2_grpc
request = api_pb2.ReportObservationLogRequest(trial_name=os.environ["KATIB_TRIAL_NAME"])
metric = api_pb2.Metric(name="loss", value=os.environ["X"])
request.observation_log.metric_logs.add(time_stamp="2026-01-01T00:00:00Z", metric=metric)
with grpc.insecure_channel(os.environ["SUGGEST_DB_MANAGER"]) as channel:
    api_pb2_grpc.DBManagerStub(channel).ReportObservationLog(request)
"""


def test_metrics_are_pushed_from_inside_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    listens = {"tcpSocket": {"port": 6789}, "periodSeconds": 1}
    manager = {"image": image("dbmanager"), "readinessProbe": listens}
    address = cluster.pod("db-manager", manager)
    made = job(f"exec python -c '{PUSH}'")
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"]["memory"] = "64Mi"
    collector = {"collector": {"kind": "Push"}}
    document = experiment(
        made, maxTrialCount=2, parallelTrialCount=2, metricsCollectorSpec=collector
    )
    run = Run(cluster, tmp_path, document)
    run.finish(status=1)
    assert "collector Push: needs --db-manager HOST:PORT" in run.said
    assert not run.directory.exists()
    trials = run.finish("--db-manager", f"{address}:6789")
    assert conditions(trials) == {Condition.SUCCEEDED: 2}, run.said
    assert all(t.series["loss"].latest == t.assignment["x"] for t in trials)
