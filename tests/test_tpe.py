"""The Parzen estimators and what is suggested with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from suggestion.algorithms.tpe import MultivariateTpe, Tpe
from suggestion.algorithms.tpe.algorithm import MOST_BAD, MOST_GOOD
from suggestion.algorithms.tpe.parzen import Axis, Parzen, bandwidths
from suggestion.numerics import normal, randomness, sampling
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study
from tests.support.studies import finished, study_on

UNIT = SearchSpace((Double("x", 0, 1),))
MIXED = SearchSpace(
    (
        Double("lr", 1e-4, 1, distribution=Distribution.LOG_UNIFORM),
        Int("layers", 1, 9),
        Discrete("batch", ("16", "32", "64")),
        Categorical("kind", ("a", "b", "c")),
        Double("fixed", 2, 2),
    )
)
both = pytest.mark.parametrize("cls", [Tpe, MultivariateTpe])


def study(
    space: SearchSpace = UNIT,
    observations: Sequence[tuple[Assignment, float]] = (),
    *,
    pending: Sequence[Assignment] = (),
    failed: Sequence[Assignment] = (),
    out_of_space: Sequence[Observation | Pending | Failed] = (),
    index: int | None = None,
    seed: int = 1,
) -> Study:
    history = History(
        observations=tuple(finished(f"o{k}", a, y) for k, (a, y) in enumerate(observations)),
        pending=tuple(Pending(f"p{k}", a) for k, a in enumerate(pending)),
        failed=tuple(Failed(f"f{k}", a) for k, a in enumerate(failed)),
        out_of_space=tuple(out_of_space),
    )
    first = 50 if index is None else index
    return study_on(space, seed=seed, first_index=first, trials=history)


def valley(count: int = 20, low: float = 0.3) -> list[tuple[Assignment, float]]:
    return [({"x": x}, (x - low) ** 2) for x in np.linspace(0.01, 0.99, count).tolist()]


# --------------------------------------------------------------------- normal


def test_the_normal_distribution_is_that_of_the_standard_library() -> None:
    x = np.linspace(-8, 8, 1601)
    exact = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x])
    assert np.all(np.abs(normal.cdf(x) - exact) <= 2e-7 * exact)
    assert normal.quantile(normal.cdf(x[400:1201])) == pytest.approx(x[400:1201], abs=2e-4)


# --------------------------------------------------------------------- parzen


def estimator(parameters: Sequence[Parameter], points: Array, prior: float = 1.0) -> Parzen:
    weights = 1 + np.arange(len(points)) / 3
    return Parzen([Axis.of(p) for p in parameters], points, weights, prior)


@pytest.mark.parametrize(
    "parameter",
    [
        Double("x", 0, 1),
        Int("n", 1, 7),
        Int("n", 1, 40, distribution=Distribution.LOG_UNIFORM),
        Int("n", 0, 5000),
        Double("s", 0, 1, step=0.1, distribution=Distribution.NORMAL),
        Discrete("d", ("1", "10", "100")),
        Categorical("c", ("a", "b", "c", "d")),
    ],
    ids=lambda p: type(p).__name__,
)
@pytest.mark.parametrize("count", [0, 1, 2, 12])
def test_a_density_integrates_to_one(parameter: Parameter, count: int) -> None:
    points = SearchSpace((parameter,)).snap(randomness.uniforms(3, 0, count, 1))
    parzen = estimator([parameter], points)
    middles = (np.arange(20000) + 0.5) / 20000
    assert np.exp(parzen.log_density(middles[:, None])).mean() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    "parameter",
    [
        Categorical("c", ("a", "b", "c", "d")),
        Discrete("d", ("1", "10", "100")),
        Double("s", 0, 1, step=0.1, distribution=Distribution.NORMAL),
    ],
    ids=lambda p: type(p).__name__,
)
def test_the_density_of_a_list_alone_is_the_sum_over_kernels(parameter: Parameter) -> None:
    space = SearchSpace((parameter,))
    points = space.snap(randomness.uniforms(4, 0, 30, 1))
    parzen = estimator([parameter], points, prior=1.5)
    (table,) = parzen._tables.values()
    levels = np.arange(parameter.levels or 0)
    shares = np.append(1 + np.arange(30) / 3, 1.5)
    expected = np.exp(table.log_densities(levels)) @ shares[:-1] + shares[-1]
    middles = np.add(*parameter.cells(levels)) / 2
    found = np.exp(parzen.log_density(middles[:, None]))
    assert found == pytest.approx(expected / shares.sum(), rel=1e-12)


def test_draws_follow_the_density() -> None:
    points = MIXED.snap(randomness.uniforms(5, 0, 9, MIXED.dimension))[:, :4]
    parzen = estimator(MIXED.parameters[:4], points)
    space = SearchSpace(MIXED.parameters[:4])
    draws = space.snap(parzen.sample(np.random.default_rng(1), 20000))
    grid = space.snap(randomness.uniforms(6, 0, 100000, 4))
    density = np.exp(parzen.log_density(grid))
    for column in range(4):
        for edge in (0.2, 0.34, 0.51, 0.7):
            expected = np.mean(density * (grid[:, column] < edge)) / density.mean()
            # Three standard errors of both shares are below 0.02.
            assert np.mean(draws[:, column] < edge) == pytest.approx(expected, abs=0.02)


def test_a_kernel_is_as_wide_as_its_wider_gap() -> None:
    found = bandwidths(np.array([0.5, 0.1, 0.9, 0.6]), 0.01)
    assert found == pytest.approx([0.4, 0.4, 0.3, 0.3])
    assert bandwidths(np.full(98, 0.5), 0.01) == pytest.approx(0.01)
    assert bandwidths(np.full(8, 0.5), 0.01) == pytest.approx(0.1)


def test_densities_are_those_of_optuna() -> None:
    """Its prior is a wide Gaussian, ours is uniform: compared with a negligible prior."""
    pytest.importorskip("optuna", reason="the reference implementation is not installed")
    from optuna import distributions as of  # noqa: PLC0415
    from optuna.samplers._tpe import parzen_estimator as reference  # noqa: PLC0415

    prior = 1e-9
    parameters = (
        Double("x", -2, 3),
        Double("y", 1e-3, 1e2, distribution=Distribution.LOG_UNIFORM),
        Int("n", 0, 9),
        Categorical("c", ("a", "b", "c")),
    )
    theirs = {
        "x": of.FloatDistribution(-2, 3),
        "y": of.FloatDistribution(1e-3, 1e2, log=True),
        "n": of.IntDistribution(0, 9),
        "c": of.CategoricalDistribution(("a", "b", "c")),
    }
    space = SearchSpace(parameters)

    def values(points: Array) -> dict[str, Array]:
        columns = {p.name: p.decode(points[:, k]) for k, p in enumerate(parameters)}
        return {
            name: np.array([theirs[name].to_internal_repr(v) for v in column])
            for name, column in columns.items()
        }

    points = space.snap(randomness.uniforms(1, 0, 15, 4))
    candidates = space.snap(randomness.uniforms(2, 0, 50, 4))
    settings = reference._ParzenEstimatorParameters(prior, True, False, np.ones, True)
    expected = reference._ParzenEstimator(values(points), theirs, settings).log_pdf(
        values(candidates)
    )
    # Theirs is relative to x, log y and the counting measure; ours to the prior.
    expected = expected + math.log(5 * math.log(1e5) * 10 * 3)
    ours = Parzen([Axis.of(p) for p in parameters], points, np.ones(15), prior)
    likely = expected > -15  # further out ours is the prior, theirs nothing
    assert likely.sum() >= 20
    assert ours.log_density(candidates)[likely] == pytest.approx(expected[likely], abs=1e-3)


# ---------------------------------------------------------------- suggestions


def test_with_one_parameter_both_are_the_same() -> None:
    it = study(UNIT, valley())
    assert Tpe().suggest(it, 5) == MultivariateTpe().suggest(it, 5)


@both
def test_the_start_is_counted_by_suggestion(cls: type[Tpe]) -> None:
    start = [cls().suggest(study(index=k), 1)[0] for k in range(10)]
    assert cls().suggest(study(index=0), 10) == start
    # Neither do results change it, nor does a lack of them prolong it.
    assert cls().suggest(study(UNIT, valley(), index=9), 1) == start[9:]
    tenth = cls().suggest(study(index=10), 1)
    assert cls().suggest(study(UNIT, valley(2), index=10), 1) != tenth
    assert cls(n_startup_trials=11).suggest(study(UNIT, valley(2), index=10), 1) == tenth
    first = cls(n_startup_trials=0).suggest(study(UNIT, valley(2), index=0), 1)
    assert first != start[:1]


@both
def test_it_learns(cls: type[Tpe]) -> None:
    near = [
        abs(float(cls().suggest(study(UNIT, valley(), seed=seed), 1)[0]["x"]) - 0.3)
        for seed in range(40)
    ]
    # The median distance of random points is 0.26.
    assert np.median(near) < 0.12


@both
def test_categories_and_lists_are_learnt(cls: type[Tpe]) -> None:
    points = sampling.independent(MIXED, 1, 0, 40)
    seen = [(a, (a["kind"] != "b") + abs(float(a["batch"]) - 32) / 32) for a in points]
    found = cls().suggest(study(MIXED, seen), 30)
    assert sum(a["kind"] == "b" for a in found) >= 20
    assert sum(a["batch"] == 32.0 for a in found) >= 15
    assert all(a["fixed"] == 2.0 for a in found)


@both
@pytest.mark.parametrize("kind", ["pending", "failed"])
def test_pending_and_failed_trials_push_away(cls: type[Tpe], kind: str) -> None:
    moved = []
    for seed in range(30):
        before = cls().suggest(study(UNIT, valley(), seed=seed), 1)[0]
        beside = [{"x": float(before["x"]) + 0.002 * k} for k in range(-3, 4)]
        after = cls().suggest(study(UNIT, valley(), seed=seed, **{kind: beside}), 1)[0]  # type: ignore[arg-type]
        moved.append(abs(float(after["x"]) - float(before["x"])))
    assert np.mean(np.array(moved) > 0.02) > 0.8


@both
def test_a_batch_is_the_suggestions_asked_for_one_by_one(cls: type[Tpe]) -> None:
    together = cls().suggest(study(MIXED, index=7), 3)
    seen = [(a, float(k)) for k, a in enumerate(sampling.independent(MIXED, 2, 0, 30))]
    together = list(cls().suggest(study(MIXED, seen, index=40), 6))
    singly: list[Assignment] = []
    for index in range(40, 46):
        singly += cls().suggest(study(MIXED, seen, pending=singly, index=index), 1)
    assert together == singly


@both
def test_only_failed_trials(cls: type[Tpe]) -> None:
    bad = [{"x": x} for x in np.linspace(0, 0.5, 30).tolist()]
    found = [cls().suggest(study(failed=bad, seed=seed), 1)[0]["x"] for seed in range(20)]
    assert np.mean(np.array(found, dtype=float) > 0.5) > 0.9


def test_an_out_of_space_trial_counts_where_its_values_fit() -> None:
    space = SearchSpace((Double("x", 0, 1), Double("y", 0, 1)))
    seen = [({**a, "y": 0.5}, y + 1) for a, y in valley(8)]
    lone = [finished(f"old{k}", {"x": 0.93 + k / 500}, -5.0) for k in range(5)]
    near = [
        abs(
            float(Tpe().suggest(study(space, seen, out_of_space=lone, seed=seed), 1)[0]["x"]) - 0.93
        )
        for seed in range(30)
    ]
    without = [
        abs(float(Tpe().suggest(study(space, seen, seed=seed), 1)[0]["x"]) - 0.93)
        for seed in range(30)
    ]
    assert np.median(near) < np.median(without) / 2
    MultivariateTpe().suggest(study(space, seen, out_of_space=lone), 1)
    MultivariateTpe().suggest(study(space, out_of_space=lone), 1)


def test_settings_are_honoured() -> None:
    seen = [(a, float(k)) for k, a in enumerate(sampling.independent(MIXED, 2, 0, 30))]
    default = MultivariateTpe().suggest(study(MIXED, seen), 4)
    for other in (
        MultivariateTpe(gamma=0.6),
        MultivariateTpe(prior_weight=30.0),
        MultivariateTpe(n_ei_candidates=3),
    ):
        assert other.suggest(study(MIXED, seen), 4) != default
    # With one candidate nothing is compared, and with a heavy prior it is a draw from the prior.
    prior = MultivariateTpe(n_ei_candidates=1, prior_weight=1e9)
    found = [
        float(prior.suggest(study(UNIT, valley(), seed=seed), 1)[0]["x"]) for seed in range(200)
    ]
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.12)


@both
def test_what_the_model_sees_is_bounded(cls: type[Tpe]) -> None:
    space = SearchSpace(MIXED.parameters[:4])
    points = sampling.independent(space, 1, 0, 1200)
    space = SearchSpace((*space.parameters, Double("z", 0, 1)))
    seen = [({**a, "z": k / 5000}, float(k)) for k, a in enumerate(points * 4)]
    it = study(space, seen, pending=[{**points[0], "z": 0.99}])
    model = cls()._fit(it, [])
    assert model is not None
    assert sorted(k for block in model for k in block.columns) == list(range(5))
    assert {len(block.good.centres) for block in model} == {MOST_GOOD}
    assert {len(block.bad) for block in model} == {MOST_BAD + 1}
    assert len(cls().suggest(it, 2)) == 2


@both
@pytest.mark.parametrize("scale", [1e308, 1e-308])
def test_losses_of_any_size(cls: type[Tpe], scale: float) -> None:
    seen = [({"x": x}, (2 * x - 1) * scale) for x in np.linspace(0.01, 0.99, 12).tolist()]
    same = [({"x": x}, scale) for x in np.linspace(0.01, 0.99, 12).tolist()]
    for it in (study(UNIT, seen), study(UNIT, same)):
        assert all(a in UNIT for a in cls().suggest(it, 3))
