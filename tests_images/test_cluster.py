"""What Katib starts, on a real Kubernetes: early stopping marks trials, pbt copies checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.client.transports import OverGrpc
from suggestion.deployment.entries import Entry
from suggestion.deployment.images import Kind, named
from tests_images.containers import reference
from tests_images.kubernetes import PROGRAM, Cluster

pytestmark = pytest.mark.skipif(not PROGRAM, reason="TEST_CLUSTER names no program")

_DIRECT = (("grpc.enable_http_proxy", 0),)
_TRIALS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "trials.kubeflow.org"},
    "spec": {
        "group": "kubeflow.org",
        "scope": "Namespaced",
        "names": {"kind": "Trial", "plural": "trials", "singular": "trial"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


def test_a_stopped_trial_is_marked_with_its_observation(cluster: Cluster) -> None:
    """With the pod's account, the cluster's own authority and names, and the image's Python."""
    metadata = {"name": "early-stopping"}
    group = "rbac.authorization.k8s.io"
    resources = ["trials", "trials/status"]
    rule = {"apiGroups": ["kubeflow.org"], "resources": resources, "verbs": ["get", "patch"]}
    db_manager = f"katib-db-manager.{cluster.namespace}:6789"
    cluster.apply(
        _TRIALS,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", **metadata},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "katib-db-manager"},
            "spec": {"selector": {"app": "db-manager"}, "ports": [{"port": 6789}]},
        },
    )
    database = cluster.pod("db-manager", {"image": reference(named("dbmanager"))})
    image = reference(named("earlystopping-medianstop"))
    entry = Entry("medianstop", Kind.EARLY_STOPPING, image, 100).fields()
    variable = {"name": "SUGGEST_DB_MANAGER", "value": db_manager}
    stopping = cluster.pod(
        "early-stopping", {**entry, "env": [variable]}, serviceAccountName="early-stopping"
    )
    cluster.kubectl("wait", "--for=condition=Established", "crd/trials.kubeflow.org")
    cluster.apply(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Trial",
            "metadata": {"name": "trial-1"},
            "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}},
        }
    )
    report = api.ReportObservationLogRequest(trial_name="trial-1")
    for second, value in enumerate(("0.9", "0.4", "0.5")):
        report.observation_log.metric_logs.add(
            time_stamp=f"2026-01-01T00:00:0{second}Z", metric={"name": "loss", "value": value}
        )
    with (
        OverGrpc(f"{database}:6789", options=_DIRECT) as to_database,
        OverGrpc(f"{stopping}:6788", options=_DIRECT) as to_stopping,
    ):
        stub = api_pb2_grpc.DBManagerStub(to_database.channel)
        stub.ReportObservationLog(report, timeout=180, wait_for_ready=True)
        rules = api_pb2_grpc.EarlyStoppingStub(to_stopping.channel)
        request = api.SetTrialStatusRequest(trial_name="trial-1")
        rules.SetTrialStatus(request, timeout=180, wait_for_ready=True)
    status = json.loads(cluster.kubectl("get", "trial", "trial-1", "--output", "json"))["status"]
    assert [condition["type"] for condition in status["conditions"]] == ["EarlyStopped"]
    metric = {"name": "loss", "latest": "0.5", "min": "0.4", "max": "0.9"}
    assert status["observation"] == {"metrics": [metric]}


PROGRAM_OF_A_TRIAL = """
import pathlib, sys
file = pathlib.Path("/checkpoints/epoch")
epoch = int(file.read_text()) + 1 if file.exists() else 1
file.write_text(str(epoch))
print(epoch)
"""


def test_checkpoints_are_handed_down_to_programs_of_another_user(cluster: Cluster) -> None:
    image = reference(named("suggestion-pbt"))
    container = Entry("pbt", Kind.SUGGESTION, image, 100).fields()
    claim = container.pop("persistentVolumeClaimSpec") | {"accessModes": ["ReadWriteOnce"]}
    mount = {"name": "data", "mountPath": container.pop("volumeMountPath")}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "checkpoints"}}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "checkpoints"},
            "spec": claim,
        }
    )
    address = cluster.pod("pbt", {**container, "volumeMounts": [mount]}, volumes=[volume])

    def run(trials: Sequence[str]) -> list[str]:
        """What each trial prints: the epoch that it has come to."""
        jobs = [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": trial},
                "spec": {
                    "backoffLimit": 0,
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "volumes": [volume],
                            "containers": [
                                {
                                    "name": "training",
                                    "image": image,
                                    "imagePullPolicy": "IfNotPresent",
                                    "command": ["python", "-c", PROGRAM_OF_A_TRIAL],
                                    "securityContext": {"runAsUser": 12345},
                                    # As Katib mounts it: the trial's own folder.
                                    "volumeMounts": [
                                        {
                                            "name": "data",
                                            "mountPath": "/checkpoints",
                                            "subPath": f"digits/{trial}",
                                        }
                                    ],
                                }
                            ],
                        }
                    },
                },
            }
            for trial in trials
        ]
        cluster.apply(*jobs)
        for trial in trials:
            cluster.kubectl("wait", "--for=condition=Complete", f"job/{trial}", "--timeout=180s")
        return [cluster.kubectl("logs", f"job/{trial}").strip() for trial in trials]

    message = api.Experiment(name="digits")
    message.spec.objective.type = api.MAXIMIZE
    message.spec.objective.objective_metric_name = "accuracy"
    message.spec.algorithm.algorithm_name = "pbt"
    settings = {
        "suggestion_trial_dir": "/checkpoints",
        "n_population": "5",
        "truncation_threshold": "0.2",
    }
    for name, value in settings.items():
        message.spec.algorithm.algorithm_settings.add(name=name, value=value)
    parameter = message.spec.parameter_specs.parameters.add(name="lr", parameter_type=api.DOUBLE)
    parameter.feasible_space.min, parameter.feasible_space.max = "0", "1"
    request = api.GetSuggestionsRequest(experiment=message, current_request_number=5)
    with OverGrpc(f"{address}:6789", options=_DIRECT) as server:
        server.validate(message)
        for generation in (1, 2, 3):
            request.total_request_number = 5 * generation
            suggested = server.suggest(request).parameter_assignments
            assert run([suggestion.trial_name for suggestion in suggested]) == [str(generation)] * 5
            for number, suggestion in enumerate(suggested):
                trial = request.trials.add(name=suggestion.trial_name)
                trial.spec.parameter_assignments.assignments.extend(suggestion.assignments)
                trial.status.condition = api.TrialStatus.SUCCEEDED
                trial.status.observation.metrics.add(name="accuracy", value=f"0.{number}")
