"""The search space: what each parameter may be, and its place in the unit cube.

Every parameter maps its values to one coordinate in [0, 1] such that its prior, whatever the
distribution, is uniform there. A parameter with finitely many values divides [0, 1] into one cell
a value, as wide as the value is probable; ``encode`` gives the middle of the cell, ``decode`` the
value in whose cell a coordinate lies. So ``decode(encode(v)) == v``, and an algorithm that works
in the unit cube honours distribution, step and list without knowing of them.
"""

from __future__ import annotations

import enum
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.errors import Invalid, Violation, quote

Array: TypeAlias = NDArray[np.float64]
Value: TypeAlias = float | int | str
Assignment: TypeAlias = Mapping[str, Value]

LONGEST_NAME: Final = 253  # characters; the limit of Kubernetes for names of objects
LONGEST_NUMBER: Final = 100  # characters

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
# A double whose range holds fewer floats than this is a lattice of them: independent draws from
# it would repeat.
_FEW_FLOATS: Final = 2**40
_EXACT: Final = 2**53  # above it not every integer is a float


class Distribution(enum.Enum):
    """The prior of a numeric parameter, named as in an Experiment file."""

    UNIFORM = "uniform"
    LOG_UNIFORM = "logUniform"
    NORMAL = "normal"
    LOG_NORMAL = "logNormal"

    @property
    def is_log(self) -> bool:
        return self in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)

    @property
    def is_normal(self) -> bool:
        return self in (Distribution.NORMAL, Distribution.LOG_NORMAL)


def parse_number(text: str) -> float | None:
    """The finite number that `text` writes, or None (``inf``, ``nan``, ``1_000``, nothing)."""
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _exact(number: str | float | int | Decimal) -> Fraction | None:
    """`number` without rounding, or None if it is no finite number within a float's range."""
    text = str(number)
    rounded = parse_number(text)
    if rounded is None:
        return None
    # Below the smallest float a fraction would need a denominator of any size.
    return Fraction(Decimal(text.strip())) if rounded else Fraction(0)


# ------------------------------------------------------------------ parameters


class Parameter(ABC):
    """One coordinate of the search space. Immutable; compared and hashed by its declaration."""

    __slots__ = ()

    name: str
    #: How many values there are; None if there is a continuum.
    levels: int | None
    #: Whether neighbouring coordinates mean similar values.
    ordered: bool = True
    #: Whether all values are equally probable.
    is_uniform: bool = True

    @abstractmethod
    def encode(self, values: Sequence[Value]) -> Array:
        """Coordinates in [0, 1] of `values`, shape (n,)."""

    @abstractmethod
    def decode(self, units: Array) -> list[Value]:
        """The values at coordinates `units`, shape (n,); beyond [0, 1] the nearest one."""

    @abstractmethod
    def value(self, level: int) -> Value:
        """The `level`-th value, ``0 <= level < levels``, in ascending or listed order."""

    @abstractmethod
    def level(self, value: Value) -> int:
        """The inverse of `value`; for a number between two lattice points the nearer one."""

    @abstractmethod
    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        """Lower and upper ends, in [0, 1], of the cells of `levels`; each of shape (n,)."""

    @abstractmethod
    def parse(self, text: str) -> Value | None:
        """The value that a trial's `text` stands for, or None if it is not in the range."""

    @abstractmethod
    def format(self, value: Value) -> str:
        """`value` as a trial receives it."""

    @abstractmethod
    def __contains__(self, value: object) -> bool:
        """Whether `value` may be suggested: in the range, on the lattice, of the right type."""


