"""What Bayesian optimisation proposes."""

from __future__ import annotations

import dataclasses
import logging
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suggestion.algorithms.bayesopt import BayesianOptimization, fitting, gp
from suggestion.algorithms.bayesopt import algorithm as module
from suggestion.algorithms.bayesopt.features import Features
from suggestion.algorithms.bayesopt.forests import Forest
from suggestion.engine.algorithm import build
from suggestion.engine.settings import RawSetting
from suggestion.numerics import randomness, sampling
from suggestion.numerics.sobol import sobol
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study
from tests.support.studies import best, finished, loss_of, study_on

SQUARE = SearchSpace((Double("x", -2, 3), Double("y", 0, 10)))
MIXED = SearchSpace(
    (
        Double("rate", 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
        Double("dropout", 0, 0.8, step=0.05),
        Int("layers", 1, 12),
        Discrete("batch", ("16", "32", "64", "128")),
        Categorical("kind", ("a", "b", "c", "d")),
    )
)

Loss = Callable[[Assignment], float]


def bowl(a: Assignment) -> float:
    return (float(a["x"]) - 1.3) ** 2 + 0.1 * (float(a["y"]) - 7.1) ** 2


def network(a: Assignment) -> float:
    rate = math.log10(float(a["rate"])) + {"a": 3.0, "b": 2.0, "c": 2.5, "d": 4.0}[str(a["kind"])]
    loss = 0.3 * rate**2 + (float(a["dropout"]) - 0.35) ** 2 + 0.02 * (int(a["layers"]) - 7) ** 2
    return loss + 0.1 * abs(math.log2(float(a["batch"])) - 6) + (0.3 if a["kind"] != "b" else 0.0)


def observed(space: SearchSpace, loss: Loss, count: int, seed: int = 0) -> list[Observation]:
    points = space.decode(sobol(seed, 0, count, space.dimension))
    return [finished(f"t{k}", a, loss(a)) for k, a in enumerate(points)]


def study_of(
    space: SearchSpace,
    observations: Sequence[Observation],
    pending: Sequence[Assignment] = (),
    failed: Sequence[Assignment] = (),
    deadline: Deadline = NEVER,
) -> Study:
    return study_on(
        space,
        seed=5,
        first_index=len(observations) + len(pending) + len(failed),
        trials=History(
            tuple(observations),
            tuple(Pending("", a) for a in pending),
            tuple(Failed("", a) for a in failed),
        ),
        deadline=deadline,
    )


def suggest(study: Study, count: int = 1, **chosen: object) -> list[Assignment]:
    algorithm = BayesianOptimization(**chosen)  # type: ignore[arg-type]
    assert not list(algorithm.violations(study))
    return list(algorithm.suggest(study, count))


def optimise(space: SearchSpace, loss: Loss, trials: int, **chosen: Any) -> float:
    """The lowest loss of a sequential run."""
    told: list[Observation] = []
    while len(told) < trials:
        (point,) = suggest(study_of(space, told), **chosen)
        told.append(finished(f"t{len(told)}", point, loss(point)))
    return best(told)


# ------------------------------------------------------------------ known optima


@pytest.mark.parametrize("function", ["gp_hedge", "EI", "LCB", "PI"])
def test_a_bowl_is_minimised(function: str) -> None:
    """Losses of random points are 2.7 on average; 25 random ones reach 0.1."""
    assert optimise(SQUARE, bowl, 25, acq_func=function) < 2e-3


@pytest.mark.long
def test_a_mixed_space_is_searched_to_its_optimum() -> None:
    """The optimum is 0, off the lattice by nothing; of random points 50 reach 0.2."""
    assert optimise(MIXED, network, 45) < 5e-3


def test_an_enumerable_space_is_searched_to_its_optimum() -> None:
    space = SearchSpace((Int("x", -10, 10), Int("y", 0, 20)))
    assert optimise(space, lambda a: (int(a["x"]) - 4) ** 2 + (int(a["y"]) - 15) ** 2, 20) == 0


def test_the_portfolio_is_expected_improvement_at_first_and_takes_turns_later() -> None:
    taken = []
    for count in (15, 26, 27, 28, 29):
        study = study_of(SQUARE, observed(SQUARE, bowl, count))
        of = {kind: suggest(study, acq_func=kind) for kind in ("EI", "LCB", "PI")}
        hedged = suggest(study, acq_func="gp_hedge")
        taken.append([kind for kind, points in of.items() if points == hedged])
    assert "EI" in taken[0]
    assert all(taken)
    assert any("EI" not in kinds for kinds in taken[1:])


def test_an_optimum_in_a_corner_is_found() -> None:
    space = SearchSpace(tuple(Double(name, 0, 1) for name in "abc"))
    found = optimise(space, lambda a: float(a["a"]) - float(a["b"]) + float(a["c"]) ** 2, 24)
    assert found < -0.99


@pytest.mark.parametrize("function", ["EI", "LCB"])
def test_where_little_is_known_the_corners_are_not_searched_one_by_one(function: str) -> None:
    """A wave that 16 trials in 4 dimensions do not show; the deviation is largest in corners."""
    space = SearchSpace(tuple(Double(f"x{k}", 0, 1) for k in range(4)))
    told = observed(space, lambda a: sum(math.sin(9 * float(x)) for x in a.values()), 16)
    points = space.encode(suggest(study_of(space, told), 8, acq_func=function))
    assert np.mean((points < 0.01) | (points > 0.99)) < 0.2


def test_outliers_do_not_hide_the_optimum() -> None:
    """A third of the space diverges."""

    def loss(a: Assignment) -> float:
        return 1e12 * float(a["x"]) if float(a["x"]) > 1.5 else bowl(a)

    assert optimise(SQUARE, loss, 30) < 5e-3


# ------------------------------------------------------------------- invariances


def changed(o: Observation, loss: float) -> Observation:
    return dataclasses.replace(o, metrics={"loss": loss})


def test_the_order_of_trials_leaves_no_trace() -> None:
    trials = observed(MIXED, network, 20)
    turned = suggest(study_of(MIXED, trials[::-1]), 3)
    assert turned == suggest(study_of(MIXED, trials), 3)


@pytest.mark.parametrize(("scale", "offset"), [(1e6, 0.0), (2.0**-40, 0.0), (3.7, 1e3)])
def test_units_and_offset_of_the_objective_leave_no_trace(scale: float, offset: float) -> None:
    trials = observed(MIXED, network, 20)
    scaled = [changed(o, scale * loss_of(o) + offset) for o in trials]
    assert suggest(study_of(MIXED, scaled), 2) == suggest(study_of(MIXED, trials), 2)


def test_what_was_fitted_before_leaves_no_trace() -> None:
    study = study_of(MIXED, observed(MIXED, network, 20))
    gp.forget()
    cold = suggest(study, 2)
    suggest(study_of(MIXED, observed(MIXED, network, 19)), 1)
    assert suggest(study, 2) == cold


@pytest.mark.parametrize(("steep", "fewer"), [(0.0, True), (8.0, False)])
def test_transforms_that_would_not_count_are_not_fitted(
    steep: float, fewer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that go further than one that went too far; with the same suggestions."""
    made = []

    def counted(*args: Any, **options: Any) -> gp.Hyperparameters:
        made.append(1)
        return fit(*args, **options)

    def loss(a: Assignment) -> float:
        return math.exp(steep * math.sin(float(a["x"]))) if steep else math.sin(2 * float(a["x"]))

    fit = gp.fit
    study = study_of(SQUARE, observed(SQUARE, loss, 40))
    monkeypatch.setattr(gp, "fit", counted)
    some, fitted = suggest(study, 2), len(made)
    monkeypatch.setattr(fitting, "HOPELESS_LOG_WEIGHT", -math.inf)
    assert suggest(study, 2) == some
    assert len(made) - fitted == 4
    assert fitted < 4 if fewer else fitted == 4


def test_names_of_categories_leave_no_trace() -> None:
    renamed = SearchSpace((*MIXED.parameters[:4], Categorical("kind", ("w", "x", "y", "z"))))
    names = dict(zip("abcd", "wxyz", strict=True))

    def rename(a: Assignment) -> Assignment:
        return {**a, "kind": names[str(a["kind"])]}

    trials = observed(MIXED, network, 20)
    there = [dataclasses.replace(o, assignment=rename(o.assignment)) for o in trials]
    wanted = [rename(a) for a in suggest(study_of(MIXED, trials), 2)]
    assert suggest(study_of(renamed, there), 2) == wanted


def test_a_range_in_other_units_is_the_same_cube() -> None:
    wide = SearchSpace((Double("x", -2000, 3000), Double("y", 0, 10)))
    trials = observed(SQUARE, bowl, 15)
    there = [
        dataclasses.replace(o, assignment={**o.assignment, "x": 1000 * float(o.assignment["x"])})
        for o in trials
    ]
    (near,), (far,) = suggest(study_of(SQUARE, trials)), suggest(study_of(wide, there))
    assert far["x"] == pytest.approx(1000 * float(near["x"]), rel=1e-3)


# ------------------------------------------------------------------------ batches


def test_a_batch_spreads() -> None:
    """Eight points at thirty trials: all apart, while the first alone would be repeated."""
    trials = observed(SQUARE, bowl, 30)
    batch = SQUARE.encode(suggest(study_of(SQUARE, trials), 8))
    apart = np.sqrt(np.sum((batch[:, None] - batch) ** 2, axis=2))
    assert apart[np.triu_indices(8, 1)].min() > 1e-3
    assert apart.max() > 0.05


def test_later_points_of_an_early_batch_stay_nearer_to_what_looks_good() -> None:
    study = study_of(MIXED, observed(MIXED, network, 16))
    hedged, improving = suggest(study, 8, acq_func="gp_hedge"), suggest(study, 8, acq_func="EI")
    assert hedged[0] == improving[0]
    assert np.mean([*map(network, hedged[1:])]) < np.mean([*map(network, improving[1:])])
    assert MIXED.encode(hedged).std(axis=0).max() > 0.05


def test_pending_trials_repel() -> None:
    trials = observed(SQUARE, bowl, 20)
    (alone,) = suggest(study_of(SQUARE, trials))
    (beside,) = suggest(study_of(SQUARE, trials, pending=[alone]))
    gap = np.abs(SQUARE.encode([alone]) - SQUARE.encode([beside]))
    assert gap.max() > 1e-3


def test_failed_trials_repel() -> None:
    """Where everything failed the model expects nothing good."""
    trials = observed(SQUARE, bowl, 20)
    failing = [{"x": 1.3 + 0.2 * i, "y": 7.1 + 0.5 * k} for i in (-1, 0, 1) for k in (-1, 0, 1)]
    (drawn,) = suggest(study_of(SQUARE, trials), acq_func="EI")
    (pushed,) = suggest(study_of(SQUARE, trials, failed=failing), acq_func="EI")
    centre = SQUARE.encode([{"x": 1.3, "y": 7.1}])

    def distance(a: Assignment) -> float:
        return float(np.abs(SQUARE.encode([a]) - centre).max())

    assert distance(drawn) < 0.05 < distance(pushed)


# --------------------------------------------------------------------- the start


def test_it_starts_in_the_middle_with_the_sobol_sequence_after_it() -> None:
    first = suggest(study_of(SQUARE, []), 10)
    (middle,) = SQUARE.decode(np.full((1, 2), 0.5))
    assert first == [middle, *_sobol(1, 9)]


def test_a_middle_that_was_put_in_by_hand_is_not_tried_again() -> None:
    (middle,) = SQUARE.decode(np.full((1, 2), 0.5))
    study = study_of(SQUARE, [finished("by-hand", middle, 1.0)])
    assert suggest(dataclasses.replace(study, first_index=0)) == _sobol(0, 1)


def test_points_put_in_by_hand_count() -> None:
    trials = observed(SQUARE, bowl, 9, seed=77)
    assert suggest(study_of(SQUARE, trials)) == _sobol(9, 1)
    trials = observed(SQUARE, bowl, 10, seed=77)
    assert suggest(study_of(SQUARE, trials)) != _sobol(10, 1)


def _sobol(first: int, count: int) -> list[Assignment]:
    return sampling.distinct(SQUARE, lambda start, n: sobol(5, start, n, 2), 5, first, count)


def test_without_initial_points_one_result_suffices() -> None:
    (only,) = observed(SQUARE, bowl, 1)
    (point,) = suggest(study_of(SQUARE, [only]), n_initial_points=0)
    assert np.abs(SQUARE.encode([point]) - SQUARE.encode([only.assignment])).max() > 0.1


# ------------------------------------------------------------------- any data


@settings(deadline=None, max_examples=25)
@given(
    losses=st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from([0.0, 1.0, 1e-300, 5e-324, -1.7e308, 1.7e308]),
        ),
        min_size=1,
        max_size=14,
    ),
    repeated=st.booleans(),
    failed=st.integers(0, 3),
)
def test_no_data_breaks_it(losses: list[float], repeated: bool, failed: int) -> None:
    """Constant, huge, tiny, duplicated: numpy's warnings are errors here."""
    points = MIXED.decode(randomness.uniforms(9, 0, len(losses) + failed, MIXED.dimension))
    trials = [
        finished(f"t{k}", points[0 if repeated else k], loss) for k, loss in enumerate(losses)
    ]
    study = study_of(MIXED, trials, failed=points[len(losses) :])
    batch = suggest(study, 2, n_initial_points=0)
    assert all(point in MIXED for point in batch)
    assert batch[0] != batch[1]


def test_points_of_another_space_help_where_they_fit() -> None:
    """Trials that know nothing of x still tell where y is good."""
    out_of_space = tuple(
        finished(f"f{k}", {"y": float(y)}, (y - 7.1) ** 2) for k, y in enumerate(range(11))
    )
    trials = observed(SQUARE, lambda a: (float(a["y"]) - 7.1) ** 2, 2)
    study = dataclasses.replace(
        study_of(SQUARE, trials), trials=History(tuple(trials), out_of_space=out_of_space)
    )
    (point,) = suggest(study, acq_func="EI", n_initial_points=0)
    assert float(point["y"]) == pytest.approx(7.1, abs=0.7)


@pytest.mark.parametrize("count", [300, 3000])
def test_many_trials_still_lead_to_the_optimum(count: int) -> None:
    """Beyond what one model holds, it holds the neighbourhood of the best."""
    trials = observed(SQUARE, bowl, count)
    (point,) = suggest(study_of(SQUARE, trials), acq_func="EI")
    assert bowl(point) < best(trials) / 10


# ------------------------------------------------------------------------ settings


def test_improvement_per_second_prefers_cheap_trials() -> None:
    """The loss has two equal valleys; trials in one of them take 200 times as long."""
    space = SearchSpace((Double("x", -1, 1),))

    def loss(a: Assignment) -> float:
        return (abs(float(a["x"])) - 0.5) ** 2

    trials = [
        dataclasses.replace(o, duration=1000.0 if float(o.assignment["x"]) > 0 else 5.0)
        for o in observed(space, loss, 12)
    ]
    chosen = suggest(study_of(space, trials), 6, acq_func="EIps")
    assert sum(float(a["x"]) > 0 for a in chosen) == 0
    plain = suggest(study_of(space, trials), 6, acq_func="EI")
    assert sum(float(a["x"]) > 0 for a in plain) > 0


@pytest.mark.parametrize("function", ["EIps", "PIps"])
def test_without_durations_a_second_costs_nothing(function: str) -> None:
    study = study_of(SQUARE, observed(SQUARE, bowl, 15))
    assert suggest(study, 2, acq_func=function) == suggest(study, 2, acq_func=function[:2])


@pytest.mark.parametrize("function", ["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"])
def test_sampling_stands_in_for_gradients(function: str) -> None:
    trials = [dataclasses.replace(o, duration=3.0) for o in observed(MIXED, network, 20)]
    batch = suggest(study_of(MIXED, trials), 2, acq_func=function, acq_optimizer="sampling")
    assert all(point in MIXED for point in batch)
    assert batch[0] != batch[1]


@pytest.mark.long
@pytest.mark.parametrize("estimator", ["RF", "ET", "GBRT"])
def test_forests_of_scikit_optimize(estimator: str) -> None:
    study = study_of(
        MIXED, observed(MIXED, network, 30), failed=[observed(MIXED, network, 40)[39].assignment]
    )
    batch = suggest(study, 3, base_estimator=estimator)
    assert all(point in MIXED for point in batch)
    assert len({MIXED.key(point) for point in batch}) == 3
    assert np.mean([network(point) for point in batch]) < np.mean(study.losses)
    assert suggest(study, 3, base_estimator=estimator) == batch


def test_forests_have_no_gradients() -> None:
    given_ = [RawSetting("base_estimator", "RF"), RawSetting("acq_optimizer", "lbfgs")]
    algorithm = build(BayesianOptimization, given_).algorithm
    (violation,) = algorithm.violations(study_of(SQUARE, []))
    assert violation.description == (
        "setting 'acq_optimizer': lbfgs needs the gradients of base_estimator GP, got "
        "base_estimator RF"
    )


def test_the_default_needs_numpy_alone() -> None:
    """scipy, scikit-learn and the like cost more memory than a container has."""
    code = (
        "import sys, tests.bayesopt.test_algorithm as t;"
        "t.suggest(t.study_of(t.MIXED, t.observed(t.MIXED, t.network, 12)), 2);"
        "print(sorted({'scipy', 'sklearn', 'skopt', 'torch', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


# ------------------------------------------------------------------------ deadline


class Soon(Deadline):
    """A deadline that is always near, however long the computation takes."""

    def remaining(self) -> float:
        return 2.5


def test_a_near_deadline_gets_the_best_so_far(caplog: pytest.LogCaptureFixture) -> None:
    trials = observed(MIXED, network, 40)
    study = study_of(MIXED, trials, deadline=Soon())
    with caplog.at_level(logging.WARNING):
        hurried = suggest(study, 3)
    assert [record.getMessage() for record in caplog.records] == [
        f"experiment '{study.name}': less than 3 s before the deadline; "
        "using the best points so far"
    ]
    assert len({MIXED.key(point) for point in hurried}) == 3
    assert all(point in MIXED for point in hurried)


# ------------------------------------------------------------------- hard requests


def valley(x: float) -> float:
    return (6 * x - 2) ** 2 * math.sin(12 * x - 4)


@pytest.mark.parametrize("estimator", ["RF", "ET", "GBRT"])
def test_a_forest_is_uncertain_away_from_its_trials(estimator: str) -> None:
    points = np.linspace(0, 1, 12)[:, None] ** 2
    forest = Forest(estimator, points, np.array([valley(x) / 6 for x in points[:, 0]]), seed=1)
    at = np.linspace(0, 1, 101)[:, None]
    distance = np.abs(at - points.T).min(axis=1)
    _, deviation = forest.predict(at)
    assert np.all(deviation[0] >= distance)


@pytest.mark.long
@pytest.mark.parametrize("estimator", ["RF", "ET", "GBRT"])
def test_forests_reach_the_minimum(estimator: str) -> None:
    """The minimum is -6.02; proposals next to a known point would end between -5 and -0.5."""
    space = SearchSpace((Double("x", 0, 1),))
    algorithm = BayesianOptimization(base_estimator=estimator, acq_func="EI", n_initial_points=5)  # type: ignore[arg-type]
    for seed in range(2):  # one takes 10 to 20 s
        seen: list[Observation] = []
        for index in range(30):
            study = study_on(space, seed=seed, first_index=index, trials=History(tuple(seen)))
            (point,) = algorithm.suggest(study, 1)
            assert isinstance(point, Mapping)
            seen.append(finished(f"t{index}", point, valley(float(point["x"]))))
        assert best(seen) < -5.9


def test_a_large_reply_is_modelled_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BY_GP", 3)
    study = study_of(SQUARE, observed(SQUARE, bowl, 12))
    found = BayesianOptimization().suggest(study, 8)
    assert len({SQUARE.key(a) for a in found}) == 8
    rest = SQUARE.decode(sobol(study.seed, 15, 5, 2))
    assert [SQUARE.key(a) for a in found[3:]] == [SQUARE.key(a) for a in rest]


def test_long_lists_of_categories_have_few_features() -> None:
    words = tuple(f"w{k}" for k in range(5000))
    space = SearchSpace((Categorical("c", words),))
    seen = [finished(f"t{k}", {"c": words[37 * k]}, k / 30) for k in range(30)]
    points = space.encode([trial.assignment for trial in seen])
    features = Features(space, None, points)
    found = features(space.encode([{"c": words[k]} for k in (0, 37, 1, 2)]))
    assert found.shape[1] < 100
    squared = np.sum((found[:, None] - found) ** 2, axis=2)
    assert squared == pytest.approx(1 - np.eye(4))
    (suggestion,) = BayesianOptimization(n_initial_points=0).suggest(study_of(space, seen), 1)
    assert suggestion not in [trial.assignment for trial in seen]
