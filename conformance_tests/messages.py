"""Helpers that make the contract's messages."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.space import Space

Status = pb.TrialStatus

METRIC: Final = "loss"
STARTED: Final = "2026-01-01T00:00:00Z"
COMPLETED: Final = "2026-01-01T00:01:00Z"

DISTRIBUTIONS: Final = {
    "": pb.DISTRIBUTION_UNSPECIFIED,
    "uniform": pb.UNIFORM,
    "logUniform": pb.LOG_UNIFORM,
    "normal": pb.NORMAL,
    "logNormal": pb.LOG_NORMAL,
}


def double(
    name: str, low: str, high: str, step: str = "", distribution: str = ""
) -> pb.ParameterSpec:
    """Make a double in [low, high]."""
    return _numeric(pb.DOUBLE, name, low, high, step, distribution)


def integer(
    name: str, low: str, high: str, step: str = "", distribution: str = ""
) -> pb.ParameterSpec:
    """Make an int in [low, high]."""
    return _numeric(pb.INT, name, low, high, step, distribution)


def _numeric(
    kind: pb.ParameterType, name: str, low: str, high: str, step: str, distribution: str
) -> pb.ParameterSpec:
    space = pb.FeasibleSpace(min=low, max=high, step=step, distribution=DISTRIBUTIONS[distribution])
    return pb.ParameterSpec(name=name, parameter_type=kind, feasible_space=space)


def discrete(name: str, *values: str) -> pb.ParameterSpec:
    """Make a discrete parameter: one of a list of numbers."""
    space = pb.FeasibleSpace(list=values)
    return pb.ParameterSpec(name=name, parameter_type=pb.DISCRETE, feasible_space=space)


def categorical(name: str, *values: str) -> pb.ParameterSpec:
    """Make a categorical parameter: one of a list of texts."""
    space = pb.FeasibleSpace(list=values)
    return pb.ParameterSpec(name=name, parameter_type=pb.CATEGORICAL, feasible_space=space)


def experiment(
    name: str,
    algorithm: str,
    parameters: Iterable[pb.ParameterSpec],
    settings: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    *,
    maximize: bool = False,
    metric: str = METRIC,
    parallel: int = 4,
) -> pb.Experiment:
    """Make an experiment like the controller's."""
    pairs = settings.items() if isinstance(settings, Mapping) else settings
    return pb.Experiment(
        name=name,
        spec=pb.ExperimentSpec(
            parameter_specs=pb.ExperimentSpec.ParameterSpecs(parameters=parameters),
            objective=pb.ObjectiveSpec(
                type=pb.MAXIMIZE if maximize else pb.MINIMIZE, objective_metric_name=metric
            ),
            algorithm=pb.AlgorithmSpec(
                algorithm_name=algorithm,
                algorithm_settings=[pb.AlgorithmSetting(name=k, value=v) for k, v in pairs],
            ),
            parallel_trial_count=parallel,
        ),
    )


def trial(
    name: str,
    assignment: Mapping[str, str],
    value: str | None = None,
    condition: pb.TrialStatus.TrialConditionType | None = None,
    *,
    objective: pb.ObjectiveSpec | None = None,
) -> pb.Trial:
    """Make a trial: by default SUCCEEDED if it has a `value`, else RUNNING.

    Args:
        objective: The experiment's objective, which the controller copies into its trials.
    """
    if condition is None:
        condition = Status.RUNNING if value is None else Status.SUCCEEDED
    made = pb.Trial(
        name=name,
        spec=pb.TrialSpec(
            objective=objective,
            parameter_assignments=pb.TrialSpec.ParameterAssignments(
                assignments=[pb.ParameterAssignment(name=k, value=v) for k, v in assignment.items()]
            ),
        ),
        status=pb.TrialStatus(condition=condition, start_time=STARTED),
    )
    if value is not None:
        name = METRIC if objective is None else objective.objective_metric_name
        made.status.observation.metrics.add(name=name, value=value)
    if condition not in (Status.CREATED, Status.RUNNING, Status.UNKNOWN):
        made.status.completion_time = COMPLETED
    return made


def request(
    experiment: pb.Experiment,
    trials: Iterable[pb.Trial] = (),
    count: int = 1,
    total: int | None = None,
) -> pb.GetSuggestionsRequest:
    """Make a request for `count` suggestions; by default `total` follows from the trials."""
    listed = list(trials)
    return pb.GetSuggestionsRequest(
        experiment=experiment,
        trials=listed,
        current_request_number=count,
        total_request_number=len(listed) + count if total is None else total,
    )


def assignment_of(item: pb.GetSuggestionsReply.ParameterAssignments) -> dict[str, str]:
    """Return a suggestion's values by name."""
    return {a.name: a.value for a in item.assignments}


def assignments_of(reply: pb.GetSuggestionsReply) -> list[dict[str, str]]:
    """Return the values of each suggestion by name."""
    return [assignment_of(item) for item in reply.parameter_assignments]


def trial_assignment(item: pb.Trial) -> dict[str, str]:
    """Return a trial's values by name."""
    return {a.name: a.value for a in item.spec.parameter_assignments.assignments}


def with_parameters(
    original: pb.Experiment, parameters: Iterable[pb.ParameterSpec]
) -> pb.Experiment:
    """Return a copy of `original` with more parameters."""
    copy = pb.Experiment()
    copy.CopyFrom(original)
    copy.spec.parameter_specs.parameters.extend(parameters)
    return copy


def invented(
    experiment: pb.Experiment,
    count: int,
    seed: str,
    *,
    prefix: str = "invented",
    space: Space | None = None,
) -> list[pb.Trial]:
    """Make `count` finished trials at random points; the objective is the distance from
    one point.

    Args:
        space: Of the experiment; by default that of its parameters.
    """
    draw = random.Random(seed)
    space = space or Space(experiment.spec.parameter_specs.parameters)
    objective = experiment.spec.objective
    made = []
    for index in range(count):
        shares = [draw.random() for _ in space.parameters]
        value = repr(sum((s - 0.3) ** 2 for s in shares))
        name = f"{prefix}-{index:05d}"
        made.append(trial(name, space.point(shares), value, objective=objective))
    return made
