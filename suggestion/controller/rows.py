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
    """Return the trial of a row, whose columns are in the order of `of_trial`."""
    # A page that opens ten thousand trials waits for this: by place, columns are found at once.
    (
        number, name, assignment, labels, rules, condition, reason, attempt, failures, stopping,
        handle, slot, position, watch, series, cut, batch, created, started, completed, losses,
    ) = row  # fmt: skip
    begin_end = _value(cut)
    return Trial(
        number,
        name,
        _value(assignment),
        _value(labels),
        _value(rules),
        Condition(condition),
        reason,
        attempt,
        failures,
        Stopping(stopping),
        _value(handle),
        slot,
        _value(position),
        _value(watch),
        observation.load(_value(series)),
        None if begin_end is None else (begin_end[0], begin_end[1]),
        batch,
        created,
        started,
        completed,
        losses,
    )


def _value(text: str) -> Any:
    """Return what JSON holds; most columns of most trials hold nothing, which needs no parser."""
    if text == "null":
        return None
    if text == "{}":
        return {}
    return [] if text == "[]" else json.loads(text)


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
