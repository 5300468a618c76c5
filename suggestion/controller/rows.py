"""Rows of the state file: what is written of trials, experiments and events, and read back."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from suggestion.controller import observation
from suggestion.controller.events import Event
from suggestion.controller.experiment import Experiment
from suggestion.controller.trials import Condition, Stopping, Trial

SAVE_TRIAL: Final = f"INSERT OR REPLACE INTO trials VALUES ({', '.join('?' * 21)})"
SAVE_EXPERIMENT: Final = "INSERT OR REPLACE INTO experiment VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def of_trial(trial: Trial) -> tuple[Any, ...]:
    """Return what `SAVE_TRIAL` writes of a trial."""
    return (
        trial.number,
        trial.name,
        json.dumps(trial.assignment),
        json.dumps(trial.labels),
        json.dumps(trial.rules),
        str(trial.condition),
        trial.reason,
        trial.attempt,
        trial.failures,
        str(trial.stopping),
        json.dumps(trial.handle),
        trial.slot,
        json.dumps(trial.position),
        json.dumps(trial.watch),
        json.dumps(observation.dump(trial.series)),
        json.dumps(trial.cut),
        trial.batch,
        trial.created,
        trial.started,
        trial.completed,
        trial.losses,
    )


def trial(row: sqlite3.Row) -> Trial:
    """Return the trial of a row."""
    cut = json.loads(row["cut"])
    return Trial(
        row["number"],
        row["name"],
        json.loads(row["assignment"]),
        json.loads(row["labels"]),
        json.loads(row["rules"]),
        Condition(row["condition"]),
        row["reason"],
        row["attempt"],
        row["failures"],
        Stopping(row["stopping"]),
        json.loads(row["handle"]),
        row["slot"],
        json.loads(row["position"]),
        json.loads(row["watch"]),
        observation.load(json.loads(row["series"])),
        None if cut is None else (cut[0], cut[1]),
        row["batch"],
        row["created"],
        row["started"],
        row["completed"],
        row["losses"],
    )


def of_experiment(experiment: Experiment) -> tuple[Any, ...]:
    """Return what `SAVE_EXPERIMENT` writes of an experiment."""
    return (
        experiment.name,
        json.dumps(experiment.document),
        json.dumps(experiment.options),
        json.dumps(experiment.overlay),
        experiment.validated,
        experiment.exhausted,
        json.dumps(list(experiment.conditions)),
        experiment.started,
        experiment.completed,
    )


def experiment(row: sqlite3.Row) -> Experiment:
    """Return the experiment of its row."""
    return Experiment(
        row["name"],
        json.loads(row["document"]),
        json.loads(row["options"]),
        json.loads(row["overlay"]),
        bool(row["validated"]),
        bool(row["exhausted"]),
        tuple(json.loads(row["conditions"])),
        row["started"],
        row["completed"],
    )


def of_event(event: Event) -> tuple[Any, ...]:
    """Return time, kind, trial and detail of an event."""
    trial = getattr(event, "trial", None)
    return (event.at.text, type(event).__name__, trial, json.dumps(event.detail()))
