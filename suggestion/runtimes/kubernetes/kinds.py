"""Kinds of objects that trials can be: their conditions, and the labels of their pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: Labels of everything that belongs to an experiment, and to one attempt of a trial.
EXPERIMENT: Final = "suggestion/experiment"
TRIAL: Final = "suggestion/trial"
#: Name of the container that hands a trial's metrics file to its own output.
SIDECAR: Final = "suggestion-metrics"


def _conditions(success: str) -> tuple[str, str]:
    found = 'status.conditions.#(type=="{}")#|#(status=="True")#'
    return found.format(success), found.format("Failed")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        success, failure: Conditions that hold if the template has none; empty: it must have them.
        primary: Labels of the pod whose output counts, if the template has none.
        pod_label: Label of its pods whose value is the object's name, where no pod template in the
            object can be labelled; empty where one can.
    """

    success: str = ""
    failure: str = ""
    primary: Mapping[str, str] = field(default_factory=dict)
    pod_label: str = ""


_KUBEFLOW: Final = Kind(*_conditions("Succeeded"), {"training.kubeflow.org/job-role": "master"})
_KINDS: Final[Mapping[str, Kind]] = {
    "Job": Kind(*_conditions("Complete")),
    **dict.fromkeys(
        ("TFJob", "PyTorchJob", "XGBoostJob", "MPIJob", "MXJob", "PaddleJob", "JAXJob"), _KUBEFLOW
    ),
    "TrainJob": Kind(
        *_conditions("Complete"),
        {"jobset.sigs.k8s.io/replicatedjob-name": "node"},
        "jobset.sigs.k8s.io/jobset-name",
    ),
    "RayJob": Kind(pod_label="ray.io/originated-from-cr-name"),
    "Workflow": Kind(pod_label="workflows.argoproj.io/workflow"),
    "PipelineRun": Kind(pod_label="tekton.dev/pipelineRun"),
    "TaskRun": Kind(pod_label="tekton.dev/taskRun"),
}
_OTHER: Final = Kind()


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the trials of an experiment are judged and found.

    Attributes:
        kind: As in the object.
        success, failure: GJSON paths; of both the second counts.
        primary: Labels of the pod whose output counts; none: any pod of the object.
        container: Name of the container whose output counts; empty: the first one.
        pod_label: Label of pods whose value is the object's name.
        retain: Objects are kept once they have succeeded or failed.
    """

    kind: str
    success: str
    failure: str
    primary: Mapping[str, str]
    container: str
    pod_label: str
    retain: bool


def conditions(template: Mapping[str, Any], kind: str) -> Conditions:
    """Return the conditions of a trial template, with the defaults of its kind."""
    known = _KINDS.get(kind, _OTHER)
    labels = template.get("primaryPodLabels") or known.primary
    return Conditions(
        kind,
        template.get("successCondition") or known.success,
        template.get("failureCondition") or known.failure,
        {name: str(value) for name, value in labels.items()},
        template.get("primaryContainerName") or "",
        known.pod_label or TRIAL,
        str(template.get("retain") or "").strip().lower() == "true",
    )
