"""Parameters from the distributions of ``scipy.stats``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol, SupportsFloat, runtime_checkable

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.spaces import Parameter, Range, integer, log_uniform, uniform

# Quantiles between which a distribution is searched, so that it may be unbounded.
_LOWEST: Final = 0.001
_HIGHEST: Final = 0.999


@runtime_checkable
class Distribution(Protocol):
    """A frozen distribution of ``scipy.stats``: ``scipy.stats.expon(scale=2)``."""

    def ppf(self, q: float) -> SupportsFloat:
        """Return a quantile."""
        ...

    def support(self) -> tuple[SupportsFloat, SupportsFloat]:
        """Return the bounds, both included."""
        ...


def from_distribution(given: Distribution, place: str = "space") -> Parameter[object]:
    """Return the parameter that a distribution stands for.

    Algorithms see uniform, log-uniform and ``randint`` as they are, and the quantile of any other
    one, from 0.1% to 99.9%.

    Args:
        place: What it is called in error messages.

    Raises:
        InvalidArgument: If its parameters make no distribution.
    """
    name = getattr(getattr(given, "dist", None), "name", "")
    low, high = (float(bound) for bound in given.support())
    if math.isnan(low) or math.isnan(high):
        rule = "must be a distribution: its scale or shape is out of range"
        shown: object = getattr(given, "kwds", None) or getattr(given, "args", ())
        raise InvalidArgument([BrokenRule(place, f"{rule}, got {name}{shown}")])
    if name == "uniform":
        return uniform(low, high)
    if name in ("loguniform", "reciprocal"):
        return log_uniform(low, high)
    if name == "randint":
        return integer(int(low), int(high))
    discrete = hasattr(given, "pmf") or hasattr(getattr(given, "dist", None), "pmf")
    return Range(_quantile(given, discrete), repr(_LOWEST), repr(_HIGHEST))


def _quantile(given: Distribution, discrete: bool) -> Callable[[str], object]:
    def read(text: str) -> object:
        value = float(given.ppf(float(text)))
        return int(value) if discrete else value

    return read
