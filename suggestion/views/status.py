"""An experiment as others want to see it: the status of the object on a cluster, text, CSV."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

from suggestion.client.numbers import finite, short
from suggestion.controller import messages, objectives, standings
from suggestion.controller.activity import inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.files import open_own
from suggestion.controller.observation import Objective, Series
from suggestion.controller.output import not_kept
from suggestion.controller.shown import plain
from suggestion.controller.store import Store
from suggestion.controller.trials import JUDGED, Condition, Trial
from suggestion.controller.workspace import trial_files
from suggestion.views import tradeoff
from suggestion.views.live import assigned, why

_FOLLOW_SECONDS: Final = 0.3

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
    """The experiment in a directory, whether a runner is at work there or not.

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
        raise FileNotFoundError(f"{directory}: the experiment has not been validated yet")
    return experiment, trials


def _metrics(trial: Trial, objective: Objective) -> list[dict[str, str]]:
    return [
        {"name": name, "min": s.min, "max": s.max, "latest": s.latest}
        for name in objective.metrics
        if (s := trial.series.get(name)) is not None
    ]


def crd(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, Any]:
    """The object as ``kubectl get experiment --output json`` has it, without its spec."""
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
    """For people, much like ``kubectl describe``.

    Args:
        directory: Of the experiment; with it, of the last failed trial the end of what it printed.
    """
    lines = list(_describe(crd(experiment, trials), experiment, trials))
    losses = sum(trial.losses for trial in trials)
    if losses:
        lost = [trial.name for trial in trials if trial.losses]
        some = ", ".join(lost[:20]) + (f", ... ({len(lost)})" if len(lost) > 20 else "")
        lines.append(f"Lost attempts: {losses}, of {some}")
    failed = [trial for trial in trials if trial.condition is Condition.FAILED]
    if failed and directory is not None:
        last = max(failed, key=lambda trial: (trial.completed, trial.number))
        lines.append(f"Last failure: {last.name}: {why(last, trial_files(directory, last).output)}")
        lines.append(f"  all that it printed: suggest logs {directory} {last.name}")
    return plain("\n".join(lines)) + "\n"


def _output(directory: Path, trial: Trial, attempt: int) -> Path:
    return trial_files(directory, replace(trial, attempt=attempt)).output


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
        kinds = {entry["name"]: entry["parameterType"] for entry in spec["parameters"]}
        for entry in best["parameterAssignments"]:
            name, value = entry["name"], entry["value"]
            yield f"    {name} = {short(value) if kinds.get(name) == 'double' else value}"
        for entry in best["observation"]["metrics"]:
            yield (
                f"    {entry['name']}: min {short(entry['min'])}, max {short(entry['max'])}, "
                f"latest {short(entry['latest'])}"
            )
    judged = objectives.read(experiment.document)
    found = standings.best(trials, judged)
    if found is not None and (text := tradeoff.infeasible(judged, found)):
        yield f"  {text}"
    yield from tradeoff.lines(judged, trials)
    yield f"Trials:     {status['trials']}"
    for names, count in _LISTS.values():
        if count in status:
            label = count.removeprefix("trials").removeprefix("trial")
            shown = status[names]
            some = ", ".join(shown[:20]) + (f", ... ({len(shown)})" if len(shown) > 20 else "")
            yield f"  {label} {status[count]}: {some}"


def write_csv(experiment: Experiment, trials: Sequence[Trial], out: TextIO) -> None:
    """A line for each trial: its active parameters, then each metric by its strategy."""
    objective = objectives.read(experiment.document)
    parameters = [parameter["name"] for parameter in experiment.document["spec"]["parameters"]]
    writer = csv.writer(out, lineterminator="\n")
    head = ["number", "trial", "condition", "reason", "attempt", "started", "completed", "seconds"]
    head.append("lost")  # attempts
    other = [name for name in objective.additional if name not in objective.chosen]
    latest = [f"{name} latest" for name in other]
    feasible = ["feasible"] if objective.constraints else []
    writer.writerow([*head, *parameters, *objective.metrics, *latest, *feasible])
    inactive = inactive_of(experiment.document)
    for trial in trials:
        seconds = elapsed(trial)
        left_out = inactive(trial.assignment)
        writer.writerow(
            [
                trial.number,
                trial.name,
                str(trial.condition),
                trial.reason,
                trial.attempt,
                trial.started,
                trial.completed,
                "" if seconds is None else f"{seconds:.3f}",
                trial.losses,
                *("" if name in left_out else trial.assignment[name] for name in parameters),
                *(_judged(objective, trial.series, name) for name in objective.metrics),
                *(objective.shown(trial.series, name) for name in other),
                *(_feasible(objective, trial) for _ in feasible),
            ]
        )


def _feasible(objective: Objective, trial: Trial) -> str:
    """Return ``true`` or ``false``; empty for a trial that cannot be judged."""
    judged = trial.condition in JUDGED and objective.standing(trial.series) is not None
    return str(objective.feasible(trial.series)).lower() if judged else ""


