"""Early-stopping rules, applied to the reports of a trial as a metrics collector does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

EQUAL: Final = "equal"
LESS: Final = "less"
GREATER: Final = "greater"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition under which a trial is stopped.

    Attributes:
        metric: Name of the metric to watch.
        value: Number to compare with.
        comparison: ``equal``, ``less`` or ``greater``.
        start_step: Compared once, at this report of the metric; 0: at every report.
    """

    metric: str
    value: float
    comparison: str
    start_step: int = 0

    def holds(self, value: float) -> bool:
        """Return whether `value` stops the trial; never for nan."""
        if self.comparison == LESS:
            return value < self.value
        if self.comparison == GREATER:
            return value > self.value
        return value == self.value


@dataclass
class Watch:
    """The rules of one trial that have not fired yet, and what they have seen.

    A trial is stopped once all of its rules have fired. Of the objective it is the best value so
    far that is compared. All rules of a metric share one counter, from which each of them takes
    one at each report: two rules of one metric therefore come due early. That is what the
    collector on a cluster does, and the same file must stop the same trials here.

    Attributes:
        objective: Name of the objective metric.
        maximize: Whether more of it is better.
        rules: Left to fire.
        steps: By metric, reports left until its rules are compared.
        best: Of the objective so far; None before its first finite value.
    """

    objective: str
    maximize: bool
    rules: list[Rule]
    steps: dict[str, int] = field(default_factory=dict)
    best: float | None = None

    @classmethod
    def over(cls, rules: Iterable[Rule], objective: str, maximize: bool) -> Watch:
        """Return a watch that has seen nothing yet."""
        rules = list(rules)
        steps = {rule.metric: rule.start_step for rule in rules if rule.start_step}
        return cls(objective, maximize, rules, steps)

    def report(self, metric: str, value: float) -> bool:
        """Add a report, and return whether it makes the last rule fire.

        A value that is not finite counts as a report, but fires nothing and is never the best.
        """
        if not self.rules:
            return False
        finite = math.isfinite(value)
        if metric == self.objective and finite:
            better = max if self.maximize else min
            self.best = value if self.best is None else better(self.best, value)
        left: list[Rule] = []
        for rule in self.rules:
            if rule.metric != metric or not self._fires(rule, value, finite):
                left.append(rule)
        self.rules = left
        return not left

    def _fires(self, rule: Rule, value: float, finite: bool) -> bool:
        if rule.metric in self.steps:
            self.steps[rule.metric] -= 1
            if self.steps[rule.metric] != 0:
                return False
        if rule.metric == self.objective:
            return self.best is not None and finite and rule.holds(self.best)
        return finite and rule.holds(value)

    def dump(self) -> dict[str, Any]:
        """Write the watch as JSON."""
        return {
            "rules": [[r.metric, r.value, r.comparison, r.start_step] for r in self.rules],
            "steps": self.steps,
            "best": self.best,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], objective: str, maximize: bool) -> Watch:
        """Read what `dump` wrote."""
        rules = [Rule(*fields) for fields in state["rules"]]
        return cls(objective, maximize, rules, dict(state["steps"]), state["best"])
