"""An experiment as others want to see it: the status of the object on a cluster, and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from suggestion.client.numbers import short
from suggestion.client.parameters import parameters_of
from suggestion.controller import messages, objectives, standings
from suggestion.controller.activity import inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective
from suggestion.controller.shown import plain
from suggestion.controller.store import Store, not_validated
from suggestion.controller.trials import Condition, Trial
from suggestion.controller.workspace import trial_files
from suggestion.views import recommended, tradeoff
from suggestion.views.live import assigned, why

# Names that are shown of a list.
_SOME: Final = 20
# Names of the lists and counts in the CRD, which are not quite regular.
_LISTS: Final = {
    Condition.CREATED: ("pendingTrialList", "trialsPending"),
    Condition.RUNNING: ("runningTrialList", "trialsRunning"),
    Condition.SUCCEEDED: ("succeededTrialList", "trialsSucceeded"),
    Condition.FAILED: ("failedTrialList", "trialsFailed"),
    Condition.KILLED: ("killedTrialList", "trialsKilled"),
    Condition.EARLY_STOPPED: ("earlyStoppedTrialList", "trialsEarlyStopped"),
    Condition.METRICS_UNAVAILABLE: ("metricsUnavailableTrialList", "trialMetricsUnavailable"),
}


def load(directory: Path) -> tuple[Experiment, list[Trial]]:
    """Return the experiment in a directory and its trials, whether a runner is at work or not.

    Raises:
        FileNotFoundError: If there is none.
        sqlite3.Error: If its state cannot be read.
    """
    store = Store(directory)
    try:
        with store.snapshot():
            experiment, trials = store.experiment(), store.trials()
    finally:
        store.close()
    if experiment is None:
        raise not_validated(directory)
    return experiment, trials


def _metrics(trial: Trial, objective: Objective) -> list[dict[str, str]]:
    return [
        {"name": name, "min": s.min, "max": s.max, "latest": s.latest}
        for name in objective.metrics
        if (s := trial.series.get(name)) is not None
    ]


def crd(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the object as ``kubectl get experiment --output json`` has it, without its spec."""
    objective = objectives.read(experiment.document)
    status: dict[str, Any] = {
        "startTime": messages.seconds(experiment.started),
        "completionTime": messages.seconds(experiment.completed) or None,
        "conditions": [
            {
                **entry,
                "lastUpdateTime": messages.seconds(entry["lastUpdateTime"]),
                "lastTransitionTime": messages.seconds(entry["lastTransitionTime"]),
            }
            for entry in experiment.conditions
        ],
    }
    best = standings.best(trials, objective)
    status["currentOptimalTrial"] = (
        {}
        if best is None
        else {
            "bestTrialName": best.name,
            "parameterAssignments": [
                {"name": name, "value": value} for name, value in best.assignment.items()
            ],
            "observation": {"metrics": _metrics(best, objective)},
        }
    )
    if (other := recommended.find(experiment, trials)) is not None:
        status["recommendedTrial"] = {
            "trialName": other.trial.name,
            "estimate": other.estimate,
            "standardDeviation": other.deviation,
        }
    if len(objective.objectives) > 1:
        status["tradeOffTrialList"] = [t.name for t in standings.front(trials, objective)]
    for condition, (names, _) in _LISTS.items():
        listed = [trial.name for trial in trials if trial.condition is condition]
        if listed:
            status[names] = listed
    status["trials"] = len(trials)
    for condition, (_, count) in _LISTS.items():
        number = sum(trial.condition is condition for trial in trials)
        if number:
            status[count] = number
    return {
        "apiVersion": experiment.document["apiVersion"],
        "kind": experiment.document["kind"],
        "metadata": {"name": experiment.name},
        "status": status,
    }


