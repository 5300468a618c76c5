"""NSGA-II: its operators, and what it finds with several objectives and constraints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.algorithms.nsga2.variation import Gene, Variation, polynomial, simulated_binary
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem import tradeoffs
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import History, Observation
from suggestion.problem.volumes import hypervolume

UNIT = st.floats(0, 1)
INDEX = st.floats(0.1, 100)


@given(UNIT, UNIT, UNIT, INDEX)
def test_children_lie_in_the_range_and_near_their_parents(
    one: float, other: float, u: float, eta: float
) -> None:
    low, high = sorted((one, other))
    below, above = (simulated_binary(one, other, u, side, eta) for side in (0.0, 0.9))
    assert 0 <= below <= above + 1e-12
    assert above <= 1
    if high - low >= 1e-14:
        assert below <= (low + high) / 2 <= above
    if u <= 0.5:  # a spread below 1
        assert low - 1e-9 <= below
        assert above <= high + 1e-9


def test_the_spread_of_children_has_its_distribution() -> None:
    """Far from the ends, half of the children lie between the parents: eq. (4) at beta = 1."""
    rng = np.random.default_rng(0)
    found = [simulated_binary(0.49, 0.51, u, 0.0, 20.0) for u in rng.random(4000)]
    assert np.mean(np.array(found) > 0.49) == pytest.approx(0.5, abs=0.03)
    spread = (1 - 2 * (np.array(found) - 0.49) / 0.02)[np.array(found) > 0.49]
    # Below 1 its distribution function is beta ** (eta + 1).
    assert np.mean(spread < 0.5 ** (1 / 21)) == pytest.approx(0.5, abs=0.04)


@given(UNIT, UNIT, INDEX)
def test_a_mutation_stays_in_the_range(value: float, u: float, eta: float) -> None:
    moved = polynomial(value, u, eta)
    assert 0 <= moved <= 1
    assert moved <= value + 1e-12 if u < 0.5 else moved >= value - 1e-12
    assert polynomial(value, 0.0, eta) == pytest.approx(0)


def test_a_mutated_lattice_or_category_changes() -> None:
    genes = [
        Gene.of(Int("i", 0, 1)),
        Gene.of(Int("j", 0, 9)),
        Gene.of(Categorical("c", ("a", "b"))),
    ]
    always = Variation(genes, 0.0, 1.0, 20.0, 20.0)
    rng = np.random.default_rng(0)
    parent = np.array([0.25, 0.05, 0.25])
    for _ in range(50):
        child = always.child(rng, parent, parent)
        assert child[[0, 2]].tolist() == [0.75, 0.75]
        assert child[1] > 0.1


def test_what_both_parents_lack_is_drawn() -> None:
    never = Variation([Gene(True, None)] * 3, 0.0, 1e-9, 20.0, 20.0)
    first, second = np.array([np.nan, 0.2, np.nan]), np.array([np.nan, np.nan, 0.7])
    rng = np.random.default_rng(0)
    children = np.array([never.child(rng, first, second) for _ in range(200)])
    assert set(children[:, 1]) == {0.2}
    assert set(children[:, 2]) == {0.7}
    assert children[:, 0].std() == pytest.approx(12**-0.5, abs=0.05)


# ------------------------------------------------------------------ what it finds


def trials_of(
    name: str, problem: Problem, function: Callable[[Array], dict[str, float]], count: int
) -> list[Observation]:
    choice = AlgorithmChoice(name, (RawSetting("random_state", "1"),))
    prepared = Engine(algorithms()).prepare(problem, choice)
    made: list[Observation] = []
    for index in range(count):
        (suggestion,) = prepared.suggest(1, first_index=index, trials=History(tuple(made)))
        values = np.array([float(v) for v in suggestion.assignment.values()])
        made.append(Observation(f"t{index:04}", suggestion.assignment, function(values)))
    return made


CUBE = SearchSpace(tuple(Double(f"x{k}", 0, 1) for k in range(10)))


def zdt1(x: Array) -> dict[str, float]:
    slope = 1 + 9 * x[1:].mean()
    return {"f": float(x[0]), "g": float(slope * (1 - np.sqrt(x[0] / slope)))}


def test_it_dominates_more_than_random_search_with_twice_the_trials() -> None:
    problem = Problem("zdt1", CUBE, (Metric("f"), Metric("g")))
    reference = np.array([1.1, 6.0])

    def volume(name: str, count: int) -> float:
        found = trials_of(name, problem, zdt1, count)
        return hypervolume(problem.losses([trial.metrics for trial in found]), reference)

    assert volume("nsga2", 120) > volume("random", 240) + 0.5


def test_it_finds_the_feasible_part_and_goes_on_in_it() -> None:
    bound = Metric("c", Goal.MINIMIZE, Role.CONSTRAINT, 0.3)
    problem = Problem("bounded", CUBE, (Metric("f"), bound))

    def function(x: Array) -> dict[str, float]:
        return {"f": float(x.sum()), "c": float(((x - 0.6) ** 2).sum())}

    def best(name: str) -> tuple[bool, float]:
        metrics = [trial.metrics for trial in trials_of(name, problem, function, 150)]
        losses, violations = problem.losses(metrics), problem.violations(metrics)
        first = tradeoffs.best_first(losses, violations)[0]
        return bool(tradeoffs.feasible(violations)[first]), float(losses[first, 0])

    # The best possible sum is 10 * 0.6 - sqrt(10 * 0.3) = 4.27, that of the middle 6.
    feasible, value = best("nsga2")
    assert feasible
    assert value < 5.2