@dataclass(frozen=True, slots=True)
class _Numeric(Parameter):
    """What Double and Int share: a range, a lattice, a distribution."""

    name: str
    min: Any
    max: Any
    step: Any = None
    distribution: Distribution = Distribution.UNIFORM
    levels: int | None = field(init=False, repr=False, compare=False, default=None)
    # Lattice point k is (_first + k * _stride) / _scale: of integers, so that only the division
    # rounds.
    _first: int = field(init=False, repr=False, compare=False, default=0)
    _stride: int = field(init=False, repr=False, compare=False, default=1)
    _scale: int = field(init=False, repr=False, compare=False, default=1)

    def __post_init__(self) -> None:
        found = _name_violations(self.name)
        numbers: dict[str, Fraction] = {}
        for key in ("min", "max", "step"):
            given = getattr(self, key)
            if key == "step" and (given is None or given == ""):
                continue
            number = _exact(given)
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
        elif low is not None and high is not None and step is not None and 0 < high - low < step:
            found.append(
                self._violation(
                    "step",
                    f"step must not be wider than the range of {float(high - low)!r}, "
                    f"got step = {str(self.step).strip()}",
                )
            )
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

    def _violation(self, key: str, text: str) -> Violation:
        return Violation((key,), f"parameter {quote(self.name)}: {text}")

    @abstractmethod
    def _number_rule(self, key: str, number: Fraction) -> str | None:
        """The rule that `number` breaks as this parameter's min, max or step."""

    @abstractmethod
    def _settle(self, low: Fraction, high: Fraction, step: Fraction | None) -> None:
        """Replaces the declared numbers by their canonical ones."""

    @property
    def is_uniform(self) -> bool:  # type: ignore[override]
        return self.distribution is Distribution.UNIFORM or self.levels == 1

    def _set_lattice(self, low: Fraction, high: Fraction, step: Fraction) -> None:
        scale = math.lcm(low.denominator, step.denominator)
        object.__setattr__(self, "levels", (high - low) // step + 1)
        object.__setattr__(self, "_first", int(low * scale))
        object.__setattr__(self, "_stride", int(step * scale))
        object.__setattr__(self, "_scale", scale)

    # The prior: a position in [0, 1] along the range, linear or logarithmic, and the distribution
    # of that position. Mean (min+max)/2 and deviation (max-min)/6 put min and max at -3 and +3
    # deviations, whatever the range.

    def _position(self, numbers: Array) -> Array:
        low, high = float(self.min), float(self.max)
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
        low, high = float(self.min), float(self.max)
        if not self.distribution.is_log:
            numbers = low * (1 - positions) + high * positions
        elif high / 2 < low:
            numbers = low + low * np.expm1(positions * math.log1p((high - low) / low))
        else:
            logs = math.log(low) * (1 - positions) + math.log(high) * positions
            numbers = np.exp(np.minimum(logs, 709.7))  # exp(709.8) overflows
        # The ends exactly, which logarithms would miss.
        numbers = np.where(positions <= 0, self.min, np.where(positions >= 1, self.max, numbers))
        return np.clip(numbers, self.min, self.max).astype(np.float64)

    def _cumulative(self, numbers: Array) -> Array:
        """Prior probability of a value below each of `numbers`, shape (n,)."""
        positions = self._position(numbers)
        if not self.distribution.is_normal:
            return positions
        below = np.array([math.erfc((3 - 6 * t) / math.sqrt(2)) / 2 for t in positions.tolist()])
        return np.clip((below - _PHI_MINUS_3) / (1 - 2 * _PHI_MINUS_3), 0.0, 1.0)

    def _quantile(self, units: Array) -> Array:
        """The inverse of `_cumulative`, shape (n,)."""
        positions = units
        if self.distribution.is_normal:
            shares = _PHI_MINUS_3 + units * (1 - 2 * _PHI_MINUS_3)
            from statistics import NormalDist  # noqa: PLC0415  (a MiB that few spaces need)

            inverse = NormalDist().inv_cdf
            deviations = np.array([inverse(p) for p in shares.tolist()])
            positions = np.clip(deviations / 6 + 0.5, 0.0, 1.0)
            positions = np.where(units <= 0, 0.0, np.where(units >= 1, 1.0, positions))
        return self._at_position(positions)

    def _number(self, level: int) -> float:
        return (self._first + level * self._stride) / self._scale

    def _nearest(self, numbers: Array) -> list[int]:
        """Levels of the lattice points next to `numbers`, shape (n,)."""
        assert self.levels is not None
        last = self.levels - 1
        if max(abs(self._first), self._stride, self._scale, last) < _EXACT:
            nearest = np.rint((numbers * self._scale - self._first) / self._stride)
            return [int(level) for level in np.clip(nearest, 0, last).tolist()]
        exact = [Fraction(number) for number in numbers.tolist()]
        levels = [round((x * self._scale - self._first) / self._stride) for x in exact]
        return [min(max(level, 0), last) for level in levels]

    def level(self, value: Value) -> int:
        return self._nearest(np.array([value], dtype=np.float64))[0]

    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        assert self.levels is not None
        if self.is_uniform:
            return levels / self.levels, (levels + 1) / self.levels
        first, stride = self._first / self._scale, self._stride / self._scale
        middles = first + stride * levels.astype(np.float64)
        floor = math.nextafter(0, 1) if self.distribution.is_log else -math.inf
        low = self._cumulative(np.maximum(middles - stride / 2, floor))
        high = self._cumulative(middles + stride / 2)
        return np.where(levels == 0, 0.0, low), np.where(levels == self.levels - 1, 1.0, high)

    def _encode_levels(self, levels: list[int] | NDArray[np.int64]) -> Array:
        assert self.levels is not None
        if self.levels >= _EXACT:  # cells are narrower than the spacing of floats
            return np.array([(int(k) + 0.5) / self.levels for k in levels], dtype=np.float64)
        low, high = self.cells(np.asarray(levels, dtype=np.int64))
        return (low + high) / 2

    def _decode_levels(self, units: Array) -> list[int]:
        assert self.levels is not None
        units = np.clip(units, 0.0, 1.0)
        if not self.is_uniform:
            return self._nearest(self._quantile(units))
        last = self.levels - 1
        if last < _EXACT:
            cells = np.minimum(units * self.levels, last).astype(np.int64)
            return [*cells.tolist()]
        return [min(int(cell), last) for cell in (units * self.levels).tolist()]


_PHI_MINUS_3: Final = math.erfc(3 / math.sqrt(2)) / 2


@dataclass(frozen=True, slots=True)
class Double(_Numeric):
    """A real number in [min, max]; with `step` only min, min + step, min + 2 step, ...

    Args:
        name: Not empty.
        min, max, step: Numbers, or texts of numbers; texts are taken at their exact decimal value,
            so that lattice points carry no float dust.
        distribution: Of the value, truncated to the range; on a lattice, of the value before it
            is rounded to the nearest point (uniform: all points alike).

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    def _number_rule(self, key: str, number: Fraction) -> str | None:
        return "step must be greater than 0" if key == "step" and number <= 0 else None

    def _settle(self, low: Fraction, high: Fraction, step: Fraction | None) -> None:
        object.__setattr__(self, "min", float(low))
        object.__setattr__(self, "max", float(high))
        object.__setattr__(self, "step", None if step is None else float(step))
        if step is not None:
            self._set_lattice(low, high, step)
            return
        spacing = Fraction(math.ulp(max(abs(self.min), abs(self.max))))
        if (high - low) < spacing * _FEW_FLOATS:
            self._set_lattice(Fraction(self.min), Fraction(self.max), spacing)

    def value(self, level: int) -> float:
        return self._number(level)

    def encode(self, values: Sequence[Value]) -> Array:
        numbers = np.array(values, dtype=np.float64)
        if self.levels is None:
            return self._cumulative(numbers)
        return self._encode_levels(self._nearest(numbers))

    def decode(self, units: Array) -> list[Value]:
        if self.levels is None:
            return [*self._quantile(np.clip(units, 0.0, 1.0)).tolist()]
        return [self._number(k) for k in self._decode_levels(units)]

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
        return self.levels is None or value == self._number(self.level(value))


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
        return self._first + level * self._stride

    def level(self, value: Value) -> int:
        assert self.levels is not None
        level, rest = divmod(int(value) - self._first, self._stride)
        if 2 * rest + level % 2 > self._stride:  # halfway to the even one, as round() does
            level += 1
        return min(max(level, 0), self.levels - 1)

    def encode(self, values: Sequence[Value]) -> Array:
        assert self.levels is not None
        if not -_EXACT < self.min <= self.max < _EXACT:  # steps between them overflow an int64
            return self._encode_levels([self.level(v) for v in values])
        offsets = np.array(values, dtype=np.int64) - self._first
        levels, rests = np.divmod(offsets, self._stride)
        levels += 2 * rests + levels % 2 > self._stride  # as `level` does, one by one
        return self._encode_levels(np.clip(levels, 0, self.levels - 1))

    def decode(self, units: Array) -> list[Value]:
        return [self.value(k) for k in self._decode_levels(units)]

    def parse(self, text: str) -> int | None:
        if len(text) > LONGEST_NUMBER:
            return None
        try:
            whole = int(text)
        except ValueError:  # 3.0, 1e3
            number = parse_number(text)
            if number is None or not number.is_integer():
                return None
            whole = int(Decimal(text.strip()))
        return whole if self.min <= whole <= self.max else None

    def format(self, value: Value) -> str:
        return str(int(value))

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return bool(self.min <= value <= self.max and (value - self._first) % self._stride == 0)


@dataclass(frozen=True, slots=True)
class _Listed(Parameter):
    """What Discrete and Categorical share: a list of texts, all alike probable."""

    name: str
    values: tuple[str, ...]  # verbatim

    def __post_init__(self) -> None:
        found = _name_violations(self.name)
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            found.append(self._violation("list must not be empty"))
        seen: dict[object, str] = {}
        for entry in self.values:
            identity = self._identity(entry)
            if identity is None:
                found.append(self._violation(f"{self._entry_rule}, got {quote(entry)}"))
            elif identity in seen:
                same = "" if seen[identity] == entry else f", the same as {quote(seen[identity])}"
                found.append(
                    self._violation(f"list entries must differ, got {quote(entry)} again{same}")
                )
            else:
                seen[identity] = entry
        if found:
            raise Invalid(found)
        self._settle()

    _entry_rule = ""

    @abstractmethod
    def _identity(self, entry: str) -> object | None:
        """What makes `entry` differ from others; None if it may not be in the list."""

    @abstractmethod
    def _settle(self) -> None:
        """Computes what is derived from the list."""

    def _violation(self, text: str) -> Violation:
        return Violation(("list",), f"parameter {quote(self.name)}: {text}")

    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        count = len(self.values)
        return levels / count, (levels + 1) / count

    def encode(self, values: Sequence[Value]) -> Array:
        levels = np.array([self.level(v) for v in values], dtype=np.float64)
        return (levels + 0.5) / len(self.values)

    def decode(self, units: Array) -> list[Value]:
        last = len(self.values) - 1
        cells = np.clip(units, 0.0, 1.0) * len(self.values)
        return [self.value(min(int(cell), last)) for cell in cells.tolist()]


@dataclass(frozen=True, slots=True)
class Discrete(_Listed):
    """One of a list of numbers, ordered by size whatever the order of the list.

    Inside, a value is its number (a float); to a trial it is written as in the list.

    Args:
        name: Not empty.
        values: Texts of finite numbers, all different.

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    levels: int = field(init=False, repr=False, compare=False, default=0)
    numbers: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())
    _levels: dict[float, int] = field(init=False, repr=False, compare=False, default_factory=dict)
    _texts: dict[float, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    _entry_rule = "list entries of a discrete parameter must be finite numbers"

    def _identity(self, entry: str) -> float | None:
        return parse_number(entry)

    def _settle(self) -> None:
        texts = {float(text): text for text in self.values}
        object.__setattr__(self, "numbers", tuple(sorted(texts)))
        object.__setattr__(self, "levels", len(texts))
        object.__setattr__(self, "_levels", {x: k for k, x in enumerate(self.numbers)})
        object.__setattr__(self, "_texts", texts)

    def value(self, level: int) -> float:
        return self.numbers[level]

    def level(self, value: Value) -> int:
        return self._levels[value]  # type: ignore[index]

    def parse(self, text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            return None
        return number if number in self._levels else None

    def format(self, value: Value) -> str:
        return self._texts[value]  # type: ignore[index]

    def __contains__(self, value: object) -> bool:
        return isinstance(value, float) and value in self._levels


@dataclass(frozen=True, slots=True)
class Categorical(_Listed):
    """One of a list of texts, without an order.

    Args:
        name: Not empty.
        values: Texts, not empty, all different.

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    ordered = False
    levels: int = field(init=False, repr=False, compare=False, default=0)
    _levels: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    _entry_rule = "list entries must not be empty"

    def _identity(self, entry: str) -> str | None:
        return entry or None

    def _settle(self) -> None:
        object.__setattr__(self, "levels", len(self.values))
        object.__setattr__(self, "_levels", {text: k for k, text in enumerate(self.values)})

    def value(self, level: int) -> str:
        return self.values[level]

    def level(self, value: Value) -> int:
        return self._levels[value]  # type: ignore[index]

    def parse(self, text: str) -> str | None:
        return text if text in self._levels else None

    def format(self, value: Value) -> str:
        return str(value)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and value in self._levels


def _name_violations(name: str) -> list[Violation]:
    if not name:
        return [Violation(("name",), "parameter name must not be empty")]
    if len(name) > LONGEST_NAME:
        return [
            Violation(
                ("name",),
                f"parameter {quote(name)}: name must have at most {LONGEST_NAME} characters, "
                f"got {len(name)}",
            )
        ]
    return []


# ----------------------------------------------------------------------- space


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """A tuple of parameters with different names, and its unit cube.

    Raises:
        Invalid: No parameters, or a name used twice.
    """

    parameters: tuple[Parameter, ...]
    #: Number of points; None if any parameter is continuous.
    size: int | None = field(init=False, repr=False, compare=False, default=None)
    _values: Callable[[Assignment], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        found = []
        if not self.parameters:
            found.append(Violation(("space",), "the search space must have at least one parameter"))
        seen: set[str] = set()
        for index, parameter in enumerate(self.parameters):
            if parameter.name in seen:
                found.append(
                    Violation(
                        ("parameters", index, "name"),
                        f"parameter {quote(parameter.name)}: name must not be used twice",
                    )
                )
            seen.add(parameter.name)
        if found:
            raise Invalid(found)
        object.__setattr__(self, "_values", itemgetter(*(p.name for p in self.parameters)))
        levels = [parameter.levels for parameter in self.parameters]
        if all(count is not None for count in levels):
            object.__setattr__(self, "size", math.prod(n for n in levels if n is not None))

    @property
    def dimension(self) -> int:
        """Number of parameters, and of columns in the unit cube."""
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def encode(self, assignments: Sequence[Assignment]) -> Array:
        """Points of the unit cube, shape (n, dimension); NaN where an assignment lacks a name.

        Values between lattice points are taken at the nearest one.
        """
        points = np.full((len(assignments), self.dimension), np.nan)
        for column, parameter in enumerate(self.parameters):
            name = parameter.name
            try:
                points[:, column] = parameter.encode([a[name] for a in assignments])
            except KeyError:
                rows = [row for row, a in enumerate(assignments) if name in a]
                points[rows, column] = parameter.encode([assignments[row][name] for row in rows])
        return points

    def decode(self, points: Array) -> list[Assignment]:
        """The assignments at `points`, shape (n, dimension): clamped, and on the lattice."""
        names = [parameter.name for parameter in self.parameters]
        columns = [p.decode(points[:, k]) for k, p in enumerate(self.parameters)]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def snap(self, points: Array) -> Array:
        """`points` moved to the middle of the cell they lie in; continuous columns are clamped."""
        snapped = np.clip(points, 0.0, 1.0)
        for column, parameter in enumerate(self.parameters):
            if parameter.levels is not None:
                snapped[:, column] = parameter.encode(parameter.decode(points[:, column]))
        return snapped

    def point(self, index: int) -> Assignment:
        """The `index`-th of all `size` points, the last parameter running fastest."""
        values: dict[str, Value] = {}
        for parameter in reversed(self.parameters):
            assert parameter.levels is not None, "a continuous space cannot be enumerated"
            index, level = divmod(index, parameter.levels)
            values[parameter.name] = parameter.value(level)
        return {parameter.name: values[parameter.name] for parameter in self.parameters}

    def key(self, assignment: Assignment) -> tuple[Value, ...]:
        """What two complete assignments have in common if they are the same point."""
        values: Any = self._values(assignment)
        return values if len(self.parameters) > 1 else (values,)

    def __contains__(self, assignment: object) -> bool:
        """Whether `assignment` has an allowed value for every parameter, and nothing else."""
        return (
            isinstance(assignment, Mapping)
            and len(assignment) == self.dimension
            and all(p.name in assignment and assignment[p.name] in p for p in self.parameters)
        )

    def format(self, assignment: Assignment) -> dict[str, str]:
        """The texts that a trial receives, in the order of the parameters."""
        return {p.name: p.format(assignment[p.name]) for p in self.parameters}

    def parse(self, texts: Mapping[str, str]) -> Assignment:
        """Return the values of `texts` that fit the space.

        Names that the space lacks, and values outside their range, are left out.
        """
        return self.parser()(texts)

    def parser(self) -> Callable[[Mapping[str, str]], Assignment]:
        """`parse` for the trials of one request.

        It remembers the texts of lattices and lists, which come again and again.
        """
        parsers = [
            (p.name, p.parse if p.levels is None else cache(p.parse)) for p in self.parameters
        ]

        def parse(texts: Mapping[str, str]) -> Assignment:
            values: dict[str, Value] = {}
            for name, value_of in parsers:
                text = texts.get(name)
                if text is not None:
                    value = value_of(text)
                    if value is not None:
                        values[name] = value
            return values

        return parse
