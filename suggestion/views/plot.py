"""An experiment as one HTML page that needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from suggestion.client.numbers import finite
from suggestion.controller.observation import Objective, Report
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.views import status

_PLACE: Final = "/*DATA*/null"
#: Points of one learning curve, and curves, at most; the page says when there are more.
_POINTS: Final = 200
_CURVES: Final = 300


def page(directory: Path) -> str:
    """The page for the experiment in `directory`."""
    return render(data(directory))


def render(of: dict[str, Any]) -> str:
    """The page that shows `of`."""
    text = json.dumps(of, allow_nan=False, separators=(",", ":"))
    # Inside <script>, where only this could end the element.
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    template = files("suggestion.views").joinpath("plot.html").read_text(encoding="utf-8")
    return template.replace(_PLACE, text, 1)


def data(directory: Path) -> dict[str, Any]:
    """What the page shows, as JSON."""
    experiment, trials = status.load(directory)
    objective = Objective.of(experiment.document)
    store = Store(directory)
    try:
        curves = [
            {"trial": trial.name, "number": trial.number, "values": curve}
            for trial in trials[-_CURVES:]
            if len(curve := _curve(store.reports(trial.number), objective.metric)) > 1
        ]
    finally:
        store.close()
    best = status.optimal(trials, objective)
    return {
        "name": experiment.name,
        "algorithm": experiment.document["spec"]["algorithm"]["algorithmName"],
        "condition": dict(experiment.condition()),
        "metric": objective.metric,
        "maximize": objective.maximize,
        "goal": objective.goal,
        "best": None if best is None else best.name,
        "parameters": [_parameter(p) for p in experiment.document["spec"]["parameters"]],
        "trials": [_trial(trial, objective) for trial in trials],
        "curves": curves,
        "curvesLeftOut": max(len(trials) - _CURVES, 0),
    }


def _parameter(declared: dict[str, Any]) -> dict[str, Any]:
    feasible = declared["feasibleSpace"]
    return {
        "name": declared["name"],
        "categories": feasible["list"] if declared["parameterType"] == "categorical" else None,
        "log": feasible.get("distribution") in {"logUniform", "logNormal"},
    }


def _trial(trial: Trial, objective: Objective) -> dict[str, Any]:
    return {
        "name": trial.name,
        "number": trial.number,
        "condition": str(trial.condition),
        "value": objective.value(trial.series) if not trial.condition.active else None,
        "parameters": dict(trial.assignment),
    }


def _curve(reports: Sequence[Report], metric: str) -> list[tuple[int, float]]:
    """Step and value of the finite reports, thinned out evenly; the last one is kept."""
    values = [
        (step, value)
        for step, report in enumerate((r for r in reports if r.metric == metric), 1)
        if (value := finite(report.value)) is not None
    ]
    if len(values) <= _POINTS:
        return values
    stride = len(values) / (_POINTS - 1)
    return [*(values[int(index * stride)] for index in range(_POINTS - 1)), values[-1]]
