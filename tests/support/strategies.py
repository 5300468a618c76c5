"""Hypothesis strategies: search spaces, and requests of every kind."""

from __future__ import annotations

import sys

from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from tests.support.requests import categorical, discrete, double, integer

PRIORS = st.sampled_from([0, api.UNIFORM, api.LOG_UNIFORM, api.NORMAL, api.LOG_NORMAL])


def _number(value: float) -> str:
    return repr(value)


@st.composite
def doubles(draw: st.DrawFn, name: str) -> api.ParameterSpec:
    prior = draw(PRIORS)
    positive = prior in (api.LOG_UNIFORM, api.LOG_NORMAL)
    low = draw(st.floats(1e-9, 1e6) if positive else st.floats(-1e6, 1e6))
    width = draw(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)))
    high = low + width
    step = ""
    if draw(st.booleans()) and high > low:
        step = _number((high - low) / draw(st.floats(1.01, 200)))
    return double(name, _number(low), _number(high), step, prior)


@st.composite
def integers(draw: st.DrawFn, name: str) -> api.ParameterSpec:
    prior = draw(PRIORS)
    positive = prior in (api.LOG_UNIFORM, api.LOG_NORMAL)
    low = draw(st.integers(1 if positive else -1000, 1000))
    high = low + draw(st.sampled_from([0, 1, 2, 7, 100, 10**6]))
    step = "" if high == low else str(draw(st.integers(1, min(high - low, 50))))
    return integer(name, str(low), str(high), step, prior)


def parameters(name: str) -> st.SearchStrategy[api.ParameterSpec]:
    numbers = st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True)
    words = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5, unique=True)
    return st.one_of(
        doubles(name),
        integers(name),
        numbers.map(lambda values: discrete(name, *map(str, values))),
        words.map(lambda values: categorical(name, *values)),
    )


@st.composite
def spaces(draw: st.DrawFn, most: int = 5) -> list[api.ParameterSpec]:
    count = draw(st.integers(1, most))
    return [draw(parameters(f"p{index}")) for index in range(count)]


@st.composite
def fine_integers(draw: st.DrawFn, name: str) -> api.ParameterSpec:
    """Ints whose numbers, or whose number of values, floats do not tell apart."""
    prior = draw(PRIORS)
    positive = prior in (api.LOG_UNIFORM, api.LOG_NORMAL)
    offsets = [1, 5, 2**40, 2**53 - 3, 2**53, 2**62]
    low = draw(st.sampled_from(offsets if positive else [*offsets, 0, -(2**63), -(2**53) - 1]))
    widths = [0, 1, 5, 70_000, 2**40, 2**53 - 1, 2**53, 2**60, 2**64]
    high = min(low + draw(st.sampled_from(widths)), 2**63 - 1)
    step = draw(st.sampled_from(["", "", "3", str(2**30 + 1)]))
    return integer(
        name, str(low), str(high), step if step and int(step) < high - low else "", prior
    )


LARGEST = repr(sys.float_info.max)


@st.composite
def fine_doubles(draw: st.DrawFn, name: str) -> api.ParameterSpec:
    """Doubles whose numbers are tiny, or close together, or far from 0."""
    prior = draw(PRIORS)
    positive = prior in (api.LOG_UNIFORM, api.LOG_NORMAL)
    least = st.sampled_from(["5e-324", "1e-320", "1e-300", "1e-3", "0.1", "1", "1e15", "1e300"])
    lows = (
        least
        if positive
        else st.one_of(least, st.sampled_from(["0", f"-{LARGEST}", "-28283.27417"]))
    )
    low = draw(lows)
    highs = ["5e-324", "1e-323", "1e-310", "1e-3", "1", "1.0000000000000009", "6.77e15", LARGEST]
    high = draw(st.sampled_from([text for text in highs if float(text) >= float(low)] or [low]))
    steps = ["", "", "5e-324", "1e-310", "1e-17", "1e-15", "1e-9", "0.3", "1", "1e290"]
    step = draw(st.sampled_from(steps))
    return double(name, low, high, step, prior)


def fine_parameters(name: str) -> st.SearchStrategy[api.ParameterSpec]:
    """Parameters at the end of what floats can tell apart; some of them break a rule."""
    return st.one_of(fine_integers(name), fine_doubles(name))


@st.composite
def fine_spaces(draw: st.DrawFn, most: int) -> list[api.ParameterSpec]:
    """Up to `most` parameters, one of them at the end of what floats can tell apart."""
    others = [draw(parameters(f"p{index}")) for index in range(draw(st.integers(0, most - 1)))]
    return [*others, draw(fine_parameters(f"p{len(others)}"))]
