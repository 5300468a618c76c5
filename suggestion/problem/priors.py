"""The priors of numeric parameters: distributions over a range."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
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
class Prior:
    """A distribution over the numbers from `low` to `high`.

    It is the distribution of a position in [0, 1] along the range, linear or logarithmic. Mean
    (low+high)/2 and deviation (high-low)/6 put `low` and `high` at -3 and +3 deviations, whatever
    the range.
    """

    low: float
    high: float
    distribution: Distribution

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
        return np.clip(positions, 0.0, 1.0)

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
        return np.clip(numbers, low, high)

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
            positions = np.clip(deviations / 6 + 0.5, 0.0, 1.0)
            positions = np.where(units <= 0, 0.0, np.where(units >= 1, 1.0, positions))
        return self._at_position(positions)
