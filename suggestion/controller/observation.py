"""What a trial has reported, and the value that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNAVAILABLE: Final = "unavailable"
STRATEGIES: Final = ("min", "max", "latest")


def number(text: str) -> float:
    """Return the number that `text` holds; nan where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """One value of one metric.

    Attributes:
        metric, value: As text; the value is a number, which may be nan.
        time: RFC 3339 as the trial wrote it; empty if it wrote none.
    """

    metric: str
    value: str
    time: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one trial: the least, the greatest and the latest report, as text.

    The least and the greatest are ``unavailable`` until a finite value has been reported.

    Attributes:
        time: Of the latest report, as `moments.rfc3339` writes it: as texts, such times have the
            order of time.
    """

    min: str = UNAVAILABLE
    max: str = UNAVAILABLE
    latest: str = UNAVAILABLE
    count: int = 0
    time: str = ""

    def plus(self, text: str, time: str = "") -> Series:
        """Return the series with one more report.

        Args:
            time: Of the report. The latest is the one with the latest time, whatever the order in
                which they come; of equal times, and without them, the last one.
        """
        value = number(text)
        least, most = self.min, self.max
        if math.isfinite(value):
            if least == UNAVAILABLE or value < float(least):
                least = text
            if most == UNAVAILABLE or value > float(most):
                most = text
        if time < self.time:
            return Series(least, most, self.latest, self.count + 1, self.time)
        return Series(least, most, text, self.count + 1, time)

    def by(self, strategy: str) -> str:
        """Return the value under `strategy`: ``min``, ``max`` or ``latest``.

        Without a finite value it is the latest text, ``nan`` for instance: servers take the trial
        for a bad one, and do not propose its point again.
        """
        value = {"min": self.min, "max": self.max, "latest": self.latest}[strategy]
        return self.latest if value == UNAVAILABLE else value


@dataclass(frozen=True, slots=True)
class Objective:
    """What the experiment optimises.

    Attributes:
        metric: Name of the objective metric.
        maximize: Whether more is better.
        goal: Value at which the experiment ends; None without one.
        additional: Names of other metrics to collect.
        strategies: By metric, which of its reports counts: ``min``, ``max`` or ``latest``.
        chosen: Metrics whose strategy the file names.
    """

    metric: str
    maximize: bool
    goal: float | None
    additional: tuple[str, ...]
    strategies: Mapping[str, str]
    chosen: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Objective:
        """Read the objective of an Experiment document that has been validated."""
        objective = document["spec"]["objective"]
        goal = objective.get("goal")
        strategies = {
            entry["name"]: entry["value"] for entry in objective.get("metricStrategies") or ()
        }
        additional = tuple(objective.get("additionalMetricNames") or ())
        metric = objective["objectiveMetricName"]
        maximize = objective["type"] == "maximize"
        default = "max" if maximize else "min"
        return cls(
            metric,
            maximize,
            None if goal is None else float(goal),
            additional,
            {name: strategies.get(name, default) for name in (metric, *additional)},
            frozenset(strategies),
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that are collected, the objective first."""
        return (self.metric, *self.additional)

    def available(self, series: Mapping[str, Series]) -> bool:
        """Return whether the objective was reported at all."""
        return self.metric in series

    def value(self, series: Mapping[str, Series]) -> float | None:
        """Return the objective value of a trial; None where there is no finite one."""
        if self.metric not in series:
            return None
        value = number(series[self.metric].by(self.strategies[self.metric]))
        return value if math.isfinite(value) else None

    def observed(self, series: Mapping[str, Series]) -> list[tuple[str, str]]:
        """Return metric and value by its strategy, of those that were reported."""
        return [
            (name, series[name].by(self.strategies[name]))
            for name in self.metrics
            if name in series
        ]

    def shown(self, series: Mapping[str, Series], metric: str) -> str:
        """Return the value of a metric for people; empty without one.

        It is the value by which a trial is judged, or the latest one of an additional metric: its
        default strategy is that of the objective, and the least accuracy means nothing to anybody.
        """
        if metric not in series:
            return ""
        judged = metric == self.metric or metric in self.chosen
        return series[metric].by(self.strategies[metric]) if judged else series[metric].latest

    def better(self, value: float, other: float | None) -> bool:
        """Return whether `value` beats `other`, the best so far."""
        return other is None or (value > other if self.maximize else value < other)

    def reached(self, value: float | None) -> bool:
        """Return whether `value` meets the goal."""
        if self.goal is None or value is None:
            return False
        return value >= self.goal if self.maximize else value <= self.goal


def dump(series: Mapping[str, Series]) -> dict[str, Sequence[Any]]:
    """Write aggregates as JSON."""
    return {name: [s.min, s.max, s.latest, s.count, s.time] for name, s in series.items()}


def load(state: Mapping[str, Sequence[Any]]) -> dict[str, Series]:
    """Read what `dump` wrote, now or in an earlier version, which did not write the time."""
    return {name: Series(*fields) for name, fields in state.items()}
