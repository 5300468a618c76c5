"""What a new experiment learns from: the trials in the directories of earlier ones."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from suggestion.api.v1beta1 import messages as wire
from suggestion.controller.activity import active_texts, inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, number
from suggestion.controller.store import Store
from suggestion.controller.trials import FAILED, JUDGED, Trial
from suggestion.engine import prior_trials
from suggestion.engine.declared import PRIOR_TRIALS
from suggestion.problem.earlier import EarlierStudy, EarlierTrial, studies
from suggestion.problem.errors import Invalid, quote
from suggestion.runner.errors import ExperimentRefused

#: Largest number of trials of one experiment that another learns from.
MOST_LEARNED: Final = 1_000
#: What the stored options call the directories.
LEARN_FROM: Final = "learn_from"


class CannotLearn(ValueError):
    """Nothing can be learned from a directory; the text says why."""


def options(directories: Sequence[Path], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an experiment keeps of the directories that it learns from.

    It holds a copy of the trials: what becomes of the directories has no effect on it.

    Args:
        document: The new experiment.

    Raises:
        ExperimentRefused: With every directory that nothing can be learned from.
    """
    if not directories:
        return {}
    spec = document["spec"]
    if any(
        entry["name"] == PRIOR_TRIALS.name
        for entry in spec["algorithm"].get("algorithmSettings") or ()
    ):
        text = f"the file has the setting {quote(PRIOR_TRIALS.name)}; give one of the two"
        raise ExperimentRefused(f"--learn-from: {text}")
    wrong: list[str] = []
    found: list[EarlierStudy] = []
    metric = spec["objective"]["objectiveMetricName"]
    others = spec["objective"].get("additionalMetricNames") or ()
    for directory in directories:
        subject = f"--learn-from {directory}"
        try:
            found.append(read(directory, metric, subject, others))
        except CannotLearn as error:
            wrong.append(f"{subject}: {error}")
    found = named(found)
    try:
        studies(found, wire.read_problem(wire.write_experiment(document)))
    except Invalid as error:
        wrong += [violation.description for violation in error.violations]
    if wrong:
        raise ExperimentRefused("\n".join(wrong))
    names = [str(directory.resolve()) for directory in directories]
    return stored(names, prior_trials.write(found))


def stored(names: Sequence[str], text: str) -> dict[str, Any]:
    """Return the options of an experiment that learns from what is called `names`.

    Args:
        text: The trials, as `prior_trials.write` returns them; empty for none.
    """
    return {LEARN_FROM: [*names], PRIOR_TRIALS.name: text} if text else {}


def require_same(known: Experiment, directories: Sequence[Path]) -> None:
    """Check that an experiment that goes on is to learn from what it has learned from so far.

    Raises:
        ExperimentRefused: If `directories` are given, and they are others.
    """
    before = known.options.get(LEARN_FROM, [])
    if directories and before != [str(directory.resolve()) for directory in directories]:
        got = ", ".join(before) or "nothing"
        raise ExperimentRefused(
            f"--learn-from: the experiment in this directory learns from {got}; use another "
            f"--directory, or --fresh to set aside what is here"
        )


def kept(directory: Path) -> str | None:
    """Return what the experiment in `directory` learns from, as it is sent; None without any."""
    try:
        store = Store(directory)
    except (FileNotFoundError, sqlite3.Error, ValueError):
        return None
    try:
        known = store.experiment()
    finally:
        store.close()
    return None if known is None else known.options.get(PRIOR_TRIALS.name)


def read(
    directory: Path, metric: str, subject: str = "", others: Sequence[str] = ()
) -> EarlierStudy:
    """Return the trials in `directory` as an earlier study.

    Of more than 1,000 it has the best half, and an even share of the others.

    Args:
        metric: Name of the objective, which must be the earlier one's too.
        others: Further metrics that are looked for.

    Raises:
        CannotLearn: If there is no experiment, or one without a value of that objective.
    """
    try:
        store = Store(directory)
        try:
            with store.snapshot():
                experiment, trials = store.experiment(), store.trials()
        finally:
            store.close()
    except FileNotFoundError as error:
        raise CannotLearn("holds no experiment") from error
    except (sqlite3.Error, ValueError, OSError) as error:
        raise CannotLearn(f"cannot be read: {error}") from error
    if experiment is None:
        raise CannotLearn("holds no experiment")
    objective = Objective.of(experiment.document)
    expect(objective.metric, metric)
    found = [*_trials(trials, objective, experiment.document, others)]
    return study(experiment.name, found, metric, objective.maximize, subject)


def expect(metric: str, expected: str) -> None:
    """Check that an earlier experiment has the expected objective.

    Raises:
        CannotLearn: If it has another one.
    """
    if metric != expected:
        raise CannotLearn(f"must have the objective {quote(expected)}, got {quote(metric)}")


def study(
    name: str, trials: Sequence[EarlierTrial], metric: str, maximize: bool, subject: str = ""
) -> EarlierStudy:
    """Return so many of `trials` as another experiment learns from, as an earlier study.

    Raises:
        CannotLearn: If none has a value.
    """
    if all(trial.value is None for trial in trials):
        raise CannotLearn(f"must hold a trial with a value of {quote(metric)}, got none")
    return EarlierStudy(name, thinned(trials, maximize), subject=subject)


def _trials(
    trials: Iterable[Trial],
    objective: Objective,
    document: Mapping[str, Any],
    others: Sequence[str],
) -> Iterable[EarlierTrial]:
    inactive = inactive_of(document)
    for trial in trials:
        if trial.condition not in JUDGED and trial.condition not in FAILED:
            continue
        value = objective.value(trial.series) if trial.condition in JUDGED else None
        metrics = {
            name: found
            for name in others
            if name in trial.series and trial.condition in JUDGED
            if math.isfinite(
                found := number(trial.series[name].by(objective.strategies.get(name, "latest")))
            )
        }
        yield EarlierTrial(active_texts(trial.assignment, inactive), value, metrics=metrics)


def thinned(
    trials: Sequence[EarlierTrial], maximize: bool, most: int = MOST_LEARNED
) -> Sequence[EarlierTrial]:
    """Return at most `most` of `trials`: the best half, and an even share of the others."""
    if len(trials) <= most:
        return trials
    sign = -1 if maximize else 1
    worst = float("inf")
    ranked = sorted(trials, key=lambda t: worst if t.value is None else sign * t.value)
    best, others = ranked[: most // 2], ranked[most // 2 :]
    count = most - len(best)
    return [*best, *(others[k * len(others) // count] for k in range(count))]


def named(found: Sequence[EarlierStudy]) -> list[EarlierStudy]:
    """Return the studies with names that differ."""
    made: list[EarlierStudy] = []
    taken: set[str] = set()
    for study in found:
        name, number = study.name, 1
        while name in taken:
            number += 1
            name = f"{study.name}-{number}"
        taken.add(name)
        made.append(EarlierStudy(name, study.trials, study.goal, study.location, study.subject))
    return made
