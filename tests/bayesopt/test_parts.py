"""The numerical parts of Bayesian optimisation, against formulas and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suggestion.algorithms.bayesopt import data, gp, outputs
from suggestion.algorithms.bayesopt.acquisition import (
    XI,
    Acquisition,
    ExpectedImprovement,
    LowerConfidenceBound,
    ProbabilityOfImprovement,
)
from suggestion.algorithms.bayesopt.features import Features
from suggestion.algorithms.bayesopt.kernel import inverse_triangle, matern, squared_distances
from suggestion.numerics import normal, randomness
from suggestion.numerics.quasi_newton import minimise
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace

MIXED = SearchSpace(
    (
        Double("x", 0, 1),
        Double("rate", 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
        Int("layers", 1, 9, distribution=Distribution.NORMAL),
        Discrete("size", ("16", "32", "64")),
        Categorical("kind", ("a", "b", "c", "d")),
        Int("fixed", 3, 3),
    )
)


def slopes_of(function: Callable[[Array], Array], points: Array, step: float = 1e-6) -> Array:
    """Central differences of values (m,) by each coordinate of `points`, shape (m, p)."""
    columns = []
    for column in range(points.shape[1]):
        shift = np.zeros(points.shape[1])
        shift[column] = step
        columns.append((function(points + shift) - function(points - shift)) / (2 * step))
    return np.stack(columns, axis=1)


# ----------------------------------------------------------------------- normal


def test_erfcx_is_scaled_erfc() -> None:
    x = np.concatenate([np.linspace(0, 25, 999), [0.0, 1e-9]])
    wanted = [math.exp(v * v) * math.erfc(v) for v in x.tolist()]
    np.testing.assert_allclose(normal.erfcx(x), wanted, rtol=1e-11)
    far = np.array([1e2, 1e6, 1e150])
    np.testing.assert_allclose(normal.erfcx(far), 1 / (far * math.sqrt(math.pi)), rtol=1e-4)


def test_log_cdf_is_the_logarithm_of_phi() -> None:
    u = np.linspace(-37, 8, 999)
    wanted = [math.log(math.erfc(-v / math.sqrt(2)) / 2) for v in u.tolist()]
    np.testing.assert_allclose(normal.log_cdf(u), wanted, rtol=1e-10, atol=1e-15)


def test_log_h_near_zero_is_the_plain_formula() -> None:
    u = np.linspace(-3, 10, 333)
    pdf = np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    cdf = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in u.tolist()])
    h = normal.log_h_and_slope(u)
    np.testing.assert_array_equal(h.value, normal.log_h(u))
    np.testing.assert_allclose(h.value, np.log(pdf + u * cdf), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(h.cdf, cdf / (pdf + u * cdf), rtol=1e-9)
    np.testing.assert_allclose(h.pdf, pdf / (pdf + u * cdf), rtol=1e-9)


def test_log_h_has_its_own_slope_everywhere() -> None:
    """Also where h itself underflows, and across the seams of the formulas."""
    u = np.concatenate([-np.logspace(4, -3, 400), np.logspace(-3, 2, 100), [-1.0, -50.0]])
    step = 1e-6 * np.maximum(1, np.abs(u))
    slope = (normal.log_h(u + step) - normal.log_h(u - step)) / (2 * step)
    np.testing.assert_allclose(normal.log_h_and_slope(u).cdf, slope, rtol=1e-5)


def test_quantile_inverts_the_distribution() -> None:
    u = np.linspace(-5, 5, 21)
    np.testing.assert_allclose(normal.quantile(np.exp(normal.log_cdf(u))), u, atol=1e-9)


# ---------------------------------------------------------------------- descent


def _rosenbrock(x: Array, _: object) -> tuple[Array, Array]:
    a, b = x.T
    value = (1 - a) ** 2 + 100 * (b - a * a) ** 2
    gradient = [-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]
    return value, np.stack(gradient, axis=1)


@pytest.mark.parametrize(
    ("upper", "optimum"), [((2.0, 2.0), (1.0, 1.0)), ((0.8, 2.0), (0.8, 0.64))]
)
def test_descent_finds_known_minima(
    upper: tuple[float, float], optimum: tuple[float, float]
) -> None:
    """One inside the bounds, one on them."""
    starts = np.array([[-1.2, 1.0], [0.0, 0.0], [0.5, -0.5], [-2.0, -2.0]])
    found, values = minimise(
        _rosenbrock, starts, np.array([-2.0, -2.0]), np.array(upper),
        iterations=200, gradient_tolerance=1e-9, value_tolerance=0,
    )  # fmt: skip
    np.testing.assert_allclose(found, np.tile(optimum, (4, 1)), atol=1e-5)
    np.testing.assert_allclose(values, _rosenbrock(np.array([optimum]), None)[0][0], atol=1e-9)


def test_problems_descended_together_do_not_influence_each_other() -> None:
    starts = np.random.default_rng(0).uniform(-2, 2, (6, 2))
    bounds = np.array([-2.0, -2.0]), np.array([2.0, 2.0])
    together, _ = minimise(
        _rosenbrock, starts, *bounds, iterations=15, gradient_tolerance=1e-9, value_tolerance=0
    )
    alone = [
        minimise(
            _rosenbrock, row[None], *bounds,
            iterations=15, gradient_tolerance=1e-9, value_tolerance=0,
        )[0][0]
        for row in starts
    ]  # fmt: skip
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_descent_backs_off_from_infinity() -> None:
    """A step that leads where the function is inf is shortened; a start there stays."""

    def walled(x: Array, _: object) -> tuple[Array, Array]:
        value = np.where(x[:, 0] > 0.5, np.inf, -x[:, 0])
        return value, np.full_like(x, -1.0)

    found, values = minimise(
        walled, np.array([[0.0], [0.9]]), np.zeros(1), np.ones(1),
        iterations=50, gradient_tolerance=1e-9, value_tolerance=0,
    )  # fmt: skip
    assert 0.2 < found[0, 0] <= 0.5
    assert found[1, 0] == 0.9
    assert np.isinf(values[1])


# ----------------------------------------------------------------------- kernel


def test_matern_slope() -> None:
    squared = np.linspace(0.01, 9, 50)
    step = 1e-6
    slope = (matern(squared + step)[0] - matern(squared - step)[0]) / (2 * step)
    np.testing.assert_allclose(matern(squared)[1], slope, rtol=1e-6)
    assert matern(np.zeros(1))[0] == 1


def test_matern_is_the_published_formula() -> None:
    r = np.linspace(0, 3, 31)
    s = math.sqrt(5) * r
    np.testing.assert_allclose(matern(r * r)[0], (1 + s + s * s / 3) * np.exp(-s), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 5, 48, 49, 131])
def test_inverse_triangle(n: int) -> None:
    rng = np.random.default_rng(n)
    lower = np.tril(rng.standard_normal((2, n, n)) / n) + np.eye(n)
    inverse = inverse_triangle(lower)
    np.testing.assert_allclose(inverse @ lower, np.broadcast_to(np.eye(n), (2, n, n)), atol=1e-12)
    assert np.array_equal(inverse, np.tril(inverse))


def test_squared_distances() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 3)), rng.random((5, 3))
    wanted = np.sum((a[:, None] - b) ** 2, axis=2)
    np.testing.assert_allclose(squared_distances(a, b), wanted, atol=1e-14)


# --------------------------------------------------------------------- features


def test_two_categories_are_at_distance_one_and_numbers_at_their_own() -> None:
    features = Features(MIXED)
    points = MIXED.encode([
        {"x": 0.25, "rate": 1e-5, "layers": 5, "size": 16.0, "kind": "a", "fixed": 3},
        {"x": 0.75, "rate": 1.0, "layers": 5, "size": 64.0, "kind": "d", "fixed": 3},
    ])  # fmt: skip
    z = features(points)
    by_group = np.bincount(features.groups, weights=(z[0] - z[1]) ** 2)
    np.testing.assert_allclose(by_group, [0.25, 1.0, 0.0, (2 / 3) ** 2, 1.0], atol=1e-12)


def test_a_missing_value_is_at_its_expected_distance() -> None:
    """The mean squared distance over the prior of what is not known."""
    known = MIXED.snap(randomness.uniforms(0, 0, 4000, MIXED.dimension))
    unknown = known[:1].copy()
    unknown[0, [0, 4]] = np.nan
    features = Features(MIXED, np.array([True, False, False, False, True, False]))
    z, y = features(known), features(unknown)
    squared = (z - y) ** 2
    of_x = squared[:, features.groups == 0].sum(axis=1)
    np.testing.assert_allclose(of_x, (known[:, 0] - 0.5) ** 2 + 1 / 12, atol=1e-12)
    of_kind = squared[:, features.groups == 4].sum(axis=1)
    np.testing.assert_allclose(of_kind, 0.75, atol=1e-12)  # three of four categories are others
    assert not squared[0, features.groups == 1].any()  # what both know


def test_snapping_agrees_with_the_space() -> None:
    points = randomness.uniforms(1, 0, 500, MIXED.dimension)
    np.testing.assert_allclose(Features(MIXED).snap(points), MIXED.snap(points), atol=1e-12)


def test_the_prior_of_the_optimum_has_its_own_gradient_and_falls_towards_edges() -> None:
    features = Features(MIXED)
    z = features(MIXED.snap(randomness.uniforms(1, 0, 20, MIXED.dimension)))
    values, slopes = features.prior(z)
    wanted = slopes_of(lambda x: features.prior(x)[0], z, 1e-6)
    np.testing.assert_allclose(slopes, wanted, atol=1e-6)
    assert not slopes[:, features.groups == 4].any()  # categories have no edges
    across = np.repeat(z[:1], 101, axis=0)
    across[:, 0] = np.linspace(0, 1, 101)
    values, _ = features.prior(across)
    np.testing.assert_allclose(values, values[::-1], atol=1e-12)
    assert (np.diff(values)[:50] > 0).all()


# --------------------------------------------------------------------------- gp


def _sample(n: int = 25) -> tuple[Array, Features, Array]:
    features = Features(MIXED)
    points = MIXED.snap(randomness.uniforms(2, 0, n, MIXED.dimension))
    y = np.sin(5 * points[:, 0]) + points[:, 1] ** 2 + (points[:, 4] < 0.25)
    return features(points), features, (y - y.mean()) / y.std()


def test_the_likelihood_has_its_own_gradient() -> None:
    z, features, y = _sample()
    theta = np.random.default_rng(0).normal(size=(4, 7))

    def value(t: Array) -> Array:
        return gp.negative_log_posterior(t, z, features.groups, y)[0]

    _, gradient = gp.negative_log_posterior(theta, z, features.groups, y)
    np.testing.assert_allclose(gradient, slopes_of(value, theta, 1e-5), rtol=1e-6, atol=1e-6)


def test_distances_in_one_parameter_can_be_given_apart() -> None:
    z, features, y = _sample()
    theta = np.random.default_rng(1).normal(size=(3, 7))
    (group,) = np.flatnonzero(np.bincount(features.groups) > 1)
    wide = features.groups == group
    together = gp.negative_log_posterior(theta, z, features.groups, y)
    apart = gp.negative_log_posterior(
        theta,
        z[:, ~wide],
        features.groups[~wide],
        y,
        {int(group): squared_distances(z[:, wide], z[:, wide])},
    )
    np.testing.assert_allclose(apart[0], together[0], rtol=1e-9)
    np.testing.assert_allclose(apart[1], together[1], rtol=1e-7, atol=1e-7)


def test_the_likelihood_is_that_of_a_normal_distribution() -> None:
    """At the mode of the weights' prior, where that prior is the constant 0.2 a weight."""
    z, features, y = _sample()
    theta = np.zeros((1, 7))
    value, _ = gp.negative_log_posterior(theta, z, features.groups, y)
    noise = 1 + gp.LEAST_NOISE
    covariance = matern(squared_distances(z, z))[0] + noise * np.eye(25)
    _, logdet = np.linalg.slogdet(covariance)
    minus_log = 0.5 * (y @ np.linalg.solve(covariance, y) + logdet + 25 * math.log(2 * math.pi))
    prior = 5 * 0.2 + 1.0 + 30 * noise - 0.1 * math.log(noise)
    assert value[0] == pytest.approx(minus_log + prior, rel=1e-9)


