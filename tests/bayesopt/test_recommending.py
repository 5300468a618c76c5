"""Which trial is recommended, with noise and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from suggestion.algorithms.bayesopt import BayesianOptimization
from suggestion.algorithms.random import Random
from suggestion.engine import recommending
from suggestion.engine.algorithm import Registry, build
from suggestion.engine.recommending import Recommendation
from suggestion.engine.settings import RawSetting
from suggestion.numerics.sobol import sobol
from suggestion.problem.numeric import Double
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Study
from tests.support.studies import study_on

SQUARE = SearchSpace((Double("x", -2, 3), Double("y", 0, 10)))
METRICS = (Metric("loss"),)


def bowl(a: Assignment) -> float:
    return (float(a["x"]) - 1.3) ** 2 + 0.1 * (float(a["y"]) - 7.1) ** 2


def valley(a: Assignment) -> float:
    x, y = float(a["x"]), float(a["y"]) / 5
    return 100 * (y - x * x) ** 2 + (1 - x) ** 2


def observed(
    loss: Callable[[Assignment], float], count: int, seed: int, noise: float = 0.0
) -> tuple[Observation, ...]:
    """Half of the points are everywhere, half where a search would have gone."""
    rng = np.random.default_rng(seed)
    points = sobol(seed, 0, count, 2)
    points[count // 2 :] = (0.66, 0.71) + 0.4 * (points[count // 2 :] - 0.5)
    return tuple(
        Observation(f"t{k:03}", a, {"loss": loss(a) + noise * rng.standard_normal()})
        for k, a in enumerate(SQUARE.decode(points))
    )


def study(observations: tuple[Observation, ...], metrics: tuple[Metric, ...] = METRICS) -> Study:
    return Study(Problem("s", SQUARE, metrics), trials=History(observations))


def recommended(told: Study) -> Recommendation:
    found = BayesianOptimization().recommend(told)
    assert found is not None
    return found


def lowest(observations: tuple[Observation, ...]) -> Observation:
    return min(observations, key=lambda each: each.metrics["loss"])


def test_under_noise_the_recommended_trial_is_better_than_the_luckiest() -> None:
    lucky, chosen, wrong = [], [], []
    for seed in range(8):
        told = observed(bowl, 40, seed, noise=1.0)
        found = recommended(study(told))
        lucky.append(bowl(lowest(told).assignment))
        chosen.append(bowl(found.trial.assignment))
        wrong.append((found.loss - chosen[-1]) / found.deviation)
    assert np.mean(chosen) < 0.75 * np.mean(lucky)
    # The estimate is one of the loss without noise, and its deviation is that of its errors.
    assert 0.2 < np.sqrt(np.mean(np.square(wrong))) < 2


@pytest.mark.parametrize("loss", [bowl, valley])
def test_without_noise_it_is_the_best_one(loss: Callable[[Assignment], float]) -> None:
    for seed in range(4):
        told = observed(loss, 30, seed)
        found = recommended(study(told))
        assert found.trial == lowest(told)
        assert found.loss == pytest.approx(found.trial.metrics["loss"], abs=0.2)


def test_the_unit_the_order_and_the_goal_have_no_influence() -> None:
    told = observed(bowl, 30, 3, noise=1.0)
    found = recommended(study(told))
    others = [
        replace(each, metrics={"loss": 5 - 1000 * each.metrics["loss"]}) for each in told[::-1]
    ]
    other = recommended(study(tuple(others), (Metric("loss", Goal.MAXIMIZE),)))
    assert other.trial.trial == found.trial.trial
    assert other.loss == pytest.approx(1000 * found.loss - 5, rel=1e-5)
    assert other.deviation == pytest.approx(1000 * found.deviation, rel=1e-5)


def test_it_is_feasible() -> None:
    told = observed(bowl, 30, 3, noise=1.0)
    first = recommended(study(told)).trial
    measured = tuple(
        replace(each, metrics={**each.metrics, "memory": float(each == first)}) for each in told
    )
    bound = Metric("memory", role=Role.CONSTRAINT, bound=0.5)
    second = recommended(study(measured, (*METRICS, bound))).trial
    assert second.trial != first.trial
    assert second.metrics["memory"] == 0


def test_nothing_is_recommended_without_a_reason() -> None:
    told = observed(bowl, 30, 3, noise=1.0)
    algorithm = BayesianOptimization()
    assert algorithm.recommend(study(told[:9])) is None
    assert algorithm.recommend(study(())) is None
    two = tuple(replace(each, metrics={**each.metrics, "size": 1.0}) for each in told)
    assert algorithm.recommend(study(two, (*METRICS, Metric("size")))) is None
    constant = SearchSpace((Double("x", 1, 1), Double("y", 2, 2)))
    same = tuple(replace(each, assignment={"x": 1.0, "y": 2.0}) for each in told)
    assert algorithm.recommend(study_on(constant, trials=History(same))) is None


def test_equal_losses_are_no_trouble() -> None:
    told = observed(lambda _: 7.0, 12, 0)
    found = recommended(study(told))
    assert (found.trial, found.loss, found.deviation) == (told[0], 7.0, 0.0)


def test_an_algorithm_without_a_model_borrows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told = study(observed(bowl, 40, 0, noise=1.0))
    assert recommending.recommend(Random(), told) == recommended(told)
    monkeypatch.setattr(recommending, "algorithms", lambda: Registry("nothing", "algorithm"))
    assert recommending.recommend(Random(), told) is None


def test_a_trial_that_continues_another_is_no_function_of_its_parameters() -> None:
    from suggestion.algorithms.pbt import Pbt  # noqa: PLC0415

    given = [RawSetting("suggestion_trial_dir", "/data"), RawSetting("n_population", "5")]
    pbt = build(Pbt, [*given, RawSetting("truncation_threshold", "0.2")]).algorithm
    assert recommending.recommend(pbt, study(observed(bowl, 40, 0, noise=1.0))) is None
