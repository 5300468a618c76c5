"""Builds studies with one objective in a line or two."""

from __future__ import annotations

from collections.abc import Sequence

from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Study

LOSS = "loss"


def finished(
    trial: str,
    assignment: Assignment,
    loss: float,
    *,
    ended: float | None = None,
    stopped_early: bool = False,
) -> Observation:
    """A trial with a loss."""
    return Observation(trial, assignment, {LOSS: loss}, ended=ended, stopped_early=stopped_early)


def loss_of(observation: Observation) -> float:
    """The loss of `finished`."""
    return observation.metrics[LOSS]


def best(observations: Sequence[Observation]) -> float:
    """The least loss."""
    return min(map(loss_of, observations))


def study_on(
    space: SearchSpace,
    seed: int = 0,
    first_index: int = 0,
    trials: History | None = None,
    deadline: Deadline = NEVER,
) -> Study:
    """A study that minimises the loss."""
    problem = Problem("s", space, (Metric(LOSS),))
    return Study(problem, seed, first_index, trials or History(), deadline=deadline)