def text(experiment: Experiment, trials: Sequence[Trial], directory: Path | None = None) -> str:
    """Describe an experiment for people, much like ``kubectl describe``.

    Args:
        directory: Of the experiment; with it, of the last failed trial the end of what it printed.
    """
    lines = list(_describe(crd(experiment, trials), experiment, trials))
    losses = sum(trial.losses for trial in trials)
    if losses:
        lost = [trial.name for trial in trials if trial.losses]
        lines.append(f"Lost attempts: {losses}, of {_some(lost)}")
    failed = [trial for trial in trials if trial.condition is Condition.FAILED]
    if failed and directory is not None:
        last = max(failed, key=lambda trial: (trial.completed, trial.number))
        lines.append(f"Last failure: {last.name}: {why(last, trial_files(directory, last).output)}")
        lines.append(f"  all that it printed: suggest logs {directory} {last.name}")
    return plain("\n".join(lines)) + "\n"


def _some(names: Sequence[str]) -> str:
    """Return the first of `names`, and how many there are if these are not all."""
    return ", ".join(names[:_SOME]) + (f", ... ({len(names)})" if len(names) > _SOME else "")


def _describe(
    made: Mapping[str, Any], experiment: Experiment, trials: Sequence[Trial]
) -> Iterator[str]:
    status = made["status"]
    spec = experiment.document["spec"]
    yield f"Name:       {experiment.name}"
    yield f"Algorithm:  {spec['algorithm']['algorithmName']}"
    objective = spec["objective"]
    goal = f", goal {objective['goal']}" if objective.get("goal") is not None else ""
    yield f"Objective:  {objective['type']} {objective['objectiveMetricName']}{goal}"
    yield f"Started:    {status['startTime']}"
    if status["completionTime"]:
        yield f"Completed:  {status['completionTime']}"
    yield "Conditions:"
    for entry in status["conditions"]:
        mark = "yes" if entry["status"] == "True" else "no "
        yield (
            f"  {mark} {entry['type']:<10} {entry['lastTransitionTime']} {entry['reason']}: "
            f"{entry['message']}"
        )
    best = status["currentOptimalTrial"]
    if best:
        yield "Current optimal trial:"
        yield f"  {best['bestTrialName']}"
        chosen = next(trial for trial in trials if trial.name == best["bestTrialName"])
        space = parameters_of(experiment.document)
        for name, value in assigned(chosen, space, inactive_of(experiment.document)).items():
            yield f"    {name} = {value}"
        for entry in best["observation"]["metrics"]:
            yield (
                f"    {entry['name']}: min {short(entry['min'])}, max {short(entry['max'])}, "
                f"latest {short(entry['latest'])}"
            )
    declared = objectives.read(experiment.document)
    found = standings.best(trials, declared)
    if found is not None and (why_not := tradeoff.infeasible(declared, found)):
        yield f"  {why_not}"
    if other := status.get("recommendedTrial"):
        metric = declared.metric
        assert found is not None  # the best one
        observed = short(found.series[metric].by(declared.strategies[metric]))
        about = f"{other['estimate']:.4g} ± {other['standardDeviation']:.2g}"
        yield (
            f"Recommended trial: {other['trialName']}, estimated {metric} {about}; "
            f"the best observed, {observed}, is within the noise"
        )
    yield from tradeoff.lines(declared, trials)
    yield f"Trials:     {status['trials']}"
    for names, count in _LISTS.values():
        if count in status:
            label = count.removeprefix("trials").removeprefix("trial")
            yield f"  {label} {status[count]}: {_some(status[names])}"


def find(trials: Sequence[Trial], name: str) -> Trial:
    """Return a trial by its name, the end of its name, or its number.

    Raises:
        LookupError: If there is none, or more than one.
    """
    for trial in trials:
        if name in (trial.name, str(trial.number)):
            return trial
    found = [trial for trial in trials if trial.name.endswith(name)]
    if len(found) != 1:
        raise LookupError(f"{name}: {'no trial' if not found else 'more than one trial'} has this "
                          f"name; `suggest trials` lists them")  # fmt: skip
    return found[0]
