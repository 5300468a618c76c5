"""Read the parts of Experiment files that the suite needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.messages import DISTRIBUTIONS
from suggestion.conformance.space import Space

_WRONG_TYPES: Final = (ValueError, TypeError, AttributeError)


class Unreadable(ValueError):
    """The file is not an Experiment; the text says why."""


def read(path: Path) -> pb.Experiment:
    """Return the experiment in a file of kind Experiment, ``kubeflow.org/v1beta1``.

    Raises:
        Unreadable: It is not one.
    """
    try:
        # Scalars stay strings, because 1e-3 must reach the server as it was written.
        document = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
        experiment = _experiment(document)
        Space(experiment.spec.parameter_specs.parameters)  # every check needs its numbers
        return experiment
    except (OSError, yaml.YAMLError, ArithmeticError, LookupError, *_WRONG_TYPES) as error:
        raise Unreadable(f"{path}: must be an Experiment file, got {error!r}") from error


def _experiment(document: dict[str, Any]) -> pb.Experiment:
    spec = document["spec"]
    objective = spec.get("objective", {})
    algorithm = spec.get("algorithm", {})
    return pb.Experiment(
        name=document["metadata"]["name"],
        spec=pb.ExperimentSpec(
            parameter_specs=pb.ExperimentSpec.ParameterSpecs(
                parameters=[_parameter(entry) for entry in spec["parameters"]]
            ),
            objective=pb.ObjectiveSpec(
                type=objective.get("type", "minimize").upper(),
                objective_metric_name=objective.get("objectiveMetricName", ""),
            ),
            algorithm=pb.AlgorithmSpec(
                algorithm_name=algorithm.get("algorithmName", ""),
                algorithm_settings=[
                    pb.AlgorithmSetting(name=entry["name"], value=entry["value"])
                    for entry in algorithm.get("algorithmSettings", ())
                ],
            ),
        ),
    )


def _parameter(entry: dict[str, Any]) -> pb.ParameterSpec:
    space = entry["feasibleSpace"]
    return pb.ParameterSpec(
        name=entry["name"],
        parameter_type=entry["parameterType"].upper(),
        feasible_space=pb.FeasibleSpace(
            min=space.get("min", ""),
            max=space.get("max", ""),
            step=space.get("step", ""),
            list=space.get("list", ()),
            distribution=DISTRIBUTIONS[space.get("distribution", "")],
        ),
    )
