"""What the operators of kinds that have none on the tests' cluster do with a trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests_images.kubernetes import Cluster, image, job


def definition(version: str, kind: str) -> dict[str, Any]:
    """The custom resource definition of a kind whose operator is not installed here."""
    group, _, name = version.partition("/")
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {
        "name": name,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": anything},
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


@dataclass(frozen=True)
class Operator:
    """What the operator of a kind does with one trial.

    Attributes:
        trial: The object, without its metadata.
        template: Condition paths of the trial template, where the kind has no defaults.
        pod: Of a trial's object, the labels and the template of its primary pod.
        status: Of the object, by the phase of that pod.
    """

    trial: Mapping[str, Any]
    pod: Callable[[Any], tuple[dict[str, str], Any]]
    status: Callable[[str], dict[str, Any]]
    template: Mapping[str, Any] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        return f"{self.trial['kind'].lower()}s.{self.trial['apiVersion'].partition('/')[0]}"

    def work(self, cluster: Cluster) -> None:
        """Start a pod for each trial that has none, and write what has become of the others."""
        pods = {pod["metadata"]["name"]: pod for pod in cluster.get("pods")}
        for trial in cluster.get(self.resource):
            metadata = trial["metadata"]
            name = f"{metadata['name']}-0"
            if name not in pods:
                labels, template = self.pod(trial)
                own = (template.get("metadata") or {}).get("labels") or {}
                owner = {key: metadata[key] for key in ("name", "uid")}
                owner |= {key: self.trial[key] for key in ("apiVersion", "kind")}
                inside = {"name": name, "labels": {**own, **labels}, "ownerReferences": [owner]}
                spec = {**template["spec"], "restartPolicy": "Never"}
                cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": inside, "spec": spec})
                continue
            status = self.status(pods[name]["status"].get("phase") or "Pending")
            if status != trial.get("status"):
                cluster.kubectl(
                    "patch", self.resource, metadata["name"], "--subresource=status",
                    "--type=merge", "--patch", json.dumps({"status": status}), gone=True,
                )  # fmt: skip


def condition(phase: str, **types: str) -> dict[str, Any]:
    """A status of conditions, with the type that goes with a phase."""
    kind = types.get(phase)
    return {"conditions": [{"type": kind, "status": "True", "reason": kind}]} if kind else {}


_POD = job("echo loss=$X")["spec"]["template"]
_CONTAINER = _POD["spec"]["containers"][0]


def _replicas(kind: str, specs: str, replica: str, role: str) -> Operator:
    """A kind of the training operator, whose output is that of the pod with a role."""
    label = "training.kubeflow.org"
    return Operator(
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": kind,
            "spec": {specs: {replica: {"replicas": 1, "template": _POD}}},
        },
        lambda trial: (
            {f"{label}/job-name": trial["metadata"]["name"], f"{label}/job-role": role},
            trial["spec"][specs][replica]["template"],
        ),
        partial(condition, Succeeded="Succeeded", Failed="Failed", Running="Running"),
        {} if role == "master" else {"primaryPodLabels": {f"{label}/job-role": role}},
    )


_TRAINER = "jobset.sigs.k8s.io"
OPERATORS = {
    "PyTorchJob": _replicas("PyTorchJob", "pytorchReplicaSpecs", "Master", "master"),
    # Its pods are those of a runtime, of which the trial only has the name.
    "TrainJob": Operator(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "spec": {
                "runtimeRef": {"name": "torch-distributed"},
                "trainer": {"command": ["sh", "-c", "echo loss=${trialParameters.x}"]},
            },
        },
        lambda trial: (
            {
                f"{_TRAINER}/jobset-name": trial["metadata"]["name"],
                f"{_TRAINER}/replicatedjob-name": "node",
            },
            {"spec": {"containers": [{
                "name": "node", "image": image(), "imagePullPolicy": "IfNotPresent",
                **trial["spec"]["trainer"],
            }]}},
        ),
        partial(condition, Succeeded="Complete", Failed="Failed"),
        {"primaryContainerName": "node"},
    ),
    # What counts is printed by the pod that submits the job.
    "RayJob": Operator(
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "spec": {"entrypoint": "python train.py", "submitterPodTemplate": _POD},
        },
        lambda trial: (
            {
                "ray.io/originated-from-cr-name": trial["metadata"]["name"],
                "ray.io/originated-from-crd": "RayJob",
            },
            trial["spec"]["submitterPodTemplate"],
        ),
        lambda phase: {"jobStatus": phase.upper()},
        {
            "successCondition": 'status.[@this].#(jobStatus=="SUCCEEDED")#',
            "failureCondition": 'status.[@this].#(jobStatus=="FAILED")#',
        },
    ),
    "TFJob": _replicas("TFJob", "tfReplicaSpecs", "Chief", "master"),
    "MPIJob": _replicas("MPIJob", "mpiReplicaSpecs", "Launcher", "launcher"),
    # Katib's conditions for it and for PipelineRun are those of its examples.
    "Workflow": Operator(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "spec": {
                "entrypoint": "train",
                "templates": [{"name": "train", "container": {**_CONTAINER, "name": ""}}],
            },
        },
        lambda trial: (
            {
                **trial["spec"]["podMetadata"]["labels"],
                "workflows.argoproj.io/workflow": trial["metadata"]["name"],
            },
            {"spec": {"containers": [
                {**trial["spec"]["templates"][0]["container"], "name": "main"}
            ]}},
        ),
        lambda phase: {"phase": phase},
        {
            "primaryContainerName": "main",
            "successCondition": 'status.[@this].#(phase=="Succeeded")#',
            "failureCondition": 'status.[@this].#(phase=="Failed")#',
        },
    ),
    # One condition, which is unknown until it is true or false.
    "PipelineRun": Operator(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "spec": {"pipelineSpec": {"tasks": [
                {"name": "train", "taskSpec": {"steps": [{**_CONTAINER, "name": "run"}]}}
            ]}},
        },
        lambda trial: (
            {
                "tekton.dev/pipelineRun": trial["metadata"]["name"],
                "tekton.dev/pipelineTask": "train",
            },
            {"spec": {"containers": [{
                **trial["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"][0],
                "name": "step-run",
            }]}},
        ),
        lambda phase: {"conditions": [{
            "type": "Succeeded",
            "status": {"Succeeded": "True", "Failed": "False"}.get(phase, "Unknown"),
            "reason": phase,
        }]},
        {
            "primaryContainerName": "step-run",
            "primaryPodLabels": {"tekton.dev/pipelineTask": "train"},
            "successCondition": 'status.conditions.#(type=="Succeeded")#|#(status=="True")#',
            "failureCondition": 'status.conditions.#(type=="Succeeded")#|#(status=="False")#',
        },
    ),
}  # fmt: skip
