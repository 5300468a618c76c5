"""Between messages and domain objects: nothing else reads or writes the Suggestion messages.

Reading collects every broken rule before it raises; `locations` says which field each is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.engine.engine import AlgorithmChoice
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import LONGEST_NAME, Parameter
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import MOST_SUGGESTIONS, Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace, size_violations
from suggestion.problem.study import Suggestion

__all__ = [
    "read_algorithm",
    "read_count",
    "read_problem",
    "write_experiment",
    "write_reply",
    "write_trial",
]

_DISTRIBUTIONS: Final = {
    api.DISTRIBUTION_UNSPECIFIED: Distribution.UNIFORM,
    api.UNIFORM: Distribution.UNIFORM,
    api.LOG_UNIFORM: Distribution.LOG_UNIFORM,
    api.NORMAL: Distribution.NORMAL,
    api.LOG_NORMAL: Distribution.LOG_NORMAL,
}


# ------------------------------------------------------------------ experiment


def read_problem(message: api.Experiment) -> Problem:
    """Return what `message` asks to optimise.

    Raises:
        Invalid: With every broken rule of the experiment, the space and the objective.
    """
    spec = message.spec
    found = Violations()
    if not message.name:
        found.append(Violation(("name",), "experiment name must not be empty"))
    elif len(message.name) > LONGEST_NAME:
        found.append(
            Violation(
                ("name",),
                f"experiment {quote(message.name)}: name must have at most {LONGEST_NAME} "
                f"characters, got {len(message.name)}",
            )
        )
    space = _read_space(spec.parameter_specs.parameters, found)
    if spec.objective.type not in (api.MINIMIZE, api.MAXIMIZE):
        found.append(
            Violation(
                ("metrics", 0, "goal"),
                "objective: type must be minimize or maximize, got "
                f"{_enum_name(api.ObjectiveType, spec.objective.type)}",
            )
        )
    if not spec.objective.objective_metric_name:
        found.append(
            Violation(
                ("metrics", 0, "name"),
                "objective: the objective metric name must not be empty",
            )
        )
    for name in ("parallel_trial_count", "max_trial_count"):
        count = getattr(spec, name)
        if count < 0:
            found.append(Violation((name,), f"{name} must not be negative, got {count}"))
    if found or space is None:
        raise Invalid(found)
    goal = Goal.MAXIMIZE if spec.objective.type == api.MAXIMIZE else Goal.MINIMIZE
    main = Metric(spec.objective.objective_metric_name, goal)
    others = dict.fromkeys(spec.objective.additional_metric_names)
    reported = [Metric(name, role=Role.REPORTED) for name in others if name not in ("", main.name)]
    return Problem(
        name=message.name,
        space=space,
        metrics=(main, *reported),
        parallel_trial_count=spec.parallel_trial_count,
        max_trial_count=spec.max_trial_count,
    )


def read_algorithm(message: api.AlgorithmSpec) -> AlgorithmChoice:
    """Return the algorithm that `message` asks for, with its settings in their order."""
    settings = tuple(RawSetting(item.name, item.value) for item in message.algorithm_settings)
    return AlgorithmChoice(message.algorithm_name, settings)


def _read_space(
    messages: Sequence[api.ParameterSpec], found: list[Violation]
) -> SearchSpace | None:
    """The search space, or None with its violations added to `found`."""
    # Looked at before anything is read.
    listed = sum(len(message.feasible_space.list) for message in messages)
    if too_many := size_violations(len(messages), listed):
        found += too_many
        return None
    parameters: list[Parameter] = []
    before = len(found)
    for index, message in enumerate(messages):
        try:
            parameters.append(_read_parameter(message))
        except Invalid as error:
            found += [v.under("parameters", index) for v in error.violations]
            # Takes the place of the broken one, so that repeated names are still found.
            if 0 < len(message.name) <= LONGEST_NAME:
                parameters.append(Int(message.name, 0, 0))
    try:
        space = SearchSpace(tuple(parameters))
    except Invalid as error:
        if parameters or not messages:
            found += error.violations
        return None
    return space if len(found) == before else None


def _read_parameter(message: api.ParameterSpec) -> Parameter:
    feasible = message.feasible_space
    kind = message.parameter_type
    listed = kind in (api.DISCRETE, api.CATEGORICAL)
    found: list[Violation] = []
    subject = f"parameter {quote(message.name)}"
    if kind not in (api.DOUBLE, api.INT, api.DISCRETE, api.CATEGORICAL):
        found.append(
            Violation(
                ("type",),
                f"{subject}: type must be double, int, discrete or categorical, got "
                f"{_enum_name(api.ParameterType, kind)}",
            )
        )
        raise Invalid(found)
    noun = api.ParameterType.Name(kind).lower()
    noun = f"an {noun}" if kind == api.INT else f"a {noun}"
    distribution = _DISTRIBUTIONS.get(feasible.distribution)
    if distribution is None:
        found.append(
            Violation(
                ("distribution",),
                f"{subject}: distribution must be uniform, logUniform, normal or logNormal, got "
                f"{feasible.distribution}",
            )
        )
        distribution = Distribution.UNIFORM
    if listed:
        numeric = [(key, getattr(feasible, key)) for key in ("min", "max", "step")]
        found += [
            Violation((key,), f"{subject}: {noun} has no {key}, got {quote(it)}")
            for key, it in numeric
            if it
        ]
        if distribution is not Distribution.UNIFORM:
            found.append(
                Violation(
                    ("distribution",),
                    f"{subject}: distribution {distribution.value} is for double and int, "
                    f"got it for {noun}",
                )
            )
    elif feasible.list:
        found.append(
            Violation(
                ("list",),
                f"{subject}: a list is for discrete and categorical, got one for {noun}",
            )
        )
    try:
        parameter: Parameter
        if kind == api.DISCRETE:
            parameter = Discrete(message.name, tuple(feasible.list))
        elif kind == api.CATEGORICAL:
            parameter = Categorical(message.name, tuple(feasible.list))
        else:
            number = Double if kind == api.DOUBLE else Int
            parameter = number(
                message.name, feasible.min, feasible.max, feasible.step or None, distribution
            )
    except Invalid as error:
        found += error.violations
    if found:
        raise Invalid(found)
    return parameter


def _enum_name(enum: object, number: int) -> str:
    names = {value: name for name, value in enum.items()}  # type: ignore[attr-defined]
    return f"{names.get(number, 'an undefined value')} ({number})"


# --------------------------------------------------------------------- request


def read_count(message: api.GetSuggestionsRequest, trials: int) -> tuple[int, int]:
    """Return how many suggestions are asked for, and the index of the first of them.

    Args:
        trials: Number of the experiment's own trials in the request.

    Raises:
        Invalid: If the number is not in 1 .. `MOST_SUGGESTIONS`.
    """
    count, total = message.current_request_number, message.total_request_number
    if not 1 <= count <= MOST_SUGGESTIONS:
        raise Invalid(
            [
                Violation(
                    ("count",),
                    f"current_request_number must be between 1 and {MOST_SUGGESTIONS}, got {count}",
                )
            ]
        )
    # Katib's total counts this request; OptimizationJob's counts its trials so far, without it; a
    # client that does not count leaves 0. Neither of the latter two leaves out a trial.
    return count, max(total - count, trials)


# ----------------------------------------------------------------------- reply


def write_reply(suggestions: Iterable[Suggestion], space: SearchSpace) -> api.GetSuggestionsReply:
    """Return the reply that hands out `suggestions`, which must lie in `space`.

    Every parameter has a value: an inactive one its least or first.
    """
    reply = api.GetSuggestionsReply()
    for suggestion in suggestions:
        entry = reply.parameter_assignments.add(
            trial_name=suggestion.trial, labels=dict(suggestion.labels)
        )
        for name, text in space.format(space.filled(suggestion.assignment)).items():
            entry.assignments.add(name=name, value=text)
    return reply


# ------------------------------------------------------------ the client's side


def write_experiment(document: Mapping[str, Any]) -> api.Experiment:
    """Return the message that Katib's controller makes of a checked Experiment document."""
    spec = document["spec"]
    objective = spec["objective"]
    message = api.Experiment(name=document["metadata"]["name"])
    out = message.spec
    out.objective.type = _named(api.ObjectiveType, objective["type"])
    out.objective.goal = float(objective.get("goal") or 0)
    out.objective.objective_metric_name = objective["objectiveMetricName"]
    out.objective.additional_metric_names.extend(objective.get("additionalMetricNames") or ())
    out.parallel_trial_count = int(spec.get("parallelTrialCount") or 0)
    out.max_trial_count = int(spec.get("maxTrialCount") or 0)
    for section, target in (("algorithm", out.algorithm), ("earlyStopping", out.early_stopping)):
        given = spec.get(section)
        if given:
            target.algorithm_name = given["algorithmName"]
            for item in given.get("algorithmSettings") or ():
                target.algorithm_settings.add(name=item["name"], value=item["value"])
    for parameter in spec["parameters"]:
        feasible = parameter["feasibleSpace"]
        added = out.parameter_specs.parameters.add(
            name=parameter["name"],
            parameter_type=_named(api.ParameterType, parameter["parameterType"]),
        )
        for key in ("min", "max", "step"):
            setattr(added.feasible_space, key, feasible.get(key) or "")
        added.feasible_space.list.extend(feasible.get("list") or ())
        distribution = feasible.get("distribution")
        if distribution:
            added.feasible_space.distribution = _BY_DISTRIBUTION[distribution]
    return message


def write_trial(entry: Mapping[str, Any]) -> api.Trial:
    """Return the message for one entry of a checked list of trials."""
    trial = api.Trial(name=entry.get("name") or "")
    for name, value in entry["parameters"].items():
        trial.spec.parameter_assignments.assignments.add(name=name, value=value)
    metrics = entry.get("metrics") or {}
    condition = entry.get("condition") or ("Succeeded" if metrics else "Running")
    trial.status.condition = _named(api.TrialStatus.TrialConditionType, condition)
    trial.status.start_time = entry.get("startTime") or ""
    trial.status.completion_time = entry.get("completionTime") or ""
    for name, value in metrics.items():
        trial.status.observation.metrics.add(name=name, value=value)
    return trial


_BY_DISTRIBUTION: Final = {
    "unknown": api.DISTRIBUTION_UNSPECIFIED,
    "uniform": api.UNIFORM,
    "logUniform": api.LOG_UNIFORM,
    "normal": api.NORMAL,
    "logNormal": api.LOG_NORMAL,
}


def _named(enum: Any, name: str) -> Any:
    return enum.Value(name.upper())
