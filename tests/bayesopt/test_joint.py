"""Several objectives and constraints on metrics: what is gained, and what is found."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from suggestion.algorithms.bayesopt import data, outputs
from suggestion.algorithms.bayesopt.gains import (
    RAYS,
    Feasibility,
    Gain,
    Improvement,
    Rays,
    Strips,
    directions,
    front_of,
)
from suggestion.algorithms.bayesopt.joint import reference_of
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid
from suggestion.problem.numeric import Double
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study
from suggestion.problem.tradeoffs import best_first, feasible
from suggestion.problem.volumes import hypervolume

RNG = np.random.default_rng(0)
CORNER = {k: np.full(k, 1.5) for k in (2, 3)}
FRONTS = {k: [front_of(RNG.normal(size=(n, k)), CORNER[k], 64) for n in (3, 9)] for k in CORNER}
GAINS: dict[str, tuple[int, Gain]] = {
    "improvement": (1, Improvement(np.array([0.2, -0.5]))),
    "feasibility": (2, Feasibility(np.array([0.3, -1.0]))),
    "strips": (2, Strips(FRONTS[2], CORNER[2])),
    "rays": (3, Rays(FRONTS[3], CORNER[3], directions(RAYS, 3, RNG))),
}


@pytest.mark.parametrize("name", GAINS)
def test_gains_have_their_own_slopes(name: str) -> None:
    outputs_, gain = GAINS[name]
    rng = np.random.default_rng(1)
    mean, deviation = rng.normal(size=(outputs_, 5, 2)), rng.uniform(0.05, 1, (outputs_, 5))
    found, step = gain.terms(mean, deviation), 1e-6
    for output in range(outputs_):
        shift = np.zeros(mean.shape)
        shift[output] = step
        up, down = gain.terms(mean + shift, deviation), gain.terms(mean - shift, deviation)
        slope = (up.logs - down.logs) / (2 * step)
        np.testing.assert_allclose(found.by_mean[output], slope, rtol=1e-4, atol=1e-4)
        shift_ = shift[..., 0]
        up, down = gain.terms(mean, deviation + shift_), gain.terms(mean, deviation - shift_)
        slope = (up.logs - down.logs) / (2 * step)
        np.testing.assert_allclose(found.by_deviation[output], slope, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", GAINS)
def test_gains_are_finite_where_they_underflow(name: str) -> None:
    count, gain = GAINS[name]
    for far in (-50.0, 50.0):
        for deviation in (1e-6, 1.0):
            found = gain.terms(np.full((count, 1, 2), far), np.full((count, 1), deviation))
            assert all(np.isfinite(part).all() for part in found)


def test_strips_are_the_expected_improvement_of_the_hypervolume() -> None:
    front, corner = FRONTS[2][1], CORNER[2]
    mean, deviation = np.array([[-0.5, 0.3], [0.2, -0.6]]), np.array([[0.3, 0.5], [0.4, 0.3]])
    found = np.exp(Strips([front], corner).terms(mean[..., None], deviation).logs[:, 0])
    draws = np.random.default_rng(2).standard_normal((400, 2))
    before = hypervolume(front, corner)
    for point in range(2):
        made = mean[:, point] + deviation[:, point] * draws
        gains = [hypervolume(np.vstack([front, each]), corner) - before for each in made]
        error = float(np.std(gains)) / math.sqrt(len(gains))
        assert found[point] == pytest.approx(float(np.mean(gains)), abs=4 * error)


def test_rays_order_points_by_the_hypervolume_that_they_add() -> None:
    front, corner = FRONTS[3][1], CORNER[3]
    points = np.random.default_rng(3).uniform(-1.5, 1.0, (20, 3))
    before = hypervolume(front, corner)
    added = np.array([hypervolume(np.vstack([front, p]), corner) - before for p in points])
    gain = Rays([front], corner, directions(RAYS, 3, np.random.default_rng(4)))
    found = gain.terms(points.T[..., None], np.full((3, 20), 0.05)).logs[:, 0]
    some = added > 0.02
    assert 5 < some.sum() < 20
    ranks = np.array([np.argsort(np.argsort(each[some])) for each in (added, found)])
    assert np.asarray(np.corrcoef(ranks))[0, 1] > 0.8


def test_the_reference_point_leaves_room_beyond_the_front() -> None:
    found = np.array([[0.0, 1.0], [0.5, 0.5], [2.0, 3.0]])
    assert (reference_of(found) > [0.5, 1.0]).all()
    assert (reference_of(found[:1]) > found[0]).all()


# ------------------------------------------------------------------ constraints


def test_outputs_of_a_constraint_keep_its_bound() -> None:
    excess = np.array([-2.0, 0.0, 1e-300, 3.0, np.nan, 1e300])
    for made in outputs.limits(excess):
        assert np.isfinite(made.values).all()
        assert (made.values <= made.bound).tolist()[:2] == [True, True]
        assert (made.values > made.bound).tolist()[3:] == [True, True, True]
        assert made.values[4] == made.values.max()
    (flat, _) = outputs.limits(np.full(3, -0.5))
    assert flat.values.tolist() == [0, 0, 0]
    assert flat.bound > 0
    assert outputs.limits(np.full(2, np.nan))[0].bound < 0
    assert len(outputs.limits(np.empty(0))[0].values) == 0


def bound(name: str, most: float, *, strict: bool = False) -> Metric:
    return Metric(name, Goal.MINIMIZE, Role.CONSTRAINT, most, strict)


SQUARE = SearchSpace((Double("x", 0, 1), Double("y", 0, 1)))


def test_feasible_trials_come_first_and_failed_ones_last() -> None:
    problem = Problem("p", SQUARE, (Metric("f"), bound("c", 1.0, strict=True)))
    reported = {"a": (3, 0.5), "b": (1, 1.0), "c": (2, None), "d": (4, 0.9), "e": (0, 9.0)}
    trials = [
        Observation(
            name,
            {"x": k / 10, "y": 0.5},
            {"f": float(f)} if c is None else {"f": float(f), "c": c},
        )
        for k, (name, (f, c)) in enumerate(reported.items())
    ]
    failed = (Failed("z", {"x": 0.9, "y": 0.5}),)
    read = data.read(Study(problem, trials=History(tuple(trials), failed=failed)))
    assert read.main.tolist() == [3, 4, 1, 0, 2, math.inf]
    assert read.feasible.tolist() == [True, True, False, False, False, False]


# ------------------------------------------------------------------ what it finds


def play(
    problem: Problem,
    function: Callable[[Array], dict[str, float]],
    count: int,
    name: str = "bayesianoptimization",
    batch: int = 1,
) -> list[Observation]:
    choice = AlgorithmChoice(name, (RawSetting("random_state", "1"),))
    prepared = Engine(algorithms()).prepare(problem, choice)
    made: list[Observation] = []
    while len(made) < count:
        known = History(tuple(made))
        for suggestion in prepared.suggest(batch, first_index=len(made), trials=known):
            values = np.array([float(v) for v in suggestion.assignment.values()])
            made.append(Observation(f"t{len(made):04}", suggestion.assignment, function(values)))
    return made


CUBE = SearchSpace(tuple(Double(f"x{k}", 0, 1) for k in range(3)))


def slopes(x: Array) -> dict[str, float]:
    """ZDT1."""
    slope = 1 + 9 * x[1:].mean()
    return {"f": float(x[0]), "g": float(slope * (1 - np.sqrt(x[0] / slope)))}


def test_it_finds_the_trade_off() -> None:
    problem = Problem("zdt1", CUBE, (Metric("f"), Metric("g")))

    def volume(name: str, count: int) -> float:
        losses = problem.losses([t.metrics for t in play(problem, slopes, count, name)])
        return hypervolume(losses, np.array([1.1, 1.1]))

    assert volume("bayesianoptimization", 26) > volume("random", 200) + 0.1


def test_it_finds_the_feasible_part_and_the_best_of_it() -> None:
    problem = Problem("bounded", CUBE, (Metric("f"), bound("c", 0.02)))

    def function(x: Array) -> dict[str, float]:
        return {"f": float(x.sum()), "c": float(((x - 0.7) ** 2).sum())}

    metrics = [trial.metrics for trial in play(problem, function, 24)]
    losses, violations = problem.losses(metrics), problem.violations(metrics)
    best = best_first(losses, violations)[0]
    assert feasible(violations)[best]
    assert losses[best, 0] < 3 * 0.7 - math.sqrt(3 * 0.02) + 0.05  # 0.5 % of points are feasible


METRICS = (Metric("f"), Metric("g"), Metric("h", Goal.MAXIMIZE))


def three(x: Array) -> dict[str, float]:
    return {"f": float(x[0]), "g": float(1 - x[0] + x[1] ** 2), "h": float(x[2]), "c": float(x[1])}


@pytest.mark.parametrize(
    "metrics",
    [
        METRICS[:2],
        METRICS,
        (METRICS[0], bound("c", 0.4)),
        (*METRICS[:2], bound("c", 0.4)),
        (*METRICS, bound("h", 0.5), bound("c", -1.0)),  # no trial is feasible
    ],
    ids=["two", "three", "bound", "two and a bound", "infeasible"],
)
def test_a_reply_is_a_function_of_the_request(metrics: tuple[Metric, ...]) -> None:
    """Whatever the order of trials; a batch has no point twice, and none of another trial's."""
    problem = Problem("p", CUBE, metrics)
    choice = AlgorithmChoice("bayesianoptimization", (RawSetting("random_state", "1"),))
    prepared = Engine(algorithms()).prepare(problem, choice)
    rng = np.random.default_rng(5)
    trials = []
    for k, x in enumerate(rng.random((14, 3))):
        point: Assignment = dict(zip(("x0", "x1", "x2"), x.tolist(), strict=True))
        trials.append(Observation(f"t{k:02}", point, three(x)))
    pending = (Pending("p", {"x0": 0.5, "x1": 0.1, "x2": 0.9}),)
    failed = (Failed("q", {"x0": 0.1, "x1": 0.1, "x2": 0.1}),)

    def asked(order: list[int]) -> list[Assignment]:
        history = History(tuple(trials[k] for k in order), pending, failed)
        made = prepared.suggest(4, first_index=16, trials=history)
        return [suggestion.assignment for suggestion in made]

    found = asked(list(range(14)))
    assert asked(list(range(14))[::-1]) == found
    known = [*(t.assignment for t in trials), pending[0].assignment, *found]
    assert len({tuple(each.values()) for each in known}) == len(known)


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [("base_estimator", "RF", "need GP"), ("acq_func", "PI", "need one of gp_hedge, EI, EIps")],
)
def test_settings_without_effect_are_refused(setting: str, value: str, what: str) -> None:
    choice = AlgorithmChoice("bayesianoptimization", (RawSetting(setting, value),))
    for metrics, noun in (
        (METRICS[:2], "several objectives"),
        ((METRICS[0], bound("c", 1.0)), "metric_constraints"),
    ):
        with pytest.raises(Invalid) as error:
            Engine(algorithms()).prepare(Problem("p", CUBE, metrics), choice)
        found = [violation.description for violation in error.value.violations]
        assert f"setting '{setting}': {noun} {what}, got {value}" in found