def test_fitting_finds_what_matters_and_what_does_not() -> None:
    points = randomness.uniforms(3, 0, 60, 3)
    y = np.sin(7 * points[:, 0])
    fitted = gp.fit(points, np.arange(3), (y - y.mean()) / y.std())
    assert fitted.weights[0] > 20 * max(fitted.weights[1:])
    assert fitted.noise < 1e-3


def test_fitting_tells_noise_from_signal() -> None:
    rng = np.random.default_rng(0)
    points = randomness.uniforms(3, 0, 80, 2)
    y = points[:, 0] + 0.5 * rng.standard_normal(80)
    fitted = gp.fit(points, np.arange(2), (y - y.mean()) / y.std())
    assert 0.4 < fitted.noise < 1


FITTED = gp.Hyperparameters(np.array([3.0, 1.0, 0.5, 0.2, 0.7]), 1.7, 0.01)


def _two() -> tuple[gp.Posterior, Array, Features, Array]:
    """Two processes in step, of which the second one is `FITTED`; and what they are given."""
    z, features, y = _sample()
    other = gp.Hyperparameters(np.array([0.3, 2.0, 1.0, 4.0, 0.1]), 0.6, 0.2)
    outputs = np.array([np.exp(y), y])
    return gp.Posterior([other, FITTED], z, features.groups, outputs), z, features, y


