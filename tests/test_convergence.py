"""Each model beats random search that is given twice the trials, more often than not.

`CHANCES` are the shares of 60 other seeds on which an algorithm won. From them follows how
probable it is that it wins too few of the runs here although nothing is wrong: below 2 %, which
the test checks. Suggestions are deterministic, so it can only begin to fail when they change.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from suggestion.engine.algorithm import algorithms, build
from suggestion.numerics import sampling
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation
from tests.support.studies import best, finished, study_on

pytestmark = pytest.mark.long

SEEDS, TRIALS = 9, 50  # of each problem
WINS = 10  # of the 18 runs on both

BOWL = SearchSpace(tuple(Double(f"x{k}", -5, 10) for k in range(4)))
MIXED = SearchSpace(
    (
        Double("rate", 1e-6, 1, distribution=Distribution.LOG_UNIFORM),
        Double("momentum", 0, 1),
        Int("width", 1, 512, distribution=Distribution.LOG_UNIFORM),
        Discrete("batch", ("8", "16", "32", "64", "128")),
        Categorical("kind", ("a", "b", "c")),
    )
)


def bowl(values: Assignment) -> float:
    """A quadratic with axes a thousand times as long as others, turned by 45 degrees."""
    x = [float(v) - 1 - k for k, v in enumerate(values.values())]
    turned = (x[0] + x[1], x[0] - x[1], x[2] + x[3], x[2] - x[3])
    return sum(scale * t * t for scale, t in zip((1, 10, 100, 1000), turned, strict=True))


def mixed(values: Assignment) -> float:
    kind = {"a": 0.3, "b": 0.0, "c": 0.5}[str(values["kind"])]
    return (
        kind
        + 0.2 * (math.log10(float(values["rate"])) + 2.5 - kind) ** 2
        + (float(values["momentum"]) - 0.8) ** 2
        + 0.1 * (math.log2(float(values["width"])) - 6.5) ** 2
        + 0.1 * abs(math.log2(float(values["batch"])) - 5)
    )


PROBLEMS: dict[str, tuple[SearchSpace, Callable[[Assignment], float]]] = {
    "bowl": (BOWL, bowl),
    "mixed": (MIXED, mixed),
}
# On "bowl" and on "mixed", of the seeds 100 to 159.
CHANCES = {
    "tpe": (50 / 60, 47 / 60),
    "multivariate-tpe": (51 / 60, 43 / 60),
    "cmaes": (55 / 60, 54 / 60),
    "anneal": (54 / 60, 56 / 60),
}


def run(name: str, problem: str, seed: int) -> float:
    """The lowest loss of `TRIALS` trials, one after the other."""
    space, loss = PROBLEMS[problem]
    algorithm = build(algorithms().load(name), []).algorithm
    seen: list[Observation] = []
    while len(seen) < TRIALS:
        it = study_on(space, seed, first_index=len(seen), trials=History(tuple(seen)))
        (point,) = algorithm.suggest(it, 1)
        seen.append(finished(f"t{len(seen):03}", point, loss(point)))
    return best(seen)


def random_search(problem: str, seed: int) -> float:
    space, loss = PROBLEMS[problem]
    return min(loss(a) for a in sampling.independent(space, seed + 1000, 0, 2 * TRIALS))


def false_failure(chances: tuple[float, float]) -> float:
    """Probability of fewer than `WINS` wins, `SEEDS` with each of the chances."""
    of_each = [
        [math.comb(SEEDS, k) * p**k * (1 - p) ** (SEEDS - k) for k in range(SEEDS + 1)]
        for p in chances
    ]
    return sum(
        first * second
        for k, first in enumerate(of_each[0])
        for m, second in enumerate(of_each[1])
        if k + m < WINS
    )


@pytest.mark.parametrize("name", CHANCES)
def test_it_beats_random_search_with_twice_the_trials(name: str) -> None:
    assert false_failure(CHANCES[name]) < 0.02, "this test would fail too often by chance"
    wins = sum(
        run(name, problem, seed) < random_search(problem, seed)
        for problem in PROBLEMS
        for seed in range(SEEDS)
    )
    assert wins >= WINS
