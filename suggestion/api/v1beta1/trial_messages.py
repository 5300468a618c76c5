"""From messages of trials to the history of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Final, NamedTuple

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.problem.deadline import NEVER, watched
from suggestion.problem.earlier import EarlierStudy, EarlierTrial
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.problem import Goal, Problem
from suggestion.problem.space import Assignment
from suggestion.problem.study import Failed, History, Observation, Pending, Record

_FINISHED: Final = frozenset({api.TrialStatus.SUCCEEDED, api.TrialStatus.EARLYSTOPPED})
_FAILED: Final = frozenset(
    {api.TrialStatus.FAILED, api.TrialStatus.KILLED, api.TrialStatus.METRICSUNAVAILABLE}
)
#: Label of a trial of an earlier study: the name of that study.
STUDY_LABEL: Final = "suggestion/study"
_STUDY_LABEL: Final = STUDY_LABEL.encode()
#: Only trials without a name are told apart by their texts; thousands of them take memory.
_NAMED: Final[Mapping[str, str]] = {}


class Divided(NamedTuple):
    """The trials of a request.

    Attributes:
        own: Those of the experiment itself.
        earlier: Those of earlier studies, each with its place in the request.
    """

    own: Sequence[api.Trial]
    earlier: Sequence[tuple[int, api.Trial]]


def divided(
    trials: Sequence[api.Trial],
    raw: bytes | None = None,
    check: Callable[[], None] = NEVER.check,
) -> Divided:
    """Return `trials`, those of earlier studies apart.

    Args:
        check: Called between trials; what it raises ends the search.
        raw: The request as it came, if known: a look at each of 10,000 trials takes longer than
            parsing them, and is needed only where the label is somewhere in the bytes.
    """
    if raw is not None and _STUDY_LABEL not in raw:
        return Divided(trials, ())
    numbered = watched(enumerate(trials), check)
    earlier = [(k, trial) for k, trial in numbered if STUDY_LABEL in trial.spec.labels]
    if not earlier:
        return Divided(trials, ())
    places = {place for place, _ in earlier}
    return Divided([trial for k, trial in enumerate(trials) if k not in places], earlier)


def read_earlier(
    trials: Iterable[tuple[int, api.Trial]],
    objective: api.ObjectiveSpec,
    check: Callable[[], None] = NEVER.check,
) -> tuple[EarlierStudy, ...]:
    """Return the earlier studies whose finished trials are `trials`.

    Args:
        trials: Labelled ones, each with its place in the request.
        objective: Of the experiment. A trial with another objective metric has a goal of its own.
        check: Called between trials; what it raises ends the reading.

    Raises:
        Invalid: If a label is empty, or trials of one study have different goals.
    """
    names = (objective.objective_metric_name, *objective.additional_metric_names)
    found = Violations()
    rows: dict[str, list[EarlierTrial]] = {}
    first: dict[str, tuple[int, Goal | None]] = {}
    for index, message in watched(trials, check):
        name = message.spec.labels[STUDY_LABEL]
        place = ("trials", index, "spec", "labels", STUDY_LABEL)
        if not name:
            rule = f"label {quote(STUDY_LABEL)} must name a study, got ''"
            found.append(Violation(place, f"trial {quote(message.name)}: {rule}"))
            continue
        goal = _goal(message.spec.objective, objective.objective_metric_name)
        if first.setdefault(name, (index, goal))[1] is not goal:
            rule = "its trials must have one goal, got both"
            found.append(Violation(place, f"earlier study {quote(name)}: {rule}"))
        row = _earlier(message, names)
        rows.setdefault(name, []).extend([] if row is None else [row])
    if found:
        raise Invalid(found)
    return tuple(
        EarlierStudy(name, rows[name], goal, ("trials", index))
        for name, (index, goal) in first.items()
    )


def _goal(objective: api.ObjectiveSpec, main: str) -> Goal | None:
    """Return the goal of a trial whose objective is another metric than `main`."""
    if objective.objective_metric_name in ("", main):
        return None
    return {api.MINIMIZE: Goal.MINIMIZE, api.MAXIMIZE: Goal.MAXIMIZE}.get(objective.type)


def _earlier(message: api.Trial, names: Sequence[str]) -> EarlierTrial | None:
    """Return a finished trial of an earlier study; None if it is not finished.

    Args:
        names: Of the experiment's metrics, the main objective first.
    """
    condition = message.status.condition
    if condition not in _FINISHED and condition not in _FAILED:
        return None
    assignments = message.spec.parameter_assignments.assignments
    metrics = _metrics(message, names[0], names) if condition in _FINISHED else {}
    value = metrics.pop(names[0], None)
    texts = {item.name: item.value for item in assignments}
    return EarlierTrial(texts, value, message.name, metrics)


def read_trials(
    trials: Sequence[api.Trial], problem: Problem, check: Callable[[], None] = NEVER.check
) -> History:
    """Return the history that `trials` make: see `History.of`.

    Args:
        check: Called between trials; what it raises ends the reading.
    """
    parse = problem.space.parser()
    objectives = tuple(metric.name for metric in problem.objectives)
    names = tuple(metric.name for metric in problem.metrics)
    records = (_read(message, parse, objectives, names) for message in trials)
    return History.of(records, problem, check)


def without_objective(request: api.GetSuggestionsRequest) -> list[str]:
    """Return the trials that ended well, but count as failed: they tell no finite objective."""
    main = request.experiment.spec.objective.objective_metric_name
    return [
        trial.name or f"number {number}"
        for number, trial in enumerate(divided(request.trials).own, 1)
        if trial.status.condition in _FINISHED and main not in _metrics(trial, main, (main,))
    ]


def _read(
    message: api.Trial,
    parse: Callable[[Mapping[str, str]], Assignment],
    objectives: Sequence[str],
    names: Sequence[str],
) -> Record:
    status = message.status
    texts: Mapping[str, str] = {
        item.name: item.value for item in message.spec.parameter_assignments.assignments
    }
    assignment = parse(texts)
    name, condition = message.name, status.condition
    if name:
        texts = _NAMED
    trial: Observation | Pending | Failed
    if condition not in _FAILED and condition not in _FINISHED:
        return Record(Pending(name, assignment), status.start_time, texts)
    ended = _instant(status.completion_time)
    metrics = _metrics(message, objectives[0], names)
    if condition in _FAILED or None in map(metrics.get, objectives):
        trial = Failed(name, assignment, ended)
    else:
        trial = Observation(
            trial=name,
            assignment=assignment,
            metrics=metrics,
            duration=_seconds(status.start_time, status.completion_time),
            stopped_early=condition == api.TrialStatus.EARLYSTOPPED,
            ended=ended,
        )
    return Record(trial, status.start_time, texts)


def _metrics(message: api.Trial, main: str, names: Sequence[str]) -> dict[str, float]:
    """Return the last value of each metric in `names`, where it is finite.

    The main one is that which the trial names as its objective, if it names any.
    """
    own = message.spec.objective.objective_metric_name or main
    found: dict[str, float] = {}
    for item in message.status.observation.metrics:
        name = item.name
        if name == own:
            name = main
        elif name == main or name not in names:
            continue
        value = _finite(item.value)
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _instant(text: str) -> float | None:
    """Return seconds since 1970 of an RFC 3339 text, by default UTC; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(start: str, completion: str) -> float | None:
    """Return the time between two RFC 3339 texts; None if either is none, or they are reversed."""
    if not start or not completion:
        return None
    try:
        seconds = (
            datetime.fromisoformat(completion) - datetime.fromisoformat(start)
        ).total_seconds()
    except (ValueError, TypeError):  # no time; one with an offset and one without
        return None
    return seconds if seconds >= 0 else None
