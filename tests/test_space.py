"""Parameters and their place in the unit cube."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from suggestion.api.v1beta1 import messages as wire
from suggestion.numerics import randomness
from suggestion.problem.errors import Invalid
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numbers import parse_number
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace
from tests.support.requests import MIXED, experiment
from tests.support.strategies import spaces

UNITS = np.linspace(0, 1, 1001)
LOG = Distribution.LOG_UNIFORM


def read_space(specs: list) -> SearchSpace:  # type: ignore[type-arg]
    return wire.read_problem(experiment(parameters=specs)).space


# ----------------------------------------------------------------- round trips


@given(spaces())
def test_decoded_values_are_in_the_space_and_encode_to_their_cells(specs: list) -> None:  # type: ignore[type-arg]
    space = read_space(specs)
    points = randomness.uniforms(1, 0, 16, space.dimension)
    for assignment in space.decode(points):
        assert assignment in space
    snapped = space.snap(points)
    assert ((snapped >= 0) & (snapped <= 1)).all()
    for column, parameter in enumerate(space.parameters):
        if parameter.levels is not None and parameter.levels < 2**30:
            values = parameter.decode(points[:, column])
            assert parameter.decode(parameter.encode(values)) == values


@given(spaces())
def test_text_round_trip_is_exact(specs: list) -> None:  # type: ignore[type-arg]
    space = read_space(specs)
    for assignment in space.decode(randomness.uniforms(2, 0, 16, space.dimension)):
        assert space.parse(space.format(assignment)) == assignment


@given(spaces())
def test_coordinates_outside_the_cube_are_clamped(specs: list) -> None:  # type: ignore[type-arg]
    space = read_space(specs)
    outside = np.array([[-3.0] * space.dimension, [1.0] * space.dimension, [7.0] * space.dimension])
    assert all(assignment in space for assignment in space.decode(outside))


@given(spaces(most=3))
def test_points_are_all_points_once(specs: list) -> None:  # type: ignore[type-arg]
    space = read_space(specs)
    if space.size is None or space.size > 3000:
        return
    points = [space.point(index) for index in range(space.size)]
    assert all(point in space for point in points)
    assert len({space.key(point) for point in points}) == space.size


def test_encode_marks_missing_values() -> None:
    space = SearchSpace((Int("a", 0, 9), Categorical("b", ("x", "y"))))
    points = space.encode([{"a": 3}, {"b": "y"}, {"a": 9, "b": "x"}])
    assert np.isnan(points).tolist() == [[False, True], [True, False], [False, False]]


# ---------------------------------------------------------------- lattices


def test_a_lattice_carries_no_float_dust() -> None:
    parameter = Double("x", "0", "1", "0.1")
    texts = [parameter.format(parameter.value(level)) for level in range(11)]
    assert texts == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]


def test_a_lattice_is_anchored_at_min_and_stays_below_max() -> None:
    parameter = Double("x", "0.05", "1", "0.3")
    assert [parameter.value(level) for level in range(parameter.levels or 0)] == [
        0.05,
        0.35,
        0.65,
        0.95,
    ]
    assert Int("n", "1", "10", "4").decode(UNITS)[::500] == [1, 5, 9]


@given(
    st.integers(-(2**62), 2**62) | st.integers(-1000, 1000),
    st.integers(1, 2**20),
    st.integers(1, 50),
    st.lists(st.integers(-5, 2**26)),
)
def test_the_nearest_level_of_an_int_is_exact(
    low: int, step: int, last: int, away: list[int]
) -> None:
    parameter = Int("n", str(low), str(low + last * step), str(step))
    levels = [min(max(round(Fraction(a, step)), 0), last) for a in away]
    assert [parameter.level(low + a) for a in away] == levels
    decoded = parameter.decode(parameter.encode([low + a for a in away]))
    assert decoded == [low + level * step for level in levels]


@given(
    st.decimals(-1000, 1000, places=3),
    st.decimals("0.001", 10, places=3),
    st.integers(0, 500),
)
def test_every_lattice_point_is_the_float_next_to_its_decimal(low, step, count) -> None:  # type: ignore[no-untyped-def]
    high = low + step * max(count, 1)
    parameter = Double("x", str(low), str(high), str(step))
    assert parameter.levels is not None
    assert parameter.levels == max(count, 1) + 1
    for level in range(parameter.levels):
        assert parameter.value(level) == float(low + level * step)
        assert parameter.level(float(low + level * step)) == level


def test_min_equal_to_max_is_one_value() -> None:
    assert Double("x", "0.1", "0.1").decode(UNITS) == [0.1] * len(UNITS)
    assert Double("x", "0.1", "0.1", "0.5").levels == 1
    assert Int("n", 3, 3).levels == 1
    assert Int("n", 3, 3, distribution=LOG).decode(UNITS) == [3] * len(UNITS)


def test_a_range_of_few_floats_is_a_lattice_of_them() -> None:
    parameter = Double("x", "1", "1.0000000000000009")
    assert parameter.levels == 5
    assert len(set(parameter.decode(UNITS))) == 5
    assert Double("x", "0", "5e-324").decode(np.array([0.0, 1.0])) == [0.0, 5e-324]


@pytest.mark.parametrize(
    "parameter",
    [
        Double("x", "-1.7e308", "1.7e308"),
        Double("x", "5e-324", "1.7e308", distribution=LOG),
        Double("x", "1e-320", "1e308", distribution=Distribution.LOG_NORMAL),
        Double("x", "-1.7e308", "1.7e308", distribution=Distribution.NORMAL),
        Int("x", -(2**63), 2**63 - 1),
        Int("x", 1, 2**63 - 1, distribution=LOG),
    ],
)
def test_extreme_ranges_do_not_overflow(parameter: Parameter) -> None:
    values = parameter.decode(UNITS)
    assert all(value in parameter for value in values)
    assert values == sorted(values)
    assert values[0] == parameter.min and values[-1] == parameter.max  # type: ignore[attr-defined]  # noqa: PT018


# ------------------------------------------------------------- distributions
# Deterministic: fixed seeds. At 20,000 draws the critical value of Kolmogorov-Smirnov at 1e-4 is
# 0.0157; a prior that is linear instead of logarithmic misses it by a factor of 40.

DRAWS = 20_000
CRITICAL = 2.22 / math.sqrt(DRAWS)


def _truncated(low: float, high: float) -> stats.rv_continuous:
    return stats.truncnorm(-3, 3, loc=(low + high) / 2, scale=(high - low) / 6)


@pytest.mark.parametrize(
    ("prior", "cdf"),
    [
        (Distribution.UNIFORM, stats.uniform(0.001, 9.999).cdf),
        (LOG, stats.loguniform(0.001, 10).cdf),
        (Distribution.NORMAL, _truncated(0.001, 10).cdf),
        (
            Distribution.LOG_NORMAL,
            lambda x: _truncated(math.log(0.001), math.log(10)).cdf(np.log(x)),
        ),
    ],
)
def test_a_continuous_prior_is_the_declared_one(prior: Distribution, cdf: object) -> None:
    parameter = Double("x", "0.001", "10", distribution=prior)
    units = randomness.uniforms(5, 0, DRAWS, 1)[:, 0]
    values = np.array(parameter.decode(units))
    assert stats.kstest(values, cdf).statistic < CRITICAL
    np.testing.assert_allclose(parameter.encode(list(values)), units, atol=1e-9)


def _lattice_probabilities(parameter: Int, cdf: Callable[[Array], Array]) -> Array:
    middles = np.arange(parameter.min, parameter.max + 1)
    edges = np.clip(np.append(middles - 0.5, middles[-1] + 0.5), parameter.min, parameter.max)
    return np.diff(cdf(edges))


@pytest.mark.parametrize(
    ("prior", "cdf"),
    [
        (LOG, stats.loguniform(1, 20).cdf),
        (Distribution.NORMAL, _truncated(1, 20).cdf),
        (Distribution.LOG_NORMAL, lambda x: _truncated(0, math.log(20)).cdf(np.log(x))),
    ],
)
def test_a_lattice_takes_the_nearest_point_of_the_prior(
    prior: Distribution, cdf: Callable[[Array], Array]
) -> None:
    parameter = Int("n", 1, 20, distribution=prior)
    expected = _lattice_probabilities(parameter, cdf)
    low, high = parameter.cells(np.arange(20))
    np.testing.assert_allclose(high - low, expected, atol=1e-12)
    drawn = np.bincount(parameter.decode(randomness.uniforms(5, 0, DRAWS, 1)[:, 0]), minlength=21)
    assert stats.chisquare(drawn[1:], expected * DRAWS).pvalue > 1e-4


def test_a_uniform_lattice_draws_all_points_alike() -> None:
    for parameter in (
        Int("n", 1, 10),
        Double("x", "0", "0.9", "0.1"),
        Discrete("d", tuple("0123456789")),
    ):
        drawn = parameter.decode((np.arange(1000) + 0.5) / 1000)
        assert np.unique(drawn, return_counts=True)[1].tolist() == [100] * 10


# ------------------------------------------------------------------- lists


def test_discrete_values_are_ordered_by_number_and_returned_verbatim() -> None:
    parameter = Discrete("d", ("10", "1e-3", " 0.5 ", "2."))
    values = parameter.decode(np.array([0.1, 0.3, 0.6, 0.9]))
    assert values == [0.001, 0.5, 2.0, 10.0]
    assert [parameter.format(value) for value in values] == ["1e-3", " 0.5 ", "2.", "10"]
    assert parameter.parse("0.50") == 0.5
    assert parameter.parse("0.6") is None


def test_categories_are_verbatim() -> None:
    parameter = Categorical("c", (" a", "A", "none"))
    assert parameter.decode(np.array([0.0, 0.5, 1.0])) == [" a", "A", "none"]
    assert parameter.parse("a") is None


# -------------------------------------------------------------------- trials


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (Double("x", 0, 1), "0.25", 0.25),
        (Double("x", 0, 1), " 1e-3 ", 0.001),
        (Double("x", 0, 1), "1.5", None),
        (Double("x", 0, 1), "nan", None),
        (Double("x", 0, 1, 0.5), "0.3", 0.3),
        (Int("n", 0, 10), "3", 3),
        (Int("n", 0, 10), "3.0", 3),
        (Int("n", 0, 10), "3.5", None),
        (Int("n", 0, 10), "11", None),
        (Int("n", 0, 10), "9" * 5000, None),
        (Int("n", 0, 2**63 - 1), "9007199254740993", 9007199254740993),
        (Discrete("d", ("1", "2")), "2.0", 2.0),
        (Discrete("d", ("1", "2")), "three", None),
        (Categorical("c", ("a",)), "b", None),
    ],
)
def test_parse_takes_what_fits(parameter: Parameter, text: str, value: object) -> None:
    assert parameter.parse(text) == value


def test_out_of_space_values_are_left_out() -> None:
    space = read_space(list(MIXED))
    texts = {"lr": "0.01", "layers": "99", "optimizer": "rmsprop", "other": "1"}
    assert space.parse(texts) == {"lr": 0.01}


# --------------------------------------------------------------------- rules

RULES = [
    (lambda: Double("x", "1", "0"), "parameter 'x': min must not exceed max, got min = 1, max = 0"),
    (lambda: Double("x", "0", "1", "0"), "step must be greater than 0, got step = '0'"),
    (lambda: Double("x", "0", "1", "-1"), "step must be greater than 0, got step = '-1'"),
    (
        lambda: Double("x", "0", "1", "2"),
        "step must not be wider than the range of 1.0, got step = 2",
    ),
    (
        lambda: Double("lr", "0", "1", distribution=LOG),
        "parameter 'lr': logUniform needs min > 0, got min = 0",
    ),
    (
        lambda: Int("n", "-1", "1", distribution=Distribution.LOG_NORMAL),
        "parameter 'n': logNormal needs min > 0, got min = -1",
    ),
    (lambda: Double("x", "nan", "1"), "min must be a finite number, got 'nan'"),
    (lambda: Double("x", "0", "inf"), "max must be a finite number, got 'inf'"),
    (lambda: Double("x", "", "1"), "min must be a finite number, got ''"),
    (lambda: Double("x", "0", "1e999"), "max must be a finite number, got '1e999'"),
    (lambda: Double("x", "0", "1_0"), "max must be a finite number, got '1_0'"),
    (lambda: Double("x", "0", "\u0661"), "max must be a finite number"),
    (lambda: Double("x", "0", "9" * 200), "max must be a finite number"),
    (lambda: Int("n", "0.5", "3"), "min of an int must be whole, got min = '0.5'"),
    (lambda: Int("n", "0", "3", "0.5"), "step of an int must be whole, got step = '0.5'"),
    (lambda: Int("n", "0", "1e30"), "max of an int must fit into 64 bits, got max = '1e30'"),
    (lambda: Discrete("d", ()), "parameter 'd': list must not be empty"),
    (lambda: Discrete("d", ("1", "a")), "must be finite numbers, got 'a'"),
    (lambda: Discrete("d", ("1", "inf")), "must be finite numbers, got 'inf'"),
    (lambda: Discrete("d", ("1", "1.0")), "must differ, got '1.0' again, the same as '1'"),
    (lambda: Categorical("c", ("a", "a")), "parameter 'c': list entries must differ, got 'a'"),
    (lambda: Categorical("c", ("a", "")), "list entries must not be empty, got ''"),
    (lambda: Int("", 0, 1), "parameter name must not be empty"),
    (lambda: Int("n" * 300, 0, 1), "name must have at most 253 characters, got 300"),
    (lambda: SearchSpace(()), "the search space must have at least one parameter"),
    (lambda: SearchSpace((Int("a", 0, 1), Int("a", 0, 2))), "'a': name must not be used twice"),
]


@pytest.mark.parametrize(("declare", "text"), RULES, ids=[text for _, text in RULES])
def test_a_broken_rule_is_named(declare: object, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        declare()  # type: ignore[operator]
    assert text in str(caught.value)


def test_all_violations_come_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        Double("x", "-1", "inf", "0", LOG)
    locations = [violation.location for violation in caught.value.violations]
    assert locations == [("max",), ("step",), ("min",)]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1.0), (" 3 ", 3.0), ("1e-5", 1e-5), ("+.5", 0.5), ("5.", 5.0), ("-0", 0.0)]
    + [(text, None) for text in ("", " ", "1,5", "0x10", "1e", "--1", "inf", "NaN", "1e400")],
)
def test_numbers_are_read_as_yaml_writes_them(text: str, number: float | None) -> None:
    assert parse_number(text) == number
