"""What an Experiment document asks of its metrics, and whether the reports that count suit it.

A metric without an entry in ``metricStrategies`` takes the strategy of the main objective: the
least of its reports counts if that is minimized, the greatest if it is maximized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.client.containers import Problem
from suggestion.client.manifest import FieldPath
from suggestion.engine import goals
from suggestion.engine.declared import given
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Violation, quote
from suggestion.problem.problem import Goal, Metric, Role

STRATEGIES: Final[FieldPath] = ("spec", "objective", "metricStrategies")
_BEST: Final = {Goal.MINIMIZE: "min", Goal.MAXIMIZE: "max"}
_WORDS: Final = {"min": "least", "max": "greatest"}


def metrics(document: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return the metrics of a sound document with their roles, the main objective first.

    Settings that declare something wrong declare nothing: an algorithm of this project refuses
    them, and another server may read them in a way of its own.
    """
    objective = document["spec"]["objective"]
    main = Metric(objective["objectiveMetricName"], Goal(objective["type"]))
    additional = dict.fromkeys(objective.get("additionalMetricNames") or ())
    others = [Metric(name, role=Role.REPORTED) for name in additional if name != main.name]
    settings = document["spec"].get("algorithm", {}).get("algorithmSettings") or ()
    shared = given([RawSetting(entry["name"], entry["value"]) for entry in settings])
    found: list[Violation] = []
    declared = goals.declare((main, *others), shared, found)
    return (main, *others) if found else declared


def unsuited(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each further objective of which the worst report would count by default."""
    main, *others = metrics(document)
    chosen = _chosen(document)
    for metric in others:
        wanted, default = _BEST[metric.goal], _BEST[main.goal]
        if metric.role is Role.OBJECTIVE and metric.name not in chosen and wanted != default:
            yield (
                STRATEGIES,
                f"must have an entry for {quote(metric.name)}, such as {{name: {metric.name}, "
                f"value: {wanted}}}: the setting 'objectives' has it {metric.goal.value}d, but "
                f"without an entry the {_WORDS[default]} of its reports counts, as {main.name} is "
                f"{main.goal.value}d",
            )


def lenient(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each metric of a constraint of which the report that suits it best counts by default.

    Of a metric that is reported once, as memory or latency often are, every strategy takes the
    same value; so this is no error.
    """
    main, *others = metrics(document)
    chosen = _chosen(document)
    default = _BEST[main.goal]
    for metric in others:
        constrained = metric.role is Role.CONSTRAINT and _BEST[metric.goal] == default
        if constrained and metric.name not in chosen:
            yield (
                STRATEGIES,
                f"the constraint {metric.rule} is judged by the {_WORDS[default]} report of a "
                f"trial; if it reports more than one, add an entry for {quote(metric.name)}: min, "
                "max or latest",
            )


def _chosen(document: Mapping[str, Any]) -> frozenset[str]:
    entries = document["spec"]["objective"].get("metricStrategies") or ()
    return frozenset(entry["name"] for entry in entries)