def test_the_posterior_is_the_dense_formula() -> None:
    posterior, z, features, y = _two()
    new, _, _ = _sample(40)
    means, deviations = posterior.predict(new)
    assert means.shape == (2, 40, 1)
    scale = np.sqrt(FITTED.weights)[features.groups]

    def k(a: Array, b: Array) -> Array:
        return FITTED.signal * matern(squared_distances(a * scale, b * scale))[0]

    covariance = k(z, z) + FITTED.noise * np.eye(25)
    wanted = k(new, z) @ np.linalg.solve(covariance, y)
    np.testing.assert_allclose(means[1, :, 0], wanted, atol=1e-6)
    explained = np.sum(k(new, z) * np.linalg.solve(covariance, k(z, new)).T, axis=1)
    np.testing.assert_allclose(deviations[1] ** 2, FITTED.signal - explained, atol=1e-6)
    between = k(new, new[:1])[:, 0] - k(new, z) @ np.linalg.solve(covariance, k(z, new[:1]))[:, 0]
    np.testing.assert_allclose(posterior.covariances(new, new[0])[1], between, atol=1e-6)


def test_an_appended_point_is_as_if_its_fantasy_had_been_observed() -> None:
    posterior, z, features, y = _two()
    new, _, _ = _sample(40)
    normals = np.array([-1.0, 0.0, 2.0])
    means, deviations = posterior.predict(new[30:31])
    outcomes = posterior.append(new[30], normals)
    np.testing.assert_allclose(outcomes, means[:, 0] + deviations * normals, atol=1e-3)
    quiet = gp.Hyperparameters(FITTED.weights, FITTED.signal, gp.LEAST_NOISE)
    exact = gp.Posterior([quiet, quiet], z, features.groups, np.array([y, -y]))
    exact.track(new)
    fantasised = exact.append(new[30], normals)
    for column, outcome in enumerate(fantasised[0].tolist()):
        told = np.append(y, outcome)[None]
        wanted = gp.Posterior([quiet], np.vstack([z, new[30]]), features.groups, told).predict(new)
        found = exact.predict(new)
        np.testing.assert_allclose(found[0][0, :, column], wanted[0][0, :, 0], atol=1e-5)
        np.testing.assert_allclose(found[1], np.repeat(wanted[1], 2, axis=0), atol=1e-5)
    for got, wanted_at in zip(exact.tracked(), exact.predict(new), strict=True):
        np.testing.assert_allclose(got, wanted_at, atol=1e-6)


