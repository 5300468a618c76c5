"""Spaces at the end of what floats can tell apart: the distribution is right, or a rule refuses."""

from __future__ import annotations

import math
import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.numerics.sampling import independent
from suggestion.problem.errors import Exhausted, Invalid
from suggestion.problem.numbers import exact
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace
from tests.support.cases import NAMES, case_of, suggest
from tests.support.requests import ask_for, experiment, integer, points_of, trial
from tests.support.strategies import fine_parameters

UNITS = np.array([0.0, *(random.Random(1).random() for _ in range(30)), 1.0])


def _read(spec: api.ParameterSpec) -> Double | Int:
    message = experiment("random", [spec])
    try:
        (parameter,) = wire.read_problem(message).space.parameters
    except Invalid:
        reject()
    assert isinstance(parameter, Double | Int)
    return parameter


def _below(parameter: Double | Int, spec: api.ParameterSpec, level: Decimal) -> float:
    """The prior probability of less than `level` steps above min, to many digits."""
    if parameter.is_uniform:
        assert parameter.levels is not None
        return float((level + Decimal(1) / 2) / parameter.levels)
    lattice = parameter.lattice
    step = Fraction(lattice.stride, lattice.scale)
    low, high = exact(spec.feasible_space.min), exact(spec.feasible_space.max)
    assert low is not None
    assert high is not None
    width = (high - low) / step
    position = level * width.denominator / width.numerator
    if parameter.distribution.is_log:
        first = low / step
        ends = (Decimal(first.numerator) / Decimal(first.denominator)).ln()
        total = Decimal((first + width).numerator) / Decimal((first + width).denominator)
        here = max(Decimal(first.numerator) / Decimal(first.denominator) + level, Decimal("1e-999"))
        position = (here.ln() - ends) / (total.ln() - ends)
    at = min(max(float(position), 0.0), 1.0)
    if not parameter.distribution.is_normal:
        return at
    tail = math.erfc(3 / math.sqrt(2)) / 2
    return (math.erfc((3 - 6 * at) / math.sqrt(2)) / 2 - tail) / (1 - 2 * tail)


@settings(max_examples=150)
@given(spec=fine_parameters("x"))
def test_values_have_the_declared_distribution(spec: api.ParameterSpec) -> None:
    parameter = _read(spec)
    values = parameter.decode(UNITS)
    assert all(value in parameter for value in values)
    assert values == sorted(values)
    units = parameter.encode(values)
    assert np.all((units >= 0) & (units <= 1))
    assert np.all(np.diff(units) >= 0)
    if parameter.levels is None:
        return
    for unit, value in zip(UNITS.tolist(), values, strict=True):
        level = parameter.level(value)
        with localcontext() as context:
            context.prec = 60
            half = Decimal(1) / 2
            low = _below(parameter, spec, level - half) if level else 0.0
            high = _below(parameter, spec, level + half) if level < parameter.levels - 1 else 1.0
        assert low - 1e-9 <= unit <= high + 1e-9


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(data=st.data())
def test_no_algorithm_has_a_bug_there(name: str, data: st.DataObject) -> None:
    case = case_of(name)
    specs = [
        data.draw(fine_parameters(f"p{index}")) for index in range(data.draw(st.integers(1, 3)))
    ]
    message = case.experiment([*specs, integer("n", "1", "3")], name=f"e{len(specs)}")
    assume(message is not None)
    assert message is not None
    trials: list[api.Trial] = []
    try:
        for _ in range(3):
            reply = suggest(ask_for(message, 4, len(trials) + 4, trials))
            for values in points_of(reply):
                loss = repr(math.sin(len(trials)))
                trials.append(trial(f"t{len(trials)}", values, loss))
    except Exhausted:
        pass


def test_constant_spaces_are_suggested_by_every_algorithm() -> None:
    for estimator in ("GP", "RF", "ET", "GBRT"):
        settings_ = [("base_estimator", estimator), ("n_initial_points", "2")]
        message = experiment("bayesianoptimization", [integer("n", "3", "3")], settings=settings_)
        trials = [trial(f"t{index}", {"n": "3"}, str(index)) for index in range(5)]
        assert points_of(suggest(ask_for(message, 1, 6, trials))) == [{"n": "3"}]


def test_a_tiny_number_is_read_as_0() -> None:
    assert Int("n", 0, 10).parse("1e-9999999999999999999999") == 0
    assert Int("n", 1, 10).parse("1e-9999999999999999999999") is None


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [("1", "1000", "1e-24"), ("0", "1", "1e-310"), ("-28283.2741782491", "6.77e15", "1")],
)
def test_a_step_finer_than_floats_is_refused(low: str, high: str, step: str) -> None:
    with pytest.raises(Invalid, match=r"'x': step must be at least twice the .* between doubles"):
        Double("x", low, high, step)


def test_points_of_huge_spaces_differ_in_every_parameter() -> None:
    space = SearchSpace(tuple(Int(f"n{index}", 0, 2**63 - 1) for index in range(30)))
    points = independent(space, 7, 0, 40)
    for parameter in space.parameters:
        values = [point[parameter.name] for point in points]
        assert len(set(values)) == len(values)
        assert 2**61 < sum(float(value) for value in values) / len(values) < 3 * 2**61


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        ("9007199254740993", "9007199254740999", ""),
        ("9007199254740993", "4.3587367469666e+282", "2.1793683734833e+282"),
        ("-9007199254740999", "-9007199254740993", ""),
        ("9007199254740993", "9007199254741013", "4"),
        ("0.30000000000000000001", "0.5999999999999999999", ""),
        ("0", "4.9e-324", ""),
    ],
)
def test_bounds_that_no_double_holds_are_kept(low: str, high: str, step: str) -> None:
    """A double is written with 17 digits at most; what is written is in the range all the same."""
    parameter = Double("x", low, high, step)
    values = parameter.decode(UNITS)
    written = [Decimal(parameter.format(value)) for value in values]
    assert all(Decimal(low) <= value <= Decimal(high) for value in written)
    assert all(value in parameter for value in values)
    if step:
        first, last = parameter.value(0), parameter.value(parameter.lattice.levels - 1)
        assert {first, last} <= set(values)
        assert [parameter.level(first), parameter.level(last)] == [0, parameter.lattice.levels - 1]


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("9007199254740991", "9007199254740994"),  # on both sides of a power of two
        ("0.9999999999999998", "1.0000000000000004"),
        ("0.4999999999999999", "0.5000000000000003"),
        ("0.000208", "0.00020800000000000012"),
        ("1e-320", "1.1e-320"),
    ],
)
def test_few_floats_have_a_share_each(low: str, high: str, distribution: Distribution) -> None:
    parameter = Double("x", low, high, None, distribution)
    assert parameter.levels is not None
    levels = np.arange(parameter.levels)
    below, above = parameter.cells(levels)
    assert np.all(above > below)
    values = [parameter.value(level) for level in levels.tolist()]
    assert [parameter.level(value) for value in values] == levels.tolist()
    assert all(value in parameter for value in values)
    assert values == sorted(set(values))
    assert float(low) <= values[0] < values[-1] <= float(high)
