"""An Experiment file that is right, and others made of it."""

from __future__ import annotations

from typing import Any

import yaml

GOOD: dict[str, Any] = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "study"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 1,
        "maxTrialCount": 3,
        "parameters": [
            {
                "name": "lr",
                "parameterType": "double",
                "feasibleSpace": {"min": "0.1", "max": "0.2"},
            },
            {"name": "units", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}},
        ],
        "trialTemplate": {
            "primaryContainerName": "main",
            "trialParameters": [
                {"name": "rate", "reference": "lr"},
                {"name": "units", "reference": "units"},
            ],
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "containers": [
                                {
                                    "name": "main",
                                    "image": "example.com/train:1",
                                    "command": ["python", "train.py"],
                                    "args": [
                                        "${trialParameters.rate}",
                                        "${trialParameters.units}",
                                    ],
                                }
                            ],
                        }
                    }
                },
            },
        },
    },
}
JOB = "spec.trialTemplate.trialSpec.spec.template.spec"
CONTAINER = f"{JOB}.containers[0]"


def text(changes: dict[str, Any]) -> str:
    """Return `GOOD` as YAML, with fields by their path set, or removed where it is ``...``."""
    made: Any = yaml.safe_load(yaml.safe_dump(GOOD))
    for path, value in changes.items():
        *steps, last = path.replace("[", ".[").split(".")
        node = made
        for step in steps:
            node = node[int(step[1:-1])] if step[0] == "[" else node.setdefault(step, {})
        if value is ...:
            del node[last]
        else:
            node[int(last[1:-1]) if last[0] == "[" else last] = value
    return yaml.safe_dump(made, sort_keys=False)
