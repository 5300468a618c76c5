"""An experiment as the page reads it: JSON that says everything the charts show.

Numbers of trials stay the texts that servers and trials wrote; the page reads and rounds them.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from suggestion.client.numbers import finite
from suggestion.client.parameters import parameters_of
from suggestion.controller import objectives, standings
from suggestion.controller.activity import Inactive
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report
from suggestion.controller.trials import Trial
from suggestion.runner.asking import COMMAND

#: Points of one learning curve, and curves, at most; the page says when there are more.
POINTS: Final = 200
CURVES: Final = 300

# Fields of a spec in which experiments that repeat each other may differ: how far they go.
_LENGTH: Final = ("maxTrialCount", "maxFailedTrialCount", "resumePolicy")
_SEED: Final = "random_state"

Json = dict[str, Any]
#: Number of the report, and its value.
Curve = list[tuple[int, float]]


def head(experiment: Experiment, runs: bool) -> Json:
    """Return what changes while an experiment goes on, other than its trials.

    Args:
        runs: Whether a runner is at work.
    """
    limits = experiment.limits
    condition = experiment.condition()
    return {
        "condition": {key: condition[key] for key in ("type", "reason", "message")},
        "limits": {
            "parallel": limits.parallel,
            "trials": limits.trials,
            "failures": limits.failures,
        },
        "started": experiment.started,
        "completed": experiment.completed,
        "runs": runs,
        "paused": experiment.paused,
        "command": str(experiment.options.get(COMMAND, "")),
    }


def declared(experiment: Experiment, place: str) -> Json:
    """Return what an experiment is, other than how far it has come.

    Users may change limits of it while it runs: ``changed`` has each field, with its value in the
    file and the present one.

    Args:
        place: Its directory, for people.
    """
    import yaml  # noqa: PLC0415

    spec = experiment.document["spec"]
    objective = objectives.read(experiment.document)
    stopping = spec.get("earlyStopping")
    return {
        "name": experiment.name,
        "place": place,
        "digest": digest(experiment.document),
        "algorithm": _named(spec["algorithm"]),
        "earlyStopping": None if not stopping else _named(stopping),
        "objective": {
            "metric": objective.metric,
            "maximize": objective.maximize,
            "goal": objective.goal,
            "metrics": list(objective.metrics),
            # All objectives, the main one first.
            "objectives": [
                {"metric": name, "maximize": maximize}
                for name, maximize in zip(objective.objectives, objective.directions, strict=True)
            ],
            # Bounds on metrics: feasible is at most, or at least, the bound; if strict, beyond it.
            "constraints": [
                {
                    "metric": each.name,
                    "atMost": each.loss(1.0) > 0,
                    "bound": each.bound,
                    "strict": each.strict,
                }
                for each in objective.constraints
            ],
        },
        "parameters": [_parameter(entry) for entry in parameters_of(experiment.document)],
        "changed": [
            {"field": name, "file": first, "now": now}
            for name, (first, now) in experiment.changed.items()
        ],
        "file": yaml.safe_dump(
            dict(experiment.document), sort_keys=False, allow_unicode=True, width=100
        ),
    }


def digest(document: Mapping[str, Any]) -> str:
    """Return a text that is the same for experiments that differ in name, seed and length alone."""
    spec = {key: value for key, value in document["spec"].items() if key not in _LENGTH}
    for section in ("algorithm", "earlyStopping"):
        if spec.get(section):
            known = spec[section].get("algorithmSettings") or ()
            settings = {str(entry["name"]): str(entry["value"]) for entry in known}
            settings.pop(_SEED, None)
            spec[section] = {**spec[section], "algorithmSettings": settings}
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def _named(part: Mapping[str, Any]) -> Json:
    settings = part.get("algorithmSettings") or ()
    return {
        "name": part["algorithmName"],
        "settings": {str(entry["name"]): str(entry["value"]) for entry in settings},
    }


def _parameter(entry: Mapping[str, Any]) -> Json:
    feasible = entry["feasibleSpace"]
    listed = entry["parameterType"] in ("categorical", "discrete")
    return {
        "name": entry["name"],
        "type": entry["parameterType"],
        "list": [str(text) for text in feasible["list"]] if listed else None,
        "log": feasible.get("distribution") in ("logUniform", "logNormal"),
        "min": None if listed else finite(str(feasible["min"])),
        "max": None if listed else finite(str(feasible["max"])),
        "step": None if listed or not feasible.get("step") else str(feasible["step"]),
    }


def row(
    trial: Trial,
    objective: Objective,
    parameters: Sequence[str],
    inactive: Inactive,
    judged: bool,
) -> Json:
    """Return one trial.

    Args:
        judged: Whether it can be the best.
        parameters: Their names, in the order of `declared`.
        inactive: Tells which of them are inactive, and have no value whatever was suggested.
    """
    main = trial.series.get(objective.metric)
    left_out = inactive(trial.assignment)
    violations = objective.violations(trial.series) if judged else ()
    return {
        "number": trial.number,
        "name": trial.name,
        "condition": str(trial.condition),
        "reason": trial.reason,
        "attempt": trial.attempt,
        "slot": trial.slot,
        "started": trial.started,
        "completed": trial.completed,
        # By strategy; of a running trial the latest report.
        "metrics": [
            objective.shown(trial.series, name)
            if not trial.condition.active
            else (series.latest if (series := trial.series.get(name)) else "")
            for name in objective.metrics
        ],
        # By how much each constraint is violated, as a share of its bound: 0 where it is met, None
        # where its metric is lacking; of a trial that cannot be judged, nothing.
        "violations": [each if math.isfinite(each) else None for each in violations],
        "feasible": not any(violations) if judged else None,
        "reports": 0 if main is None else main.count,
        "values": [None if name in left_out else trial.assignment.get(name) for name in parameters],
        "labels": dict(trial.labels),
        "rules": _rules(trial),
    }


def _rules(trial: Trial) -> list[list[Any]]:
    """Return what may stop a trial, or has: the rules that it began with and the latest.

    A rung that is not full yet lets every trial pass: its number is the largest that there is.
    """
    every = [*trial.rules, *(trial.watch or {}).get("rules", ())]
    distinct = {tuple(rule): None for rule in every if abs(rule[1]) < sys.float_info.max}
    return [list(rule) for rule in distinct]


def standing(judged: Sequence[tuple[standings.Standing, Trial]], objective: Objective) -> Json:
    """Return the number of the best trial, None without one, and those of the trade-off.

    With one objective there is no trade-off, and ``front`` is None.

    Args:
        judged: The trials that can be the best, in their order; see `standings.judged`.
    """
    best = standings.first(judged)
    several = len(objective.objectives) > 1
    front = standings.front([trial for _, trial in judged], objective) if several else None
    return {
        "best": None if best is None else best.number,
        "front": None if front is None else [trial.number for trial in front],
    }


def curve(reports: Iterable[Report], metric: str, begin: int = 0) -> tuple[Curve, int]:
    """Return the finite reports of `metric`, and how many there were in all.

    Args:
        begin: Number of reports before these.
    """
    points: Curve = []
    for report in reports:
        if report.metric == metric:
            begin += 1
            value = finite(report.value)
            if value is not None:
                points.append((begin, value))
    return points, begin


def thinned(points: Curve) -> Curve:
    """Return at most `POINTS` of them: of each stretch its least and its greatest value."""
    if len(points) <= POINTS:
        return points
    kept = {0, len(points) - 1}
    stretches = POINTS // 2 - 1
    for part in range(stretches):
        begin, end = (len(points) * at // stretches for at in (part, part + 1))
        places = range(begin, end)
        kept.add(min(places, key=lambda place: points[place][1]))
        kept.add(max(places, key=lambda place: points[place][1]))
    return [points[place] for place in sorted(kept)]
