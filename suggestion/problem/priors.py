"""The priors of numeric parameters: distributions over a range."""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from suggestion.problem.parameters import Array

_PHI_MINUS_3: Final = math.erfc(3 / math.sqrt(2)) / 2


class Distribution(enum.Enum):
    """The prior of a numeric parameter, named as in an Experiment file."""

    UNIFORM = "uniform"
    LOG_UNIFORM = "logUniform"
    NORMAL = "normal"
    LOG_NORMAL = "logNormal"

    @property
    def is_log(self) -> bool:
        """Whether it is one of the logarithm."""
        return self in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)

    @property
    def is_normal(self) -> bool:
        """Whether it is bell-shaped."""
        return self in (Distribution.NORMAL, Distribution.LOG_NORMAL)


@dataclass(frozen=True, slots=True)
class _Ranged(ABC):
    """A distribution over a range.

    It is the distribution of a position in [0, 1] along the range, linear or logarithmic. Mean
    (min+max)/2 and deviation (max-min)/6 put min and max at -3 and +3 deviations, whatever the
    range.
    """

    distribution: Distribution

    @abstractmethod
    def _position(self, numbers: Array) -> Array:
        """Return positions of `numbers`, shape (n,), along the range."""

    @abstractmethod
    def _at_position(self, positions: Array) -> Array:
        """Return the inverse of `_position`, shape (n,)."""

    def cumulative(self, numbers: Array) -> Array:
        """Return the probability of a value below each of `numbers`, shape (n,)."""
        positions = self._position(numbers)
        if not self.distribution.is_normal:
            return positions
        below = np.array([math.erfc((3 - 6 * t) / math.sqrt(2)) / 2 for t in positions.tolist()])
        return np.clip((below - _PHI_MINUS_3) / (1 - 2 * _PHI_MINUS_3), 0.0, 1.0)

    def quantile(self, units: Array) -> Array:
        """Return the inverse of `cumulative`, shape (n,)."""
        positions = units
        if self.distribution.is_normal:
            shares = _PHI_MINUS_3 + units * (1 - 2 * _PHI_MINUS_3)
            from statistics import NormalDist  # noqa: PLC0415  (a MiB that few spaces need)

            inverse = NormalDist().inv_cdf
            deviations = np.array([inverse(p) for p in shares.tolist()])
            positions = (deviations / 6 + 0.5).clip(0.0, 1.0)
            positions = np.where(units <= 0, 0.0, np.where(units >= 1, 1.0, positions))
        return self._at_position(positions)


@dataclass(frozen=True, slots=True)
class Prior(_Ranged):
    """A distribution over the numbers from `low` to `high`."""

    low: float
    high: float

    def _position(self, numbers: Array) -> Array:
        low, high = self.low, self.high
        if not self.distribution.is_log:
            # Halved, because max - min of two floats can overflow.
            positions = (numbers / 2 - low / 2) / (high / 2 - low / 2)
        elif high / 2 < low:
            # The difference of two logarithms would lose the digits of a narrow range.
            positions = np.log1p((numbers - low) / low) / math.log1p((high - low) / low)
        else:
            positions = (np.log(numbers) - math.log(low)) / (math.log(high) - math.log(low))
        return positions.clip(0.0, 1.0)

    def _at_position(self, positions: Array) -> Array:
        low, high = self.low, self.high
        if not self.distribution.is_log:
            numbers = low * (1 - positions) + high * positions
        elif high / 2 < low:
            numbers = low + low * np.expm1(positions * math.log1p((high - low) / low))
        else:
            logs = math.log(low) * (1 - positions) + math.log(high) * positions
            numbers = np.exp(np.minimum(logs, 709.7))  # exp(709.8) overflows
        # The ends exactly, which logarithms would miss.
        numbers = np.where(positions <= 0, low, np.where(positions >= 1, high, numbers))
        return numbers.clip(low, high)


@dataclass(frozen=True, slots=True)
class StepPrior(_Ranged):
    """A distribution over a lattice, in numbers of steps from its first point.

    Floats have too few digits for the numbers of such a lattice, or for their cells, but enough
    for the distances between them.

    Attributes:
        first: The first point, in steps from 0; only logarithms need it.
        log_first: Its logarithm, also where `first` is too small for a float.
        width: Width of the range.
    """

    first: float
    log_first: float
    width: float

    @classmethod
    def over(cls, low: Fraction, high: Fraction, distribution: Distribution) -> StepPrior:
        """Return the distribution over the range from `low` to `high`, both in steps."""
        log_first = 0.0
        if distribution.is_log:
            log_first = math.log(low.numerator) - math.log(low.denominator)
        return cls(distribution, float(low), log_first, float(high - low))

    @property
    def _narrow(self) -> bool:
        return self.width < self.first

    def _position(self, numbers: Array) -> Array:
        if not self.distribution.is_log:
            positions = numbers / self.width
        elif self._narrow:
            numbers = np.maximum(numbers, 0.0)
            positions = np.log1p(numbers / self.first) / math.log1p(self.width / self.first)
        else:
            logs = np.log(np.maximum(self.first + numbers, math.nextafter(0, 1)))
            positions = (logs - self.log_first) / self._log_width
        return positions.clip(0.0, 1.0)

    @property
    def _log_width(self) -> float:
        return math.log(self.first + self.width) - self.log_first

    def _at_position(self, positions: Array) -> Array:
        if not self.distribution.is_log:
            numbers = positions * self.width
        elif self._narrow:
            numbers = self.first * np.expm1(positions * math.log1p(self.width / self.first))
        else:
            numbers = np.exp(self.log_first + positions * self._log_width) - self.first
        # The end exactly, which logarithms would miss.
        return np.where(positions >= 1, self.width, numbers.clip(0.0, self.width))