BEST = np.array([[-0.5, -1.0, -0.2], [0.1, -0.7, -0.3]])


@pytest.mark.parametrize(
    "acquisition",
    [ExpectedImprovement(BEST), ProbabilityOfImprovement(BEST), LowerConfidenceBound(1.3)],
    ids=["EI", "PI", "LCB"],
)
def test_acquisition_functions_have_their_own_gradients(acquisition: Acquisition) -> None:
    posterior, z, _, _ = _two()
    posterior.append(z[3] * 0.9 + 0.02, np.array([-1.0, 0.0, 1.0]))
    points, _, _ = _sample(40)
    points = points[25:] + 0.01
    values, gradients = posterior.gradients(points, acquisition.slopes)
    for which in range(2):

        def value(x: Array, which: int = which) -> Array:
            return np.asarray(acquisition.values(*posterior.predict(x))[which])

        np.testing.assert_allclose(values[which], value(points), rtol=1e-9)
        wanted = slopes_of(value, points)
        np.testing.assert_allclose(gradients[which], wanted, rtol=1e-4, atol=1e-5)


def test_acquisition_functions_are_their_definitions() -> None:
    """By Monte Carlo, for one fantasy."""
    rng = np.random.default_rng(0)
    draws = 0.3 + 0.8 * rng.standard_normal(400_000)
    mean, deviation = np.array([[0.3]]), np.array([0.8])
    best = np.array([0.1])
    improvement = np.mean(np.maximum(best - draws, 0))
    value = ExpectedImprovement(best).values(mean, deviation)
    assert math.exp(value[0]) == pytest.approx(improvement, rel=0.02)
    probability = np.mean(draws < best - XI)
    value = ProbabilityOfImprovement(best).values(mean, deviation)
    assert math.exp(value[0]) == pytest.approx(probability, rel=0.02)
    value = LowerConfidenceBound(1.0).values(mean, deviation)
    assert -value[0] == pytest.approx(np.quantile(draws, 0.1587), abs=0.01)


