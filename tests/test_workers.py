"""Eight workers at a time: what the models suggest to them never repeats."""

from __future__ import annotations

import random

import pytest

from suggestion.engine.algorithm import algorithms, build
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Pending
from tests.support.studies import finished, study_on

pytestmark = pytest.mark.long

SPACES = {
    "1": SearchSpace((Int("n", 0, 599),)),
    "2": SearchSpace((Double("x", 0, 1, step=0.01), Int("n", 1, 24))),
    "8": SearchSpace(
        (
            Double("lr", 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
            Double("momentum", 0, 1, distribution=Distribution.NORMAL),
            Int("layers", 1, 3),
            Int("width", 1, 4, distribution=Distribution.LOG_UNIFORM),
            Discrete("batch", ("16", "32")),
            Discrete("patience", ("1", "5", "1e1")),
            Categorical("optimizer", ("sgd", "adam")),
            Categorical("norm", ("none", "batch", "layer")),
        )
    ),
}


def loss(point: Assignment) -> float:
    return sum((float(v) - 0.4) ** 2 for v in point.values() if not isinstance(v, str))


@pytest.mark.parametrize("dimension", SPACES)
@pytest.mark.parametrize("name", ["tpe", "multivariate-tpe", "cmaes", "anneal"])
def test_eight_workers_get_five_hundred_different_points(name: str, dimension: str) -> None:
    space = SPACES[dimension]
    if name == "cmaes" and dimension == "1":
        return  # refused there
    algorithm = build(algorithms().load(name), []).algorithm
    rng = random.Random(int(dimension))
    running: list[Assignment] = []
    done: list[Observation] = []
    handed: list[Assignment] = []
    while len(handed) < 500:
        wanted = 8 - len(running)
        trials = History(tuple(done), tuple(Pending(f"r{k}", a) for k, a in enumerate(running)))
        found = algorithm.suggest(study_on(space, 3, len(handed), trials), wanted)
        handed += found
        running += found
        for _ in range(rng.randint(5, 8)):
            point = running.pop(rng.randrange(min(3, len(running))))
            done.append(finished(f"t{len(done):03}", point, loss(point), ended=float(len(done))))
    assert len({space.key(point) for point in handed}) == len(handed)
