"""What a trial has reported, and the value that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from suggestion.problem.standing import standing

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


class Role(Protocol):
    """What a metric is for: a further objective, or a constraint, which alone has a bound.

    `suggestion.problem.problem.Metric` is one, which says more of each method.
    """

    @property
    def name(self) -> str:
        """The name of the metric."""
        ...

    @property
    def bound(self) -> float | None:
        """The bound of a constraint; None for an objective."""
        ...

    @property
    def strict(self) -> bool:
        """Whether the bound itself is infeasible."""
        ...

    @property
    def rule(self) -> str:
        """What a constraint demands, for people."""
        ...

    def loss(self, value: float) -> float:
        """Return `value` such that lower is better."""
        ...

    def violation(self, value: float | None) -> float:
        """Return by how much `value` violates a constraint."""
        ...


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
        roles: Further objectives, and constraints, which the algorithm's settings declare.
    """

    metric: str
    maximize: bool
    goal: float | None
    additional: tuple[str, ...]
    strategies: Mapping[str, str]
    chosen: frozenset[str] = frozenset()
    roles: tuple[Role, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Objective:
        """Read the objective of an Experiment document that has been validated, without roles.

        See `suggestion.controller.objectives.read`.
        """
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
        return self._number(series, self.metric)

    @property
    def objectives(self) -> tuple[str, ...]:
        """All that are optimised, the main one first."""
        return (self.metric, *(each.name for each in self.roles if each.bound is None))

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether each of `objectives` is maximized, in their order."""
        # A loss of 1 is what is minimized.
        return (self.maximize, *(each.loss(1.0) < 0 for each in self.roles if each.bound is None))

    @property
    def constraints(self) -> tuple[Role, ...]:
        """Bounds on additional metrics."""
        return tuple(each for each in self.roles if each.bound is not None)

    def values(self, series: Mapping[str, Series]) -> tuple[float, ...] | None:
        """Return all objectives of a trial, the main one first; None without one of them."""
        known = [self._number(series, name) for name in self.objectives]
        found = tuple(value for value in known if value is not None)
        return found if len(found) == len(known) else None

    def losses(self, series: Mapping[str, Series]) -> tuple[float, ...] | None:
        """Return all objectives of a trial, lower is better; None without one of them."""
        values = self.values(series)
        if values is None:
            return None
        pairs = zip(values, self.directions, strict=True)
        return tuple(-value if maximize else value for value, maximize in pairs)

    def violations(self, series: Mapping[str, Series]) -> tuple[float, ...]:
        """Return by how much a trial violates each constraint; see `Role`."""
        return tuple(each.violation(self._number(series, each.name)) for each in self.constraints)

    def feasible(self, series: Mapping[str, Series]) -> bool:
        """Return whether a trial meets all constraints."""
        return not any(self.violations(series))

    def standing(self, series: Mapping[str, Series]) -> tuple[float, ...] | None:
        """Return what trials are compared by, the less the better; None without an objective."""
        losses = self.losses(series)
        return None if losses is None else standing(losses, self.violations(series))

    def lacking(self, series: Mapping[str, Series]) -> list[str]:
        """Return the objectives of which a trial has no finite value."""
        return [name for name in self.objectives if self._number(series, name) is None]

    def _number(self, series: Mapping[str, Series], name: str) -> float | None:
        """Return the value of a metric by its strategy; None where there is no finite one."""
        if name not in series:
            return None
        value = number(series[name].by(self.strategies[name]))
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
