"""The objects that a cluster gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from suggestion.client.demand import Demand
from suggestion.client.template import Invocation
from suggestion.controller.runtime import LaunchSpec, TrialFiles, Whose
from suggestion.controller.slots import Slot
from suggestion.runtimes.kubernetes.kinds import EXPERIMENT, SIDECAR, TRIAL, conditions
from suggestion.runtimes.kubernetes.objects import (
    Shape,
    experiment_label,
    object_name,
    owner,
    trial_object,
)  # fmt: skip

NOWHERE = Path()
WHOSE = Whose("study", "1", NOWHERE, {"spec": {}})
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def job(**container: Any) -> dict[str, Any]:
    made = {"name": "main", "image": "image:1", **container}
    pod = {"metadata": {"labels": {"mine": "1"}}, "spec": {"containers": [made, {"name": "side"}]}}
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    metadata: dict[str, Any] = {"generateName": "x-", "namespace": "other", "labels": labels}
    metadata["ownerReferences"] = [{"kind": "CronJob", "name": "x", "uid": "elsewhere"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": pod},
    }


def made(document: dict[str, Any], path: str = "", file: bool = True, image: str = "") -> Any:
    variables = {"SUGGEST_TRIAL_NAME": "t-1", "SUGGEST_TRIAL_DIR": "/here", "SEED": "ours"}
    spec = LaunchSpec(
        TrialFiles("t-1", NOWHERE, NOWHERE, NOWHERE),
        Invocation(("python", "x.py"), {"A": "b"}, "/work", "image:1"),
        [], variables, path, file, Slot(0), NOWHERE, "", 1, Demand(cpus=2.0), document,
    )  # fmt: skip
    found = conditions({"primaryContainerName": "main" if document else ""}, "Job")
    return trial_object(spec, "t-1-abc", Shape("study-1", found, image))


def test_names_are_labels_that_only_one_attempt_has() -> None:
    names = [
        object_name(whose, trial, attempt)
        for whose in (WHOSE, Whose("study", "2", NOWHERE, {}))
        for trial in ("study-0a1b2c3d", "x" * 63, "a.b", "x" * 62 + "y")
        for attempt in (1, 2)
    ]
    assert len(set(names)) == len(names)
    for name in names:
        assert LABEL.fullmatch(name)
        assert len(name) <= 54  # operators put -master-0 behind it
    assert object_name(WHOSE, "study-0a1b2c3d", 1) == names[0]


def test_labels_of_experiments_are_labels() -> None:
    long = Whose("a.b-" * 60 + "c", "1", NOWHERE, {})
    assert LABEL.fullmatch(experiment_label(long))
    assert experiment_label(WHOSE) != experiment_label(Whose("study", "2", NOWHERE, {}))
    assert owner(WHOSE)["metadata"]["labels"] == {EXPERIMENT: experiment_label(WHOSE)}


def test_the_object_of_the_template_with_what_we_add() -> None:
    document = job(env=[{"name": "SEED", "value": "1"}])
    found = made(document)
    assert document == job(env=[{"name": "SEED", "value": "1"}])  # it is used again
    ours = {EXPERIMENT: "study-1", TRIAL: "t-1-abc"}
    metadata = found["metadata"]
    assert metadata["name"] == "t-1-abc"
    assert metadata["labels"] == {"kueue.x-k8s.io/queue-name": "team", **ours}
    assert not {"namespace", "generateName"} & set(metadata)
    assert "ownerReferences" not in metadata  # those of another cluster, say
    pod = found["spec"]["template"]
    assert pod["metadata"]["labels"] == {"mine": "1", **ours}
    env = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}
    assert env == {"PYTHONUNBUFFERED": "1", "SUGGEST_TRIAL_NAME": "t-1", "SEED": "1"}
    assert "initContainers" not in pod["spec"]


def test_every_replica_is_labelled() -> None:
    pods = job()["spec"]["template"]
    replicas = {"Master": {"replicas": 1, "template": pods}, "Worker": {"template": pods}}
    found = made({"kind": "PyTorchJob", "spec": {"pytorchReplicaSpecs": replicas}})
    for role in ("Master", "Worker"):
        template = found["spec"]["pytorchReplicaSpecs"][role]["template"]
        assert template["metadata"]["labels"][TRIAL] == "t-1-abc"


def test_a_workflow_hands_labels_to_its_pods() -> None:
    found = made({"kind": "Workflow", "spec": {"podMetadata": {"labels": {"mine": "1"}}}})
    assert found["spec"]["podMetadata"]["labels"]["mine"] == "1"
    assert found["spec"]["podMetadata"]["labels"][TRIAL] == "t-1-abc"


def test_the_short_form_is_a_job() -> None:
    found = made({})
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    assert found["spec"]["backoffLimit"] == 0
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "x.py"]
    assert container["workingDir"] == "/work"
    assert container["resources"] == {"limits": {"cpu": "2.0"}}


def test_a_side_car_shares_the_folder_of_the_metrics() -> None:
    pod = made(job(securityContext={"runAsUser": 7}), "/katib/train.log")["spec"]["template"][
        "spec"
    ]
    (sidecar,) = pod["initContainers"]
    assert sidecar["name"] == SIDECAR
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["image"] == "image:1"
    assert sidecar["command"][-1] == "/katib/train.log"
    assert sidecar["securityContext"]["runAsUser"] == 7
    assert sidecar["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mount = {"name": SIDECAR, "mountPath": "/katib"}
    assert pod["containers"][0]["volumeMounts"] == [mount]
    assert sidecar["volumeMounts"] == [{**mount, "readOnly": True}]
    assert pod["volumes"] == [{"name": SIDECAR, "emptyDir": {}}]
    env = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert env["SUGGEST_METRICS_PATH"] == "/katib/train.log"


def test_a_side_car_uses_a_volume_that_is_there() -> None:
    mounts = [{"name": "scratch", "mountPath": "/data", "subPath": "a"}]
    found = made(job(volumeMounts=mounts), "/data/logs", file=False, image="python:3.13-slim")
    pod = found["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["image"] == "python:3.13-slim"
    assert sidecar["volumeMounts"] == [{**mounts[0], "readOnly": True}]
    assert "volumes" not in pod
