"""Numeric parameters: a range, a distribution, and with a step a lattice."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.decimals import Decimals
from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.lattices import EXACT, Lattice
from suggestion.problem.numbers import LONGEST_NUMBER, exact, parse_number
from suggestion.problem.parameters import Array, Parameter, Value, name_violations
from suggestion.problem.priors import Distribution, Prior, StepPrior

_INT64: Final = range(-(2**63), 2**63)
# A double whose range holds fewer floats than this is a lattice of them: independent draws from
# it would repeat.
_FEW_FLOATS: Final = 2**40
# Lattices with numbers of more steps than this, or with numbers so small that their halves lose
# digits, are measured in steps.
_FINE: Final = 2**40
_TINY: Final = Fraction(2) ** -960
# Doubles below it have fewer digits.
_LEAST_PRECISE: Final = sys.float_info.min


@dataclass(frozen=True, slots=True)
class _Numeric(Parameter):
    """What Double and Int share: a range, a lattice, a distribution."""

    name: str
    min: Any
    max: Any
    step: Any = None
    distribution: Distribution = Distribution.UNIFORM
    levels: int | None = field(init=False, repr=False, compare=False, default=None)
    _prior: Prior | StepPrior = field(init=False, repr=False, compare=False)
    _lattice: Lattice | None = field(init=False, repr=False, compare=False, default=None)
    _decimals: Decimals | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        found = name_violations(self.name)
        numbers: dict[str, Fraction] = {}
        for key in ("min", "max", "step"):
            given = getattr(self, key)
            if key == "step" and (given is None or given == ""):
                continue
            number = exact(given)
            if number is None:
                found.append(
                    self._violation(key, f"{key} must be a finite number, got {quote(given)}")
                )
            elif rule := self._number_rule(key, number):
                found.append(self._violation(key, f"{rule}, got {key} = {quote(given)}"))
            else:
                numbers[key] = number
        low, high, step = (numbers.get(key) for key in ("min", "max", "step"))
        if low is not None and high is not None and low > high:
            found.append(
                self._violation(
                    "min",
                    f"min must not exceed max, got min = {str(self.min).strip()}, "
                    f"max = {str(self.max).strip()}",
                )
            )
        elif (
            low is not None
            and high is not None
            and step is not None
            and (rule := self._step_rule(low, high, step))
        ):
            found.append(self._violation("step", f"{rule}, got step = {str(self.step).strip()}"))
        if self.distribution.is_log and low is not None and low <= 0:
            found.append(
                self._violation(
                    "min",
                    f"{self.distribution.value} needs min > 0, got min = {str(self.min).strip()}",
                )
            )
        if found:
            raise Invalid(found)
        assert low is not None
        assert high is not None
        self._settle(low, high, step)
        prior = self._make_prior(low, high)
        object.__setattr__(self, "_prior", prior)
        if self._lattice is None:
            assert isinstance(prior, Prior)
            object.__setattr__(self, "_decimals", Decimals.of(prior))

    def _make_prior(self, low: Fraction, high: Fraction) -> Prior | StepPrior:
        lattice = self._lattice
        if lattice is not None and self.step is None:  # of floats: the declared ends lie between
            low, high = lattice.exact(0), lattice.exact(lattice.levels - 1)
        if lattice is not None and low < high:
            step = Fraction(lattice.stride, lattice.scale)
            largest = max(abs(low), abs(high))
            if largest >= step * _FINE or largest < _TINY:
                return StepPrior.over(low / step, high / step, self.distribution)
        return Prior(self.distribution, float(self.min), float(self.max))

    def _violation(self, key: str, text: str) -> Violation:
        return Violation((key,), f"parameter {quote(self.name)}: {text}")

    @abstractmethod
    def _number_rule(self, key: str, number: Fraction) -> str | None:
        """The rule that `number` breaks as this parameter's min, max or step."""

    def _step_rule(self, low: Fraction, high: Fraction, step: Fraction) -> str | None:
        """The rule that `step` breaks in the range from `low` to `high`."""
        if 0 < high - low < step:
            return f"step must not be wider than the range of {float(high - low)!r}"
        return None

    @abstractmethod
    def _settle(self, low: Fraction, high: Fraction, step: Fraction | None) -> None:
        """Replace the declared numbers by their canonical ones, and set the lattice."""

    def _set_lattice(self, low: Fraction, high: Fraction, step: Fraction) -> None:
        lattice = Lattice.over(low, high, step)
        object.__setattr__(self, "_lattice", lattice)
        object.__setattr__(self, "levels", lattice.levels)

    @property
    def lattice(self) -> Lattice:
        """The lattice of a parameter that has `levels`."""
        assert self._lattice is not None, "a continuous parameter has no lattice"
        return self._lattice

    @property
    def is_uniform(self) -> bool:  # type: ignore[override]
        return self.distribution is Distribution.UNIFORM or self.levels == 1

    def level(self, value: Value) -> int:
        return self.lattice.nearest(np.array([value], dtype=np.float64))[0]

    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        assert self.levels is not None
        if self.is_uniform:
            return levels / self.levels, (levels + 1) / self.levels
        return self._cells(levels.astype(np.float64))

    def _cells(self, levels: Array) -> tuple[Array, Array]:
        """Return `cells` of a parameter that is not uniform."""
        assert self.levels is not None
        first, stride = 0.0, 1.0
        if isinstance(self._prior, Prior):
            lattice = self.lattice
            first, stride = lattice.first / lattice.scale, lattice.stride / lattice.scale
        middles = first + stride * levels
        floor = math.nextafter(0, 1) if self.distribution.is_log else -math.inf
        low = self._prior.cumulative(np.maximum(middles - stride / 2, floor))
        high = self._prior.cumulative(middles + stride / 2)
        return np.where(levels == 0, 0.0, low), np.where(levels >= self.levels - 1, 1.0, high)

    def _encode_levels(self, levels: list[int] | NDArray[np.int64]) -> Array:
        assert self.levels is not None
        if not self.is_uniform:
            low, high = self._cells(np.array(levels, dtype=np.float64))
        elif self.levels >= EXACT:  # cells are narrower than the spacing of floats
            return np.array([(int(k) + 0.5) / self.levels for k in levels], dtype=np.float64)
        else:
            low, high = self.cells(np.asarray(levels, dtype=np.int64))
        return (low + high) / 2

    def _decode_levels(self, units: Array) -> list[int]:
        assert self.levels is not None
        units = units.clip(0.0, 1.0)
        last = self.levels - 1
        if not self.is_uniform:
            numbers = self._prior.quantile(units)
            if isinstance(self._prior, Prior):
                return self.lattice.nearest(numbers)
            return [min(round(steps), last) for steps in numbers.tolist()]
        if last < EXACT:
            cells = np.minimum(units * self.levels, last).astype(np.int64)
            return [*cells.tolist()]
        return [min(int(cell), last) for cell in (units * self.levels).tolist()]