def test_improvements_that_underflow_still_have_an_order() -> None:
    mean = np.array([[50.0], [60.0], [1e4]])
    for acquisition in (ExpectedImprovement, ProbabilityOfImprovement):
        values, by_mean, _ = acquisition(np.zeros(1)).slopes(mean, np.full(3, 0.1))
        assert np.isfinite(values).all()
        assert values[0] > values[1] > values[2]
        assert (by_mean < 0).all()


# --------------------------------------------------------- outputs and the data

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=200)
@given(losses=st.lists(FINITE, min_size=1, max_size=30))
def test_any_losses_become_well_behaved_outputs(losses: list[float]) -> None:
    for made in outputs.transforms(np.array(losses)):
        assert np.isfinite(made.values).all()
        assert np.isfinite(made.log_slopes).all()
        assert abs(np.mean(made.values)) < 1e-6
        assert np.std(made.values) == pytest.approx(1, abs=1e-6) or not made.values.any()
        order = np.argsort(losses, kind="stable")
        assert (np.diff(made.values[order]) >= 0).all()
        halves = np.array(losses) / 2  # because differences can overflow
        again = made.losses_of(made.values) / 2
        np.testing.assert_allclose(again, halves, rtol=0, atol=1e-6 * (np.ptp(halves) + 1e-300))
        assert not np.isnan(made.losses_of(np.array([-1e6, 1e6]))).any()


def test_outputs_do_not_show_units() -> None:
    losses = np.random.default_rng(0).normal(size=40) ** 3
    for a, b in zip(outputs.transforms(losses), outputs.transforms(7e5 + 31 * losses), strict=True):
        np.testing.assert_allclose(a.values, b.values, atol=2e-9)


def test_log_slopes_are_logarithms_of_slopes() -> None:
    """Compared between two points, because a step also moves mean and variance a little."""
    losses = np.sort(np.random.default_rng(0).lognormal(size=400))
    for made in outputs.transforms(losses):
        slope = np.diff(made.values) / np.diff(losses)
        middle = (made.log_slopes[1:] + made.log_slopes[:-1]) / 2
        ratio = np.log(np.maximum(slope, 1e-300)) - middle
        close = np.diff(losses) > 1e-4
        assert np.std(ratio[close]) < 0.05


def test_a_choice_of_trials_holds_the_best_and_their_neighbourhood() -> None:
    points = randomness.uniforms(5, 0, 3000, 4)
    distance = data.distances(lambda part: part, points)
    rows = data.select(distance, 100)
    assert len(rows) == 100
    assert np.array_equal(rows, np.unique(rows))
    assert set(range(25)) <= set(rows.tolist())
    assert distance == pytest.approx(np.sum((points - points[0]) ** 2, axis=1))
    assert set(np.argsort(distance)[:25].tolist()) <= set(rows.tolist())
    assert rows.max() > 2900
    assert np.array_equal(data.select(distance, 3000), np.arange(3000))
