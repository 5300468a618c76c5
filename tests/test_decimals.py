"""The decimals of continuous parameters: near, short, inside, and the same on every processor."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.numerics import randomness, sampling
from suggestion.problem import priors
from suggestion.problem.decimals import DIGITS, exact_quantile
from suggestion.problem.numeric import Double
from suggestion.problem.priors import Distribution, Prior
from suggestion.problem.space import SearchSpace

UNITS = randomness.uniforms(1, 0, 64, 1)[:, 0]
SIZES = st.floats(1e-300, 1e300)


@st.composite
def doubles(draw: st.DrawFn) -> Double:
    """Continuous parameters of all kinds, from narrow to wider than the square root of floats."""
    distribution = draw(st.sampled_from(Distribution))
    low, width = draw(SIZES), draw(SIZES)
    if not distribution.is_log:
        low *= draw(st.sampled_from([-1, 0, 1]))
    high = low + width
    parameter = Double("x", low, high if math.isfinite(high) else 1e308, distribution=distribution)
    return parameter if parameter.levels is None else Double("x", 1, 2, distribution=distribution)


@given(doubles())
def test_a_suggested_number_is_the_decimal_next_to_the_exact_quantile(parameter: Double) -> None:
    prior = Prior(parameter.distribution, parameter.min, parameter.max)
    width = Fraction(parameter.max) - Fraction(parameter.min)
    for unit, number in zip(UNITS.tolist(), parameter.decode(UNITS), strict=True):
        assert parameter.min <= number <= parameter.max
        exact = Fraction(exact_quantile(prior, unit))
        scale = min(width, exact) if parameter.distribution.is_log else width
        assert abs(Fraction(number) - exact) <= scale / 10 ** (DIGITS - 1)
        own = Decimal(repr(number))
        least = _exponent(width) if not parameter.distribution.is_log else _exponent(scale)
        assert int(own.normalize().as_tuple().exponent) >= least - (DIGITS - 1)


def _exponent(size: Fraction) -> int:
    """Return the exponent of the first digit of `size`, or one less just above a power of ten."""
    return (Decimal(size.numerator) / Decimal(size.denominator) * Decimal("0.999999")).adjusted()


@pytest.mark.parametrize("distribution", Distribution)
def test_a_decimal_past_all_floats_is_the_largest_of_them(distribution: Distribution) -> None:
    low = 5e-324 if distribution.is_log else -sys.float_info.max
    parameter = Double("x", low, sys.float_info.max, distribution=distribution)
    ends = parameter.decode(np.array([0.0, 1 - 2.0**-53, 1.0]))
    assert ends[0] == low
    assert ends[-1] == sys.float_info.max
    assert ends == sorted(ends)


@given(doubles())
def test_a_suggested_number_stands_for_itself(parameter: Double) -> None:
    numbers = parameter.decode(UNITS)
    assert parameter.decode(parameter.encode(numbers)) == numbers
    assert [parameter.parse(parameter.format(number)) for number in numbers] == numbers


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("steps", [-2, 2])
def test_last_digits_of_elementary_functions_decide_nothing(
    distribution: Distribution, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor whose exp and log differ by two units in the last place."""
    parameter = Double("x", 1e-5, 3, distribution=distribution)
    units = randomness.uniforms(7, 0, 20_000, 1)[:, 0]
    expected = parameter.decode(units)

    class Numpy:
        def __getattr__(self, name: str) -> Any:
            function = getattr(np, name)
            if name not in ("exp", "log", "log1p", "expm1"):
                return function
            return lambda x: (y := function(x)) + steps * np.spacing(y)

    monkeypatch.setattr(priors, "np", Numpy())
    quantile = Prior(distribution, parameter.min, parameter.max).quantile(units)
    monkeypatch.undo()
    changed = bool(
        (quantile != Prior(distribution, parameter.min, parameter.max).quantile(units)).any()
    )
    assert changed == distribution.is_log
    monkeypatch.setattr(priors, "np", Numpy())
    assert parameter.decode(units) == expected


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [("0.1", "0.7", "0.4"), ("1e-5", "1", "0.500005"), ("-1", "1", "0.0")],
)
def test_the_middle_of_a_range_is_written_as_short_as_it_is(
    low: str, high: str, middle: str
) -> None:
    parameter = Double("x", low, high)
    assert [parameter.format(x) for x in parameter.decode(np.array([0.5]))] == [middle]


def test_one_continuous_parameter_alone_does_not_repeat() -> None:
    """Of 10^9 decimals 40,000 draws would hold a pair more often than not."""
    space = SearchSpace((Double("x", 0, 1),))
    points = sampling.independent(space, 3, 0, 40_000)
    assert len({point["x"] for point in points}) == 40_000
    assert sampling.independent(space, 3, 39_990, 10) == points[39_990:]