@dataclass(frozen=True, slots=True)
class Double(_Numeric):
    """A real number in [min, max]; with `step` only min, min + step, min + 2 step, ...

    Args:
        name: Not empty.
        min, max, step: Numbers, or texts of numbers; texts are taken at their exact decimal value,
            so that lattice points have no rounding errors.
        distribution: Of the value, truncated to the range; on a lattice, of the value before it
            is rounded to the nearest point (uniform: all points alike).

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    def _number_rule(self, key: str, number: Fraction) -> str | None:
        return "step must be greater than 0" if key == "step" and number <= 0 else None

    def _step_rule(self, low: Fraction, high: Fraction, step: Fraction) -> str | None:
        largest = max(abs(float(low)), abs(float(high)))
        spacing = largest - math.nextafter(largest, 0)
        exact = Fraction(spacing or 1)
        if low == high or step >= 2 * exact or not (low % exact or step % exact):
            # `super()` does not know its class in a dataclass with slots.
            return _Numeric._step_rule(self, low, high, step)
        return f"step must be at least twice the {spacing!r} between doubles near {largest!r}"

    def _settle(self, low: Fraction, high: Fraction, step: Fraction | None) -> None:
        least, most = _inward(self.min, low, math.inf), _inward(self.max, high, -math.inf)
        if least > most:  # no double is between them: the nearest stand for them
            least, most = float(low), float(high)
        object.__setattr__(self, "min", least)
        object.__setattr__(self, "max", most)
        object.__setattr__(self, "step", None if step is None else float(step))
        if step is not None:
            self._set_lattice(low, high, step)
            return
        spacing = Fraction(math.ulp(max(abs(self.min), abs(self.max))))
        if (high - low) < spacing * _FEW_FLOATS:
            # Below a power of two floats are closer to each other; multiples are floats everywhere.
            first = -(-Fraction(self.min) // spacing) * spacing
            self._set_lattice(first, Fraction(self.max), spacing)

    def value(self, level: int) -> float:
        # Rounding may take the first and the last point out of the range.
        number: float = min(max(self.lattice.number(level), self.min), self.max)
        return number

    def encode(self, values: Sequence[Value]) -> Array:
        numbers = np.array(values, dtype=np.float64)
        if self.levels is None:
            return self._prior.cumulative(numbers)
        return self._encode_levels(self.lattice.nearest(numbers))

    def decode(self, units: Array) -> list[Value]:
        if self._decimals is not None:
            return [*self._decimals.at(units.clip(0.0, 1.0))]
        value = self.value
        return [value(k) for k in self._decode_levels(units)]

    def parse(self, text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            return None
        return number if self.min <= number <= self.max else None

    def format(self, value: Value) -> str:
        return repr(float(value))

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, float) or not self.min <= value <= self.max:
            return False
        return self.levels is None or value == self.value(self.level(value))


def _inward(given: Any, number: Fraction, towards: float) -> float:
    """Return the double for an end of a range: as it is written, it is in the range.

    Args:
        given: The end as it was declared.
        number: Its exact value.
        towards: The infinity in whose direction the range is.
    """
    nearest = float(number)
    if len(str(given)) <= sys.float_info.dig and abs(nearest) > _LEAST_PRECISE:
        return nearest  # it is written with the same digits
    written = Fraction(Decimal(repr(nearest)))
    outside = written < number if towards > 0 else written > number
    return math.nextafter(nearest, towards) if outside else nearest


@dataclass(frozen=True, slots=True)
class Int(_Numeric):
    """A whole number min + k*step in [min, max]; `step` is 1 unless given.

    Args and errors as for `Double`; bounds and step must be whole and fit into 64 bits.
    """

    def _number_rule(self, key: str, number: Fraction) -> str | None:
        if number.denominator != 1:
            return f"{key} of an int must be whole"
        if int(number) not in _INT64:
            return f"{key} of an int must fit into 64 bits"
        return "step must be greater than 0" if key == "step" and number <= 0 else None

    def _settle(self, low: Fraction, high: Fraction, step: Fraction | None) -> None:
        object.__setattr__(self, "min", int(low))
        object.__setattr__(self, "max", int(high))
        object.__setattr__(self, "step", 1 if step is None else int(step))
        self._set_lattice(low, high, Fraction(self.step))

    def value(self, level: int) -> int:
        return self.lattice.first + level * self.lattice.stride

    def level(self, value: Value) -> int:
        assert self.levels is not None
        lattice = self.lattice
        level, rest = divmod(int(value) - lattice.first, lattice.stride)
        if 2 * rest + level % 2 > lattice.stride:  # halfway to the even one, as round() does
            level += 1
        return min(max(level, 0), self.levels - 1)

    def encode(self, values: Sequence[Value]) -> Array:
        assert self.levels is not None
        if not -EXACT < self.min <= self.max < EXACT:  # steps between them overflow an int64
            return self._encode_levels([self.level(v) for v in values])
        lattice = self.lattice
        offsets = np.array(values, dtype=np.int64) - lattice.first
        levels, rests = np.divmod(offsets, lattice.stride)
        levels += 2 * rests + levels % 2 > lattice.stride  # as `level` does, one by one
        return self._encode_levels(np.clip(levels, 0, self.levels - 1))

    def decode(self, units: Array) -> list[Value]:
        first, stride = self.lattice.first, self.lattice.stride
        return [first + k * stride for k in self._decode_levels(units)]

    def parse(self, text: str) -> int | None:
        if len(text) > LONGEST_NUMBER:
            return None
        try:
            whole = int(text)
        except ValueError:  # 3.0, 1e3
            number = parse_number(text)
            if number is None or not number.is_integer():
                return None
            whole = int(Decimal(text.strip())) if number else 0
        return whole if self.min <= whole <= self.max else None

    def format(self, value: Value) -> str:
        return str(int(value))

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        lattice = self.lattice
        return bool(self.min <= value <= self.max and (value - lattice.first) % lattice.stride == 0)
