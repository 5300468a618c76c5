"""What an experiment declares, whatever the API: a search space and metrics."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from suggestion.problem.parameters import Array
from suggestion.problem.space import SearchSpace

#: Largest number of suggestions in one reply, and of values in it.
MOST_SUGGESTIONS: Final = 10_000
MOST_VALUES: Final = 200_000
#: Most bytes of the texts in it, of more than one suggestion.
MOST_TEXT_BYTES: Final = 8 * 2**20
#: Largest number of trials that a request may hold: what can be read and learned from in time.
MOST_TRIALS: Final = 100_000

#: Range of the amounts by which constraints are violated.
_LEAST_VIOLATION: Final = 1e-300
_MOST_VIOLATION: Final = 1e300


class Goal(enum.Enum):
    """Which values of a metric are better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Role(enum.Enum):
    """What a metric is for."""

    OBJECTIVE = "objective"
    CONSTRAINT = "constraint"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that trials report.

    Attributes:
        name: Name under which trials report it.
        goal: Which values are better; for a constraint, which side of `bound` is feasible:
            MINIMIZE means at most `bound`.
        role: Whether it is optimised, bounded, or only shown.
        bound: Bound of a constraint; None for the other roles.
        strict: Whether the bound itself is infeasible.
    """

    name: str
    goal: Goal = Goal.MINIMIZE
    role: Role = Role.OBJECTIVE
    bound: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if (self.role is Role.CONSTRAINT) != (self.bound is not None):
            rule = f"a constraint, and only it, has a bound, got {self.role.name} with {self.bound}"
            raise ValueError(f"metric {self.name!r}: {rule}")

    def loss(self, value: float) -> float:
        """Return `value`, negated when maximising: lower is better."""
        return -value if self.goal is Goal.MAXIMIZE else value

    def violation(self, value: float | None) -> float:
        """Return by how much `value` exceeds the bound of a constraint; 0 where it is feasible.

        It is the distance to the bound as a share of the bound's size, at most 1e300 and positive
        wherever the constraint is violated; of a bound of 0 the distance itself. Infinite for None:
        a trial without the metric violates the constraint by an unknown amount.
        """
        assert self.bound is not None
        if value is None:
            return math.inf
        loss, most = self.loss(value), self.loss(self.bound)
        if loss < most or (loss == most and not self.strict):
            return 0.0
        excess = (loss - most) / (abs(most) or 1.0)
        return min(max(excess, _LEAST_VIOLATION), _MOST_VIOLATION)

    @property
    def rule(self) -> str:
        """What a constraint demands: ``latency < 0.2``."""
        number = repr(self.bound).removesuffix(".0")
        sign = "<" if self.goal is Goal.MINIMIZE else ">"
        return f"{self.name} {sign}{'' if self.strict else '='} {number}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be optimised.

    Attributes:
        name: Name of the experiment.
        space: The search space.
        metrics: What trials report; the first objective is the main one. An objective may be
            bounded too, and a metric on both sides: each bound is a metric with the role of a
            constraint, of the same name.
        parallel_trial_count, max_trial_count: 0 if not declared.
    """

    name: str
    space: SearchSpace
    metrics: tuple[Metric, ...]
    parallel_trial_count: int = 0
    max_trial_count: int = 0

    def __post_init__(self) -> None:
        names = ", ".join(repr(metric.name) for metric in self.metrics) or "no metric"
        free = [metric.name for metric in self.metrics if metric.role is not Role.CONSTRAINT]
        sides = [(metric.name, metric.goal) for metric in self.constraints]
        if len(set(free)) < len(free) or len(set(sides)) < len(sides):
            rule = "metrics must have different names"
            raise ValueError(f"problem {self.name!r}: {rule}, got {names}")
        if not self.objectives:
            raise ValueError(f"problem {self.name!r}: needs an objective, got {names}")

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """The metrics that are optimised, in the declared order; at least one."""
        return tuple(metric for metric in self.metrics if metric.role is Role.OBJECTIVE)

    @property
    def most_suggestions(self) -> int:
        """The largest number of suggestions in one reply."""
        by_values = MOST_VALUES // self.space.dimension
        by_texts = MOST_TEXT_BYTES // max(self.space.text_bytes, 1)
        return max(min(MOST_SUGGESTIONS, by_values, by_texts), 1)

    @property
    def constraints(self) -> tuple[Metric, ...]:
        """The bounds that metrics must keep to, in the declared order."""
        return tuple(metric for metric in self.metrics if metric.role is Role.CONSTRAINT)

    def losses(self, metrics: Sequence[Mapping[str, float]]) -> Array:
        """Return the objectives of n trials, lower is better; shape (n, number of objectives).

        Args:
            metrics: What each trial reported, by name; all objectives among it.
        """
        names = [metric.name for metric in self.objectives]
        values = np.array([[each[name] for name in names] for each in metrics], dtype=np.float64)
        signs = [metric.loss(1.0) for metric in self.objectives]
        return values.reshape(len(metrics), len(names)) * signs

    def violations(self, metrics: Sequence[Mapping[str, float]]) -> Array:
        """Return by how much n trials violate each constraint; shape (n, number of constraints).

        See `Metric.violation`: 0 where a constraint is met, infinite where its metric is lacking.

        Args:
            metrics: What each trial reported, by name.
        """
        bounds = self.constraints
        found = [[bound.violation(each.get(bound.name)) for bound in bounds] for each in metrics]
        return np.array(found, dtype=np.float64).reshape(len(metrics), len(bounds))
