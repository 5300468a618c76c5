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

    A collector on a cluster gets its rules once. Where the early-stopping server can be asked
    again, the next rules take the place of those that have been compared: see `due`.

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
        count: Reports of the objective so far.
        asked: How many there were when the present rules were asked for.
        asks: Whether there may be further rules.
    """

    objective: str
    maximize: bool
    rules: list[Rule]
    steps: dict[str, int] = field(default_factory=dict)
    best: float | None = None
    count: int = 0
    asked: int = 0
    asks: bool = False

    @classmethod
    def over(
        cls, rules: Iterable[Rule], objective: str, maximize: bool, asks: bool = False
    ) -> Watch:
        """Return a watch that has seen nothing yet."""
        rules = list(rules)
        steps = {rule.metric: rule.start_step for rule in rules if rule.start_step}
        return cls(objective, maximize, rules, steps, asks=asks)

    def report(self, metric: str, value: float) -> bool:
        """Add a report, and return whether it makes the last rule fire.

        A value that is not finite counts as a report, but fires nothing and is never the best.
        """
        finite = math.isfinite(value)
        if metric == self.objective:
            self.count += 1
            if finite:
                better = max if self.maximize else min
                self.best = value if self.best is None else better(self.best, value)
        if not self.rules:
            return False
        left: list[Rule] = []
        for rule in self.rules:
            if rule.metric != metric or not self._fires(rule, value, finite):
                left.append(rule)
            elif metric == self.objective:
                self.asks = False  # it is behind; other metrics may still decide for it
        self.rules = left
        return not left

    @property
    def due(self) -> bool:
        """Whether to ask for the next rules: none of the objective is left to be compared."""
        return (
            self.asks
            and self.count > self.asked
            and not any(self._waits(rule) for rule in self.rules)
        )

    def _waits(self, rule: Rule) -> bool:
        return rule.metric == self.objective and self.steps.get(rule.metric, 1) > 0

    def answer(self, step: int, rules: Iterable[Rule]) -> bool:
        """Take the next rules, and return whether they make the last rule fire at once.

        A rule of the objective whose step has passed is compared with the best value so far. Those
        of other metrics stay as they were first given.

        Args:
            step: Number of reports of the objective that the request named.
            rules: None of them: there are no further ones.
        """
        self.asked = max(self.asked, step)
        self.rules = [rule for rule in self.rules if rule.metric != self.objective]
        self.steps.pop(self.objective, None)
        known = len(self.rules)
        fired = False
        for rule in rules:
            if rule.metric != self.objective:
                continue
            if 0 < rule.start_step <= self.count:
                if self.best is not None and rule.holds(self.best):
                    fired = True
                    continue
                self.steps.setdefault(rule.metric, 0)
            elif rule.start_step:
                self.steps[rule.metric] = rule.start_step - self.count
            self.rules.append(rule)
        self.asks = not fired and len(self.rules) > known
        return fired and not self.rules

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
            "count": self.count,
            "asked": self.asked,
            "asks": self.asks,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], objective: str, maximize: bool) -> Watch:
        """Read what `dump` wrote, now or in an earlier version, which asked once."""
        return cls(
            objective,
            maximize,
            [Rule(*fields) for fields in state["rules"]],
            dict(state["steps"]),
            state["best"],
            state.get("count", 0),
            state.get("asked", 0),
            state.get("asks", False),
        )
