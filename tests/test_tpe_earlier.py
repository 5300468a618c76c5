"""What the Parzen estimators learn from earlier studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from suggestion.algorithms.tpe import MultivariateTpe, Tpe
from suggestion.algorithms.tpe.algorithm import MOST_BAD
from suggestion.algorithms.tpe.earlier import HALVED_AFTER, OF_THE_REST, WEIGHT, Earlier
from suggestion.algorithms.tpe.earlier import MOST_GOOD as MOST_EARLIER_GOOD
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double
from suggestion.problem.problem import Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Study
from tests.support.studies import LOSS, finished, study_on

SPACE = SearchSpace((Double("x", 0, 1), Double("y", 0, 1), Categorical("kind", ("a", "b", "c"))))
both = pytest.mark.parametrize("cls", [Tpe, MultivariateTpe])


def loss_of(point: Assignment) -> float:
    x, y = float(point["x"]), float(point["y"])
    return (x - 0.8) ** 2 + (y - 0.3) ** 2 + (0.0 if point["kind"] == "b" else 0.2)


def drawn(seed: int, count: int) -> list[Assignment]:
    return SPACE.decode(np.random.default_rng(seed).random((count, 3)))


def earlier(seed: int, sign: float = 1.0, count: int = 40) -> Study:
    seen = tuple(finished(f"p{k}", a, sign * loss_of(a)) for k, a in enumerate(drawn(seed, count)))
    return Study(Problem(f"s{seed}", SPACE, (Metric(LOSS),)), trials=History(seen))


def study(prior: Sequence[Study], own: int = 0, seed: int = 1) -> Study:
    seen = tuple(finished(f"t{k}", a, loss_of(a)) for k, a in enumerate(drawn(99, own)))
    made = study_on(SPACE, seed=seed, first_index=own, trials=History(seen))
    return replace(made, prior=tuple(prior))


@both
def test_suggestions_begin_where_earlier_trials_were_good(cls: type[Tpe]) -> None:
    prior = [earlier(seed) for seed in range(3)]
    told, cold = (
        [loss_of(point) for seed in range(10) for point in cls().suggest(study(given, 0, seed), 3)]
        for given in (prior, ())
    )
    # Of three suggestions the second is of the start-up sequence.
    assert np.mean(told) < 0.7 * np.mean(cold)


@both
def test_studies_that_the_trials_contradict_have_no_effect(cls: type[Tpe]) -> None:
    misleading = [earlier(seed, -1.0) for seed in range(3)]
    for own in (6, 20):
        assert cls().suggest(study(misleading, own), 3) == cls().suggest(study((), own), 3)
    mixed = [*misleading, earlier(7)]
    assert cls().suggest(study(mixed, 20), 3) != cls().suggest(study((), 20), 3)


def told(of: Study) -> Earlier:
    return Earlier(of, Tpe()._good_of, 1.0)


def test_the_weight_falls_with_the_trials_of_the_study() -> None:
    prior = [earlier(0), earlier(1)]
    for own in (0, int(HALVED_AFTER)):
        found = told(study(prior, own))
        expected = WEIGHT * HALVED_AFTER / (HALVED_AFTER + own)
        assert found.good().weights.sum() == pytest.approx(expected)
        assert found.bad().weights.sum() == pytest.approx(OF_THE_REST * expected)


def test_a_study_that_orders_the_trials_well_weighs_more() -> None:
    found = told(study([earlier(0), earlier(1, -1.0)], 20))
    assert not found.doubted
    good = found.good().weights
    half = len(good) // 2
    assert good[:half].sum() > 100 * good[half:].sum()


@both
def test_a_study_of_another_space_tells_what_fits(cls: type[Tpe]) -> None:
    other = SearchSpace((Double("x", -1, 2), Categorical("kind", ("b", "d"))))
    values: list[Assignment] = [{"x": x, "kind": "b"} for x in np.linspace(-1, 2, 12).tolist()]
    values += [{"x": 0.5, "kind": "d"}]
    seen = tuple(finished(f"p{k}", a, -float(a["x"])) for k, a in enumerate(values))
    before = Study(Problem("s", other, (Metric(LOSS),)), trials=History(seen))
    found = told(study([before]))
    good, bad = found.good().points, found.bad().points
    assert (good[:, 0] == 1).all()  # beyond the range, so its end is good
    assert np.isnan(good[:, 1]).all()
    assert ((bad[:, 0] >= 0) & (bad[:, 0] <= 1) | np.isnan(bad[:, 0])).all()
    assert np.isnan(bad[:, 2]).sum() == 1  # a category that the space lacks
    for point in cls().suggest(study([before], seed=3), 4):
        assert point in SPACE


def test_several_objectives_and_bounds_divide_earlier_trials_too() -> None:
    metrics = (Metric(LOSS), Metric("size"), Metric("memory", role=Role.CONSTRAINT, bound=1.0))
    problem = Problem("now", SPACE, metrics)
    points = drawn(5, 30)
    seen = tuple(
        Observation(
            f"p{k}",
            a,
            {LOSS: float(k), "size": float(30 - k), "memory": 0.5 if k >= 15 else 2.0},
        )
        for k, a in enumerate(points)
    )
    others = tuple(Metric(name, role=Role.REPORTED) for name in ("size", "memory"))
    before = Study(Problem("s", SPACE, (Metric(LOSS), *others)), trials=History(seen))
    found = told(Study(problem, prior=(before,)))
    good = {tuple(row) for row in found.good().points.tolist()}
    feasible = {tuple(row) for row in SPACE.encode(points[15:]).tolist()}
    assert good
    assert good <= feasible


def test_what_earlier_studies_add_to_the_model_is_bounded() -> None:
    prior = [earlier(seed, count=250) for seed in range(40)]
    found = told(study(prior))
    assert len(found.good().points) <= MOST_EARLIER_GOOD
    assert len(found.bad().points) <= MOST_BAD


@both
def test_a_batch_is_what_single_requests_would_give_first(cls: type[Tpe]) -> None:
    of = study([earlier(0), earlier(1)])
    (first,) = cls().suggest(of, 1)
    batch = cls().suggest(of, 5)
    assert batch[0] == first
    assert len({SPACE.key(point) for point in batch}) == 5