def table(experiment: Experiment, trials: Sequence[Trial]) -> str:
    """A line for each trial, for people: numbers have five significant digits."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    objective = objectives.read(experiment.document)
    space = experiment.document["spec"]["parameters"]
    inactive = inactive_of(experiment.document)
    made = Table(box=None, pad_edge=False)
    names = [parameter["name"] for parameter in space]
    for heading in ("", "trial", "condition", *objective.metrics, *names):
        made.add_column(Text(plain(heading)), overflow="fold")
    for trial in trials:
        metrics = (short(objective.shown(trial.series, name)) for name in objective.metrics)
        shown = assigned(trial, space, inactive)
        values = (shown.get(name, "") for name in names)
        row = (str(trial.number), trial.name, str(trial.condition), *metrics, *values)
        made.add_row(*(Text(plain(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    with console.capture() as capture:
        console.print(made)
    return capture.get()


def arranged(
    experiment: Experiment,
    trials: Sequence[Trial],
    *,
    sort: str | None = None,
    reverse: bool = False,
    best: int | None = None,
) -> list[Trial]:
    """Return trials in another order, or only some of them.

    Args:
        sort: Name of a metric or parameter, or of another column of the CSV; what is no number
            comes after what is one, and what has no value last.
        reverse: From the greatest to the least.
        best: Number of the best trials, the best one first; see `standings.best_first`.

    Raises:
        LookupError: If there is no column `sort`.
    """
    objective = objectives.read(experiment.document)
    listed = list(trials)
    if best is not None:
        listed = standings.best_first(listed, objective)[:best]
    if sort is not None:
        keys = {trial.number: _key(experiment, objective, trial, sort) for trial in listed}
        having = [trial for trial in listed if keys[trial.number] is not None]
        without = [trial for trial in listed if keys[trial.number] is None]
        having.sort(key=lambda trial: keys[trial.number] or (), reverse=reverse)
        return [*having, *without]
    return listed[::-1] if reverse else listed


def _key(
    experiment: Experiment, objective: Objective, trial: Trial, column: str
) -> tuple[int, float, str] | None:
    """Return what `trial` is sorted by; None without a value.

    Raises:
        LookupError: If there is no such column.
    """
    own = {
        "number": str(trial.number),
        "trial": trial.name,
        "condition": str(trial.condition),
        "reason": trial.reason,
        "attempt": str(trial.attempt),
        "started": trial.started,
        "completed": trial.completed,
        "seconds": str(elapsed(trial) or ""),
        "lost": str(trial.losses),
    }
    names = [parameter["name"] for parameter in experiment.document["spec"]["parameters"]]
    if column in objective.metrics:
        text = objective.shown(trial.series, column)
    elif column in names:
        text = trial.assignment.get(column, "")
    elif column in own:
        text = own[column]
    else:
        known = ", ".join([*objective.metrics, *names, *own])
        raise LookupError(f"--sort: must be one of {known}, got {column!r}")
    value = finite(text)
    if value is not None:
        return 0, value, ""
    return (1, 0.0, text) if text else None


def _judged(objective: Objective, series: Mapping[str, Series], name: str) -> str:
    return series[name].by(objective.strategies[name]) if name in series else ""


def elapsed(trial: Trial) -> float | None:
    """Seconds from start to completion."""
    if not trial.started or not trial.completed:
        return None
    begun, ended = datetime.fromisoformat(trial.started), datetime.fromisoformat(trial.completed)
    return max((ended - begun).total_seconds(), 0.0)


def find(trials: Sequence[Trial], name: str) -> Trial:
    """A trial by its name, the end of its name, or its number.

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


def follow(directory: Path, trial: Trial, attempt: int | None = None) -> Iterator[bytes]:
    """Yield what a trial prints, until it has ended; also before it begins.

    Raises:
        FileNotFoundError: If it has ended without having been started.
        Unusable: If the trial has put something else in its place.
    """
    store = Store(directory)
    try:
        chosen = attempt or trial.attempt
        path = _output(directory, trial, chosen)
        while not path.exists() and _goes_on(store, trial, chosen):
            time.sleep(_FOLLOW_SECONDS)
        yield from output_of(directory, store.trial(trial.number) or trial, chosen)
        file = open_own(path, path.parent)
        if file is None:
            return
        with file:
            file.seek(0, os.SEEK_END)
            goes_on = True
            while goes_on:
                goes_on = _goes_on(store, trial, chosen)
                while piece := file.read(1 << 20):
                    yield piece
                if goes_on:
                    time.sleep(_FOLLOW_SECONDS)
    finally:
        store.close()


def _goes_on(store: Store, trial: Trial, attempt: int) -> bool:
    now = store.trial(trial.number)
    return now is not None and now.condition.active and now.attempt == attempt


def output_of(directory: Path, trial: Trial, attempt: int | None = None) -> Iterator[bytes]:
    """What a trial has printed, in pieces, with a line in place of what was given back.

    Raises:
        FileNotFoundError: If it has not been started, or not so often.
        Unusable: If the trial has put something else in its place.
    """
    path = _output(directory, trial, attempt or trial.attempt)
    cut = trial.cut if attempt in (None, trial.attempt) else None
    file = open_own(path, path.parent)
    if file is None:
        raise FileNotFoundError(path)
    with file:
        if cut is not None:
            yield file.read(cut[0])
            yield not_kept(cut[1] - cut[0])
            file.seek(cut[1])
        while piece := file.read(1 << 20):
            yield piece
