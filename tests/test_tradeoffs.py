"""Domination, ranks, bounds and hypervolume: against definitions computed point by point."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.problem import tradeoffs, volumes
from suggestion.problem.numeric import Double
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import History, Observation, Study


def rows(width: int, most: int = 12) -> st.SearchStrategy[Array]:
    row = st.tuples(*[st.integers(0, 5)] * width)
    return st.lists(row, max_size=most).map(
        lambda found: np.array(found, dtype=np.float64).reshape(len(found), width)
    )


def dominates(one: Array, other: Array) -> bool:
    return bool((one <= other).all() and (one < other).any())


@given(st.integers(1, 4).flatmap(rows))
def test_no_point_dominates_those_that_are_not_dominated(losses: Array) -> None:
    expected = [not any(dominates(other, row) for other in losses) for row in losses]
    assert tradeoffs.nondominated(losses).tolist() == expected


VIOLATIONS = st.sampled_from([0.0, 0.0, 0.5, 2.0, math.inf])


@given(st.data(), st.integers(1, 3))
def test_ranks_follow_the_definition_of_constrained_domination(
    data: st.DataObject, width: int
) -> None:
    losses = data.draw(rows(width, 8))
    each = st.lists(st.tuples(VIOLATIONS, VIOLATIONS), min_size=len(losses), max_size=len(losses))
    violations = np.array(data.draw(each)).reshape(-1, 2)

    def severity(row: int) -> tuple[int, float]:
        own = violations[row]
        return int(np.isinf(own).sum()), float(own[np.isfinite(own)].sum())

    def better(one: int, other: int) -> bool:
        first, second = severity(one), severity(other)
        if first == second == (0, 0.0):
            return dominates(losses[one], losses[other])
        return first < second

    found = tradeoffs.ranks(losses, violations).tolist()
    left = set(range(len(losses)))
    for rank in itertools.count():
        if not left:
            break
        front = {row for row in left if not any(better(other, row) for other in left)}
        assert front == {row for row in left if found[row] == rank}
        left -= front
    first = {row for row, rank in enumerate(found) if rank == 0 and severity(row) == (0, 0.0)}
    assert set(np.flatnonzero(tradeoffs.front(losses, violations)).tolist()) == first
    few = tradeoffs.ranks(losses, violations, most=2).tolist()
    assert all(one == other or one < other for one, other in zip(few, found, strict=True))
    assert [rank for rank in few if rank == 0] == [rank for rank in found if rank == 0]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_there_may_be_as_many_ranks_as_trials(width: int) -> None:
    order = np.random.default_rng(0).permutation(500)
    losses = np.repeat(order[:, None], width, axis=1).astype(np.float64)
    met = np.zeros((500, 0))
    assert tradeoffs.ranks(losses, met).tolist() == order.tolist()
    assert tradeoffs.ranks(losses, met, most=10).tolist() == np.minimum(order, 10).tolist()


def test_the_best_trial_is_feasible_or_the_least_violated_one() -> None:
    losses = np.array([[1.0], [2.0], [0.0], [2.0], [0.0]])
    violations = np.array([[0.1, 0], [0, 0], [math.inf, 0], [0, 0], [0, 5.0]])
    assert tradeoffs.feasible(violations).tolist() == [False, True, False, True, False]
    assert tradeoffs.best_first(losses, violations).tolist() == [1, 3, 0, 4, 2]
    none = np.empty((5, 0))
    assert tradeoffs.best_first(losses, none).tolist() == [2, 4, 0, 1, 3]
    further = np.column_stack([losses, [0, 9, 2, 8, 1]])
    assert tradeoffs.best_first(further, none).tolist() == [4, 2, 0, 3, 1]


def test_crowding_prefers_outer_points_and_empty_regions() -> None:
    losses = np.array([[0.0, 4.0], [1.0, 3.0], [1.2, 2.8], [4.0, 0.0]])
    found = tradeoffs.crowding(losses)
    assert np.isinf(found[[0, 3]]).all()
    assert found[1] == pytest.approx((1.2 + 1.2) / 4)
    assert found[2] == pytest.approx((3 + 3) / 4)
    assert tradeoffs.crowding(np.empty((0, 2))).tolist() == []
    assert np.isinf(tradeoffs.crowding(np.ones((2, 3)))).all()
    widest = np.array([[-1.5e308, 4.0], [1.5e308, 3.0], [0.0, 3.5], [0.1, 3.6]])
    assert tradeoffs.crowding(widest)[2] == pytest.approx(0.5 + 0.6)


def cells(losses: Array, reference: int) -> int:
    """Number of unit cells of the grid below the reference point that are dominated."""
    corners = itertools.product(range(reference), repeat=losses.shape[1])
    return sum(bool((losses <= corner).all(axis=1).any()) for corner in map(np.array, corners))


@given(st.integers(1, 4).flatmap(lambda width: rows(width, 8)))
def test_hypervolume_is_the_number_of_dominated_cells(losses: Array) -> None:
    reference = np.full(losses.shape[1], 5.0)
    assert volumes.hypervolume(losses, reference) == pytest.approx(cells(losses, 5))
    without = [np.delete(losses, row, axis=0) for row in range(len(losses))]
    expected = [cells(losses, 5) - cells(each, 5) for each in without]
    assert volumes.contributions(losses, reference) == pytest.approx(expected)


# ----------------------------------------------------------------- constraints


def test_violations_are_shares_of_the_bound() -> None:
    memory = Metric("memory", Goal.MINIMIZE, Role.CONSTRAINT, 8e9)
    accuracy = Metric("accuracy", Goal.MAXIMIZE, Role.CONSTRAINT, 0.5, strict=True)
    offset = Metric("offset", Goal.MAXIMIZE, Role.CONSTRAINT, 0)
    assert [memory.violation(value) for value in (0, 8e9, 12e9)] == [0, 0, 0.5]
    assert [accuracy.violation(value) for value in (0.6, 0.25)] == [0, 0.5]
    assert 0 < accuracy.violation(0.5) < 1e-200
    assert offset.violation(-3) == 3
    assert memory.violation(None) == math.inf
    assert memory.violation(1.7e308) < math.inf
    assert [each.rule for each in (memory, accuracy)] == ["memory <= 8000000000", "accuracy > 0.5"]


def test_a_study_tells_by_how_much_each_constraint_is_violated() -> None:
    metrics = (
        Metric("loss"),
        Metric("latency"),
        Metric("latency", Goal.MINIMIZE, Role.CONSTRAINT, 2.0),
        Metric("latency", Goal.MAXIMIZE, Role.CONSTRAINT, 1.0),
        Metric("memory", Goal.MINIMIZE, Role.CONSTRAINT, 4.0),
    )
    problem = Problem("e", SearchSpace((Double("x", 0, 1),)), metrics)
    reported = [{"latency": 1.0, "memory": 5.0}, {"latency": 4.0}, {"latency": 0.5, "memory": 0.0}]
    trials = [Observation("", {"x": 0.5}, {"loss": 0.0, **each}) for each in reported]
    study = Study(problem, trials=History(tuple(trials)))
    assert study.losses.tolist() == [[0, 1], [0, 4], [0, 0.5]]
    assert study.violations_of(study.observations).tolist() == [
        [0, 0, 0.25],
        [1, 0, math.inf],
        [0, 0.5, 0],
    ]
    assert study.violations_of(()).shape == (0, 3)


def test_bounds_on_one_side_of_a_metric_differ() -> None:
    space = SearchSpace((Double("x", 0, 1),))
    twice = [Metric("memory", Goal.MINIMIZE, Role.CONSTRAINT, bound) for bound in (1.0, 2.0)]
    with pytest.raises(ValueError, match="metrics must have different names"):
        Problem("e", space, (Metric("loss"), *twice))
