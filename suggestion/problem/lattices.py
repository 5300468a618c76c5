"""Equally spaced numbers, without rounding errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from suggestion.problem.parameters import Array

#: Above it not every integer is a float.
EXACT: Final = 2**53
# Up to so many steps from 0 floats tell the points of a lattice apart.
_FLOAT_STEPS: Final = 2**50


@dataclass(frozen=True, slots=True)
class Lattice:
    """The numbers ``(first + k * stride) / scale``, ``0 <= k < levels``.

    All of these are integers, so that only the division rounds.
    """

    first: int
    stride: int
    scale: int
    levels: int

    @classmethod
    def over(cls, low: Fraction, high: Fraction, step: Fraction) -> Lattice:
        """Return the numbers low, low + step, ... that do not exceed `high`."""
        scale = math.lcm(low.denominator, step.denominator)
        return cls(int(low * scale), int(step * scale), scale, (high - low) // step + 1)

    def number(self, level: int) -> float:
        """Return the number at `level`."""
        return (self.first + level * self.stride) / self.scale

    def exact(self, level: int) -> Fraction:
        """Return the number at `level` before it is rounded."""
        return Fraction(self.first + level * self.stride, self.scale)

    def floor(self, number: Fraction) -> int:
        """Return the last level whose exact number is at most `number`, else 0."""
        level = (number * self.scale - self.first) // self.stride
        return min(max(level, 0), self.levels - 1)

    def nearest(self, numbers: Array) -> list[int]:
        """Return the levels of the points next to `numbers`, shape (n,)."""
        last = self.levels - 1
        if max(abs(self.first), self.stride, self.scale, last) < EXACT and (
            abs(self.first) + last * self.stride < _FLOAT_STEPS * self.stride
        ):
            nearest = np.rint((numbers * self.scale - self.first) / self.stride)
            return [int(level) for level in np.clip(nearest, 0, last).tolist()]
        exact = [Fraction(number) for number in numbers.tolist()]
        levels = [round((x * self.scale - self.first) / self.stride) for x in exact]
        return [min(max(level, 0), last) for level in levels]
