"""Builds requests in a line or two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from suggestion.api.v1beta1 import api_pb2 as api

CONDITION = api.TrialStatus.TrialConditionType


def double(name: str, low: str, high: str, step: str = "", prior: int = 0) -> api.ParameterSpec:
    feasible = api.FeasibleSpace(min=low, max=high, step=step, distribution=prior)  # type: ignore[arg-type]
    return api.ParameterSpec(name=name, parameter_type=api.DOUBLE, feasible_space=feasible)


def integer(name: str, low: str, high: str, step: str = "", prior: int = 0) -> api.ParameterSpec:
    feasible = api.FeasibleSpace(min=low, max=high, step=step, distribution=prior)  # type: ignore[arg-type]
    return api.ParameterSpec(name=name, parameter_type=api.INT, feasible_space=feasible)


def discrete(name: str, *values: str) -> api.ParameterSpec:
    return api.ParameterSpec(
        name=name, parameter_type=api.DISCRETE, feasible_space=api.FeasibleSpace(list=values)
    )


def categorical(name: str, *values: str) -> api.ParameterSpec:
    return api.ParameterSpec(
        name=name, parameter_type=api.CATEGORICAL, feasible_space=api.FeasibleSpace(list=values)
    )


MIXED = (
    double("lr", "1e-5", "0.1", prior=api.LOG_UNIFORM),
    double("momentum", "0.5", "0.99", step="0.01"),
    integer("layers", "1", "8"),
    discrete("batch", "16", "32", "64", "1e2"),
    categorical("optimizer", "sgd", "adam", "ftrl"),
)


def experiment(
    algorithm: str = "random",
    parameters: Iterable[api.ParameterSpec] = MIXED,
    *,
    name: str = "exp",
    settings: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    maximize: bool = False,
    max_trials: int = 0,
) -> api.Experiment:
    message = api.Experiment(name=name)
    spec = message.spec
    spec.parameter_specs.parameters.extend(parameters)
    spec.objective.type = api.MAXIMIZE if maximize else api.MINIMIZE
    spec.objective.objective_metric_name = "loss"
    spec.algorithm.algorithm_name = algorithm
    spec.max_trial_count = max_trials
    pairs = settings.items() if isinstance(settings, Mapping) else settings
    for key, value in pairs:
        spec.algorithm.algorithm_settings.add(name=key, value=value)
    return message


def trial(
    name: str,
    values: Mapping[str, str],
    loss: str | None = None,
    condition: int | None = None,
    **status: str,
) -> api.Trial:
    """SUCCEEDED if it has a loss, else RUNNING, unless `condition` says otherwise."""
    message = api.Trial(name=name)
    for key, value in values.items():
        message.spec.parameter_assignments.assignments.add(name=key, value=value)
    if condition is None:
        condition = CONDITION.RUNNING if loss is None else CONDITION.SUCCEEDED
    message.status.condition = condition  # type: ignore[assignment]
    if loss is not None:
        message.status.observation.metrics.add(name="loss", value=loss)
    for key, text in status.items():
        setattr(message.status, key, text)
    return message


def ask_for(
    message: api.Experiment, count: int = 1, total: int = 0, trials: Iterable[api.Trial] = ()
) -> api.GetSuggestionsRequest:
    return api.GetSuggestionsRequest(
        experiment=message,
        trials=trials,
        current_request_number=count,
        total_request_number=total,
    )


def values_of(
    entry: api.GetSuggestionsReply.ParameterAssignments | api.TrialSpec.ParameterAssignments,
) -> dict[str, str]:
    return {item.name: item.value for item in entry.assignments}


def points_of(reply: api.GetSuggestionsReply) -> list[dict[str, str]]:
    return [values_of(entry) for entry in reply.parameter_assignments]
