"""Earlier studies as a mean function of the surrogate."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from suggestion.algorithms.bayesopt import BayesianOptimization, earlier, gp
from suggestion.algorithms.bayesopt.acquisition import ExpectedImprovement
from suggestion.algorithms.bayesopt.features import Features
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.trial_messages import STUDY_LABEL
from suggestion.numerics.blas import one_thread
from suggestion.numerics.earlier import ranking_weights, wrong_pairs
from suggestion.problem.errors import Invalid
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study
from tests.support.cases import suggest
from tests.support.requests import (
    ask_for,
    categorical,
    double,
    experiment,
    points_of,
    trial,
    values_of,
)
from tests.support.studies import LOSS, finished, study_on

SQUARE = SearchSpace((Double("x", "0", "1"), Double("y", "0", "1")))


def loss_at(points: Array) -> Array:
    squares: Array = ((points - [0.8, 0.3]) ** 2).sum(axis=1)
    return squares


def prior(seed: int, scale: float = 1.0, shuffled: bool = False) -> Study:
    rng = np.random.default_rng(seed)
    points = rng.random((20, 2))
    losses = scale * loss_at(points)
    if shuffled:
        losses = rng.permutation(losses)
    trials = zip(SQUARE.decode(points), losses.tolist(), strict=True)
    seen = tuple(finished(f"p{k}", a, loss) for k, (a, loss) in enumerate(trials))
    return Study(Problem(f"s{seed}", SQUARE, (Metric(LOSS),)), trials=History(seen))


def next_points(
    studies: Sequence[Study], losses: Sequence[tuple[float, float, float]] = (), count: int = 1
) -> Array:
    seen = tuple(finished(f"t{k}", {"x": x, "y": y}, loss) for k, (x, y, loss) in enumerate(losses))
    study = study_on(SQUARE, 3, len(seen), History(seen))
    study = Study(study.problem, 3, len(seen), History(seen), prior=tuple(studies))
    with one_thread():
        return SQUARE.encode(BayesianOptimization().suggest(study, count))


def test_the_first_point_is_where_earlier_trials_were_good() -> None:
    (point,) = next_points([prior(0), prior(1)])
    assert loss_at(point[None])[0] < 0.01


def test_units_of_an_earlier_study_and_the_order_of_studies_do_not_matter() -> None:
    trials = [(0.5, 0.5, 3.0), (0.8, 0.4, 1.0)]
    first = next_points([prior(0), prior(1)], trials)
    assert np.allclose(next_points([prior(0, 1e6), prior(1)], trials), first, atol=1e-3)
    assert np.allclose(next_points([prior(1), prior(0)], trials), first, atol=1e-3)
    assert (next_points([prior(0), prior(1)], trials) == first).all()


def test_a_batch_before_the_first_result_has_different_points_near_good_ones() -> None:
    batch = next_points([prior(0)], count=4)
    assert len({tuple(point) for point in batch.tolist()}) == 4
    assert np.median(loss_at(batch)) < 0.1


def measured(name: str, value: Callable[[Array], float], seed: int = 0) -> Study:
    """Return an earlier study whose trials report one metric beside the loss."""
    points = np.random.default_rng(seed).random((20, 2))
    told = [{LOSS: float(loss_at(p[None])[0]), name: value(p)} for p in points]
    rows = zip(SQUARE.decode(points), told, strict=True)
    seen = tuple(Observation(f"p{k}", a, metrics) for k, (a, metrics) in enumerate(rows))
    reported = Metric(name, role=Role.REPORTED)
    return Study(Problem("before", SQUARE, (Metric(LOSS), reported)), trials=History(seen))


def test_bounds_and_further_objectives_are_learned_from_their_own_metrics() -> None:
    def next_at(metric: Metric, earlier_one: Study, *seen: Observation) -> Array:
        problem = Problem("e", SQUARE, (Metric(LOSS), metric))
        study = Study(problem, 3, len(seen), History(seen), prior=(earlier_one,))
        with one_thread():
            point: Array = SQUARE.encode(BayesianOptimization().suggest(study, 1))[0]
        return point

    # The least loss is at x = 0.8, where the bound is violated.
    bound = Metric("memory", role=Role.CONSTRAINT, bound=0.4)
    assert next_at(bound, prior(0))[0] > 0.75
    assert next_at(bound, measured("memory", lambda p: float(p[0])))[0] < 0.65
    least = Metric("memory", Goal.MAXIMIZE, Role.CONSTRAINT, bound=0.9)
    assert next_at(least, measured("memory", lambda p: float(p[0])))[0] > 0.85
    latency = Metric("latency", Goal.MAXIMIZE)
    seen = [
        Observation(f"t{k}", {"x": x, "y": 0.3}, {LOSS: (x - 0.8) ** 2, "latency": 0.5})
        for k, x in enumerate((0.7, 0.9))
    ]
    informed = next_at(latency, measured("latency", lambda p: float(p[1])), *seen)
    assert informed[1] > next_at(latency, prior(0), *seen)[1] + 0.03


def test_pending_and_failed_trials_alone_are_enough() -> None:
    problem, taken = (
        Problem("e", SQUARE, (Metric(LOSS),)),
        SQUARE.decode(next_points([prior(0)]))[0],
    )
    trials = [History(pending=(Pending("a", taken),)), History(failed=(Failed("a", taken),))]
    for history in trials:
        study = Study(problem, 3, 1, history, prior=(prior(0),))
        (other,) = BayesianOptimization().suggest(study, 1)
        assert other != taken


def test_a_study_that_orders_trials_wrongly_has_little_weight() -> None:
    y = np.arange(10.0)
    rng = np.random.default_rng(0)
    weights = ranking_weights(y, np.array([y, rng.permutation(y), -y]))
    assert weights[0] > 0.95
    assert weights[1] > weights[2]
    assert np.isclose(weights.sum(), 1)
    assert ranking_weights(y[:1], np.zeros((4, 1))).tolist() == [0.25] * 4


def test_gradients_are_those_of_the_sum() -> None:
    features = Features(SQUARE)
    rng = np.random.default_rng(0)
    with one_thread():
        reads = [earlier.read(prior(seed), SQUARE) for seed in (0, 1)]
        sources = earlier.Sources(features, reads, lambda: True)
        points = rng.random((12, 2))
        inputs = features(points)
        y = np.array([loss_at(points), np.sin(5 * points[:, 0])])
        means = [sources.mean_for(y[0] / y[0].std(), sources.means(inputs)), None]
        fits = [gp.fit(inputs, features.groups, row) for row in y]
        surrogate = earlier.Shifted(gp.Posterior(fits, inputs, features.groups, y), sources, means)
        function = ExpectedImprovement(y.min(axis=1)[:, None])
        at = rng.random((5, 2))
        values, slopes = surrogate.gradients(at, function.slopes)
        assert np.allclose(values, function.values(*surrogate.predict(at)))
        for column in range(2):
            step = np.zeros(2)
            step[column] = 1e-6
            high = function.values(*surrogate.predict(at + step))
            low = function.values(*surrogate.predict(at - step))
            assert np.allclose((high - low) / 2e-6, slopes[:, :, column], rtol=1e-3, atol=1e-5)
        surrogate.track(at)
        assert np.allclose(surrogate.tracked()[0], surrogate.predict(at)[0])


def test_values_outside_a_range_are_where_the_range_would_go_on() -> None:
    space = SearchSpace(
        (
            Double("lr", "0.01", "1", None, Distribution.LOG_UNIFORM),
            Int("units", "0", "10"),
            Discrete("batch", ("10", "20", "40")),
            Categorical("kind", ("a", "b")),
            Double("lacking", "0", "1"),
            Double("single", "2", "2"),
        )
    )
    wide = SearchSpace(
        (
            Double("lr", "0.001", "100", None, Distribution.LOG_UNIFORM),
            Int("units", "-11", "10"),
            Discrete("batch", ("10", "20", "30", "40", "80")),
            Categorical("kind", ("a", "b", "c")),
            Double("single", "1", "3"),
        )
    )
    values: tuple[Assignment, ...] = (
        {"lr": 0.001, "units": -11, "batch": 30.0, "kind": "c", "single": 1.0},
        {"lr": 10.0, "units": 5, "batch": 80.0, "kind": "b", "single": 3.0},
    )
    seen = tuple(Observation(str(k), each, {LOSS: k}) for k, each in enumerate(values))
    study = Study(Problem("s", wide, (Metric(LOSS),)), trials=History(seen))
    places = earlier.read(study, space).points
    expected = [
        [-0.5, 0.5 / 11 - 1.1, 4 / 6, np.nan, np.nan, 0.5],
        [1.5, 0.5, 5 / 6, 0.75, np.nan, 0.5],
    ]
    assert np.allclose(places, expected, equal_nan=True)


# ------------------------------------------------------------------ over the wire

ROWS = [("0.2", "a", 0.9), ("0.75", "b", 0.1), ("0.8", "a", 0.2), ("0.1", "b", 0.8)]
SPECS = (double("x", "0", "1"), categorical("kind", "a", "b"))


def request(labelled: bool, own: int = 1, **settings: str) -> api.GetSuggestionsRequest:
    columns = {
        "parameters": {"x": [float(x) for x, *_ in ROWS], "kind": [kind for _, kind, _ in ROWS]},
        "values": [value for *_, value in ROWS],
    }
    if not labelled:
        settings["prior_trials"] = json.dumps({"before": columns})
    message = experiment("bayesianoptimization", SPECS, settings=settings)
    trials = [trial(f"t{k}", {"x": "0.5", "kind": "a"}, "0.5") for k in range(own)]
    made = ask_for(message, 2, own + 2, trials)
    for k, (x, kind, value) in enumerate(ROWS if labelled else ()):
        each = trial(f"t{k}", {"x": x, "kind": kind}, repr(value))  # names may be the same
        each.spec.labels[STUDY_LABEL] = "before"
        made.trials.insert(k, each)
    return made


@pytest.mark.parametrize("own", [0, 1])
def test_labelled_trials_and_the_setting_teach_the_same(own: int) -> None:
    by_label, by_setting = suggest(request(True, own)), suggest(request(False, own))
    assert points_of(by_label) == points_of(by_setting)
    plain = request(False, own)
    del plain.experiment.spec.algorithm.algorithm_settings[:]
    assert points_of(suggest(plain)) != points_of(by_label)


def test_trials_of_an_earlier_study_may_be_suggested_again() -> None:
    message = request(True, 0)
    assert not any(values_of(t.spec.parameter_assignments) == {} for t in message.trials)
    finite = (double("x", "0", "1", step="0.5"),)
    del message.experiment.spec.parameter_specs.parameters[:]
    message.experiment.spec.parameter_specs.parameters.extend(finite)
    message.current_request_number = message.total_request_number = 3
    assert sorted(point["x"] for point in points_of(suggest(message))) == ["0.0", "0.5", "1.0"]


def test_forests_cannot_learn() -> None:
    pytest.importorskip("skopt")
    with pytest.raises(Invalid, match="setting 'base_estimator': earlier studies need"):
        suggest(request(False, base_estimator="RF"))


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [
        ("0", "0", 1.7e308),
        ("-1e308", "1e308", -1.7e308),
        ("0", "5e-324", 1.0),
        ("1", "2", 5e-324),
    ],
)
def test_values_at_the_limits_of_doubles_are_learned_from(
    low: str, high: str, value: float
) -> None:
    columns = {"parameters": {"x": [value, 0.5, None]}, "values": [1, 2, 1e308]}
    settings = {"prior_trials": json.dumps({"before": columns})}
    specs = (double("x", low, high), double("y", "0", "1"))
    message = experiment("bayesianoptimization", specs, settings=settings)
    assert len(points_of(suggest(ask_for(message, 3)))) == 3


def test_pairs_are_compared_in_little_memory() -> None:
    means = np.random.default_rng(0).random((60, 400))
    tracemalloc.start()
    try:
        shares = wrong_pairs(means[0], means)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shares[0] == 0
    assert np.all(np.abs(shares[1:] - 0.5) < 0.2)
    assert peak < 20 * 2**20  # all pairs of all sources take 73 MiB an array
