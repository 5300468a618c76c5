"""Which trials `tpe` takes for good ones, with several objectives and constraints on metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from suggestion.algorithms.tpe.split import split
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.volumes import hypervolume
from tests.test_nsga2 import CUBE, trials_of, zdt1

FRONT = np.array([[0.0, 10.0], [1.0, 9.9], [5.0, 5.0], [5.1, 4.9], [10.0, 0.0], [9.0, 9.95]])


def met(count: int) -> Array:
    return np.zeros((count, 0))


def test_of_a_front_those_are_good_that_add_most_to_the_hypervolume() -> None:
    order, weights = split(FRONT, met(6), 3)
    assert set(order[:3]) == {0, 2, 4} or set(order[:3]) == {0, 3, 4}
    assert sorted(order) == list(range(6))
    assert order[-1] == 5  # dominated
    assert weights.mean() == pytest.approx(1)
    middle = [k for k in order[:3] if k in (2, 3)]
    assert weights[order.index(middle[0])] == weights.max()


def test_feasible_trials_are_good_before_infeasible_ones() -> None:
    violations = np.array([[0.3], [0.0], [math.inf], [0.1], [0.0], [0.0]])
    order, weights = split(FRONT, violations, 5)
    assert set(order[:2]) == {1, 4}
    assert list(order[2:]) == [5, 3, 0, 2]
    assert weights[3:].max() < 1e-9 < weights[:2].min()
    order, weights = split(FRONT[:, :1], violations, 4)
    assert list(order) == [1, 5, 4, 3, 0, 2]
    assert weights.tolist() == [1] * 4


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_any_losses_are_split(width: int) -> None:
    rng = np.random.default_rng(width)
    for losses in (rng.random((300, width)), np.ones((9, width)), np.full((3, width), 1.7e308)):
        losses[0] *= -1
        order, weights = split(losses, met(len(losses)), min(25, len(losses)))
        assert sorted(order) == list(range(len(losses)))
        assert np.isfinite(weights).all()
        assert (weights > 0).all()


@pytest.mark.long
def test_tpe_dominates_more_than_random_search_with_twice_the_trials() -> None:
    problem = Problem("zdt1", CUBE, (Metric("f"), Metric("g")))
    reference = np.array([1.1, 6.0])

    def volume(name: str, count: int) -> float:
        found = trials_of(name, problem, zdt1, count)
        return hypervolume(problem.losses([trial.metrics for trial in found]), reference)

    random = volume("random", 160)
    assert volume("tpe", 80) > random
    assert volume("multivariate-tpe", 80) > random


@pytest.mark.parametrize("name", ["tpe", "multivariate-tpe"])
def test_tpe_finds_the_feasible_part(name: str) -> None:
    bound = Metric("c", Goal.MINIMIZE, Role.CONSTRAINT, 0.4)
    problem = Problem("bounded", CUBE, (Metric("f"), bound))
    found = trials_of(
        name, problem, lambda x: {"f": float(x.sum()), "c": float(((x - 0.6) ** 2).sum())}, 100
    )
    feasible = [t for t in found if t.metrics["c"] <= 0.4]
    assert len(feasible) > 10
