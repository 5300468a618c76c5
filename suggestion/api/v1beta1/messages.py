"""Between messages and domain objects: nothing else reads or writes the Suggestion messages.

Reading collects every broken rule before it raises; `locations` says which field each is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import space_messages as spaces
from suggestion.api.v1beta1.space_messages import named
from suggestion.engine.engine import AlgorithmChoice
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.parameters import LONGEST_NAME
from suggestion.problem.problem import MOST_SUGGESTIONS, Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import Suggestion

__all__ = [
    "read_algorithm",
    "read_count",
    "read_problem",
    "write_experiment",
    "write_reply",
    "write_trial",
]

# ------------------------------------------------------------------ experiment

#: Every call of an experiment brings it anew, and exact reading takes half of a small call. So the
#: problems of the latest experiments are kept: at most so many, of so many bytes, which take a few
#: MiB where every byte is used to declare parameters.
_KEPT: Final = 64
_KEPT_BYTES: Final = 4096


def read_problem(message: api.Experiment) -> Problem:
    """Return what `message` asks to optimise.

    Raises:
        Invalid: With every broken rule of the experiment, the space and the objective.
    """
    if message.ByteSize() <= _KEPT_BYTES:
        return _read_bytes(message.SerializeToString(deterministic=True))
    return _read(message)


@lru_cache(maxsize=_KEPT)
def _read_bytes(encoded: bytes) -> Problem:
    """Return the problem of an encoded experiment, whose bytes alone decide about it."""
    return _read(api.Experiment.FromString(encoded))


def _read(message: api.Experiment) -> Problem:
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
    space = spaces.read(spec, found)
    if spec.objective.type not in (api.MINIMIZE, api.MAXIMIZE):
        found.append(
            Violation(
                ("metrics", 0, "goal"),
                "objective: type must be minimize or maximize, got "
                f"{spaces.enum_name(api.ObjectiveType, spec.objective.type)}",
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
    out.objective.type = named(api.ObjectiveType, objective["type"])
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
    spaces.write(out, spec)
    return message


def write_trial(entry: Mapping[str, Any]) -> api.Trial:
    """Return the message for one entry of a checked list of trials."""
    trial = api.Trial(name=entry.get("name") or "")
    for name, value in entry["parameters"].items():
        trial.spec.parameter_assignments.assignments.add(name=name, value=value)
    metrics = entry.get("metrics") or {}
    condition = entry.get("condition") or ("Succeeded" if metrics else "Running")
    trial.status.condition = named(api.TrialStatus.TrialConditionType, condition)
    trial.status.start_time = entry.get("startTime") or ""
    trial.status.completion_time = entry.get("completionTime") or ""
    for name, value in metrics.items():
        trial.status.observation.metrics.add(name=name, value=value)
    return trial
