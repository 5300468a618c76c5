"""The finished trials of an experiment's directory, as the loggers take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from suggestion.client.numbers import finite
from suggestion.client.parameters import parameters_of
from suggestion.controller.activity import active_texts, inactive_of
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition
from suggestion.views import status


@dataclass(frozen=True, slots=True)
class Step:
    """A report of one metric.

    Attributes:
        index: Among the reports of this metric, from 1.
        time: Seconds since 1970.
    """

    metric: str
    index: int
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that has ended.

    Attributes:
        parameters: Values by name; numbers where they are numbers, else text.
        failed: Whether it has no result.
        begin, end: Seconds since 1970; None where that is unknown.
    """

    name: str
    parameters: dict[str, float | str]
    condition: str
    failed: bool
    begin: float | None
    end: float | None
    steps: Sequence[Step]


def read(directory: Path) -> tuple[str, Sequence[Finished]]:
    """Return the name of an experiment and its trials that have ended.

    Raises:
        FileNotFoundError: If there is no experiment in `directory`.
    """
    experiment, trials = status.load(directory)
    listed = {
        p["name"] for p in parameters_of(experiment.document) if p["parameterType"] == "categorical"
    }
    inactive = inactive_of(experiment.document)
    store = Store(directory)
    try:
        made = [
            Finished(
                trial.name,
                {
                    name: text if name in listed else float(text)
                    for name, text in active_texts(trial.assignment, inactive).items()
                },
                str(trial.condition.value),
                trial.condition not in (Condition.SUCCEEDED, Condition.EARLY_STOPPED),
                _seconds(trial.started),
                _seconds(trial.completed),
                _steps(store.reports(trial.number)),
            )
            for trial in trials
            if not trial.condition.active
        ]
    finally:
        store.close()
    return experiment.name, made


def _steps(reports: Sequence[Any]) -> Sequence[Step]:
    counts: dict[str, int] = {}
    made = []
    for report in reports:
        counts[report.metric] = counts.get(report.metric, 0) + 1
        value = finite(report.value)
        if value is not None:
            time = _seconds(report.time) or 0.0
            made.append(Step(report.metric, counts[report.metric], value, time))
    return made


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
