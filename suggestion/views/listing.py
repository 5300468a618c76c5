"""The trials of an experiment as a table: CSV, and for people, in a chosen order."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TextIO

from suggestion.client.numbers import finite, short
from suggestion.client.parameters import columns_of, parameters_of
from suggestion.controller import objectives, standings
from suggestion.controller.activity import Inactive, active_texts, inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Series
from suggestion.controller.shown import plain
from suggestion.controller.trials import Trial
from suggestion.views.live import assigned

if TYPE_CHECKING:
    from rich.table import Table

_ENDLESS: Final = 1_000_000


def write_csv(experiment: Experiment, trials: Sequence[Trial], out: TextIO) -> None:
    """Write a line for each trial: its active parameters, then each metric by its strategy."""
    objective = objectives.read(experiment.document)
    parameters = [parameter["name"] for parameter in parameters_of(experiment.document)]
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
    judged = standings.is_judged(trial, objective)
    return str(objective.feasible(trial.series)).lower() if judged else ""


def table(experiment: Experiment, trials: Sequence[Trial]) -> str:
    """Return a line for each trial, for people: numbers have five significant digits.

    Where a line does not fit, trials are called by the ends of their names; where it still does
    not, each trial is a list of its values.
    """
    from rich.console import Console  # noqa: PLC0415

    objective = objectives.read(experiment.document)
    space = columns_of(experiment.document)
    inactive = inactive_of(experiment.document)
    names = [parameter["name"] for parameter in space]
    headings = ["", "trial", "condition", *objective.metrics, *names]
    rows = []
    for trial in trials:
        metrics = (short(objective.shown(trial.series, name)) for name in objective.metrics)
        shown = assigned(trial, space, inactive)
        values = (shown.get(name, "") for name in names)
        rows.append([str(trial.number), trial.name, str(trial.condition), *metrics, *values])
    console = Console(width=None if sys.stdout.isatty() else 200)
    ends = [[row[0], row[1].removeprefix(f"{experiment.name}-"), *row[2:]] for row in rows]
    with console.capture() as capture:
        for listed in (rows, ends):
            made = _grid(headings, listed)
            # As wide as it would be without an end of the line.
            whole = console.options.update(max_width=_ENDLESS)
            if made.__rich_measure__(console, whole).maximum <= console.width:
                console.print(made)
                break
        else:
            for row in rows:
                lines = zip(headings[1:], row[1:], strict=True)
                console.print(_grid(["", row[0]], [[name, text] for name, text in lines]))
    return capture.get()


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(Text(plain(heading)), overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    return made


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
        inactive = inactive_of(experiment.document)
        keys = {t.number: _key(experiment, objective, t, sort, inactive) for t in listed}
        having = [trial for trial in listed if keys[trial.number] is not None]
        without = [trial for trial in listed if keys[trial.number] is None]
        having.sort(key=lambda trial: keys[trial.number] or (), reverse=reverse)
        return [*having, *without]
    return listed[::-1] if reverse else listed


def _key(
    experiment: Experiment, objective: Objective, trial: Trial, column: str, inactive: Inactive
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
    names = [parameter["name"] for parameter in parameters_of(experiment.document)]
    if column in objective.metrics:
        text = objective.shown(trial.series, column)
    elif column in names:
        text = active_texts(trial.assignment, inactive).get(column, "")
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
    """Return the seconds from start to completion; None unless a trial has both."""
    if not trial.started or not trial.completed:
        return None
    begun, ended = datetime.fromisoformat(trial.started), datetime.fromisoformat(trial.completed)
    return max((ended - begun).total_seconds(), 0.0)
