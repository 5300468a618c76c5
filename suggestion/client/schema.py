"""The shape of Experiment files and of lists of trials, as JSON schemas.

To a schema every scalar is a text, as it was written; a null is an absent field. An object with
``additionalProperties: False`` names all its fields, so that a misspelt one is found.
"""

from __future__ import annotations

from typing import Any, Final

API_VERSION: Final = "kubeflow.org/v1beta1"

_TEXT: Final = {"type": "string"}
_ANY_OBJECT: Final = {"type": "object"}
#: Of any kind: what is below ``spec`` is read as far as it is known.
_KUBERNETES_OBJECT: Final = {
    "type": "object",
    "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _ANY_OBJECT},
}
_NUMBER: Final = {"type": "string", "description": "a number"}
_WORDS: Final = {"type": "array", "items": _TEXT}
_COUNT: Final = {
    "type": "string",
    "pattern": r"^\s*[1-9][0-9]*\s*$",
    "description": "a whole number, at least 1",
}
_FROM_ZERO: Final = {
    "type": "string",
    "pattern": r"^\s*[0-9]+\s*$",
    "description": "a whole number",
}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """An object with these fields and no others."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return schema | ({"required": list(required)} if required else {})


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_FIELD_REF: Final = {"type": "object", "properties": {"fieldPath": _TEXT}}
_ENV: Final = _list(
    {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "value": {"type": "string", "description": "text"},
            "valueFrom": {"type": "object", "properties": {"fieldRef": _FIELD_REF}},
        },
    }
)
_RESOURCES: Final = {
    "type": "object",
    "properties": {"limits": _ANY_OBJECT, "requests": _ANY_OBJECT},
}

#: What a container says of its process; the rest of a pod is Kubernetes' business.
CONTAINER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "image": _TEXT,
        "command": _WORDS,
        "args": _WORDS,
        "env": _ENV,
        "workingDir": _TEXT,
        "resources": _RESOURCES,
        "resourcesPerNode": _RESOURCES,  # of a TrainJob's trainer
    },
}

_ALGORITHM: Final = _object(
    {
        "algorithmName": _TEXT,
        "algorithmSettings": _list(_object({"name": _TEXT, "value": _TEXT}, "name", "value")),
    },
    "algorithmName",
)

_FEASIBLE_SPACE: Final = _object(
    {
        "min": _NUMBER,
        "max": _NUMBER,
        "step": _NUMBER,
        "list": _WORDS,
        "distribution": {"enum": ["uniform", "logUniform", "normal", "logNormal", "unknown"]},
    }
)

_PARAMETER: Final = _object(
    {
        "name": _TEXT,
        "parameterType": {"enum": ["double", "int", "discrete", "categorical"]},
        "feasibleSpace": _FEASIBLE_SPACE,
    },
    "name",
    "parameterType",
    "feasibleSpace",
)

_SIZE: Final = {
    "type": "string",
    "pattern": r"^\s*[0-9]{1,9}\s*$",
    "description": "a whole number below 1,000,000,000",
}
#: The architectures of a chain of layers.
_NAS: Final = _object(
    {
        "graphConfig": _object(
            {"numLayers": _SIZE, "inputSizes": _list(_SIZE), "outputSizes": _list(_SIZE)}
        ),
        "operations": _list(
            _object({"operationType": _TEXT, "parameters": _list(_PARAMETER)}, "operationType")
        ),
    }
)

_OBJECTIVE: Final = _object(
    {
        "type": {"enum": ["minimize", "maximize"]},
        "goal": _NUMBER,
        "objectiveMetricName": _TEXT,
        "additionalMetricNames": _WORDS,
        "metricStrategies": _list(
            _object({"name": _TEXT, "value": {"enum": ["min", "max", "latest"]}}, "name", "value")
        ),
    },
    "type",
    "objectiveMetricName",
)

#: A trial template.
TEMPLATE: Final = _object(
    {
        "primaryContainerName": _TEXT,
        "primaryPodLabels": _ANY_OBJECT,
        "successCondition": _TEXT,
        "failureCondition": _TEXT,
        "retain": _TEXT,
        "trialParameters": _list(
            _object({"name": _TEXT, "reference": _TEXT, "description": _TEXT}, "name", "reference")
        ),
        "trialSpec": _KUBERNETES_OBJECT,
        "configMap": _ANY_OBJECT,
        # The short form, for those without a cluster.
        "command": {"type": ["string", "array"], "description": "text or a list", "items": _TEXT},
        "args": _WORDS,
        "env": {"type": ["object", "array"], "additionalProperties": _TEXT, "items": _ENV["items"]},
        "workingDir": _TEXT,
        "image": _TEXT,
        "resources": _RESOURCES,
    }
)
#: The fields of `TEMPLATE` that a cluster does not know.
SHORT_FORM: Final = ("command", "args", "env", "workingDir", "image", "resources")

#: Where the metrics collectors are that run here, by the kind that a file names.
COLLECTORS: Final = {
    "StdOut": "suggestion.collectors.lines:Output",
    "File": "suggestion.collectors.lines:File",
    "TensorFlowEvent": "suggestion.collectors.tensorboard:Events",
    "Push": "suggestion.collectors.pushed:Pushed",
    "None": "suggestion.collectors.pushed:Absent",
}
#: Kinds that only a cluster has.
CLUSTER_COLLECTORS: Final = ("PrometheusMetric", "Custom")
_COLLECTOR: Final = _object(
    {
        "collector": _object(
            {
                "kind": {"enum": [*COLLECTORS, *CLUSTER_COLLECTORS]},
                "customCollector": _ANY_OBJECT,
            }
        ),
        "source": _object(
            {
                "fileSystemPath": _object(
                    {
                        "path": _TEXT,
                        "kind": {"enum": ["File", "Directory"]},
                        "format": {"enum": ["TEXT", "JSON"]},
                    },
                    "path",
                ),
                "filter": _object({"metricsFormat": _WORDS}),
                "httpGet": _ANY_OBJECT,
            }
        ),
    }
)

_METADATA: Final = _object(
    {
        # It becomes a part of paths and of the trials' names.
        "name": {
            "type": "string",
            "pattern": r"\A[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z",
            "description": "lower-case letters, digits, - and .",
        },
        "generateName": _TEXT,
        "namespace": _TEXT,
        "labels": _ANY_OBJECT,
        "annotations": _ANY_OBJECT,
        # What a cluster adds to an object; files that were exported hold it.
        "creationTimestamp": _TEXT,
        "deletionGracePeriodSeconds": _TEXT,
        "deletionTimestamp": _TEXT,
        "finalizers": _WORDS,
        "generation": _TEXT,
        "managedFields": {"type": "array"},
        "ownerReferences": {"type": "array"},
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "uid": _TEXT,
    },
    "name",
)

#: A whole Experiment file.
EXPERIMENT: Final[dict[str, Any]] = _object(
    {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": "Experiment"},
        "metadata": _METADATA,
        "spec": _object(
            {
                "objective": _OBJECTIVE,
                "algorithm": _ALGORITHM,
                "earlyStopping": _ALGORITHM,
                "parameters": _list(_PARAMETER),
                "parallelTrialCount": _COUNT,
                "maxTrialCount": _COUNT,
                "maxFailedTrialCount": _FROM_ZERO,
                "trialTemplate": TEMPLATE,
                "metricsCollectorSpec": _COLLECTOR,
                "resumePolicy": {"enum": ["Never", "LongRunning", "FromVolume"]},
                "nasConfig": _NAS,
            },
            # Either parameters or nasConfig; see `document`.
            "objective",
            "algorithm",
        ),
        "status": _ANY_OBJECT,
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)

_WHOLE: Final = {
    "type": "string",
    "pattern": r"^\s*-?[0-9]{1,18}\s*$",
    "description": "a whole number",
}
_ENDS: Final = _object(
    {"min": _NUMBER, "max": _NUMBER, "type": {"enum": ["Int", "Float"]}}, "min", "max"
)
#: A whole OptimizationJob file.
OPTIMIZATION_JOB: Final[dict[str, Any]] = _object(
    {
        "apiVersion": {"const": "trainer.kubeflow.org/v1alpha1"},
        "kind": {"const": "OptimizationJob"},
        "metadata": _METADATA,
        "spec": _object(
            {
                "objectives": _list(
                    _object(
                        {"metric": _TEXT, "direction": {"enum": ["Minimize", "Maximize"]}}, "metric"
                    )
                ),
                "searchAlgorithm": _object(
                    {"random": _object({"seed": _WHOLE}), "grid": _object({})}
                ),
                "parameters": _list(
                    _object(
                        {
                            "name": _TEXT,
                            "searchSpace": _object(
                                {
                                    "uniform": _ENDS,
                                    "logUniform": _ENDS,
                                    "categorical": _object({"choices": _WORDS}, "choices"),
                                }
                            ),
                        },
                        "name",
                        "searchSpace",
                    )
                ),
                "numTrials": _COUNT,
                "parallelTrials": _COUNT,
                "trainJobTemplate": _object(
                    {
                        "metadata": _ANY_OBJECT,
                        "spec": {"type": "object", "properties": {"trainer": CONTAINER}},
                    },
                    "spec",
                ),
            },
            "objectives",
            "parameters",
            "trainJobTemplate",
        ),
        "status": _ANY_OBJECT,
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)

#: The short form in which ``suggest ask --trials`` takes trials.
TRIALS: Final[dict[str, Any]] = _list(
    _object(
        {
            "name": _TEXT,
            "parameters": {"type": "object", "additionalProperties": _TEXT},
            "condition": {
                "enum": [
                    "Created",
                    "Running",
                    "Succeeded",
                    "Killed",
                    "Failed",
                    "MetricsUnavailable",
                    "EarlyStopped",
                    "Unknown",
                ]
            },
            "metrics": {"type": "object", "additionalProperties": _TEXT},
            "startTime": _TEXT,
            "completionTime": _TEXT,
        },
        "parameters",
    )
)
